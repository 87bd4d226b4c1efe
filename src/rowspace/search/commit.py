"""What a space's last finished write left behind: `commit.json`, and the check against the disk.

Lance keeps versions but neither flushes nor checks its files. So a write becomes real only here:
its new files are flushed and hashed, then `commit.json` is replaced in one step. It names the
store's version, which is the one readers open, and the size and SHA-256 of every file. Whatever
else lies in the store is the rest of a write that never finished, and the next writer removes it.
What touches files here has a twin for spaces in object storage: `remote/commits.py`.

`commit.copy.json` is written first and says the same; the one with the higher number counts. Both
hold what `space.json` says, so any one of the three may be damaged and the space still opens.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError, SpaceCorruptError
from rowspace.files import fsync_file, sha256, write_atomically, write_json
from rowspace.search.fields import Field
from rowspace.search.milvus.record import MilvusRecord
from rowspace.search.model_state import DEFAULT_MODEL, ModelState, first_model
from rowspace.search.pieces import Piece, piece_of

COMMIT = "commit.json"
COPY = "commit.copy.json"
MANIFEST = "space.json"
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
    compact_fragments: int = 1
    """In how many pieces that left it."""
    deleted: int = 0
    """Passages deleted since, whose rows are still in the files."""
    settled: bool = True
    """False while files of old versions are being removed, and may be missing."""
    files: dict[str, FileState]
    """Every file, by its path in the space."""
    models: dict[str, ModelState] = field(default_factory=dict)
    """The encoders that the passages have vectors of, by name."""
    model: str = DEFAULT_MODEL
    """The one that searches take where none is named."""
    number: int = 0
    """Rises with every commit."""
    manifest: str | None = None
    """The text of `space.json`, where that is written."""
    milvus: MilvusRecord | None = None
    """Where the rows are if not in `store/`."""


@functools.singledispatch
def write_commit(path: Path, commit: Commit) -> None:
    """Make `commit` the space's state, in one step: when its copy is in place it counts.

    It gets the next number, and the text of `space.json` as it is on the disk.
    """
    before = newest_commit(path)
    number = 1 if before is None else before.number + 1
    manifest = _intact_manifest(path, commit) or commit.manifest
    content = asdict(replace(commit, number=number, manifest=manifest))
    for name in (COPY, COMMIT):
        write_json(path / name, content | {"digest": _digest(content)})


def read_commit(path: Path) -> Commit:
    """The space's last finished write, from `commit.json` or its copy, whichever is newer.

    Raises
    ------
    SpaceCorruptError
        If both are missing or damaged.
    """
    commit = newest_commit(path)
    if commit is not None:
        return commit if commit.models else _with_first_model(path, commit)
    how = "not readable" if (path / COMMIT).exists() else "missing"
    raise damaged(path, COMMIT, f"{how}, and so is its copy")


def _with_first_model(path: Path, commit: Commit) -> Commit:
    """A commit from when a space had one model, of which `space.json` tells."""
    try:
        model = first_model(json.loads(manifest_text(path) or ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, MANIFEST, "not readable") from error
    return replace(commit, models={DEFAULT_MODEL: model})


def model_named(path: Path, commit: Commit, name: str | None) -> tuple[str, ModelState]:
    """A model of the space at `path`, with its name; the default one where none is named.

    Raises
    ------
    ConfigError
        If there is no model of that name.
    """
    name = commit.model if name is None else name
    if name not in commit.models:
        raise ConfigError(
            f"{path} has no model {name!r}; give one of {', '.join(commit.models)}, or make it "
            f"with `rowspace reembed {path} --model … --keep --name {name}`"
        )
    return name, commit.models[name]


@functools.singledispatch
def newest_commit(path: Path) -> Commit | None:
    """`read_commit`, but None where there is none."""
    return max(_whole_commits(path), key=lambda commit: commit.number, default=None)


def _whole_commits(path: Path) -> list[Commit]:
    files = [_read(path / name) for name in (COMMIT, COPY)]
    return [commit for commit in files if commit is not None]


def _read(file: Path) -> Commit | None:
    """What a commit file says; None where it is missing or damaged."""
    try:
        text = file.read_bytes()
        content = json.loads(text)
        if content.pop("digest") != _digest(content) or not text.endswith(b"}\n"):
            return None
        content["fields"] = {name: Field(**value) for name, value in content["fields"].items()}
        content["files"] = {name: FileState(**value) for name, value in content["files"].items()}
        milvus = content.pop("milvus", None)
        content["milvus"] = None if milvus is None else MilvusRecord(**milvus)
        models = content.pop("models", {})
        content["models"] = {name: ModelState(**value) for name, value in models.items()}
        return Commit(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _intact_manifest(path: Path, commit: Commit) -> str | None:
    """The text of `space.json`; None where it is not what was committed."""
    try:
        content = (path / MANIFEST).read_bytes()
        if hashlib.sha256(content).hexdigest() == commit.files[MANIFEST].sha256:
            return content.decode()
    except (OSError, KeyError, ValueError):
        pass
    return None


def manifest_text(path: Path) -> str | None:
    """What `space.json` says, from the commit where the file is missing or damaged.

    Returns
    -------
    str or None
        None if there is neither the file nor a copy of it.
    """
    commit = newest_commit(path)
    if commit is not None and commit.manifest is not None:
        return commit.manifest
    try:
        return (path / MANIFEST).read_bytes().decode(errors="replace")
    except OSError:
        return None


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def damaged(path: Path, name: str, how: str, piece: Piece = Piece.SETTINGS) -> SpaceCorruptError:
    """The error for a file of a space that is not what was written, with what helps."""
    return SpaceCorruptError(
        f"{path / name} is {how}; `rowspace repair {path}` {_REMEDIES.get(piece, _FROM_BACKUP)}"
    )


_FROM_BACKUP = "takes it from a backup with --from FOLDER; or build the space again"
_REMEDIES = {
    Piece.MODEL: "takes it from a backup, or from where the model came from, with --from FOLDER",
    Piece.INDEX: "builds the index anew",
    Piece.OLD: "sets it aside, only older versions need it",
}


@functools.singledispatch
def find_copied(path: Path, commit: Commit) -> Iterator[SpaceCorruptError]:
    """Each of the three small files that is damaged but has a whole copy in another.

    A `commit.json` that is older than its copy is no damage: a write stopped between the two.
    """
    if commit.number == 0:  # of a Rowspace that kept no copies
        return
    for name in (COMMIT, COPY):
        found = _read(path / name)
        if found is None:
            how = "not readable" if (path / name).exists() else "missing"
            yield _copied(path, name, how)
        elif name == COPY and found.number < commit.number:
            yield _copied(path, name, "older than commit.json")
    if commit.manifest is not None and _intact_manifest(path, commit) is None:
        how = "altered" if (path / MANIFEST).exists() else "missing"
        yield _copied(path, MANIFEST, how)


def _copied(path: Path, name: str, how: str) -> SpaceCorruptError:
    return SpaceCorruptError(
        f"{path / name} is {how}; its copy is used, and the next write or "
        f"`rowspace repair {path}` puts it right"
    )


@functools.singledispatch
def put_right(path: Path, commit: Commit) -> list[str]:
    """Write the small files anew that are damaged, from their copies; for the lock's holder.

    Returns
    -------
    list of str
        Their names. What was damaged is in `quarantine/`.
    """
    names = [name for name in (COPY, COMMIT) if _read(path / name) != commit]
    if commit.manifest is not None and _intact_manifest(path, commit) is None:
        names.append(MANIFEST)
    content = asdict(commit)
    for name in names:
        if _read(path / name) is None:
            set_aside(path, name)
        if name == MANIFEST:
            assert commit.manifest is not None
            with write_atomically(path / name) as file:
                file.write(commit.manifest.encode())
        else:
            write_json(path / name, content | {"digest": _digest(content)})
    return names


@functools.singledispatch
def flush_and_hash(path: Path, known: dict[str, FileState]) -> dict[str, FileState]:
    """The state of every file of a space; those not `known` are flushed to the disk first."""
    files: dict[str, FileState] = {}
    folders: set[Path] = set()
    for name, size in scan(path):
        if name != MANIFEST and name in known and known[name].size == size:
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


@functools.singledispatch
def scan(path: Path) -> Iterator[tuple[str, int]]:
    """(path in the space, bytes) of each file that a commit records."""
    if (path / MANIFEST).is_file():
        yield MANIFEST, (path / MANIFEST).stat().st_size
    for top in _FOLDERS:
        for folder, below, names in os.walk(path / top):
            below[:] = [name for name in below if not name.startswith(_DERIVED)]
            for name in sorted(names):
                file = Path(folder, name)
                if name != _REWRITTEN:
                    yield file.relative_to(path).as_posix(), file.stat().st_size


@dataclass(frozen=True)
class Damage:
    """A file that is not what was committed."""

    name: str
    piece: Piece
    error: SpaceCorruptError


@functools.singledispatch
def find_damage(path: Path, commit: Commit, thorough: bool = False) -> Iterator[Damage]:
    """Each file that is missing, of another size, or altered, without a copy.

    Parameters
    ----------
    path : Path
    commit : Commit
    thorough : bool
        Whether to hash the large files too.
    """
    for name, state in commit.files.items():
        if name == MANIFEST and commit.manifest is not None:
            continue
        how = _damage(path, name, state, thorough)
        if how == "missing" and not commit.settled and name.startswith("store/"):
            continue
        if how is not None:
            piece = piece_of(path, name, commit.version, commit.files)
            yield Damage(name, piece, damaged(path, name, how, piece))


def _damage(path: Path, name: str, state: FileState, thorough: bool) -> str | None:
    """What is wrong with a file."""
    file = path / name
    try:
        size = file.stat().st_size
        if size != state.size:
            return f"{size:,} bytes long where {state.size:,} were written"
        if (thorough or size <= SMALL) and sha256(file) != state.sha256:
            return "altered (its SHA-256 is another)"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"not readable ({error.strerror})"
    return None


@functools.singledispatch
def remove_leftovers(path: Path, commit: Commit) -> None:
    """Remove what an unfinished write left behind, and the folders of models that are gone.

    Only for the holder of the writer lock. An empty manifest, which a power loss leaves behind,
    goes to `quarantine/` with a warning.
    """
    _remove_folders(path, {model.folder for model in commit.models.values()})
    for name, size in list(scan(path)):
        if name in commit.files or not name.startswith("store/"):
            continue
        if size == 0 and name.endswith(".manifest"):
            set_aside(path, name)
            _logger.warning(
                "%s: set the empty file %s aside (in %s/); the write it belonged to never finished",
                path,
                name,
                QUARANTINE,
            )
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
    kept = (MANIFEST, "store/", *(f"{model.folder}/" for model in models.values()))
    return {name: state for name, state in files.items() if name.startswith(kept)}


def set_aside(path: Path, name: str) -> Path | None:
    """Move a file to `quarantine/`, under a name that is free; None if there is no such file."""
    quarantine = path / QUARANTINE
    quarantine.mkdir(exist_ok=True)
    target, n = quarantine / Path(name).name, 1
    while target.exists():
        n += 1
        target = quarantine / f"{Path(name).name}.{n}"
    try:
        (path / name).rename(target)
    except FileNotFoundError:
        return None
    return target


def store_bytes(files: dict[str, FileState]) -> int:
    """Bytes of the store's files."""
    return sum(state.size for name, state in files.items() if name.startswith("store/"))
