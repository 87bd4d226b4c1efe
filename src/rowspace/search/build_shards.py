"""A space built by several processes: each cuts and encodes its share of a corpus's shards.

Passages are those of a single process, and so are their vectors. The process that finds all shards
made puts them together and stores them as a single one would, which wants little beside encoding.
Word vectors are learnt and weighted by the whole text, so that this is for sentence encoders.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, SpaceError
from rowspace.files import remember
from rowspace.machine import return_free_memory
from rowspace.progress import Tracker, track
from rowspace.search.build import (
    ENCODING,
    NOTHING_TO_GO_ON_WITH,
    READ,
    Build,
    BuildConfig,
    write_passage,
)
from rowspace.search.kept_encoder import VECTORS, encode_passages_of_shard
from rowspace.search.manifest import is_space
from rowspace.search.reading import Reading, reading_from
from rowspace.search.space import Space
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.space.growing import GrowingFiles, Rows
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
    share_of,
    shared_sections,
    versions,
)
from rowspace.text.corpus import Corpus
from rowspace.text.passages import Passage
from rowspace.text.runs import SETTINGS, check_files
from rowspace.text.sections import SECTIONS, sections_of

_PASSAGES = "passages.jsonl"
_READING = "reading.json"
_MERGED_ROWS = 1 << 14


@dataclass(frozen=True)
class SharedBuild:
    """A build whose shards are made by several processes."""

    build: Build
    encoder: SentenceEncoder
    """The space's own copy of the model."""
    shards: tuple[Shard, ...]

    @property
    def folder(self) -> ShardFolder:
        """Where the shards are put."""
        return ShardFolder(self.build.work / SHARDS)


def is_shared(out: Path) -> bool:
    """Whether there is an unfinished build of a space that is made in shards."""
    return (out / ".build" / PLAN).exists()


def build_share(
    corpus: Corpus,
    out: Path | str,
    *,
    config: BuildConfig,
    share: tuple[int, int] = (1, 1),
    resume: bool = False,
) -> Space | ShardsReport:
    """Make one process's share of a space's shards; make the space if none is missing then.

    Parameters
    ----------
    corpus : Corpus
    out : path
        The space's folder, in which all of the processes work.
    config : BuildConfig
        With a sentence encoder as its model.
    share : (int, int)
        Which of how many processes this is, from 1.
    resume : bool
        Go on where shards of this share are made already.

    Raises
    ------
    ConfigError
        If the model is no sentence encoder, the text comes once or has changed.
    CorpusError
        If the text cannot be read, or two documents have one id.
    SpaceError
        If there is a space already, or an unfinished one of other settings.
    """
    started = time.monotonic()
    shared = begin(corpus, Path(out), config)
    mine = share_of(shared.shards, *share)
    making = _Making(shared)
    missing: list[Shard] = []
    space = None
    try:
        if not resume and len(shared.folder.missing(mine)) < len(mine):
            raise SpaceError(
                f"{out} holds a build that did not finish; add --resume to go on with it, or "
                "remove the folder to start anew"
            )
        making.make(mine)
        missing = shared.folder.missing(shared.shards)
        if not missing:
            space = finish(shared, lambda shard: making.make([shard]))
    except FileNotFoundError:
        if not is_space(shared.build.out):
            raise
        missing = []  # another process has made the space
    if space is not None:
        return space
    numbers = tuple(shard.number + 1 for shard in missing)
    return ShardsReport(making.n_passages, len(shared.shards), numbers, time.monotonic() - started)


def begin(corpus: Corpus, out: Path, config: BuildConfig, engine: str | None = None) -> SharedBuild:
    """Join the build of a space, or begin it: the model is copied and the shards are planned.

    Parameters
    ----------
    corpus, out, config
        As of `build_share`.
    engine : str, optional
        What makes the shards, where they hold something else then.

    Raises
    ------
    ConfigError, SpaceError, FormatError
        As `build_share`.
    """
    build = Build(corpus, out, config)
    if not build.is_sentence:
        raise ConfigError(
            "several processes build a space with a sentence encoder, and word vectors are learnt "
            "by one; give --model ENCODER, or leave --shard and --engine out"
        )
    build.check_out()
    sections = shared_sections(corpus)
    is_new = not out.exists()
    build.work.mkdir(parents=True, exist_ok=True)
    with plan_lock(build.work):
        is_first = not (build.work / SETTINGS).exists()
        if is_first and is_space(out):
            shutil.rmtree(build.work)
            raise SpaceError(f"{out} has been made by another process; open it")
        try:
            made_by = {} if engine is None else {"engine": engine}
            build.remember_settings({"shards": {"sections": SECTIONS, **versions(), **made_by}})
            check_files(build.work, corpus.sizes(), PLAN, "its shards were planned")
            encoder = build.kept_encoder()
            _check_encoder(build, encoder)
            shards = remember_plan(build.work, sections)
        except NOTHING_TO_GO_ON_WITH:
            if is_first:
                build.clear(is_new=is_new)
            raise
    return SharedBuild(build, encoder, tuple(shards))


def encoder_identity(encoder: SentenceEncoder) -> dict[str, str]:
    """What decides the vectors of a space's shards, and must be the same for all."""
    runtime = getattr(getattr(encoder.embedding, "runtime", None), "name", "")
    return {"encoder": encoder.fingerprint, "runtime": runtime}


