"""What was scored before, kept so that a comparison goes on where it was and grows by what is new.

It is `$XDG_CACHE_HOME/rowspace/compare` (or `~/.cache/...`), with a folder for each model: a file
for each of its scores, with the items behind it, named by a digest of the model's fingerprint, the
task's, and the versions of Rowspace and of this format; and a file for what it costs on each
machine. A file is written when its score is there, whole or not at all; one that is damaged is not
used, and made anew. Several processes may use it at once. Removing the folder is always safe.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rowspace.errors import FormatError
from rowspace.evaluate.compare.items_file import pack, unpack
from rowspace.evaluate.compare.outcome import Costs, Items, Outcome
from rowspace.files import write_atomically, write_json
from rowspace.version import __version__

FORMAT = 1
"""To be raised when the same model and task would give another file."""
_MADE_BY = f"{FORMAT} {__version__}"
"""What another version of Rowspace scored is not taken: it may have read or scored otherwise."""

_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)

T = TypeVar("T")


def folder() -> Path:
    """Where the cache is."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "rowspace" / "compare"


@dataclasses.dataclass(frozen=True)
class Cache:
    """Scores and costs in a folder.

    Parameters
    ----------
    home : Path
        `folder()`, or another; made when something is stored.
    """

    home: Path

    def find(self, model: str, task: str) -> Outcome | None:
        """The outcome of a model on a task, by their fingerprints; None if it is not there."""
        return _read(self._path(model, "score", task, ".npz"), _read_outcome)

    def store(self, model: str, task: str, outcome: Outcome) -> None:
        """Keep an outcome; warns where it cannot be."""
        drawn = {} if outcome.draws is None else {"value": outcome.draws}
        arrays = {_ITEMS: outcome.items, _DRAWS: dataclasses.replace(_EMPTY, columns=drawn)}
        content = pack(fields_of(outcome), arrays)
        self._write(
            self._path(model, "score", task, ".npz"), lambda path: _write_bytes(path, content)
        )

    def find_costs(self, model: str, machine: str) -> Costs | None:
        """What a model was measured to cost on a machine; None if it was not."""
        return _read(self._path(model, "costs", machine, ".json"), _read_costs)

    def store_costs(self, model: str, machine: str, costs: Costs) -> None:
        """Keep what a model costs; warns where it cannot be."""
        record = dataclasses.asdict(costs)
        self._write(
            self._path(model, "costs", machine, ".json"), lambda path: write_json(path, record)
        )

    def _path(self, model: str, what: str, of: str, suffix: str) -> Path:
        def digest(*parts: object) -> str:
            return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24]

        return self.home / digest(model) / f"{what}-{digest(_MADE_BY, of)}{suffix}"

    def _write(self, path: Path, write: Callable[[Path], None]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        except OSError as error:
            warnings.warn(f"not stored in the cache: {error}", stacklevel=3)


_ITEMS, _DRAWS = "items", "draws"
_EMPTY = Items(statistic="", columns={}, metric="")


def clear() -> int:
    """Remove all that is stored; returns the bytes that were freed."""
    freed = 0
    if folder().is_dir():
        freed = sum(file.stat().st_size for file in folder().rglob("*") if file.is_file())
        shutil.rmtree(folder())
    return freed


def _read(path: Path, parse: Callable[[bytes], T]) -> T | None:
    try:
        return parse(path.read_bytes())
    except (*_DAMAGED, FormatError):
        return None


def _read_outcome(content: bytes) -> Outcome:
    record, arrays = unpack(content)
    outcome = outcome_from(record, arrays[_ITEMS])
    return dataclasses.replace(outcome, draws=arrays[_DRAWS].columns.get("value"))


def fields_of(outcome: Outcome) -> dict[str, Any]:
    """What JSON can hold of an outcome: all but its items and resamples."""
    names = [f.name for f in dataclasses.fields(outcome) if f.name not in (_ITEMS, _DRAWS)]
    return {name: getattr(outcome, name) for name in names}


def outcome_from(record: dict[str, Any], items: Items) -> Outcome:
    """An outcome of its fields as JSON has them, and its items."""
    return Outcome(**{**record, "notes": tuple(record["notes"]), "items": items})


def _read_costs(content: bytes) -> Costs:
    return Costs(**json.loads(content))


def _write_bytes(path: Path, content: bytes) -> None:
    with write_atomically(path) as file:
        file.write(content)
