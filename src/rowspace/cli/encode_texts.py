"""`rowspace encode` of whole texts: by this process, as one of several, or on a cluster."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowspace.cli.output import emit_json
from rowspace.errors import ConfigError
from rowspace.sentence.text_encoding import EncodingSettings, load_encoding
from rowspace.space.encoding import EncodingReport, encode_corpus
from rowspace.space.encoding_shards import encode_share, is_sharded
from rowspace.space.plots import duration
from rowspace.space.shards import ShardsReport
from rowspace.text.corpus import Corpus

if TYPE_CHECKING:
    from rowspace.scale.cluster import ClusterConfig

_SHOWN = 10
"""Numbers of shards that are spelled out."""


def encode_texts(
    settings: EncodingSettings,
    corpus: Corpus,
    out: Path,
    *,
    share: tuple[int, int] | None,
    cluster: ClusterConfig | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Write the vectors of a corpus's texts, and tell of them."""
    if cluster is not None:
        if share is not None:
            raise ConfigError("give --shard or --engine, not both")
        from rowspace.scale.encode import encode_on_ray

        made = encode_on_ray(
            settings, corpus, out, cluster=cluster, resume=resume, tell=tell_of_cluster
        )
        _tell(made, out, settings.precision, as_json)
        return
    if share is None and resume and is_sharded(out):
        share = (1, 1)
    found = load_encoding(settings, corpus)
    given: dict[str, Any] = {"dim": found.dim, "identity": found.identity, "dtype": found.dtype}
    if share is None:
        report: Any = encode_corpus(found.encode, corpus, out, resume=resume, **given)
    else:
        report = encode_share(found.encode, corpus, out, share=share, resume=resume, **given)
    if isinstance(report, ShardsReport):
        tell_of_shards(report, out, "vectors", as_json)
    else:
        _tell(report, out, settings.precision, as_json)


def tell_of_cluster(line: str) -> None:
    """Say on stderr where the work is done."""
    click.echo(f"rowspace: {line}", err=True)


def _tell(report: EncodingReport, out: Path, precision: str, as_json: bool) -> None:
    if report.n_truncated:
        click.echo(
            f"rowspace: warning: {report.n_truncated:,} of {report.n_texts:,} texts are longer "
            "than the model reads, and the rest was not read; --on-truncate chunk reads all",
            err=True,
        )
    if report.n_renamed:
        click.echo(
            f"rowspace: warning: {report.n_renamed:,} of {report.n_texts:,} documents have the id "
            'of one before; their keys have "#2" and so on after it',
            err=True,
        )
    if as_json:
        emit_json({"out": str(out), **counted(report)})
        return
    numbers = "bytes, a bit a number," if "binary" in precision else "numbers"
    click.echo(
        f"{report.n_texts:,} vectors of {report.dim} {numbers} in {out}, in "
        f"{duration(report.seconds)}, {report.texts_per_second:,.0f} texts/s"
    )


def tell_of_shards(report: ShardsReport, out: Path, what: str, as_json: bool) -> None:
    """Print what this process made, and what is still to be made."""
    if as_json:
        emit_json({"out": str(out), **counted(report)})
        return
    click.echo(f"{report.n_made:,} {what}, in {duration(report.seconds)}")
    n, missing = report.n_shards, report.missing
    if not missing:
        click.echo(f"all {n:,} shards are made, and another process puts them together in {out}")
        return
    numbers = ", ".join(map(str, missing[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
    click.echo(
        f"{len(missing):,} of {n:,} shards are still to be made ({numbers}); the process that "
        f"makes the last one puts them together in {out}"
    )


def counted(report: Any) -> dict[str, Any]:
    """Its fields, without the prefix of counts."""
    return {name.removeprefix("n_"): value for name, value in dataclasses.asdict(report).items()}
