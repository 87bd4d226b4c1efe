"""Documents out of files, folders, jsonl, compressed files and stdin, one at a time.

What is one document is said by `documents`: the whole `file` (the default), `blocks` between
blank lines whose first line is the title, or `lines`. In a .jsonl file it is always a line, with
the text in `text`, and optionally `_id` (or `id`) and `title`; every other field is metadata.
The same goes for the rows and columns of a .parquet or .arrow file.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError, CorpusError
from rowspace.storage.files import file_path
from rowspace.text.listing import (
    JSONL_SUFFIXES,
    TABLE_SUFFIXES,
    has_records,
    list_files,
    no_text_in,
)
from rowspace.text.normalize import normalize
from rowspace.text.ranges import LineCounter, Lines, lines_between
from rowspace.text.sections import Part, Section
from rowspace.text.streams import (
    COMPRESSED,
    Readable,
    bare_suffix,
    open_bytes,
    read_blocks,
    read_span,
)

DOCUMENT_KINDS = ("file", "blocks", "lines")
PART_BYTES = 1 << 25
MAX_TITLE = 200
ID_FIELDS = ("_id", "id", "document_id")
"""Of a line of JSON: the first that is there is the document's id."""
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Document:
    """One text with its name and what is known about it."""

    document_id: str
    """Unique in the corpus: a jsonl `_id`, else the file's path, with `:n` for the n-th in it."""
    title: str
    text: str
    source: str
    """The file it came from, relative to the corpus (of several paths: to what they share)."""
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class Corpus:
    """The documents of one or more paths, read anew at each iteration.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "greeting.txt")
    >>> _ = path.write_text("Hello, world.")
    >>> [document.text for document in Corpus(path)]
    ['Hello, world.']
    """

    paths: Path | str | Iterable[Path | str]
    documents: str = "file"
    encoding: str = "utf-8"
    errors: str = "strict"
    """`strict` stops at a byte that does not decode, `replace` puts U+FFFD in its place."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """(file, reason) of what the last iteration found in a folder but did not read."""

    def __post_init__(self) -> None:
        if self.documents not in DOCUMENT_KINDS:
            raise ConfigError(
                f"documents is {self.documents!r}; give one of {', '.join(DOCUMENT_KINDS)}"
            )
        paths = [self.paths] if isinstance(self.paths, str | Path) else self.paths
        self._paths = [file_path(path) for path in paths]
        if self.errors not in ("strict", "replace"):
            raise ConfigError(f"errors is {self.errors!r}; give one of strict, replace")
        try:
            b"    ".decode(self.encoding, "replace")  # no bytes would decode as anything
        except LookupError as error:
            raise ConfigError(
                f"encoding {self.encoding!r} is not known; try utf-8 or latin-1"
            ) from error
        self._codec = codecs.lookup(self.encoding).name
        self._counters: dict[str, LineCounter] = {}

    def description(self) -> dict[str, Any]:
        """What tells this corpus from another, as JSON can hold it."""
        return {
            "paths": [str(path) for path in self._paths],
            "documents": self.documents,
            "encoding": self.encoding,
            "errors": self.errors,
        }

    def sizes(self) -> dict[str, int]:
        """The bytes of each file: what changes when a text is edited.

        Empty where the text is stdin, or no more there.
        """
        try:
            return {part.name: part.n_bytes for part in self.listed() if part.n_bytes is not None}
        except CorpusError:
            return {}

    def total_bytes(self) -> int | None:
        """Bytes of the text; None where a file is packed or there are none."""
        sizes = self.sizes()
        packed = COMPRESSED + TABLE_SUFFIXES
        if not sizes or any(Path(name).suffix in packed for name in sizes):
            return None
        return sum(sizes.values())

    def is_whole_file(self, document: Document) -> bool:
        """Whether a document is a file, or a part of a large one."""
        return self.documents == "file" and not has_records(Path(document.source))

    def text_of(self, document: Document) -> str:
        """A document's text, after its title where that is text too and not a file's name."""
        if self.is_whole_file(document) or not document.title:
            return document.text
        return f"{document.title}\n{document.text}"

    def __iter__(self) -> Iterator[Document]:
        for path, name in self.files():
            yield from self._documents_of(Part(path, name, None))

    def documents_in(self, section: Section) -> Iterator[Document]:
        """The documents of one of `sections_of` this corpus, as they are in the whole of it."""
        for part in section.parts:
            if not self._is_skipped(part):
                yield from self._documents_of(part)

    def listed(self) -> Iterator[Part]:
        """Each file with its size, in a stable order; no file is opened.

        Raises
        ------
        CorpusError
            If a path does not exist, or a folder has no text file in it.
        """
        self.skipped.clear()
        yield from list_files(self._paths, self.skipped)

    def files(self) -> Iterator[tuple[Path, str]]:
        """Each file to read with its name relative to the corpus, in a stable order.

        Those of a folder are looked into: a binary one is not read.

        Raises
        ------
        CorpusError
            If a path does not exist, or no file of a folder is text.
        """
        n_files = 0
        for part in self.listed():
            if not self._is_skipped(part):
                n_files += 1
                yield part.path, part.name
        if n_files == 0 and self._paths:
            raise no_text_in(self._paths[0], len(self.skipped))

    def _is_skipped(self, part: Part) -> bool:
        """Whether a file of a folder is binary; it is told in `skipped`."""
        if part.is_named or not self._is_text(part.path):
            return False
        if (position := _find_nul(part.path)) is None:
            return False
        if part.span is None or part.span[0] == 0:  # once, however often it is cut
            self.skipped.append((part.name, f"binary (a zero byte at {position:,})"))
        return True

    def is_table(self, part: Part) -> bool:
        """Whether a row of a file is a document."""
        return part.path.suffix in TABLE_SUFFIXES

    def is_cut_by_lines(self, part: Part) -> bool:
        """Whether the documents of any range of a file's lines are those in the whole file."""
        is_of_lines = self.documents == "lines" or bare_suffix(part.path) in JSONL_SUFFIXES
        return is_of_lines and self._codec == "utf-8" and part.path.suffix not in COMPRESSED

    def blocks(self) -> Iterator[tuple[str, int, bytes]]:
        """The text as (file, byte offset, UTF-8 bytes), each ending at a line's or word's end.

        For what needs every word but no documents. The bytes of a UTF-8 file come as they are,
        not yet checked or normalised.
        """
        for path, name in self.files():
            yield from self._blocks_of(Part(path, name, None))

    def blocks_in(self, part: Part) -> Iterator[tuple[str, int, bytes]]:
        """The blocks of a file, or of a range of one: of the lines that begin in these bytes."""
        if not self._is_skipped(part):
            yield from self._blocks_of(part)

    def _blocks_of(self, part: Part) -> Iterator[tuple[str, int, bytes]]:
        if has_records(part.path):
            yield from self._record_blocks(part)
        elif self._is_raw():
            yield from self._raw_blocks(part)
        else:
            for text in self._texts(part):
                yield part.name, 0, text.encode()
        yield part.name, 0, b"\n"  # a sentence does not go on into the next file

    def has_bytes_to_cut(self, part: Part) -> bool:
        """Whether a file's bytes are its text, so that some of its lines can be read alone."""
        is_plain = not has_records(part.path) and part.path.suffix not in COMPRESSED
        return self._is_raw() and is_plain and part.n_bytes is not None

    def _is_raw(self) -> bool:
        return self._codec == "utf-8" and self.errors == "strict"

    def _record_blocks(self, part: Part) -> Iterator[tuple[str, int, bytes]]:
        name = part.name
        texts: list[str] = []
        n_characters = 0
        for document in self._documents_of(part):
            texts += [document.title, document.text]
            n_characters += len(document.text)
            if n_characters >= 1 << 20:
                yield name, 0, ("\n".join(texts) + "\n").encode()
                texts, n_characters = [], 0
        yield name, 0, ("\n".join(texts) + "\n").encode()

    def _raw_blocks(self, part: Part) -> Iterator[tuple[str, int, bytes]]:
        with open_bytes(part.path) as file:
            if part.span is None:
                offset, blocks = 0, read_blocks(file)
            else:
                offset, blocks = read_span(file, *part.span)
            for block in blocks:
                if b"\0" in block:
                    where = offset + block.index(b"\0")
                    raise CorpusError(_binary_message(part.name, where, block))
                yield part.name, offset, block
                offset += len(block)

    def _documents_of(self, part: Part) -> Iterator[Document]:
        if self.is_table(part):
            return _table_documents(part)
        if bare_suffix(part.path) in JSONL_SUFFIXES:
            return self._jsonl_documents(part)
        if self.documents == "lines":
            return self._line_documents(part)
        if self.documents == "blocks":
            return self._block_documents(part)
        return self._file_documents(part)

    def _file_documents(self, part: Part) -> Iterator[Document]:
        # A part is at most PART_BYTES, so that memory does not follow the file's size.
        name = part.name
        title = "" if name == "stdin" else _bare_name(part.path)
        for number, text in enumerate(self._texts(part, PART_BYTES), start=1):
            if text.strip():
                document_id = name if number == 1 else f"{name}:{number}"
                yield Document(document_id, title, text, name)

    def _line_documents(self, part: Part) -> Iterator[Document]:
        for number, line in self._lines(part):
            if line.strip():
                yield Document(f"{part.name}:{number}", "", line, part.name)

    def _block_documents(self, part: Part) -> Iterator[Document]:
        block: list[str] = []
        first = 1
        for number, line in self._lines(part):
            if line.strip():
                first = first if block else number
                block.append(line)
            elif block:
                yield _block_document(block, f"{part.name}:{first}", part.name)
                block = []
        if block:
            yield _block_document(block, f"{part.name}:{first}", part.name)

    def _jsonl_documents(self, part: Part) -> Iterator[Document]:
        name = part.name
        for number, line in self._lines(part):
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
            except json.JSONDecodeError as error:
                raise CorpusError(
                    f"{name}, line {number}, is not JSON ({error.msg} at column {error.colno}); "
                    "mend the line, or rename the file to .txt"
                ) from error
            if not isinstance(fields, dict) or not isinstance(fields.get("text"), str):
                raise CorpusError(
                    f"{name}, line {number}, has no string field `text`; "
                    'each line must be an object like {"_id": "1", "text": "…"}'
                )
            for key in ("text", "title"):
                if isinstance(fields.get(key), str):  # an escape may stand for anything
                    fields[key] = normalize(self._mended(fields[key], f"{name}, line {number},"))
            for key in ID_FIELDS:
                if isinstance(fields.get(key), str):
                    fields[key] = self._mended(fields[key], f"{name}, line {number},")
            yield json_document(fields, f"{name}:{number}", name)

    def _mended(self, text: str, place: str) -> str:
        """`text` without lone surrogates, which JSON can spell and UTF-8 cannot."""
        if (found := _SURROGATE.search(text)) and self.errors == "strict":
            raise CorpusError(
                f"{place} has half a character (\\u{ord(found.group()):04x}); "
                "mend the line, or give --errors replace"
            )
        return _SURROGATE.sub("\ufffd", text) if found else text

    def _lines(self, part: Part) -> Iterator[tuple[int, str]]:
        """(line number, line without its end); a line may be of any length."""
        number, kept = 1 + self._n_lines_before(part), ""
        for text in self._texts(part):
            lines = (kept + text).split("\n")
            kept = lines.pop()
            for line in lines:
                yield number, line
                number += 1
        if kept:
            yield number, kept

    def _n_lines_before(self, part: Part) -> int:
        if part.span is None or part.n_before is not None:
            return part.n_before or 0
        first, last = lines_between(part.path, *part.span)
        counter = self._counters.setdefault(part.name, LineCounter(part.path))
        return counter.before(first) if first < last else 0

    def _texts(self, part: Part, block_bytes: int = 1 << 20) -> Iterator[str]:
        """Normalised text of a file or a range of one, in blocks."""
        name = part.name
        with _open_part(part) as (file, offset):
            if self._is_wide():
                whole = b"".join(iter(lambda: file.read(block_bytes), b""))
                yield normalize(self._decode(whole, 0, name))  # a cut could halve a unit
                return
            for block in read_blocks(file, block_bytes):
                if b"\0" in block:
                    raise CorpusError(_binary_message(name, offset + block.index(b"\0"), block))
                yield normalize(self._decode(block, offset, name))
                offset += len(block)

    def _is_text(self, path: Path) -> bool:
        """Whether a zero byte in the file would tell that it is no text."""
        return not self._is_wide() and path.suffix not in TABLE_SUFFIXES

    def _is_wide(self) -> bool:
        return self._codec.startswith(("utf-16", "utf-32"))

    def _decode(self, block: bytes, offset: int, name: str) -> str:
        try:
            return block.decode(self.encoding, self.errors)
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{name} is not {self.encoding} at byte {offset + error.start:,} "
                f"(0x{block[error.start]:02x}); give its encoding (--encoding latin-1, say) "
                "or --errors replace"
            ) from error


