"""The options that say how a corpus is read, shared by the commands that read one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rowspace.text.corpus import DOCUMENT_KINDS, Corpus

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the text."),
    click.option(
        "--errors",
        type=click.Choice(["strict", "replace"]),
        default="strict",
        show_default=True,
        help="Stop at a byte that does not decode, or put U+FFFD in its place.",
    ),
)


def corpus_options(command: Command) -> Command:
    """Add `--documents`, `--encoding` and `--errors`."""
    return _add(command, "file")


def line_corpus_options(command: Command) -> Command:
    """As `corpus_options`, where a line is a document if nothing else is said."""
    return _add(command, "lines")


def block_corpus_options(command: Command) -> Command:
    """As `corpus_options`, where documents with titles stand between blank lines."""
    return _add(command, "blocks")


def _add(command: Command, documents: str) -> Command:
    of_documents = click.option(
        "--documents",
        type=click.Choice(DOCUMENT_KINDS),
        default=documents,
        show_default=True,
        help="What is one document in a plain text file; `blocks` stand between blank lines, "
        "their first line is the title. A .jsonl file always has one a line, a .parquet or "
        ".arrow file one a row.",
    )
    for option in reversed((of_documents, *_OPTIONS)):
        command = option(command)
    return command


def make_corpus(paths: tuple[str, ...], documents: str, encoding: str, errors: str) -> Corpus:
    """The corpus that the arguments name; `-` is stdin."""
    return Corpus(list(paths), documents, encoding, errors)
