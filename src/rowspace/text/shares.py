"""A vocabulary scan in shares, each of which can be done anywhere, with the result of one scan.

A share is some files, or the lines that begin in a range of a large file's bytes. Whoever counts
one writes its words and provisional token ids to a folder of its own, which takes its name when it
is whole, so that what is done is not done again. When all are counted their words are merged, the
ids of each share are rewritten, and joined in the order of the text.
"""

from __future__ import annotations

import collections
import functools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rowspace.errors import ConfigError, CorpusError
from rowspace.files import (
    begin_folder,
    remove_folder,
    write_atomically,
    write_folder_atomically,
    write_json,
)
from rowspace.progress import track
from rowspace.text import scan_kernels as kernels
from rowspace.text.corpus import Corpus
from rowspace.text.sections import Part, sections_of
from rowspace.text.tokenizer import fold_table
from rowspace.text.vocabulary import TokenIds, Vocabulary, VocabularyConfig, select_words
from rowspace.text.wordtable import CountedWords, WordTable, checked

SHARE_BYTES = 1 << 26
"""Of text in a share, about."""
_NAMES, _WORDS = "words.json", "words.npz"
_PROVISIONAL, _FINAL = "provisional.i32", "ids.i32"
_CHUNK_IDS = 1 << 18


@dataclass(frozen=True)
class Share:
    """What is counted at once."""

    number: int
    parts: tuple[Part, ...]

    @property
    def n_bytes(self) -> int:
        """About how much there is to read."""
        return sum(part.n_bytes or 0 for part in self.parts)


def cut_into_shares(corpus: Corpus, share_bytes: int = SHARE_BYTES) -> list[Share]:
    """Cut a corpus by its files' names and sizes, without reading it.

    Raises
    ------
    ConfigError
        If the text is stdin or a pipe, which only one process can read.
    CorpusError
        If a path does not exist, or a folder has no text.
    """
    shares: list[Share] = []
    parts: list[Part] = []
    n_bytes = 0
    for part in _parts(corpus, share_bytes):
        if part.n_bytes is None:
            raise ConfigError(
                f"{part.name} can be read once, by one process; write it to a file, and give that"
            )
        if parts and n_bytes + part.n_bytes > share_bytes:
            shares.append(Share(len(shares), tuple(parts)))
            parts, n_bytes = [], 0
        parts.append(replace(part, path=part.path.absolute()))
        n_bytes += part.n_bytes
    return [*shares, Share(len(shares), tuple(parts))]


def _parts(corpus: Corpus, share_bytes: int) -> Iterator[Part]:
    for section in sections_of(corpus):
        for part in section.parts:
            if part.span is None and corpus.has_bytes_to_cut(part):
                yield from _spans(part, share_bytes)
            else:
                yield part


def _spans(part: Part, share_bytes: int) -> Iterator[Part]:
    size = part.n_bytes or 0
    if size <= share_bytes:
        yield part
        return
    for first in range(0, size, share_bytes):
        last = min(first + share_bytes, size)
        yield replace(part, span=(first, last), n_bytes=last - first)


def begin_counting(
    corpus: Corpus, shares: list[Share], folder: Path, config: VocabularyConfig
) -> None:
    """Make the folder that shares are counted in; what is there of another text is removed."""
    about = {
        "corpus": corpus.description(),
        "words": [config.tokenizer, config.min_count, config.max_words],
        "shares": [[[part.name, part.span, part.n_bytes] for part in one.parts] for one in shares],
    }
    begin_folder(folder, about)


def count_share(corpus: Corpus, share: Share, folder: Path, tokenizer: str) -> None:
    """Count the words of a share, and write its provisional ids, unless that is done.

    Raises
    ------
    CorpusError
        If a text is damaged, binary or wrongly encoded.
    """
    target = _folder_of(share.number, folder)
    if target.exists():
        return
    table = WordTable(fold_table(tokenizer))
    with write_folder_atomically(target) as temporary:
        with (temporary / _PROVISIONAL).open("wb") as file:
            for part in share.parts:
                for name, offset, block in _blocks(corpus, part):
                    file.write(table.scan(checked(block, name, offset, table.fold)).data)
        table.counted().save(temporary / _WORDS)


def _blocks(corpus: Corpus, part: Part) -> Iterator[tuple[str, int, bytes]]:
    """The blocks of a part; lines before it are counted only where an error names one of it."""
    try:
        yield from corpus.blocks_in(replace(part, n_before=0))
    except CorpusError:
        if part.span is not None:
            collections.deque(corpus.blocks_in(part), maxlen=0)
        raise


def _folder_of(number: int, folder: Path) -> Path:
    return folder / f"{number:06d}"


def merge_words(shares: list[Share], folder: Path, config: VocabularyConfig) -> Vocabulary:
    """The vocabulary of all shares; its words are kept in `folder` for `number_share`.

    Raises
    ------
    CorpusError
        If there is no word.
    VocabularyError
        If no word is frequent enough.
    """
    table = WordTable(fold_table(config.tokenizer))
    with track("merging words", total=len(shares)) as tracker:
        for share in shares:
            table.merge(CountedWords.load(_folder_of(share.number, folder) / _WORDS))
            tracker.advance()
    vocabulary, _ = select_words(table, config)
    write_json(folder / _NAMES, vocabulary.words)
    return vocabulary


def number_share(number: int, folder: Path) -> int:
    """Rewrite the provisional ids of a share to those of the vocabulary; returns how many are left.

    A share begins a sentence and ends one, so shares can be joined.
    """
    here = _folder_of(number, folder)
    final = here / _FINAL
    if not final.exists():
        words = CountedWords.load(here / _WORDS).words()
        rows = _rows(folder / _NAMES, (folder / _NAMES).stat().st_mtime_ns)
        mapping = np.fromiter((rows.get(word, -1) for word in words), np.int32, len(words))
        with (here / _PROVISIONAL).open("rb") as provisional, write_atomically(final) as file:
            last = kernels.SENTENCE_END
            out = np.empty(_CHUNK_IDS, dtype=np.int32)
            while data := provisional.read(4 * _CHUNK_IDS):
                ids = np.frombuffer(data, dtype=np.int32)
                n_out = kernels.remap_ids(ids, mapping, last, out)
                last = out[n_out - 1] if n_out else last
                file.write(out[:n_out].data)
    (here / _PROVISIONAL).unlink(missing_ok=True)
    return final.stat().st_size // 4


@functools.lru_cache(maxsize=1)
def _rows(path: Path, changed: int) -> dict[bytes, int]:
    """The row of each word; kept, as a process numbers many shares."""
    words: list[str] = json.loads(path.read_text())
    return {word.encode("utf-8", "surrogateescape"): row for row, word in enumerate(words)}


def join_shares(shares: list[Share], folder: Path, target: Path) -> TokenIds:
    """Write the ids of all shares to one file, in the order of the text, and remove `folder`."""
    with write_atomically(target) as file, track("joining ids", total=len(shares)) as tracker:
        for share in shares:
            with (_folder_of(share.number, folder) / _FINAL).open("rb") as ids:
                shutil.copyfileobj(ids, file, 1 << 20)
            tracker.advance()
    remove_folder(folder)
    return TokenIds(target, target.stat().st_size // 4)