def read_documents(
    path: Path | str | Iterable[Path | str],
    *,
    documents: str = "file",
    encoding: str = "utf-8",
    errors: str = "strict",
) -> Iterator[Document]:
    """Stream the documents of files, folders, .jsonl, .gz, .xz, .zst, or stdin (`-`).

    Parameters
    ----------
    path : path or paths
    documents : {"file", "blocks", "lines"}
        What is one document in a plain text file.
    encoding : str
    errors : {"strict", "replace"}
        What to do with a byte that does not decode.

    Raises
    ------
    CorpusError
        If something is missing, binary, damaged or in another encoding; it names the place.
    """
    return iter(Corpus(path, documents, encoding, errors))


def _block_document(lines: list[str], document_id: str, source: str) -> Document:
    has_title = len(lines) > 1 and len(lines[0]) <= MAX_TITLE
    title = lines[0].strip() if has_title else ""
    text = "\n".join(lines[1:] if has_title else lines)
    return Document(document_id, title, text, source)


def json_document(fields: dict[str, Any], default_id: str, source: str) -> Document:
    """The document of a .jsonl line's fields, which are used up: what is left is its metadata."""
    text = fields.pop("text")
    document_id = default_id
    for name in ID_FIELDS:
        if isinstance(fields.get(name), str | int):
            document_id = str(fields.pop(name))
            break
    title = fields.pop("title") if isinstance(fields.get("title"), str) else ""
    return Document(document_id, title, text, source, fields)


