"""`rowspace pairs` and `rowspace mine`: what a sentence encoder is trained on."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import click

from rowspace.cli.corpus import block_corpus_options, line_corpus_options, make_corpus
from rowspace.cli.output import emit_json, json_option
from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.sentence.example import Example, write_pairs
from rowspace.sentence.mining import SAMPLINGS, MiningConfig, mine_negatives
from rowspace.sentence.pairs import Examples, beir_pairs, read_pairs, title_pairs
from rowspace.text import beir
from rowspace.text.runs import work_folder

_MARGIN, _RANKS = MiningConfig.relative_margin, MiningConfig.ranks


def _ranks(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    if value is None:
        return None
    first, _, last = value.partition("-")
    if not (first.strip().isdecimal() and last.strip().isdecimal()):
        raise ConfigError(f"--ranks is {value!r}; give two whole numbers, as 10-210")
    return int(first), int(last)


_split_option = click.option(
    "--split", default="train", show_default=True, help="Which judgements of a BEIR folder."
)
_out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="To write: JSON lines."
)


@click.command()
@click.argument("corpus", nargs=-1, required=True)
@_out_option
@click.option("--paragraphs", default=1, show_default=True, type=click.IntRange(min=1),
              help="Of each document, the first ones.")  # fmt: skip
@_split_option
@block_corpus_options
@json_option
def pairs(
    corpus: tuple[str, ...],
    out: Path,
    paragraphs: int,
    split: str,
    documents: str,
    encoding: str,
    errors: str,
    as_json: bool,
) -> None:
    """Write training pairs: titles of CORPUS with their paragraphs, or judgements of BEIR folders.

    A folder with corpus.jsonl, queries.jsonl and qrels gives each query with its relevant
    documents; of all else a document's title goes with its first paragraphs.
    """
    _refuse_existing(out)
    folders = [path for path in corpus if beir.is_beir(Path(path))]
    texts = tuple(path for path in corpus if path not in folders)
    found: list[Iterable[Example]] = [beir_pairs(folder, split) for folder in folders]
    n_empty = sum(examples.n_empty for examples in found if isinstance(examples, Examples))
    if texts:
        found.append(title_pairs(make_corpus(texts, documents, encoding, errors), paragraphs))
    with track("writing pairs"):
        n_pairs = write_pairs(chain.from_iterable(found), out)
    if as_json:
        emit_json({"out": str(out), "pairs": n_pairs, "empty": n_empty})
        return
    click.echo(f"{n_pairs:,} pairs in {out}" + _left_out(n_empty))


@click.command()
@click.argument("pairs", nargs=-1, required=True)
@click.option("--model", required=True, help="Finds what is near: a folder, or a name on the hub.")
@_out_option
@click.option("--corpus", multiple=True,
              help="Texts to search, or a BEIR folder; may be given again. The pairs' own "
              "positives are searched too.")  # fmt: skip
@click.option("--n-negatives", default=MiningConfig.n_negatives, show_default=True,
              type=click.IntRange(min=1), help="Of each pair, at most.")  # fmt: skip
@click.option("--ranks", callback=_ranks,
              help="How many of the nearest are passed over and how many looked at, as 10-210; "
              f"{_RANKS[0]}-{_RANKS[1]} if not given.")  # fmt: skip
@click.option("--margin", type=float,
              help="A negative's cosine is below (1 - margin) of the positive's; "
              f"{_MARGIN} if neither this nor --ranks is given.")  # fmt: skip
@click.option("--absolute-margin", type=float,
              help="A negative's cosine is this much below the positive's.")  # fmt: skip
@click.option("--max-score", type=float, help="A negative's cosine is below this.")
@click.option("--sampling", default=MiningConfig.sampling, show_default=True,
              type=click.Choice(SAMPLINGS),
              help="The nearest of what is left, or any of it.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Of random sampling.")
@click.option("--teacher", help="A model that scores what was found; its scores are written.")
@click.option("--with-scores", is_flag=True, help="Write the model's scores, for MarginMSE.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@_split_option
@line_corpus_options
@json_option
def mine(
    pairs: tuple[str, ...],
    model: str,
    out: Path,
    corpus: tuple[str, ...],
    teacher: str | None,
    resume: bool,
    split: str,
    documents: str,
    encoding: str,
    errors: str,
    as_json: bool,
    ranks: tuple[int, int] | None,
    margin: float | None,
    **settings: Any,
) -> None:
    """Give each pair of PAIRS hard negatives: texts that MODEL puts near, and that are not right.

    PAIRS are files of JSON lines or tab-separated columns, or BEIR folders.
    """
    from rowspace.sentence.loading import load_encoder

    config = MiningConfig(
        ranks=_RANKS if ranks is None else ranks,
        relative_margin=_MARGIN if ranks is None and margin is None else margin,
        **settings,
    )
    with work_folder(out, resume, learned=("*/*/progress.json",)) as work:
        sources = read_pairs(pairs, split)
        mined = mine_negatives(
            [example for source in sources for example in source],
            _texts(corpus, documents, encoding, errors),
            load_encoder(model),
            config,
            teacher=load_encoder(teacher) if teacher else None,
            folder=work,
        )
        n_pairs = write_pairs(mined.examples, out)
    shutil.rmtree(work, ignore_errors=True)
    n_empty = sum(source.n_empty for source in sources)
    if as_json:
        counts = {"pairs": n_pairs, "texts": mined.n_texts, "empty": n_empty}
        emit_json({"out": str(out), **counts, "short": mined.n_short, "without": mined.n_without})
        return
    click.echo(f"{n_pairs:,} pairs with negatives of {mined.n_texts:,} texts in {out}")
    click.echo(
        f"fewer than {config.n_negatives} negatives: {mined.n_short:,}, "
        f"none: {mined.n_without:,}" + _left_out(n_empty)
    )


def _texts(paths: tuple[str, ...], documents: str, encoding: str, errors: str) -> Iterator[str]:
    """The texts of a corpus and of BEIR folders: a title and its text joined by a space."""
    for path in paths:
        if beir.is_beir(Path(path)):
            yield from (text for _, text in beir.read_corpus(Path(path)))
        else:
            corpus = make_corpus((path,), documents, encoding, errors)
            for document in corpus:
                title = "" if corpus.is_whole_file(document) else document.title
                yield f"{title} {document.text}".strip()


def _left_out(n_empty: int) -> str:
    return f"; {n_empty:,} left out, as a text is empty or not there" if n_empty else ""


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise ConfigError(f"{out} exists; give another --out, or remove it")
