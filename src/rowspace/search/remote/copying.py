"""Spaces between a disk and object storage: uploaded under names that nobody reads, then committed.

A space appears at its address with one put of `commit.json`, which is done only if there is none.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rowspace.errors import ConfigError, SpaceError, SpaceLockedError, StorageError
from rowspace.files import WriterLock, sha256, write_folder_atomically
from rowspace.progress import track
from rowspace.search.commit import (
    MANIFEST,
    Commit,
    FileState,
    find_damage,
    read_commit,
    write_commit,
)
from rowspace.search.index.cached import FOLDER as INDEXES
from rowspace.search.index.cached import find_damaged_indexes
from rowspace.search.manifest import read_manifest
from rowspace.search.pieces import is_newer
from rowspace.search.remote.fetching import fetch_file, fetch_indexes
from rowspace.search.remote.folder import RemoteFolder, locate
from rowspace.search.remote.home import PROBE, RemoteCommit, new_root
from rowspace.search.writer import LOCK_TIMEOUT
from rowspace.storage.objects import ConflictError, Objects

_REPORT = "report.html"


@dataclass(frozen=True)
class Copied:
    """What a copy wrote."""

    path: str
    files: int
    bytes: int


def copy_space(source: Path | str, target: Path | str, timeout: float = LOCK_TIMEOUT) -> Copied:
    """Copy a space from the disk to an address, or back.

    Nobody sees the copy before it is whole.

    Parameters
    ----------
    source : path or str
        A space; one of the two is an address, as `s3://bucket/docs.space`.
    target : path or str
        Where there is nothing yet.
    timeout : float
        Seconds to wait for another process that writes the source.

    Raises
    ------
    ConfigError
        If none of the two is an address, or both are.
    SpaceError
        If there is no space at `source`, or something at `target`.
    SpaceCorruptError
        If a file of the source is damaged.
    StorageError
        If the store refuses or is out of reach, or cannot write depending on what is there.
    """
    here, there = locate(source), locate(target)
    if isinstance(here, RemoteFolder) == isinstance(there, RemoteFolder):
        raise ConfigError(
            f"{here} and {there} are both in the same kind of place; give a folder and an address "
            "(s3://BUCKET/NAME), one of the two being the space"
        )
    if isinstance(there, RemoteFolder):
        return _publish(here, there, timeout)
    assert isinstance(here, RemoteFolder)
    return _download(here, there)


# --- To an address -------------------------------------------------------------------------------


def check_vacant(there: RemoteFolder) -> None:
    """See that there is no space at an address yet.

    Raises
    ------
    SpaceError
        If there is.
    """
    if there.exists():
        raise SpaceError(
            f"{there} is a space already; give another address, or `rowspace add` to it"
        )


def _publish(here: Path, there: RemoteFolder, timeout: float) -> Copied:
    read_manifest(here)
    check_vacant(there)
    _check_conditions(there.remote.objects)
    root = new_root()
    with WriterLock(here / "lock", timeout, str(here)):
        commit = read_commit(here)
        for damage in find_damage(here, commit):
            raise damage.error
        if commit.milvus is not None:
            raise SpaceError(f"the passages of {here} are in Milvus; copy a space that has its own")
        if commit.manifest is None:
            raise SpaceError(f"{here} is of an older Rowspace; `rowspace compact {here}` first")
        files = dict(_files_of(here, commit))
        objects = Objects(there.remote.address / root, there.remote.objects.settings)
        tags = _upload(here, files, objects)
    commit = replace(commit, files={k: v for k, v in files.items() if _is_committed(k)}, number=1)
    content = RemoteCommit(
        root=root,
        commit=commit,
        tags={name: tags[name] for name in commit.files},
        indexes={name: v for name, v in files.items() if name.startswith(f"{INDEXES}/")},
    )
    try:
        there.remote.publish(content)
    except SpaceLockedError:
        check_vacant(there)
        raise
    return Copied(f"{there}", len(files), sum(state.size for state in files.values()))


def _is_committed(name: str) -> bool:
    return name != _REPORT and not name.startswith(f"{INDEXES}/")


def _files_of(path: Path, commit: Commit) -> Iterator[tuple[str, FileState]]:
    """All that is to be uploaded: also exports of models, which only torch could make anew."""
    for name, state in commit.files.items():
        if name != MANIFEST:
            yield name, state
    damaged = {folder for folder, _ in find_damaged_indexes(path)}
    for folder in (*(model.folder for model in commit.models.values()), INDEXES):
        for file in sorted((path / folder).rglob("*")):
            name = file.relative_to(path).as_posix()
            hidden = any(part.startswith(".") for part in Path(name).parts)
            is_whole = "/".join(name.split("/")[:2]) not in damaged
            if file.is_file() and not hidden and is_whole and name not in commit.files:
                yield name, FileState(file.stat().st_size, sha256(file))
    if (path / _REPORT).is_file():
        file = path / _REPORT
        yield _REPORT, FileState(file.stat().st_size, sha256(file))


def _upload(path: Path, files: dict[str, FileState], objects: Objects) -> dict[str, str]:
    """Put every file below a root; returns the tag of each."""
    tags: dict[str, str] = {}
    with track("uploading", sum(state.size for state in files.values())) as tracker:
        for name, state in files.items():
            tags[name] = objects.put_file(name, path / name)
            tracker.advance(state.size, note=name)
    return tags


def _check_conditions(objects: Objects) -> None:
    """See that the store writes only if an object is as it was: all safety rests on that."""
    name = f"{PROBE}-{uuid.uuid4().hex}"
    objects.put_if(name, b"first", None)
    try:
        for data, etag in ((b"second", None), (b"third", '"0123456789abcdef0123456789abcdef"')):
            try:
                objects.put_if(name, data, etag)
            except ConflictError:
                continue
            raise StorageError(
                f"{objects.settings.where} overwrites an object although it was told to only if "
                "there is none (If-None-Match, If-Match), so two writers would undo each other; "
                "use a store that can, or a newer version of this one"
            )
    finally:
        objects.delete([name])


# --- To the disk ---------------------------------------------------------------------------------


def _download(here: RemoteFolder, there: Path) -> Copied:
    read_manifest(here)
    if there.exists() and (not there.is_dir() or any(os.scandir(there))):
        raise SpaceError(f"{there} is there already; give the name of a folder to make")
    content = here.remote.current
    files: dict[str, FileState] = {}
    wanted = {
        name: state
        for name, state in content.commit.files.items()
        if not is_newer(name, content.commit.version)
    }
    assert content.commit.manifest is not None
    total = sum(state.size for state in wanted.values())
    with write_folder_atomically(there) as new:
        with track("downloading", total) as tracker:
            for name, state in wanted.items():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                digest = fetch_file(here.remote, name, state, new / name)
                files[name] = FileState(state.size, digest)
                tracker.advance(state.size, note=name)
        (new / MANIFEST).write_text(content.commit.manifest, encoding="utf-8")
        files[MANIFEST] = FileState((new / MANIFEST).stat().st_size, sha256(new / MANIFEST))
        write_commit(new, replace(content.commit, files=files))
        fetch_indexes(here)
        if (here / INDEXES).exists():
            shutil.copytree(here / INDEXES, new / INDEXES, ignore=shutil.ignore_patterns(".*"))
    return Copied(str(there), len(files), sum(state.size for state in files.values()))