def _check_encoder(build: Build, encoder: SentenceEncoder) -> None:
    identity = encoder_identity(encoder)
    file = build.work / "encoder.json"
    if not remember(file, identity):
        before = json.loads(file.read_text()).get("runtime")
        raise ConfigError(
            f"the other shards of {build.out} are computed with {before!r}, and this process has "
            f"{identity['runtime']!r}; their vectors would differ, so use machines of one kind"
        )


class _Making:
    """What a process makes of a build's shards."""

    def __init__(self, shared: SharedBuild) -> None:
        self.shared = shared
        self.n_passages = 0

    def make(self, shards: Sequence[Shard]) -> None:
        """Make those of the shards that are not made."""
        with track("encoding", sum(shard.n_bytes for shard in shards)) as tracker:
            for shard in shards:
                if self.shared.folder.made(shard) is None:
                    self.shared.folder.make(shard, partial(self._fill, shard, tracker))
                tracker.advance(shard.n_bytes)

    def _fill(self, shard: Shard, tracker: Tracker, folder: Path) -> dict[str, Any]:
        build, encoder = self.shared.build, self.shared.encoder
        reading = Reading()
        rows = {VECTORS: Rows("float32", (encoder.dim,))}
        with GrowingFiles(folder, rows) as files:
            for _, vectors in staged_shard(
                encoder, build.corpus, shard, build.config.passage_words, folder, reading
            ):
                files.append(VECTORS, vectors, "the encoder")
                tracker.advance(0, f"{files.n_rows(VECTORS):,} passages of this shard")
            files.finish()
        self.n_passages += reading.report.n_passages
        return {"passages": reading.report.n_passages}


def staged_shard(
    encoder: SentenceEncoder,
    corpus: Corpus,
    shard: Shard,
    max_words: int,
    folder: Path,
    reading: Reading,
) -> Iterator[tuple[list[Passage], NDArray[np.float32]]]:
    """The passages of a shard with their vectors, as they are encoded together.

    At the end of the iterator `folder` has the passages, and what was learnt of them, which
    `reading` (a new one) knows too.
    """
    started = time.monotonic()
    encoded = encode_passages_of_shard(encoder, corpus, shard.sections, max_words, reading)
    with (folder / _PASSAGES).open("w", encoding="utf-8", errors="surrogatepass") as file:
        for passages, vectors in encoded:
            for passage in passages:
                write_passage(passage, file)
            yield passages, vectors
            return_free_memory()  # which the C library keeps, in pieces of many sizes
    reading.report.seconds = time.monotonic() - started
    (folder / _READING).write_text(json.dumps(reading.as_json()))


def finish(shared: SharedBuild, make_again: Callable[[Shard], None] | None = None) -> Space | None:
    """Make the space of all shards; None where another process does or has.

    Parameters
    ----------
    shared : SharedBuild
    make_again : callable, optional
        Makes a shard whose files are not what they were.

    Raises
    ------
    ConfigError
        If a shard is not made.
    CorpusError
        If two documents have one id, or there is no text.
    """
    build = shared.build
    with merging(build.work) as is_mine:
        if not is_mine:
            return None
        if not (build.work / READ).exists():
            _put_together(shared, make_again)
        space = build.run_with_sentence_encoder()
        with plan_lock(build.work):  # not while a process joins, which would make the folder anew
            build.end()
    return space


def _put_together(shared: SharedBuild, make_again: Callable[[Shard], None] | None) -> None:
    """Write what a single process would have when all passages are encoded."""
    build, folder = shared.build, shared.folder
    made = [folder.made_or_again(shard, make_again) for shard in shared.shards]
    reading = put_passages_together(build, made)
    shutil.rmtree(build.work / ENCODING, ignore_errors=True)
    (build.work / ENCODING).mkdir()
    rows = {VECTORS: Rows("float32", (shared.encoder.dim,))}
    with (
        GrowingFiles(build.work / ENCODING, rows) as files,
        track("putting together", len(made)) as tracker,
    ):
        for one in made:
            _append(one, files)
            tracker.advance()
        n_passages = reading.report.n_passages
        files.mark({"passages": n_passages, "truncated": reading.n_truncated})
        files.finish()
    build.finish_reading(reading)


def put_passages_together(build: Build, made: Iterable[Made]) -> Reading:
    """Write the passages of all shards into the build's file; gives what was learnt of them.

    Raises
    ------
    CorpusError
        If two documents have one id.
    """
    reading = Reading()
    sections_of(build.corpus)
    reading.report.skipped = list(build.corpus.skipped)
    with build.passages.open("wb") as passages:
        for one in made:
            reading.add(reading_from(json.loads((one.folder / _READING).read_text())))
            with (one.folder / _PASSAGES).open("rb") as file:
                shutil.copyfileobj(file, passages)
    return reading


def _append(made: Made, files: GrowingFiles) -> None:
    if made.told["passages"]:
        vectors = np.load(made.folder / f"{VECTORS}.npy", mmap_mode="r")
        for start in range(0, len(vectors), _MERGED_ROWS):
            files.append(VECTORS, vectors[start : start + _MERGED_ROWS], "the encoder")
