"""Texts of test sets, which no training pair may hold.

A pair leaks if one of its texts is one of theirs, spelled alike or nearly, or holds one of five
words or more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from rowspace.errors import CorpusError
from rowspace.sentence.synthesize.minhash import NearDuplicates
from rowspace.sentence.synthesize.synthetic_pair import SyntheticPair, plain_form
from rowspace.text.beir import read_queries
from rowspace.text.lines import numbered_lines
from rowspace.text.listing import JSONL_SUFFIXES
from rowspace.text.streams import bare_suffix

_LEAST_WORDS = 5  # shorter texts stand in others by chance
_IDS = ("_id", "id", "query_id", "document_id")


class Leaks:
    """The texts to keep out.

    Examples
    --------
    >>> leaks = Leaks(["Which lakes of Chad are shrinking?"])
    >>> pair = SyntheticPair("which lakes of chad are shrinking", "Lake Chad is.", (), "lead")
    >>> leaks.holds(pair)
    True
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts: set[str] = set()
        self._by_start: dict[tuple[str, ...], set[str]] = {}
        self._near = NearDuplicates((1, 2))
        for text in texts:
            self._add(text)

    def __len__(self) -> int:
        return len(self._texts)

    def _add(self, text: str) -> None:
        plain = plain_form(text)
        if not plain or plain in self._texts:
            return
        self._texts.add(plain)
        self._near.add(self._near.sign(text), plain)
        found = plain.split()
        if len(found) >= _LEAST_WORDS:
            self._by_start.setdefault(tuple(found[:_LEAST_WORDS]), set()).add(plain)

    def holds(self, pair: SyntheticPair) -> bool:
        """Whether a text of the pair is, nearly is, or holds one of these."""
        return any(self._leaks(text) for text in pair.texts)

    def _leaks(self, text: str) -> bool:
        plain = plain_form(text)
        if plain in self._texts or self._stands_in(plain):
            return True
        return self._near.find(self._near.sign(text)) is not None

    def _stands_in(self, plain: str) -> bool:
        found = plain.split()
        for i in range(len(found) - _LEAST_WORDS + 1):
            for leak in self._by_start.get(tuple(found[i : i + _LEAST_WORDS]), ()):
                if f" {leak} " in f" {plain} ":
                    return True
        return False


def read_leaks(paths: Iterable[Path | str]) -> Leaks:
    """Read the texts of test sets.

    Parameters
    ----------
    paths : iterable of path
        Folders in BEIR's layout, whose queries are taken; .jsonl files, of which every text of a
        line is; .tsv files, of which every column is; or texts with one a line. Packed or not.

    Raises
    ------
    CorpusError
        If one is missing or cannot be read, or there is no text in it.
    """
    return Leaks(text for path in paths for text in _read(Path(path)))


def _read(path: Path) -> Iterator[str]:
    n_texts = 0
    for text in _texts_of(path):
        n_texts += bool(text.strip())
        yield text
    if n_texts == 0:
        raise CorpusError(f"{path} has no text in it to keep out; check the path")


def _texts_of(path: Path) -> Iterator[str]:
    if path.is_dir():
        yield from (text for _, text in read_queries(path))
        return
    suffix = bare_suffix(path)
    for number, line in numbered_lines(path):
        if suffix in JSONL_SUFFIXES:
            yield from _texts_of_json(line, f"{path} line {number}")
        else:
            yield from line.split("\t") if suffix == ".tsv" else [line]


def _texts_of_json(line: str, place: str) -> Iterator[str]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise CorpusError(f"{place} is not JSON ({error}); correct or remove it") from error
    yield from _strings(record)


def _strings(value: object) -> Iterator[str]:
    """Every text of a record, ids apart."""
    if isinstance(value, str):
        yield value.encode("utf-8", "replace").decode()
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in _IDS:
                yield from _strings(item)