def _table_documents(part: Part) -> Iterator[Document]:
    from rowspace.text.tables import open_table, table_documents  # pyarrow, where it is used

    name = part.name
    with open_table(part.path, part.span) as reader:
        for row in table_documents(reader, name, 1 + (part.n_before or 0)):
            source = {} if row.source in ("", name) else {"source": row.source}
            yield replace(
                row,
                title=normalize(row.title),
                text=normalize(row.text),
                source=name,
                metadata=source | row.metadata,
            )


@contextlib.contextmanager
def _open_part(part: Part) -> Iterator[tuple[Readable, int]]:
    """What to read of a file, and where in it that begins."""
    if part.span is None:
        with open_bytes(part.path) as file:
            yield file, 0
        return
    first, last = lines_between(part.path, *part.span)
    with Lines(part.path, first, last) as lines:
        yield lines, first


def _bare_name(path: Path) -> str:
    return (path.with_suffix("") if path.suffix in COMPRESSED else path).stem


def _find_nul(path: Path) -> int | None:
    if path.suffix in COMPRESSED:
        return None
    with path.open("rb") as file:
        position = file.read(8192).find(b"\0")
    return position if position >= 0 else None


def _binary_message(name: str, position: int, block: bytes) -> str:
    if block.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"{name} is UTF-16; give --encoding utf-16"
    return (
        f"{name} is a binary file (a zero byte at {position:,}); "
        "give text, or --encoding if it is text in UTF-16"
    )
