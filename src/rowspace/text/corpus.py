"""Documents out of files, folders, jsonl, compressed files and stdin, one at a time.

What is one document is said by `documents`: the whole `file` (the default), `blocks` between
blank lines whose first line is the title, or `lines`. In a .jsonl file it is always a line, with
the text in `text`, and optionally `_id` (or `id`) and `title`; every other field is metadata.
The same goes for the rows and columns of a .parquet or .arrow file.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError, CorpusError
from rowspace.text.normalize import normalize
from rowspace.text.streams import COMPRESSED, bare_suffix, open_bytes, read_blocks, read_span

TEXT_SUFFIXES = (".txt", ".text", ".md", ".markdown", ".rst", ".org", ".tex", "")
JSONL_SUFFIXES = (".jsonl", ".ndjson")
TABLE_SUFFIXES = (".parquet", ".arrow")
DOCUMENT_KINDS = ("file", "blocks", "lines")
PART_BYTES = 1 << 25
MAX_TITLE = 200
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
        self._paths = [Path(path) for path in paths]
        if self.errors not in ("strict", "replace"):
            raise ConfigError(f"errors is {self.errors!r}; give one of strict, replace")
        try:
            b"    ".decode(self.encoding, "replace")  # no bytes would decode as anything
        except LookupError as error:
            raise ConfigError(
                f"encoding {self.encoding!r} is not known; try utf-8 or latin-1"
            ) from error
        self._codec = codecs.lookup(self.encoding).name

    def description(self) -> dict[str, Any]:
        """What tells this corpus from another, as JSON can hold it."""
        return {
            "paths": [str(path) for path in self._paths],
            "documents": self.documents,
            "encoding": self.encoding,
            "errors": self.errors,
        }

    def sizes(self) -> dict[str, int]:
        """The bytes of each file that would be read: what changes when a text is edited.

        Empty where the text is stdin, or no more there.
        """
        try:
            return {name: path.stat().st_size for path, name in self.files() if path.is_file()}
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
        return self.documents == "file" and not _has_records(Path(document.source))

    def text_of(self, document: Document) -> str:
        """A document's text, after its title where that is text too and not a file's name."""
        if self.is_whole_file(document) or not document.title:
            return document.text
        return f"{document.title}\n{document.text}"

    def __iter__(self) -> Iterator[Document]:
        for path, name in self.files():
            yield from self._documents_of(path, name)

    def files(self) -> Iterator[tuple[Path, str]]:
        """Each file to read with its name relative to the corpus, in a stable order.

        Raises
        ------
        CorpusError
            If a path does not exist, or a folder has no text file in it.
        """
        self.skipped.clear()
        for path in self._paths:
            if str(path) == "-":
                yield path, "stdin"
            elif path.is_dir():
                yield from self._files_below(path)
            elif path.exists():  # also a pipe or device, as in `<(xz -dc …)`
                yield path, self._prefix(path.parent) + path.name
            else:
                raise CorpusError(f"there is no file or folder {path}; check the path")

    def _prefix(self, folder: Path) -> str:
        """What goes before a name in `folder`, so that files of several paths have several."""
        if len(self._paths) == 1:
            return ""
        parents = [os.path.abspath(path.parent) for path in self._paths]  # noqa: PTH100
        relative = os.path.relpath(folder, os.path.commonpath(parents))
        return "" if relative == "." else relative + "/"

    def _files_below(self, folder: Path) -> Iterator[tuple[Path, str]]:
        n_files = 0
        prefix = self._prefix(folder)
        for parent, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(parent, name)
                relative = prefix + str(path.relative_to(folder))
                if name.startswith("."):
                    self.skipped.append((relative, "hidden"))
                elif not _has_text_suffix(path):
                    self.skipped.append((relative, f"no text suffix ({path.suffix})"))
                elif not path.is_file():
                    self.skipped.append((relative, "not a file"))
                elif self._is_text(path) and (position := _find_nul(path)) is not None:
                    self.skipped.append((relative, f"binary (a zero byte at {position:,})"))
                else:
                    n_files += 1
                    yield path, relative
        if n_files == 0:
            found = f"; it has {len(self.skipped):,} other files" if self.skipped else ""
            raise CorpusError(
                f"the folder {folder} has no text file (.txt, .md, .rst, .jsonl, .parquet, "
                f".arrow, or text with .gz, .xz, .zst){found}; name the file itself if it is text"
            )

    def blocks(self) -> Iterator[tuple[str, int, bytes]]:
        """The text as (file, byte offset, UTF-8 bytes), each ending at a line's or word's end.

        For what needs every word but no documents. The bytes of a UTF-8 file come as they are,
        not yet checked or normalised.
        """
        for path, name in self.files():
            yield from self.blocks_of(path, name)

    def blocks_of(
        self, path: Path, name: str, span: tuple[int, int] | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """The blocks of one file; with a `span`, of the lines that begin in these bytes of it.

        Spans are for files that `has_lines_to_cut` is true of.
        """
        if _has_records(path):
            yield from self._record_blocks(path, name)
        elif self._is_raw():
            yield from self._raw_blocks(path, name, span)
        else:
            for text in self._texts(path, name):
                yield name, 0, text.encode()
        yield name, 0, b"\n"  # a sentence does not go on into the next file

    def has_lines_to_cut(self, path: Path) -> bool:
        """Whether the bytes of a file are its text, so that a part of it can be read alone."""
        return self._is_raw() and not _has_records(path) and path.suffix not in COMPRESSED

    def _is_raw(self) -> bool:
        return self._codec == "utf-8" and self.errors == "strict"

    def _record_blocks(self, path: Path, name: str) -> Iterator[tuple[str, int, bytes]]:
        texts: list[str] = []
        n_characters = 0
        for document in self._documents_of(path, name):
            texts += [document.title, document.text]
            n_characters += len(document.text)
            if n_characters >= 1 << 20:
                yield name, 0, ("\n".join(texts) + "\n").encode()
                texts, n_characters = [], 0
        yield name, 0, ("\n".join(texts) + "\n").encode()

    def _raw_blocks(
        self, path: Path, name: str, span: tuple[int, int] | None
    ) -> Iterator[tuple[str, int, bytes]]:
        with open_bytes(path) as file:
            offset, blocks = (0, read_blocks(file)) if span is None else read_span(file, *span)
            for block in blocks:
                if b"\0" in block:
                    raise CorpusError(_binary_message(name, offset + block.index(b"\0"), block))
                yield name, offset, block
                offset += len(block)

    def _documents_of(self, path: Path, name: str) -> Iterator[Document]:
        if path.suffix in TABLE_SUFFIXES:
            return _table_documents(path, name)
        if bare_suffix(path) in JSONL_SUFFIXES:
            return self._jsonl_documents(path, name)
        if self.documents == "lines":
            return self._line_documents(path, name)
        if self.documents == "blocks":
            return self._block_documents(path, name)
        return self._file_documents(path, name)

    def _file_documents(self, path: Path, name: str) -> Iterator[Document]:
        # A part is at most PART_BYTES, so that memory does not follow the file's size.
        title = "" if name == "stdin" else _bare_name(path)
        for number, text in enumerate(self._texts(path, name, PART_BYTES), start=1):
            if text.strip():
                document_id = name if number == 1 else f"{name}:{number}"
                yield Document(document_id, title, text, name)

    def _line_documents(self, path: Path, name: str) -> Iterator[Document]:
        for number, line in self._lines(path, name):
            if line.strip():
                yield Document(f"{name}:{number}", "", line, name)

    def _block_documents(self, path: Path, name: str) -> Iterator[Document]:
        block: list[str] = []
        first = 1
        for number, line in self._lines(path, name):
            if line.strip():
                first = first if block else number
                block.append(line)
            elif block:
                yield _block_document(block, f"{name}:{first}", name)
                block = []
        if block:
            yield _block_document(block, f"{name}:{first}", name)

    def _jsonl_documents(self, path: Path, name: str) -> Iterator[Document]:
        for number, line in self._lines(path, name):
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
            yield json_document(fields, f"{name}:{number}", name)

    def _mended(self, text: str, place: str) -> str:
        """`text` without lone surrogates, which JSON can spell and UTF-8 cannot."""
        if (found := _SURROGATE.search(text)) and self.errors == "strict":
            raise CorpusError(
                f"{place} has half a character (\\u{ord(found.group()):04x}); "
                "mend the line, or give --errors replace"
            )
        return _SURROGATE.sub("\ufffd", text) if found else text

    def _lines(self, path: Path, name: str) -> Iterator[tuple[int, str]]:
        """(line number, line without its end); a line may be of any length."""
        number, kept = 1, ""
        for text in self._texts(path, name):
            lines = (kept + text).split("\n")
            kept = lines.pop()
            for line in lines:
                yield number, line
                number += 1
        if kept:
            yield number, kept

    def _texts(self, path: Path, name: str, block_bytes: int = 1 << 20) -> Iterator[str]:
        """Normalised text of one file, in blocks."""
        offset = 0
        with open_bytes(path) as file:
            if self._is_wide():
                yield normalize(self._decode(file.read(), 0, name))  # a cut could halve a unit
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
    for name in ("_id", "id", "document_id"):
        if isinstance(fields.get(name), str | int):
            document_id = str(fields.pop(name))
            break
    title = fields.pop("title") if isinstance(fields.get("title"), str) else ""
    return Document(document_id, title, text, source, fields)


def _table_documents(path: Path, name: str) -> Iterator[Document]:
    from rowspace.text.tables import open_table, table_documents  # pyarrow, where it is used

    with open_table(path) as reader:
        for row in table_documents(reader, name):
            source = {} if row.source in ("", name) else {"source": row.source}
            yield replace(
                row,
                title=normalize(row.title),
                text=normalize(row.text),
                source=name,
                metadata=source | row.metadata,
            )


def _has_records(path: Path) -> bool:
    """Whether a file holds documents with fields, whatever `documents` says."""
    return bare_suffix(path) in JSONL_SUFFIXES or path.suffix in TABLE_SUFFIXES


def _bare_name(path: Path) -> str:
    return (path.with_suffix("") if path.suffix in COMPRESSED else path).stem


def _has_text_suffix(path: Path) -> bool:
    return bare_suffix(path) in TEXT_SUFFIXES or _has_records(path)


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
