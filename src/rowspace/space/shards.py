"""Shards of a corpus, made by several processes, each of which knows nothing of the others.

A shard is a run of sections. How many there are follows from the corpus alone and changes no
result, as a section's result is the same wherever it is made. What makes a shard puts it into a
folder of its own name, and then says that it is made: by a marker with the digests of its files,
that can be created once. So a shard that two processes make at once counts once, and one that was
stopped does not count at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import ConfigError, FormatError, SpaceLockedError
from rowspace.files import WriterLock, fsync_file, fsync_tree, sha256, write_json
from rowspace.text.corpus import Corpus
from rowspace.text.sections import (
    SECTIONS,
    Section,
    line_counts,
    sections_of,
    with_line_counts,
)
from rowspace.version import __version__

PLAN, SHARDS = "plan.json", "shards"
"""Of a work folder whose run is made in shards: how they are cut; the folder of what is made."""
SHARD_BYTES = 1 << 20
MAX_SHARDS = 512
_LOCK, _MERGE_LOCK = "lock", "merge.lock"
"""Two, so that who joins a run need not wait for who puts it together, nor be taken for it."""
_LOCK_SECONDS = 600.0
"""To wait for another process to plan, which reads a large corpus of lines once."""


@dataclass(frozen=True)
class Shard:
    """Sections that stand together in a corpus."""

    number: int
    """From 0, in the corpus's order."""
    sections: tuple[Section, ...]
    n_bytes: int


@dataclass(frozen=True)
class Made:
    """A shard that is made."""

    folder: Path
    told: dict[str, Any]
    """What was counted."""


@dataclass(frozen=True)
class ShardsReport:
    """What a process made where others have still to make something."""

    n_made: int
    """Texts, or passages, that this process encoded."""
    n_shards: int
    missing: tuple[int, ...]
    """Numbers of the shards that are not made, from 1; none where another process is putting
    them together, or has."""
    seconds: float


def versions() -> dict[str, str]:
    """What decides vectors beside the model, and so must be the same for all shards."""
    return {"rowspace": __version__, "numpy": np.__version__}


