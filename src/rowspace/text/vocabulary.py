"""The vocabulary scan: every word counted and every token's id on disk, in one pass.

Each thread counts its own blocks of bytes in its own word table and writes provisional ids; the
tables are then merged, words sorted by count, and the ids rewritten. Words stay bytes until the
end, so the scan neither holds the interpreter lock nor builds a Python string per token. The
result does not depend on the number of threads.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError, FormatError, VocabularyError
from rowspace.files import fsync_file, write_json
from rowspace.progress import Tracker, track
from rowspace.text import scan_kernels as kernels
from rowspace.text.corpus import Corpus
from rowspace.text.tokenizer import TOKENIZERS, fold_table
from rowspace.text.wordtable import WordTable, checked

SENTENCE_END = int(kernels.SENTENCE_END)
_REMAP_IDS = 1 << 18


@dataclass(frozen=True)
class Vocabulary:
    """The words of a corpus, most frequent first, ties in the order of their bytes."""

    words: list[str]
    counts: NDArray[np.int64]
    """(n_words,) occurrences of each."""
    n_tokens: int
    """All tokens read, those of the words left out included."""
    n_distinct: int
    """All different words read."""

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class TokenIds:
    """Token ids of a corpus in a file of int32: rows of the vocabulary, SENTENCE_END between."""

    path: Path
    n_ids: int

    def open(self) -> NDArray[np.int32]:
        """The ids, memory-mapped: (n_ids,) int32."""
        if self.n_ids == 0:
            return np.empty(0, dtype=np.int32)
        return np.memmap(self.path, dtype=np.int32, mode="r", shape=(self.n_ids,))

    def read(self, first: int, last: int) -> NDArray[np.int32]:
        """ids[first:last], copied: memory does not follow how much of the file was read."""
        count = max(0, min(last, self.n_ids) - first)
        return np.fromfile(self.path, dtype=np.int32, count=count, offset=4 * first)


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig:
    """Which words are kept."""

    min_count: int = 5
    """A word that occurs less often is left out."""
    max_words: int | None = None
    """At most this many words, the most frequent ones."""
    tokenizer: str = "words"
    """`words`: lower-case runs of letters and digits. `whitespace`: what stands between spaces,
    as it is, for text that is tokenised already."""
    keep_word: Callable[[str, int], bool] | None = None
    """Called with each word and its count; False leaves the word out."""

    def __post_init__(self) -> None:
        if self.min_count < 1:
            raise ConfigError(f"min_count is {self.min_count}; give 1 or more")
        if self.tokenizer not in TOKENIZERS:
            raise ConfigError(
                f"tokenizer is {self.tokenizer!r}; give one of {', '.join(TOKENIZERS)}"
            )
        if self.max_words is not None and self.max_words < 1:
            raise ConfigError(f"max_words is {self.max_words}; give 1 or more")


def scan_corpus(
    corpus: Corpus,
    folder: Path,
    config: VocabularyConfig,
    n_threads: int = 1,
    *,
    keep_rare: bool = False,
) -> tuple[Vocabulary, TokenIds]:
    """Count the words of a corpus and write its token ids to `folder`.

    A line's end is a sentence's end. Words are those of `text.tokenizer.words`.

    Parameters
    ----------
    corpus : Corpus
        Read once, so it may be stdin.
    folder : Path
        Gets `ids.i32`, 4 bytes a token.
    config : VocabularyConfig
    n_threads : int
    keep_rare : bool
        Give the words left out an id too, without a name, from the vocabulary's length on and
        under `n_distinct`: what stands beside what is then still to be seen. `choose_words` takes
        them out.

    Raises
    ------
    CorpusError
        If the corpus is empty, or a text is damaged, binary or wrongly encoded.
    VocabularyError
        If no word is frequent enough.
    """
    provisional = folder / "provisional.i32"
    fold = fold_table(config.tokenizer)
    tables = [WordTable(fold) for _ in range(n_threads)]
    try:
        with provisional.open("wb") as file, track("counting words") as tracker:
            scan = _Scan(corpus.blocks(), file, tracker)
            with ThreadPoolExecutor(n_threads) as pool:
                for future in [pool.submit(scan.run, i, table) for i, table in enumerate(tables)]:
                    future.result()
        vocabulary, mappings = _merge(tables, config, keep_rare)
        ids = _rewrite_ids(provisional, folder / "ids.i32", scan.written, mappings)
    finally:
        provisional.unlink(missing_ok=True)
    return vocabulary, ids


def scan_sequences(
    sequences: Iterable[Sequence[Hashable]],
    folder: Path,
    config: VocabularyConfig,
    *,
    keep_rare: bool = False,
) -> tuple[Vocabulary, TokenIds]:
    """Count the items of sequences that are not text (products, pages, genes), and write their ids.

    Parameters
    ----------
    sequences : iterable of sequences
        Read once. Each item is named by its `str`.
    keep_rare : bool
        As in `scan_corpus`.

    Raises
    ------
    CorpusError, VocabularyError
        As `scan_corpus`.
    """
    index: dict[Hashable, int] = {}
    counts: list[int] = []
    provisional = folder / "provisional.i32"
    n_ids = 0
    try:
        with provisional.open("wb") as file, track("counting items") as tracker:
            for sequence in sequences:
                if isinstance(sequence, str | bytes):
                    raise CorpusError(
                        f"a sequence is the string {sequence[:40]!r}; give lists of items, "
                        "or the path of a text"
                    )
                row = [index.setdefault(item, len(index)) for item in sequence]
                counts.extend([0] * (len(index) - len(counts)))
                for item_id in row:
                    counts[item_id] += 1
                file.write(np.array([*row, SENTENCE_END], dtype=np.int32).data)
                n_ids += len(row) + 1
                tracker.advance()
        names = [_name(item) for item in index]
        if len(set(names)) < len(names):
            raise CorpusError(
                "two different items have the same str, such as 1 and '1'; use one type of item"
            )
        vocabulary, mapping = _select(names, np.array(counts, dtype=np.int64), config)
        if keep_rare:
            _number_the_rest(mapping, len(vocabulary))
        ids = _rewrite_ids(provisional, folder / "ids.i32", [_Written(0, n_ids)], [mapping])
    finally:
        provisional.unlink(missing_ok=True)
    return vocabulary, ids


def _name(item: Hashable) -> bytes:
    try:
        return str(item).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise CorpusError(f"the item {item!r} has half a character; give whole ones") from error


@dataclass(frozen=True)
class UpdateReport:
    """What new text did to a vocabulary."""

    added: list[str]
    """New words, most frequent first."""
    dropped: list[str]
    """Words of before that `max_words` pushed out."""
    unseen: list[str]
    """Words of before that the new text does not have; they stay."""
    n_rare_words: int
    """Different words of the new text that are too rare to add."""
    n_rare_tokens: int


def update_vocabulary(
    words: Sequence[str],
    counts: NDArray[np.int64],
    new: Vocabulary,
    ids: TokenIds,
    config: VocabularyConfig,
) -> tuple[Vocabulary, TokenIds, UpdateReport]:
    """Merge a vocabulary with that of new text, whose ids are rewritten in place.

    Parameters
    ----------
    words, counts : (n_words,)
        The vocabulary of before, which stays unless `max_words` is reached.
    new, ids
        A scan of the new text with a min_count of 1.
    config : VocabularyConfig
        A new word needs `min_count` occurrences in the new text alone.

    Returns
    -------
    vocabulary : Vocabulary
        Counts are the sums; `n_tokens` is that of the new text.
    ids : TokenIds
        The new text in rows of that vocabulary.
    report : UpdateReport
    """
    before = set(words)
    total = dict(zip(words, counts.tolist(), strict=True))
    rare_words = rare_tokens = 0
    for word, count in zip(new.words, new.counts.tolist(), strict=True):
        if word in before:
            total[word] += count
        elif _is_kept(word.encode("utf-8", "surrogateescape"), count, config):
            total[word] = count
        else:
            rare_words, rare_tokens = rare_words + 1, rare_tokens + count
    names = [word.encode("utf-8", "surrogateescape") for word in total]
    merged, _ = _select(
        names,
        np.array(list(total.values()), dtype=np.int64),
        VocabularyConfig(min_count=1, max_words=config.max_words, tokenizer=config.tokenizer),
        n_tokens=new.n_tokens,
        n_distinct=len(before | set(new.words)),
    )
    rows = {word: row for row, word in enumerate(merged.words)}
    mapping = np.array([rows.get(word, -1) for word in new.words], dtype=np.int32)
    ids = _rewrite_ids(ids.path, ids.path, [_Written(0, ids.n_ids)], [mapping])
    seen = set(new.words)
    return (
        merged,
        ids,
        UpdateReport(
            added=[word for word in merged.words if word not in before],
            dropped=[word for word in words if word not in rows],
            unseen=[word for word in words if word not in seen],
            n_rare_words=rare_words,
            n_rare_tokens=rare_tokens,
        ),
    )


def choose_words(
    names: Sequence[str],
    counts: NDArray[np.int64],
    ids: TokenIds,
    config: VocabularyConfig,
    *,
    keep_rare: bool = False,
) -> tuple[Vocabulary, TokenIds]:
    """Choose and sort words anew, after their counts have changed; ids are rewritten in place.

    Parameters
    ----------
    names : (n_names,)
        Of the ids 0, 1, ...; those behind have none and are left out.
    counts : (n_ids,) int64 array
    ids : TokenIds
    config : VocabularyConfig
    keep_rare : bool
        As in `scan_corpus`.

    Raises
    ------
    VocabularyError
        If no word is frequent enough.
    """
    vocabulary, selected = _select(
        [name.encode("utf-8", "surrogateescape") for name in names],
        counts[: len(names)],
        config,
        n_tokens=int(counts.sum()),
        n_distinct=int(np.count_nonzero(counts)),
    )
    mapping = np.full(len(counts), -1, dtype=np.int32)
    mapping[: len(names)] = selected
    if keep_rare:
        used = mapping[counts > 0]
        _number_the_rest(used, len(vocabulary))
        mapping[counts > 0] = used
    return vocabulary, _rewrite_ids(ids.path, ids.path, [_Written(0, ids.n_ids)], [mapping])


def save_scan(path: Path, vocabulary: Vocabulary, ids: TokenIds) -> None:
    """Write a vocabulary beside its token ids, so that a later run need not scan again."""
    fsync_file(ids.path)
    write_json(
        path,
        {
            "words": vocabulary.words,
            "counts": vocabulary.counts.tolist(),
            "n_tokens": vocabulary.n_tokens,
            "n_distinct": vocabulary.n_distinct,
            "n_ids": ids.n_ids,
        },
    )


def load_scan(path: Path) -> tuple[Vocabulary, TokenIds]:
    """Read what `save_scan` wrote.

    Raises
    ------
    FormatError
        If it is damaged, or the token ids beside it are not whole.
    """
    try:
        saved = json.loads(path.read_text())
        vocabulary = Vocabulary(
            saved["words"],
            np.array(saved["counts"], dtype=np.int64),
            saved["n_tokens"],
            saved["n_distinct"],
        )
        ids = TokenIds(path.with_name("ids.i32"), saved["n_ids"])
        size = ids.path.stat().st_size
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path.parent} is damaged ({error}); remove it to start anew") from error
    if size != 4 * ids.n_ids:
        raise FormatError(f"{ids.path} is cut short; remove {path.parent} to start anew")
    return vocabulary, ids


@dataclass(frozen=True)
class _Written:
    """A run of provisional ids in the file: whose word table they refer to, and how many."""

    table: int
    n_ids: int


class _Scan:
    """What the scanning threads share: the text to read and the file of ids to write."""

    def __init__(
        self, blocks: Iterator[tuple[str, int, bytes]], file: IO[bytes], tracker: Tracker
    ) -> None:
        self._blocks = blocks
        self._file = file
        self._tracker = tracker
        self._reading = threading.Lock()
        self._writing = threading.Condition()
        self._n_read = 0
        self._failed = False
        self.written: list[_Written] = []

    def run(self, table_number: int, table: WordTable) -> None:
        """Scan blocks until none is left."""
        try:
            while (taken := self._take()) is not None:
                number, name, offset, block = taken
                ids = table.scan(checked(block, name, offset, table.fold))
                self._write(number, table_number, ids, len(block))
        except BaseException:
            with self._writing:
                self._failed = True
                self._writing.notify_all()
            raise

    def _take(self) -> tuple[int, str, int, bytes] | None:
        with self._reading:
            if self._failed:
                return None
            item = next(self._blocks, None)
            if item is None:
                return None
            self._n_read += 1
            return self._n_read - 1, *item

    def _write(self, number: int, table: int, ids: NDArray[np.int32], n_bytes: int) -> None:
        with self._writing:  # ids stand in the order of the text, whichever thread is first
            self._writing.wait_for(lambda: len(self.written) == number or self._failed)
            if self._failed:
                return
            self._file.write(ids.data)  # not tofile, whose error does not tell a full disk
            self.written.append(_Written(table, len(ids)))
            self._tracker.advance(n_bytes)
            self._writing.notify_all()


def _merge(
    tables: list[WordTable], config: VocabularyConfig, keep_rare: bool
) -> tuple[Vocabulary, list[NDArray[np.int32]]]:
    """The vocabulary, and for each table the final id of its words (-1: left out).

    Empties `tables`, each freed when it is merged.
    """
    merged = tables.pop(0)
    to_merged = [np.arange(merged.n_words, dtype=np.int32)]
    while tables:
        to_merged.append(merged.merge(tables.pop(0)))
    vocabulary, to_final = select_words(merged, config, keep_rare)
    return vocabulary, [to_final[mapping] for mapping in to_merged]


def select_words(
    merged: WordTable, config: VocabularyConfig, keep_rare: bool = False
) -> tuple[Vocabulary, NDArray[np.int32]]:
    """The vocabulary of what was counted, and the final id of each word (-1: left out).

    Raises
    ------
    CorpusError, VocabularyError
        As `scan_corpus`.
    """
    frequent = np.flatnonzero(merged.counts[: merged.n_words] >= config.min_count)
    names = merged.words(frequent)
    vocabulary, selected = _select(
        names,
        merged.counts[frequent],
        config,
        n_tokens=int(merged.counts[: merged.n_words].sum()),
        n_distinct=merged.n_words,
    )
    to_final = np.full(merged.n_words, -1, dtype=np.int32)
    to_final[frequent] = selected
    if keep_rare:
        _number_the_rest(to_final, len(vocabulary))
    return vocabulary, to_final


def _select(
    names: list[bytes],
    counts: NDArray[np.int64],
    config: VocabularyConfig,
    n_tokens: int | None = None,
    n_distinct: int | None = None,
) -> tuple[Vocabulary, NDArray[np.int32]]:
    """The words that are kept, sorted, and the final id of each name (-1: left out)."""
    n_tokens = int(counts.sum()) if n_tokens is None else n_tokens
    n_distinct = len(names) if n_distinct is None else n_distinct
    if n_tokens == 0:
        raise CorpusError("the corpus has no word in it; give some text")
    by_name = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    by_count = np.argsort(-counts[by_name], kind="stable")
    order = [i for i in by_name[by_count].tolist() if _is_kept(names[i], int(counts[i]), config)]
    order = order[: config.max_words]
    if not order:
        raise VocabularyError(
            f"no word occurs {config.min_count} times in {n_tokens:,} tokens; "
            "lower min_count or give more text"
        )
    mapping = np.full(len(names), -1, dtype=np.int32)
    mapping[order] = np.arange(len(order), dtype=np.int32)
    words = [names[i].decode("utf-8", "surrogateescape") for i in order]
    return Vocabulary(words, counts[order], n_tokens, n_distinct), mapping


def _number_the_rest(mapping: NDArray[np.int32], n_words: int) -> None:
    """Give what is left out (-1) the numbers from `n_words` on."""
    left_out = np.flatnonzero(mapping < 0)
    mapping[left_out] = n_words + np.arange(len(left_out), dtype=np.int32)


def _is_kept(name: bytes, count: int, config: VocabularyConfig) -> bool:
    if count < config.min_count:
        return False
    if config.keep_word is None:
        return True
    return config.keep_word(name.decode("utf-8", "surrogateescape"), count)


def _rewrite_ids(
    path: Path, target: Path, runs: list[_Written], mappings: list[NDArray[np.int32]]
) -> TokenIds:
    """Turn provisional ids into final ones, in place: what is written never passes what is read."""
    n_read = n_ids = 0
    last = kernels.SENTENCE_END
    buffer = np.empty(_REMAP_IDS, dtype=np.int32)
    out = np.empty(_REMAP_IDS, dtype=np.int32)
    with path.open("r+b", buffering=0) as file:
        for run in runs:
            for first in range(0, run.n_ids, _REMAP_IDS):
                ids = buffer[: min(_REMAP_IDS, run.n_ids - first)]
                file.seek(4 * n_read)
                file.readinto(ids.data)
                n_out = kernels.remap_ids(ids, mappings[run.table], last, out)
                last = out[n_out - 1] if n_out else last
                file.seek(4 * n_ids)
                file.write(out[:n_out].data)
                n_read += len(ids)
                n_ids += n_out
        file.truncate(4 * n_ids)
    path.rename(target)
    return TokenIds(target, n_ids)
