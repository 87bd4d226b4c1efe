"""A vocabulary scan in parts, each of which can be done anywhere, with the result of one scan.

A part is some files, or the lines that begin in a range of a large file's bytes. Whoever counts one
writes its words and provisional token ids to a folder of its own, under their names when they are
whole, so that what is done is not done again. When all are counted their words are merged, the ids
of each part are rewritten, and joined in the order of the text.
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rowspace.errors import ConfigError, CorpusError
from rowspace.files import remember, write_atomically, write_folder_atomically, write_json
from rowspace.progress import track
from rowspace.text import scan_kernels as kernels
from rowspace.text.corpus import Corpus
from rowspace.text.tokenizer import fold_table
from rowspace.text.vocabulary import TokenIds, Vocabulary, VocabularyConfig, select_words
from rowspace.text.wordtable import CountedWords, WordTable, checked

PART_BYTES = 1 << 26
"""Of text in a part, about."""
_WORDS, _IDS, _FINAL = "words.npz", "provisional.i32", "ids.i32"
_CHUNK_IDS = 1 << 18


@dataclass(frozen=True)
class Slice:
    """A file, or the lines of it that begin in some of its bytes."""

    path: str
    name: str
    first: int
    last: int
    is_whole: bool


@dataclass(frozen=True)
class Part:
    """What is counted at once."""

    number: int
    slices: tuple[Slice, ...]

    @property
    def n_bytes(self) -> int:
        """About how much there is to read."""
        return sum(piece.last - piece.first for piece in self.slices)


def cut_into_parts(corpus: Corpus, part_bytes: int = PART_BYTES) -> list[Part]:
    """Cut a corpus by its files' names and sizes, without reading it.

    Raises
    ------
    ConfigError
        If the text is stdin or a pipe, which only one process can read.
    CorpusError
        If a path does not exist, or a folder has no text.
    """
    parts: list[Part] = []
    slices: list[Slice] = []
    for piece in _slices(corpus, part_bytes):
        if slices and sum(one.last - one.first for one in [*slices, piece]) > part_bytes:
            parts.append(Part(len(parts), tuple(slices)))
            slices = []
        slices.append(piece)
    return [*parts, Part(len(parts), tuple(slices))]


def _slices(corpus: Corpus, part_bytes: int) -> Iterator[Slice]:
    for path, name in corpus.files():
        if not path.is_file():
            raise ConfigError(
                f"{name} can be read once, by one process; write it to a file, and give that"
            )
        size, absolute = path.stat().st_size, str(path.absolute())
        if size <= part_bytes or not corpus.has_lines_to_cut(path):
            yield Slice(absolute, name, 0, size, True)
        else:
            for first in range(0, size, part_bytes):
                yield Slice(absolute, name, first, min(first + part_bytes, size), False)


def begin_counting(corpus: Corpus, parts: list[Part], folder: Path, tokenizer: str) -> None:
    """Make the folder that parts are counted in; what is there of another text is removed."""
    about = {
        "corpus": corpus.description(),
        "tokenizer": tokenizer,
        "parts": [asdict(part) for part in parts],
        "changed": {name: path.stat().st_mtime_ns for path, name in corpus.files()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    if not remember(folder / "plan.json", about):
        shutil.rmtree(folder)
        folder.mkdir()
        write_json(folder / "plan.json", about)


def count_part(corpus: Corpus, part: Part, folder: Path, tokenizer: str) -> int:
    """Count the words of a part, and write its provisional ids; returns its size in bytes.

    Raises
    ------
    CorpusError
        If a text is damaged, binary or wrongly encoded, or the folder is not there, as on a machine
        that does not share the file system.
    """
    target = _folder_of(part.number, folder)
    if not (folder / "plan.json").exists():
        raise CorpusError(
            f"there is no {folder} on {_here()}; --out and the corpus must be on a file system "
            "that all machines share"
        )
    if not target.exists():
        table = WordTable(fold_table(tokenizer))
        with write_folder_atomically(target) as temporary:
            with (temporary / _IDS).open("wb") as file:
                for name, offset, block in _blocks(corpus, part):
                    file.write(table.scan(checked(block, name, offset, table.fold)).data)
            table.counted().save(temporary / _WORDS)
    return part.n_bytes


def _here() -> str:
    import platform

    return platform.node() or "this machine"


def _blocks(corpus: Corpus, part: Part) -> Iterator[tuple[str, int, bytes]]:
    for piece in part.slices:
        span = None if piece.is_whole else (piece.first, piece.last)
        yield from corpus.blocks_of(Path(piece.path), piece.name, span)


def _folder_of(number: int, folder: Path) -> Path:
    return folder / f"{number:06d}"


def merge_words(parts: list[Part], folder: Path, config: VocabularyConfig) -> Vocabulary:
    """The vocabulary of all parts; its words are kept in `folder` for `number_part`.

    Raises
    ------
    CorpusError
        If there is no word.
    VocabularyError
        If no word is frequent enough.
    """
    table = WordTable(fold_table(config.tokenizer))
    with track("merging words", total=len(parts)) as tracker:
        for part in parts:
            table.merge(CountedWords.load(_folder_of(part.number, folder) / _WORDS))
            tracker.advance()
    vocabulary, _ = select_words(table, config)
    write_json(folder / "words.json", vocabulary.words)
    return vocabulary


def number_part(number: int, folder: Path) -> int:
    """Rewrite the provisional ids of a part to those of the vocabulary; returns how many are left.

    A part begins a sentence and ends one, so parts can be joined.
    """
    here = _folder_of(number, folder)
    final = here / _FINAL
    if not final.exists():
        words = CountedWords.load(here / _WORDS).words()
        rows = _rows(folder / "words.json", (folder / "words.json").stat().st_mtime_ns)
        mapping = np.fromiter((rows.get(word, -1) for word in words), np.int32, len(words))
        with (here / _IDS).open("rb") as provisional, write_atomically(final) as file:
            last = kernels.SENTENCE_END
            out = np.empty(_CHUNK_IDS, dtype=np.int32)
            while data := provisional.read(4 * _CHUNK_IDS):
                ids = np.frombuffer(data, dtype=np.int32)
                n_out = kernels.remap_ids(ids, mapping, last, out)
                last = out[n_out - 1] if n_out else last
                file.write(out[:n_out].data)
    (here / _IDS).unlink(missing_ok=True)
    return final.stat().st_size // 4


@functools.lru_cache(maxsize=1)
def _rows(path: Path, changed: int) -> dict[bytes, int]:
    """The row of each word; kept, as a process numbers many parts."""
    words: list[str] = json.loads(path.read_text())
    return {word.encode("utf-8", "surrogateescape"): row for row, word in enumerate(words)}


def join_parts(parts: list[Part], folder: Path, target: Path) -> TokenIds:
    """Write the ids of all parts to one file, in the order of the text, and remove `folder`."""
    with write_atomically(target) as file, track("joining ids", total=len(parts)) as tracker:
        for part in parts:
            with (_folder_of(part.number, folder) / _FINAL).open("rb") as ids:
                shutil.copyfileobj(ids, file, 1 << 20)
            tracker.advance()
    shutil.rmtree(folder)
    return TokenIds(target, target.stat().st_size // 4)