def plan(sections: Sequence[Section]) -> list[Shard]:
    """Sections in runs of at least `SHARD_BYTES`, some `MAX_SHARDS` at most."""
    least = max(SHARD_BYTES, sum(section.n_bytes for section in sections) // MAX_SHARDS)
    shards: list[Shard] = []
    run: list[Section] = []
    n_bytes = 0
    for section in sections:
        run.append(section)
        n_bytes += section.n_bytes
        if n_bytes >= least or section is sections[-1]:
            shards.append(Shard(len(shards), tuple(run), n_bytes))
            run, n_bytes = [], 0
    return shards


def share_of(shards: Sequence[Shard], index: int, n: int) -> list[Shard]:
    """Those that the `index`-th of `n` processes makes, counted from 1: every n-th."""
    if not 1 <= index <= n:
        raise ConfigError(f"shard is {index}/{n}; give one of 1/{n} to {n}/{n}")
    return list(shards[index - 1 :: n])


def plan_lock(work: Path) -> WriterLock:
    """Held by the process that looks at the plan in a work folder, or makes it."""
    return WriterLock(work / _LOCK, _LOCK_SECONDS, f"the plan in {work}")


@contextlib.contextmanager
def merging(work: Path) -> Iterator[bool]:
    """Whether this process is the one that puts the shards of a work folder together."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(WriterLock(work / _MERGE_LOCK))
        except (SpaceLockedError, FileNotFoundError):  # another does, or has
            yield False
            return
        yield (work / PLAN).exists()


def shared_sections(corpus: Corpus) -> list[Section]:
    """The sections of a corpus that several processes can read.

    Raises
    ------
    ConfigError
        If a text comes once, as standard input does.
    """
    sections = sections_of(corpus)
    for part in (part for section in sections for part in section.parts):
        if part.n_bytes is None:
            raise ConfigError(
                f"several processes cannot read {part.name}, which comes once; save it to a file "
                "first"
            )
    return sections


def remember_plan(work: Path, sections: Sequence[Section]) -> list[Shard]:
    """The shards of a corpus, whose lines are counted once and written down in the work folder.

    Raises
    ------
    ConfigError
        If another version made the plan that is there.
    FormatError
        If the plan is damaged.
    """
    file = work / PLAN
    if not file.exists():
        counts = line_counts(sections)
        write_json(file, {"sections": SECTIONS, "n_sections": len(sections), "lines": counts})
    try:
        saved = json.loads(file.read_text())
        is_same = (saved["sections"], saved["n_sections"]) == (SECTIONS, len(sections))
        counts = list(saved["lines"])
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{file} is damaged ({error}); remove {work} to start anew") from error
    if not is_same:
        raise ConfigError(f"{file} is of another version; remove {work} to start anew")
    return plan(with_line_counts(sections, counts))


class ShardFolder:
    """Where shards are put by any number of processes, on one machine or on one file system.

    Parameters
    ----------
    path : Path
        The folder; its parent must be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def missing(self, shards: Iterable[Shard]) -> list[Shard]:
        """Those that have no marker; FileNotFoundError where the run has ended."""
        found = [shard for shard in shards if not self._marker(shard).exists()]
        self.path.parent.stat()
        return found

    def begun(self, shard: Shard) -> set[str]:
        """Folders of a shard: where it has no marker, of processes that are at it or have died."""
        return {folder.name for folder in self.path.glob(f"{shard.number:05}.*") if folder.is_dir()}

    def made(
        self, shard: Shard, look: Callable[[dict[str, Any]], str] = lambda told: ""
    ) -> Made | None:
        """What was made of a shard; None where nothing was, or its files are not what they were.

        Of such files a warning tells, and the shard counts as not made. `look` gets what was told,
        and says what is amiss with files that are elsewhere.
        """
        try:
            text = self._marker(shard).read_text(errors="replace")
        except FileNotFoundError:
            return None
        try:
            record = json.loads(text)
            folder, told = self.path / record["folder"], dict(record["told"])
            fault = _fault(folder, record["sha256"]) or look(told)
        except (ValueError, KeyError, TypeError, AttributeError):
            fault = "its marker is damaged"
        if not fault:
            return Made(folder, told)
        warnings.warn(f"shard {shard.number + 1} is made again: {fault}", stacklevel=2)
        self._forget(shard, text)
        return None

    def made_or_again(self, shard: Shard, make: Callable[[Shard], None] | None) -> Made:
        """What was made of a shard, which `make` makes if it is not; else ConfigError."""
        made = self.made(shard)
        if made is None and make is not None:
            make(shard)
            made = self.made(shard)
        if made is None:
            raise ConfigError(f"shard {shard.number + 1} is not made; give --resume to make it")
        return made

    def make(self, shard: Shard, fill: Callable[[Path], dict[str, Any]]) -> bool:
        """Make a shard.

        Parameters
        ----------
        shard : Shard
        fill : callable
            Writes files into the folder that it is given; what it returns is kept as `told`.

        Returns
        -------
        bool
            False where another process had made the shard in the meantime: what that one made
            counts, a warning tells so, and nothing is left of this one.
        """
        self.path.mkdir(exist_ok=True)
        folder = self.path / f"{shard.number:05}.{secrets.token_hex(8)}"
        folder.mkdir()
        try:
            told = fill(folder)
            fsync_tree(folder)
            digests = {file.name: sha256(file) for file in sorted(folder.iterdir())}
            is_first = self._mark(shard, {"folder": folder.name, "sha256": digests, "told": told})
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if not is_first:
            shutil.rmtree(folder)
            warnings.warn(
                f"another process has made shard {shard.number + 1} in the meantime; that one "
                "is kept",
                stacklevel=2,
            )
        return is_first

    def _mark(self, shard: Shard, record: dict[str, Any]) -> bool:
        """Write a shard's marker, whole or not at all; False where there is one."""
        whole = self.path / f"{record['folder']}.json"
        write_json(whole, record)
        try:
            is_first = self._name_once(whole, self._marker(shard))
        finally:
            whole.unlink(missing_ok=True)
        fsync_file(self.path)
        return is_first

    def _name_once(self, whole: Path, marker: Path) -> bool:
        """Give a file the name of a marker; False where another has it."""
        try:
            os.link(whole, marker)
        except FileExistsError:
            return marker.samefile(whole)  # NFS may ask again for what it has done
        except OSError:  # a file system without hard links
            with plan_lock(self.path):
                if marker.exists():
                    return False
                whole.rename(marker)
        return True

    def _marker(self, shard: Shard) -> Path:
        return self.path / f"{shard.number:05}.json"

    def _forget(self, shard: Shard, text: str) -> None:
        """Remove a marker that says `text`, and not one that was made since."""
        marker = self._marker(shard)
        with contextlib.suppress(FileNotFoundError), plan_lock(self.path):
            if marker.read_text(errors="replace") == text:
                marker.unlink()


def _fault(folder: Path, digests: dict[str, str]) -> str:
    """What is amiss with a shard's files; nothing where they are as they were made."""
    for name, digest in digests.items():
        try:
            found = sha256(folder / name)
        except OSError:
            return f"{folder / name} is missing"
        if found != digest:
            return f"{folder / name} has changed"
    return ""


def retire(work: Path) -> None:
    """Remove the work folder of a run that is done; another process may be writing into it."""
    aside = work.with_name(f"{work.name}.{secrets.token_hex(8)}.done")
    with plan_lock(work):  # not while a process joins, which would make the folder anew
        work.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
