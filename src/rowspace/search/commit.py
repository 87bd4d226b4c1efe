"""What a space's last finished write left behind: `commit.json`, and the check against the disk.

Lance keeps versions but neither flushes nor checks its files. So a write becomes real only here:
its new files are flushed and hashed, then `commit.json` is replaced in one step. It names the
store's version, which is the one readers open, and the size and SHA-256 of every file. Whatever
else lies in the store is the rest of a write that never finished, and the next writer removes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rowspace.errors import SpaceCorruptError
from rowspace.files import fsync_file, sha256, write_json
from rowspace.search.damage import damaged
from rowspace.search.fields import Field
from rowspace.search.manifest import DEFAULT_MODEL, ModelState, first_model, read_manifest

COMMIT = "commit.json"
QUARANTINE = "quarantine"
SMALL = 1 << 16
"""Files up to this size are hashed at each opening, larger ones only by `verify`."""

MODELS = "models"
"""Where the models are that came after the first."""

_FOLDERS = ("model", MODELS, "store")
_DERIVED = "rowspace-openvino"  # exports of the model begin so: made anew where missing or old
_REWRITTEN = "latest_version_hint.json"  # Lance overwrites it, and finds the version without it
_logger = logging.getLogger("rowspace")


@dataclass(frozen=True)
class FileState:
    """What a file was when it was committed."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One finished write."""

    version: int
    """The store's version that readers open."""
    passages: int
    documents: int
    fields: dict[str, Field]
    """The metadata fields with a type."""
    changed: int = 0
    """Passages added or deleted since the full text index was built."""
    compact_bytes: int = 0
    """The store's size when it was last compacted."""
    settled: bool = True
    """False while files of old versions are being removed, and may be missing."""
    files: dict[str, FileState]
    """Every file, by its path in the space."""
    models: dict[str, ModelState] = field(default_factory=dict)
    """The encoders that the passages have vectors of, by name."""
    model: str = DEFAULT_MODEL
    """The one that searches take where none is named."""


def write_commit(path: Path, commit: Commit) -> None:
    """Make `commit` the space's state, in one step."""
    content = asdict(commit)
    write_json(path / COMMIT, content | {"digest": _digest(content)})


def read_commit(path: Path) -> Commit:
    """The space's last finished write.

    Raises
    ------
    SpaceCorruptError
        If `commit.json` is missing or damaged.
    """
    file = path / COMMIT
    try:
        content = json.loads(file.read_bytes())
        digest = content.pop("digest")
        if digest != _digest(content):
            raise ValueError("its digest does not match")
        content["fields"] = {name: Field(**value) for name, value in content["fields"].items()}
        content["files"] = {name: FileState(**value) for name, value in content["files"].items()}
        models = content.pop("models", {})
        content["models"] = {name: ModelState(**value) for name, value in models.items()}
        commit = Commit(**content)
    except FileNotFoundError:
        raise damaged(file, "missing") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(file, "not readable") from error
    if commit.models:
        return commit
    # Written when a space had one model, of which the manifest tells.
    return replace(commit, models={DEFAULT_MODEL: first_model(read_manifest(path))})


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def flush_and_hash(path: Path, known: dict[str, FileState]) -> dict[str, FileState]:
    """The state of every file of a space; those not `known` are flushed to the disk first."""
    files: dict[str, FileState] = {}
    folders: set[Path] = set()
    for name, size in scan(path):
        if name in known and known[name].size == size:
            files[name] = known[name]
            continue
        file = path / name
        _fsync_file(file)
        folders.update(parent for parent in file.parents if parent.is_relative_to(path))
        files[name] = FileState(size, sha256(file))
    for folder in folders:
        fsync_file(folder)
    return files


def _fsync_file(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def scan(path: Path) -> Iterator[tuple[str, int]]:
    """(path in the space, bytes) of each file that a commit records."""
    if (path / "space.json").is_file():
        yield "space.json", (path / "space.json").stat().st_size
    for top in _FOLDERS:
        for folder, below, names in os.walk(path / top):
            below[:] = [name for name in below if not name.startswith(_DERIVED)]
            for name in sorted(names):
                file = Path(folder, name)
                if name != _REWRITTEN:
                    yield file.relative_to(path).as_posix(), file.stat().st_size


def find_damage(path: Path, commit: Commit, thorough: bool = False) -> Iterator[SpaceCorruptError]:
    """Each file that is missing, of another size, or altered.

    Parameters
    ----------
    path : Path
    commit : Commit
    thorough : bool
        Whether to hash the large files too.
    """
    for name, state in commit.files.items():
        file = path / name
        try:
            size = file.stat().st_size
            if size != state.size:
                yield damaged(file, f"{size:,} bytes long where {state.size:,} were written")
            elif (thorough or size <= SMALL) and sha256(file) != state.sha256:
                yield damaged(file, "altered (its SHA-256 is another)")
        except FileNotFoundError:
            if commit.settled or not name.startswith("store/"):
                yield damaged(file, "missing")
        except OSError as error:
            yield damaged(file, f"not readable ({error.strerror})")


def remove_leftovers(path: Path, commit: Commit) -> None:
    """Remove what an unfinished write left behind, and the folders of models that are gone.

    Only for the holder of the writer lock.

    An empty manifest, which a power loss leaves behind, goes to `quarantine/` with a warning.
    """
    _remove_folders(path, {model.folder for model in commit.models.values()})
    for name, size in list(scan(path)):
        if name in commit.files or not name.startswith("store/"):
            continue
        if size == 0 and name.endswith(".manifest"):
            _set_aside(path, name)
        else:
            (path / name).unlink(missing_ok=True)


def _remove_folders(path: Path, kept: set[str]) -> None:
    """Remove the folders of models that are not among the `kept`."""
    for folder in (path / "model", *(path / MODELS).glob("*")):
        if folder.relative_to(path).as_posix() not in kept:
            shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # it is not there, or models are in it
        (path / MODELS).rmdir()


def files_with(
    files: Mapping[str, FileState], models: Mapping[str, ModelState]
) -> dict[str, FileState]:
    """`files` without those of models that are not among `models`."""
    kept = ("space.json", "store/", *(f"{model.folder}/" for model in models.values()))
    return {name: state for name, state in files.items() if name.startswith(kept)}


def _set_aside(path: Path, name: str) -> None:
    quarantine = path / QUARANTINE
    quarantine.mkdir(exist_ok=True)
    (path / name).rename(quarantine / Path(name).name)
    _logger.warning(
        "%s: set the empty file %s aside (in %s/); the write it belonged to never finished",
        path,
        name,
        QUARANTINE,
    )


def store_bytes(files: dict[str, FileState]) -> int:
    """Bytes of the store's files."""
    return sum(state.size for name, state in files.items() if name.startswith("store/"))
