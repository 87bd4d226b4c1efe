"""Training pairs out of files: JSON lines, tab-separated columns, folders in BEIR's layout.

A file is read through once, which finds what is amiss, and then stays on the disk: an example is
read when it is asked for, by the byte its line begins at. A million pairs take some 50 MB. A
packed file is unpacked to a temporary one for as long as it is open.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, overload

from rowspace.errors import CorpusError
from rowspace.progress import track
from rowspace.sentence.example import (
    Example,
    Kind,
    TextKeyList,
    TextKeys,
    count_kinds,
    kind_by_counts,
    kind_of,
    text_keys,
)
from rowspace.sentence.pair_lines import Parse, parse_json, tsv_parser
from rowspace.text import beir
from rowspace.text.corpus import Corpus
from rowspace.text.lines import decode_line
from rowspace.text.streams import COMPRESSED, bare_suffix, open_bytes

_TSV_SUFFIXES = (".tsv", ".tab")


class Examples(Sequence[Example]):
    """Examples by number, wherever they lie.

    Parameters
    ----------
    name : str
        For messages.
    keys : TextKeys
        Hashes of the texts of each example.
    read : int -> Example
    kind : Kind
    n_empty : int
        Examples that were left out because their anchor or positive has nothing in it, and
        negatives of others.
    """

    def __init__(
        self, name: str, keys: TextKeys, read: Callable[[int], Example], kind: Kind, n_empty: int
    ) -> None:
        self.name = name
        self.keys = keys
        self.kind = kind
        self.n_empty = n_empty
        self._read = read

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self._read(i) for i in range(*index.indices(len(self)))]
        return self._read(range(len(self))[index])


def examples_of(examples: Iterable[Example], name: str = "the examples") -> Examples:
    """Examples that are in memory already.

    Raises
    ------
    CorpusError
        If none is left, or only some have scores.
    """
    whole, n_empty = [], 0
    for given in examples:
        example, n_left_out = without_empty(given)
        n_empty += n_left_out
        if example:
            whole.append(example)
    kind = kind_of(whole, name)
    return Examples(name, text_keys(whole), whole.__getitem__, kind, n_empty)


class PairFile(Examples):
    """The examples of one file of JSON lines (.jsonl) or columns (.tsv), plain or packed.

    Raises
    ------
    CorpusError
        If it cannot be read, has no example, has scores on some only, or a line is not as
        `rowspace.sentence.pair_lines` says; the message names the line.

    Examples
    --------
    >>> path = Path(tempfile.mkdtemp(), "pairs.tsv")
    >>> _ = path.write_text("query\\tdocument\\nhot drink\\tTea is leaves in hot water.\\n")
    >>> PairFile(path)[0].positive
    'Tea is leaves in hot water.'
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._file = _seekable(self._path)
        weakref.finalize(self, self._file.close)
        self._parse: Parse = parse_json
        self._places = array("q")  # three for each example: byte, bytes, which of its line
        found, kinds, n_empty = TextKeyList(), count_kinds(()), 0
        for number, offset, raw in self._lines():
            for part, given in enumerate(self._examples(raw, number)):
                example, n_left_out = without_empty(given)
                n_empty += n_left_out
                if example:
                    self._places.extend((offset, len(raw), part))
                    found.append(example)
                    kinds[example.kind] += 1
        kind = kind_by_counts(kinds, self._path.name)
        super().__init__(self._path.name, found.whole(), self._example, kind, n_empty)

    def _lines(self) -> Iterator[tuple[int, int, bytes]]:
        """(number, first byte, bytes) of each line with an example in it."""
        offset = 0
        n_bytes = os.fstat(self._file.fileno()).st_size
        with track(f"reading {self._path.name}", total=n_bytes) as tracker:
            for number, raw in enumerate(self._file, start=1):
                if raw.strip() and not (number == 1 and self._is_header(raw)):
                    yield number, offset, raw
                offset += len(raw)
                if number % 1000 == 0:
                    tracker.set(offset)

    def _is_header(self, raw: bytes) -> bool:
        """Whether the first line only names columns; sets how the others are parsed."""
        if bare_suffix(self._path) not in _TSV_SUFFIXES:
            return False
        self._parse, is_header = tsv_parser(decode_line(raw, 1, self._path))
        return is_header

    def _examples(self, raw: bytes, number: int) -> list[Example]:
        line = decode_line(raw, number, self._path)
        try:
            return self._parse(line)
        except ValueError as error:
            raise CorpusError(
                f"{self._path} line {number} {error}; correct or remove it"
            ) from error

    def _example(self, index: int) -> Example:
        offset, length, part = self._places[3 * index : 3 * index + 3]
        raw = os.pread(self._file.fileno(), length, offset)
        example, _ = without_empty(self._examples(raw, 1)[part])
        assert example is not None
        return example


