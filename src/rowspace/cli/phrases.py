"""`rowspace phrases`: find words that stand together, and join them."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.output import emit_json, json_option
from rowspace.cli.vectors import printable
from rowspace.errors import ConfigError
from rowspace.files import write_atomically
from rowspace.machine import n_cores
from rowspace.text.phrases import (
    SCORES,
    Phrase,
    Phrases,
    PhrasesConfig,
    connectors_of,
    join_phrases,
    write_text,
)
from rowspace.text.tokenizer import TOKENIZERS
from rowspace.text.vocabulary import VocabularyConfig, scan_corpus


@click.command()
@click.argument("corpus", nargs=-1, required=True)
@click.option("-k", default=20, show_default=True, type=click.IntRange(min=0),
              help="How many phrases to show, best first.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path),
              help="Write the text with its phrases joined: a sentence a line, for "
              "`train --tokenizer whitespace`.")  # fmt: skip
@click.option("--save", type=click.Path(path_type=Path),
              help="Write all phrases to a JSON file, for `--use`.")  # fmt: skip
@click.option("--use", type=click.Path(path_type=Path),
              help="Join the phrases of a file that --save wrote, instead of finding some; the "
              "settings are that file's.")  # fmt: skip
@click.option("--passes", default=1, show_default=True,
              help="Times to go through the text; each may join what the one before has "
              "joined.")  # fmt: skip
@click.option("--score", default="original", show_default=True, type=click.Choice(list(SCORES)),
              help="As gensim, as word2phrase.c, or mutual information from -1 to 1.")  # fmt: skip
@click.option("--threshold", type=float,
              help="Join pairs that score more; 10 for original, 100 for word2phrase and 0.5 for "
              "npmi if not given.")  # fmt: skip
@click.option("--min-count", default=5, show_default=True,
              help="Join no pair that occurs less often.")  # fmt: skip
@click.option("--connectors", default="", show_default=True,
              help="Words that a phrase may have inside (bank_of_america): `english`, or a list "
              "with spaces between.")  # fmt: skip
@click.option("--tokenizer", default="words", show_default=True, type=click.Choice(TOKENIZERS),
              help="Lower-case words, or what stands between spaces.")  # fmt: skip
@click.option("--n-threads", type=click.IntRange(min=1), help="Threads; every core if not given.")
@corpus_options
@json_option
def phrases(
    corpus: tuple[str, ...], k: int, out: Path | None, save: Path | None, use: Path | None,
    passes: int, score: str, threshold: float | None, min_count: int, connectors: str,
    tokenizer: str, n_threads: int | None, documents: str, encoding: str, errors: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Find words that stand together in CORPUS more often than by chance: new_york.

    With --out, memory follows the number of different words, else that of the frequent ones.
    """
    text = make_corpus(corpus, documents, encoding, errors)
    config = PhrasesConfig(
        passes=passes, score=score, threshold=threshold, min_count=min_count,
        connectors=connectors_of(connectors),
    )  # fmt: skip
    known = None if use is None else Phrases.load(use)
    for path in (out, save):
        if path is not None and path.exists():
            raise ConfigError(f"{path} exists; give another name, or remove it")
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    words = VocabularyConfig(
        min_count=min_count if out is None and known is None else 1, tokenizer=tokenizer
    )
    threads = n_threads or n_cores()
    beside = None if out is None else out.absolute().parent  # where there is room for the text
    with tempfile.TemporaryDirectory(prefix=".rowspace-", dir=beside) as folder:
        vocabulary, ids = scan_corpus(text, Path(folder), words, threads, keep_rare=True)
        n_tokens = vocabulary.n_tokens
        if known is None:
            vocabulary, ids, found = join_phrases(vocabulary, ids, config, words, threads)
        else:
            vocabulary, ids = known.join(vocabulary, ids, words)
            found = known
        if out is not None:
            with write_atomically(out) as file:
                write_text(vocabulary, ids, file)
    if save is not None:
        found.save(save)
    if as_json:
        emit_json(_record(found, k, n_tokens, vocabulary.n_tokens))
    else:
        _tell(found, k, n_tokens, vocabulary.n_tokens, [path for path in (out, save) if path])


def _best(found: Phrases, k: int) -> list[Phrase]:
    return sorted(found, key=lambda phrase: -phrase.score)[:k]


def _record(found: Phrases, k: int, n_tokens: int, n_joined: int) -> dict[str, Any]:
    return {
        "config": dataclasses.asdict(found.config),
        "phrases": len(found),
        "words": n_tokens,
        "words_after_joining": n_joined,
        "best": [
            {
                "phrase": printable(phrase.name),
                "parts": [printable(part) for part in phrase.parts],
                "count": phrase.count,
                "score": phrase.score,
            }
            for phrase in _best(found, k)
        ],
    }


def _tell(found: Phrases, k: int, n_tokens: int, n_joined: int, written: list[Path]) -> None:
    best = _best(found, k)
    if best:
        click.echo(f"{'score':>12} {'count':>9}  phrase")
    for phrase in best:
        click.echo(f"{phrase.score:12.4f} {phrase.count:9,}  {printable(phrase.name)}")
    click.echo(
        f"{len(found):,} phrases above {found.config.least:g} ({found.config.score}); "
        f"joined, {n_tokens:,} words are {n_joined:,}"
    )
    for path in written:
        click.echo(f"wrote {path}")
