"""`rowspace transform`: vectors to better, smaller or comparable ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rowspace.cli.output import emit_json, json_option
from rowspace.errors import ConfigError
from rowspace.space.alignment import align
from rowspace.space.compress import KINDS, CompressionQuality, compress_vectors, measure_compression
from rowspace.space.formats import choose, load, save
from rowspace.space.transforms import all_but_the_top, pca, reduce_dim, whiten
from rowspace.space.vectors import Vectors

_K = 10
_EPILOG = (
    "Steps are taken in the order of this list, whatever the order given. IN and OUT are as in "
    "`convert`; quantized vectors are a .safetensors file that every command reads."
)


@click.command(epilog=_EPILOG)
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--all-but-the-top",
    "n_components",
    type=click.IntRange(min=0),
    metavar="N",
    help="Remove the mean and the N strongest directions (Mu & Viswanath 2018).",
)
@click.option(
    "--reduce",
    "reduced_dim",
    type=click.IntRange(min=1),
    metavar="DIM",
    help="PCA to DIM numbers between two all-but-the-tops of 7 (Raunak et al. 2019).",
)
@click.option(
    "--pca", "pca_dim", type=click.IntRange(min=1), metavar="DIM", help="Keep DIM principal axes."
)
@click.option("--whiten", "whitened", is_flag=True, help="Give every axis the same variance.")
@click.option(
    "--align-to",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Turn the space onto MODEL's by their common words (orthogonal Procrustes).",
)
@click.option(
    "--quantize",
    type=click.Choice(KINDS),
    help="A byte a number (ranges by dimension or row), or product quantization.",
)
@click.option(
    "--parts",
    type=click.IntRange(min=1),
    help="Bytes a vector with --quantize pq.  [default: a quarter of the dimension]",
)
@json_option
def transform(
    source: Path,
    out: Path,
    n_components: int | None,
    reduced_dim: int | None,
    pca_dim: int | None,
    whitened: bool,
    align_to: Path | None,
    quantize: str | None,
    parts: int | None,
    as_json: bool,
) -> None:
    """Write the vectors of IN to OUT: cleaned, smaller, turned onto others, quantized."""
    if quantize is not None and out.suffix != ".safetensors":
        raise ConfigError(f"quantized vectors are a .safetensors file; rename {str(out)!r}")
    if parts is not None and quantize != "pq":
        raise ConfigError("--parts is for --quantize pq; leave it out")
    before = load(source)
    _ = before.norms  # says which vector holds NaN, where one does
    if quantize is None:
        choose(before, out)  # says that the suffix is unknown before the work, not after
    vectors = _clean(before, n_components, reduced_dim, pca_dim, whitened)
    alignment = None if align_to is None else align(vectors, load(align_to))
    if alignment is not None:
        vectors = alignment.map.transform(vectors)
    if vectors is before and quantize is None:
        raise ConfigError("no transform is named; give one, such as --all-but-the-top 2")
    quality = _write(vectors, out, quantize, parts)
    n_earlier = len(before.metadata.get("transforms", []))
    result: dict[str, Any] = {
        "in": str(source),
        "out": str(out),
        "words": len(vectors),
        "dim": vectors.dim,
        "steps": vectors.metadata.get("transforms", [])[n_earlier:],
        "alignment": None
        if alignment is None
        else {"anchors": len(alignment.anchors), "residual": alignment.residual},
        "quantized": None if quality is None else vars(quality),
    }
    if as_json:
        emit_json(result)
        return
    click.echo(f"read {len(before):,} vectors of {before.dim} numbers: {source}")
    _print(result)
    if hasattr(before, "bucket"):
        click.echo("its subwords are not kept, so unknown words have no vector")
    if quality is not None:
        _print_quality(quality)


def _clean(
    vectors: Vectors,
    n_components: int | None,
    reduced_dim: int | None,
    pca_dim: int | None,
    whitened: bool,
) -> Vectors:
    """The steps that need nothing but the vectors; without any, the same object."""
    if n_components is not None:
        vectors = all_but_the_top(vectors.matrix, n_components).transform(vectors)
    if reduced_dim is not None:
        vectors = reduce_dim(vectors, reduced_dim)
    if pca_dim is not None:
        vectors = pca(vectors.matrix, pca_dim).transform(vectors)
    if whitened:
        vectors = whiten(vectors.matrix).transform(vectors)
    return vectors


def _print(result: dict[str, Any]) -> None:
    if result["steps"]:
        click.echo(f"steps: {', '.join(result['steps'])}")
    if result["alignment"]:
        click.echo(
            f"aligned by {result['alignment']['anchors']:,} common words; residual "
            f"{result['alignment']['residual']:.3f}, 0 is the same space turned"
        )
    click.echo(f"wrote {result['words']:,} vectors of {result['dim']} numbers: {result['out']}")


def _write(
    vectors: Vectors, out: Path, quantize: str | None, parts: int | None
) -> CompressionQuality | None:
    """Write the vectors; for quantized ones, how right they still are, where there are enough."""
    if quantize is None:
        save(vectors, out)
        return None
    compressed = compress_vectors(vectors, quantize, n_parts=parts)
    compressed.save(out)
    if len(vectors) < 2:
        return None
    return measure_compression(vectors, compressed, k=min(_K, len(vectors) - 1))


def _print_quality(quality: CompressionQuality) -> None:
    times = quality.original_bytes / quality.bytes_per_vector
    click.echo(
        f"{quality.bytes_per_vector} bytes a vector instead of {quality.original_bytes}, "
        f"{times:.1f} times smaller"
    )
    click.echo(
        f"reconstruction error {quality.relative_error:.2%} of the variance; lower is better"
    )
    click.echo(
        f"recall@{quality.k} {quality.recall_at_k:.3f}: share of the {quality.k} nearest words "
        f"still found, of {quality.n_queries:,} words; 1 is best"
    )