def read_pairs(paths: Path | str | Iterable[Path | str], split: str = "train") -> list[Examples]:
    """The examples of each path: a file of pairs, or a folder in BEIR's layout.

    Parameters
    ----------
    paths : path or paths
        Each becomes one of the results, so that batches need not mix them.
    split : str
        Which judgements of a BEIR folder.

    Raises
    ------
    CorpusError
        If something is missing or cannot be read; the message names the file and line.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise CorpusError("no file of pairs is given; give one or more")
    return [beir_pairs(path, split) if Path(path).is_dir() else PairFile(path) for path in given]


def beir_pairs(folder: Path | str, split: str = "train") -> Examples:
    """(query, document) of each relevant judgement of a folder in BEIR's layout.

    Only documents that are judged relevant are kept in memory. A judgement that names a query or
    document which is not there is left out, and counted in `n_empty` with the empty texts.

    Raises
    ------
    CorpusError
        If a file is missing, a line cannot be read, or nothing is relevant.
    """
    folder = Path(folder)
    qrels = beir.read_qrels(beir.qrels_file(folder, split))
    relevant = [
        (query, document)
        for query, grades in qrels.items()
        for document, grade in grades.items()
        if grade > 0
    ]
    wanted = {document for _, document in relevant}
    queries = {key: text for key, text in beir.read_queries(folder) if key in qrels}
    documents = {key: text for key, text in beir.read_corpus(folder) if key in wanted}
    pairs = (Example(queries.get(q, ""), documents.get(d, "")) for q, d in relevant)
    return examples_of(pairs, f"{folder.name}/qrels/{split}.tsv")


def title_pairs(corpus: Corpus, n_paragraphs: int = 1) -> Iterator[Example]:
    """A document's title with each of its first paragraphs, a document at a time.

    A paragraph is a line that is not blank. The title of a whole plain file is its name, which is
    no text, so such documents are passed over: read the corpus as `blocks`, or jsonl.

    Parameters
    ----------
    corpus : Corpus
    n_paragraphs : int
        At most as many of a document.

    Raises
    ------
    CorpusError
        If no document has a title and a paragraph.
    """
    n = 0
    for document in corpus:
        title = document.title.strip()
        if not title or corpus.is_whole_file(document):
            continue
        lines = (line.strip() for line in document.text.split("\n"))
        paragraphs = [line for line in lines if line and line != title]
        for paragraph in paragraphs[:n_paragraphs]:
            n += 1
            yield Example(title, paragraph)
    if not n:
        raise CorpusError(
            "no document has a title and a paragraph; give --documents blocks where blank lines "
            "part them and the first line is the title, or jsonl with `title` and `text`"
        )


def without_empty(example: Example) -> tuple[Example | None, int]:
    """An example without empty negatives, None if its pair has an empty text; how many that are."""
    if not example.anchor.strip() or not example.positive.strip():
        return None, 1
    kept = [i for i, text in enumerate(example.negatives) if text.strip()]
    n_left_out = len(example.negatives) - len(kept)
    if not n_left_out:
        return example, 0
    scores = example.scores and (example.scores[0], *(example.scores[i + 1] for i in kept))
    negatives = tuple(example.negatives[i] for i in kept)
    return replace(example, negatives=negatives, scores=scores), n_left_out


def _seekable(path: Path) -> IO[bytes]:
    """The file itself, or where it is packed or a pipe an unpacked copy that has no name."""
    with open_bytes(path) as file:
        if path.is_file() and path.suffix not in COMPRESSED:
            return path.open("rb")
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            shutil.copyfileobj(file, copy, 1 << 20)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy
