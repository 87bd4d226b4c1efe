"""The vectors of a corpus made in shards: what `encode_corpus` writes, by several processes.

Each is started by itself, on one machine or on several with one file system, and makes its share of
the shards. The one that finds all of them made puts them together.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import ConfigError
from rowspace.files import write_json
from rowspace.machine import return_free_memory
from rowspace.progress import Tracker, track
from rowspace.space.encoding import (
    DONE,
    KEYS,
    VECTORS,
    Encode,
    EncodingReport,
    UniqueNames,
    append_chunk,
    check_keys,
    move,
    no_text,
    npy_path,
    one_line,
    read_done,
    read_keys,
    report_of,
)
from rowspace.space.growing import PROGRESS, GrowingFiles, Rows
from rowspace.space.shards import (
    PLAN,
    SHARDS,
    Made,
    Shard,
    ShardFolder,
    ShardsReport,
    merging,
    plan_lock,
    remember_plan,
    retire,
    share_of,
    shared_sections,
    versions,
)
from rowspace.space.vocabulary_files import keys_path
from rowspace.text.chunks import chunks_in
from rowspace.text.corpus import Corpus
from rowspace.text.runs import SETTINGS, remember_run, work_folder_of
from rowspace.text.sections import SECTIONS

_MERGED_ROWS = 1 << 14


@dataclass(frozen=True)
class ShardedRun:
    """A run whose shards are made by several processes."""

    work: Path
    out: Path
    rows: Rows
    shards: tuple[Shard, ...]

    @property
    def folder(self) -> ShardFolder:
        """Where the shards are put."""
        return ShardFolder(self.work / SHARDS)


def is_sharded(out: Path | str) -> bool:
    """Whether there is an unfinished run to `out` that is made in shards."""
    return (work_folder_of(Path(out)) / PLAN).exists()


def encode_share(
    encode: Encode,
    corpus: Corpus,
    out: Path | str,
    *,
    dim: int,
    identity: dict[str, Any],
    dtype: str = "float32",
    share: tuple[int, int] = (1, 1),
    resume: bool = False,
) -> EncodingReport | ShardsReport:
    """Make one process's share of the shards; put all together if none is missing then.

    Parameters
    ----------
    encode, corpus, out, dim, identity, dtype
        As of `encode_corpus`, whose files are written byte for byte.
    share : (int, int)
        Which of how many processes this is, from 1.
    resume : bool
        Go on where shards of this share are made already.

    Raises
    ------
    ConfigError
        As `encode_corpus`, and if the unfinished run that is there is of other text or settings or
        of a single process, or the text comes once.
    """
    started = time.monotonic()
    run = begin(corpus, out, dim=dim, identity=identity, dtype=dtype)
    mine = share_of(run.shards, *share)
    making = _Making(encode, corpus, run)
    missing: list[Shard] = []
    counts = None
    try:
        if not resume and len(run.folder.missing(mine)) < len(mine):
            raise ConfigError(f"{run.work} holds shards that are made; add --resume, or remove it")
        making.make(mine)
        missing = run.folder.missing(run.shards)
        if not missing:
            counts = merge(run, lambda shard: making.make([shard]))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; add --resume to go on where it stopped") from None
    except FileNotFoundError:
        if not run.out.exists():
            raise
        missing = []  # another process has put all together
    seconds = time.monotonic() - started
    if counts is None:
        numbers = tuple(shard.number + 1 for shard in missing)
        return ShardsReport(making.n_texts, len(run.shards), numbers, seconds)
    return report_of(counts, dim, making.n_texts, seconds)


def begin(
    corpus: Corpus,
    out: Path | str,
    *,
    dim: int,
    identity: dict[str, Any],
    dtype: str = "float32",
) -> ShardedRun:
    """Join the run to `out`, or make its work folder; arguments as of `encode_share`."""
    out = npy_path(out)
    _check_not_made(out)
    work = work_folder_of(out)
    if not (work / DONE).exists():  # else the keys may have got their name, and the vectors not
        check_keys(keys_path(out))
    sections = shared_sections(corpus)
    if (work / PROGRESS).exists() and not (work / PLAN).exists():
        raise ConfigError(
            f"{work} holds a run of a single process; go on with --resume alone, or remove it"
        )
    work.mkdir(parents=True, exist_ok=True)
    with plan_lock(work):
        if out.exists() and not (work / SETTINGS).exists():  # another process has ended the run
            shutil.rmtree(work)
        _check_not_made(out)
        settings = {"dtype": dtype, **identity}
        more = {"sections": SECTIONS, **versions()}
        remember_run(work, corpus, settings, more, PLAN, since="its shards were planned")
        shards = remember_plan(work, sections)
    return ShardedRun(work, out, Rows(dtype, (dim,)), tuple(shards))


def _check_not_made(out: Path) -> None:
    if out.exists():
        raise ConfigError(
            f"{out} exists: if it is what these processes make, all is done and put together; if "
            "not, give another --out, or remove it"
        )


class _Making:
    """What a process makes of a run's shards."""

    def __init__(self, encode: Encode, corpus: Corpus, run: ShardedRun) -> None:
        self.encode, self.corpus, self.run = encode, corpus, run
        self.n_texts = 0

    def make(self, shards: Sequence[Shard]) -> None:
        """Make those of the shards that are not made."""
        with track("encoding", sum(shard.n_bytes for shard in shards)) as tracker:
            for shard in shards:
                if self.run.folder.made(shard) is None:
                    self.run.folder.make(shard, partial(self._fill, shard, tracker))
                else:
                    tracker.advance(shard.n_bytes)

    def _fill(self, shard: Shard, tracker: Tracker, folder: Path) -> dict[str, int]:
        rows = self.run.rows
        counts = encode_shard(self.encode, self.corpus, shard, folder, rows, tracker)
        self.n_texts += counts["texts"]
        return counts


def encode_shard(
    encode: Encode,
    corpus: Corpus,
    shard: Shard,
    folder: Path,
    rows: Rows,
    tracker: Tracker | None = None,
) -> dict[str, int]:
    """Write the vectors and the ids of a shard's texts into a folder: the `fill` of its `make`.

    Returns
    -------
    dict of str to int
        How many texts there were, how many were cut, and how many documents were empty.
    """
    counts = {"texts": 0, "empty": 0, "cut": 0}
    with GrowingFiles(folder, {VECTORS: rows}, [KEYS]) as files:
        for section in shard.sections:
            for chunk in chunks_in(corpus, section):
                counts["cut"] += append_chunk(encode, chunk, files)
                ids = [one_line(document_id) for document_id in chunk.document_ids]
                files.write(KEYS, "".join(f"{name}\n" for name in ids))
                counts["texts"] += len(chunk.texts)
                counts["empty"] += chunk.n_empty
                return_free_memory()  # which the C library keeps, in pieces of many sizes
            if tracker is not None:
                tracker.advance(section.n_bytes)
        files.finish()
    return counts


def merge(
    run: ShardedRun, make_again: Callable[[Shard], None] | None = None
) -> dict[str, int] | None:
    """Put all shards together as one process would have written them, under the run's name.

    Parameters
    ----------
    run : ShardedRun
    make_again : callable, optional
        Makes a shard whose files are not what they were.

    Returns
    -------
    dict of str to int or None
        What was counted; None where another process puts them together or has.

    Raises
    ------
    ConfigError
        If a shard is not made.
    CorpusError
        If no shard has a text.
    """
    with merging(run.work) as is_mine:
        if not is_mine:
            return None
        if (run.work / DONE).exists():
            counts = read_done(run.work / DONE)
        else:
            counts = _merged(run, make_again)
            write_json(run.work / DONE, counts)
        move(run.work, run.out)
        retire(run.work)
    return counts


def _merged(run: ShardedRun, make_again: Callable[[Shard], None] | None) -> dict[str, int]:
    made = [run.folder.made_or_again(shard, make_again) for shard in run.shards]
    if not any(one.told["texts"] for one in made):
        retire(run.work)
        raise no_text()
    check_keys(keys_path(run.out))
    names = ("texts", "empty", "cut")
    with (
        GrowingFiles(run.work, {VECTORS: run.rows}, [KEYS]) as files,
        track("putting together", len(made)) as tracker,
    ):
        state = files.state or {"shards": 0, "renamed": 0}
        unique = UniqueNames(read_keys(run.work / KEYS))
        for one in made[state["shards"] :]:
            state = {
                "shards": state["shards"] + 1,
                "renamed": state["renamed"] + _append(one, files, unique),
            }
            files.mark(state)
            tracker.set(state["shards"])
        files.finish()
    counts = {name: sum(one.told[name] for one in made) for name in names}
    return {**counts, "renamed": state["renamed"]}


def _append(made: Made, files: GrowingFiles, unique: UniqueNames) -> int:
    """Add a shard's rows and keys; tells how many keys got a number."""
    if made.told["texts"]:
        vectors = np.load(made.folder / f"{VECTORS}.npy", mmap_mode="r")
        for start in range(0, len(vectors), _MERGED_ROWS):
            files.append(VECTORS, vectors[start : start + _MERGED_ROWS], "the encoder")
    return unique.append(list(read_keys(made.folder / KEYS)), files)
