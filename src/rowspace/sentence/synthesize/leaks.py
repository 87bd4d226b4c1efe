"""Texts of test sets, which no training example may hold.

An example leaks if one of its texts is one of theirs, spelled alike or nearly, or holds one of five
words or more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from rowspace.errors import CorpusError
from rowspace.sentence.synthesize.example import Example, plain_form
from rowspace.sentence.synthesize.minhash import NearDuplicates
from rowspace.text.corpus import JSONL_SUFFIXES, Corpus
from rowspace.text.normalize import normalize
from rowspace.text.streams import COMPRESSED, bare_suffix, open_bytes

_LEAST_WORDS = 5  # shorter texts stand in others by chance
_IDS = ("_id", "id", "query_id", "document_id")


class Leaks:
    """The texts to keep out.

    Examples
    --------
    >>> leaks = Leaks(["Which lakes of Chad are shrinking?"])
    >>> leaks.holds(Example("which lakes of chad are shrinking", "Lake Chad is.", (), "title"))
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

    def holds(self, example: Example) -> bool:
        """Whether a text of the example is, nearly is, or holds one of these."""
        return any(self._leaks(text) for text in example.texts)

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
    path = _queries_of(path) if path.is_dir() else path
    is_jsonl = bare_suffix(path) in JSONL_SUFFIXES
    n_texts = 0
    for text in _texts_of_jsonl(path) if is_jsonl else _texts_of_lines(path):
        n_texts += bool(text.strip())
        yield text
    if n_texts == 0:
        raise CorpusError(f"{path} has no text in it to keep out; check the path")


def _queries_of(folder: Path) -> Path:
    for packed in ("", *COMPRESSED):
        if (path := folder / f"queries.jsonl{packed}").is_file():
            return path
    raise CorpusError(f"{folder} has no queries.jsonl; give a folder in BEIR's layout, or a file")


def _texts_of_lines(path: Path) -> Iterator[str]:
    for document in Corpus(path, "lines"):
        yield from document.text.split("\t") if bare_suffix(path) == ".tsv" else [document.text]


def _texts_of_jsonl(path: Path) -> Iterator[str]:
    with open_bytes(path) as file:
        for number, raw in enumerate(file, start=1):
            if not raw.strip():
                continue
            try:
                record = json.loads(raw.decode("utf-8-sig"))
            except ValueError as error:
                raise CorpusError(
                    f"{path}, line {number}, is not JSON ({error}); mend the line"
                ) from error
            yield from _strings(record)


def _strings(value: object) -> Iterator[str]:
    """Every text of a record, ids apart."""
    if isinstance(value, str):
        yield normalize(value.encode("utf-8", "replace").decode())
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in _IDS:
                yield from _strings(item)
