"""Twins of `commit`, `writer`, `snapshot` and `health` for a space in object storage.

A file is known by its size and the tag that the store gives it, and by its SHA-256 where it was
uploaded from a disk. What a stopped write leaves is named by no commit and stays until a
compaction, as it may be another writer's: nothing is removed at the next write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rowspace.errors import SpaceCorruptError
from rowspace.progress import track
from rowspace.search import commit as on_disk
from rowspace.search import health, snapshot, writer
from rowspace.search.commit import Commit, Damage, FileState
from rowspace.search.index.cached import FOLDER as INDEXES
from rowspace.search.index.cached import RECORD
from rowspace.search.pieces import Piece, piece_of
from rowspace.search.remote.fetching import fetch_indexes
from rowspace.search.remote.folder import RemoteFolder
from rowspace.search.remote.home import LEASE, Home, RemoteCommit, digest_of, next_number, state_of
from rowspace.search.remote.old import named_files
from rowspace.search.snapshot import Signature
from rowspace.search.store import Store, open_store
from rowspace.storage.lease import is_free
from rowspace.storage.objects import State

# --- Reading -------------------------------------------------------------------------------------


@snapshot.signature_of.register(RemoteFolder)
def _signature_of(path: RemoteFolder) -> Signature:
    """One request: of the commit's tag, and of the indexes here."""
    tag = path.remote.look() or ""
    number = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "big")
    records = sorted((path / INDEXES).glob(f"[!.]*/{RECORD}"))
    return (number, *snapshot.signature_of_files(records))


@on_disk.newest_commit.register(RemoteFolder)
def _newest_commit(path: RemoteFolder) -> Commit | None:
    """The commit that was looked at last."""
    seen = path.remote.seen
    return None if seen is None else seen.commit


@snapshot.open_committed.register(RemoteFolder)
def _open_committed(path: RemoteFolder, commit: Commit) -> Store:
    fetch_indexes(path)
    return open_store(path, commit.version)


@on_disk.find_copied.register(RemoteFolder)
def _find_copied(path: RemoteFolder, commit: Commit) -> Iterator[SpaceCorruptError]:
    return iter(())


@on_disk.put_right.register(RemoteFolder)
def _put_right(path: RemoteFolder, commit: Commit) -> list[str]:
    return []


@on_disk.scan.register(RemoteFolder)
def _scan(path: RemoteFolder) -> Iterator[tuple[str, int]]:
    """(name, bytes) of the files that are committed, or that this write made."""
    for name, state in _own_files(path.remote).items():
        yield name, state.size


def _own_files(home: Home) -> dict[str, State]:
    there = home.list_files()
    committed = home.current.commit.files
    new = there.keys() - home.session.before if home.is_writing else set()
    folders = ("store/", "model/", "models/")
    return {
        name: state
        for name, state in there.items()
        if name in committed or (name in new and name.startswith(folders))
    }


@on_disk.find_damage.register(RemoteFolder)
def _find_damage(path: RemoteFolder, commit: Commit, thorough: bool = False) -> Iterator[Damage]:
    home = path.remote
    there = home.list_files()
    if home.is_writing:
        home.session.before = frozenset(there)
    tags = home.current.tags
    with track("checking files", len(commit.files)) as tracker:
        for name, state in commit.files.items():
            how = _damage(state, there.get(name), tags.get(name))
            if how is None and thorough:
                how = _damaged_bytes(home, name, state)
            tracker.advance()
            if how is None or (how == "missing" and not commit.settled and _is_of_store(name)):
                continue
            piece = piece_of(path, name, commit.version, commit.files)
            remedy = "; publish the space again from a copy"
            error = SpaceCorruptError(f"{home.address / home.current.root / name} is {how}{remedy}")
            yield Damage(name, piece, error)


def _is_of_store(name: str) -> bool:
    return name.startswith("store/")


def _damage(state: FileState, there: State | None, tag: str | None) -> str | None:
    if there is None:
        return "missing"
    if there.size != state.size:
        return f"{there.size:,} bytes long where {state.size:,} were written"
    if tag is not None and there.etag != tag:
        return "altered (its tag is another)"
    return None


def _damaged_bytes(home: Home, name: str, state: FileState) -> str | None:
    """What is wrong with a file's bytes: by its SHA-256, or by an MD5 that the tag may be."""
    sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    for chunk in home.root.chunks(name):
        sha.update(chunk)
        md5.update(chunk)
    digest = digest_of(state)
    if digest is not None:
        return None if sha.hexdigest() == digest else "altered (its SHA-256 is another)"
    is_other = md5.hexdigest() != home.current.tags.get(name, "").strip('"')
    return "altered (its MD5 is another)" if is_other and home.tags_are_md5(name) else None


# --- Writing -------------------------------------------------------------------------------------


@writer.writer_lock.register(RemoteFolder)
def _writer_lock(path: RemoteFolder, timeout: float) -> Any:
    return path.remote.writing(timeout)


@on_disk.remove_leftovers.register(RemoteFolder)
def _remove_leftovers(path: RemoteFolder, commit: Commit) -> None:
    """Nothing: see `old.remove_old_files`."""


@writer.size_of_store.register(RemoteFolder)
def _size_of_store(path: RemoteFolder, commit: Commit) -> int:
    return sum(size for name, size in on_disk.scan(path) if _is_of_store(name))


@on_disk.flush_and_hash.register(RemoteFolder)
def _flush_and_hash(path: RemoteFolder, known: dict[str, FileState]) -> dict[str, FileState]:
    """The state of every file; an object is on the disk when its put was answered."""
    home = path.remote
    tags = home.current.tags
    files: dict[str, FileState] = {}
    for name, state in _own_files(home).items():
        is_known = name in known and tags.get(name) == state.etag
        files[name] = known[name] if is_known else state_of(state)
    return files


@on_disk.write_commit.register(RemoteFolder)
def _write_commit(path: RemoteFolder, commit: Commit) -> None:
    home = path.remote
    before = home.current
    numbered = next_number(commit, before)
    tags = {
        name: before.tags[name] if digest_of(state) else _tag_of(state)
        for name, state in commit.files.items()
    }
    content = RemoteCommit(before.root, replace(numbered, manifest=before.commit.manifest), tags)
    if commit.settled and before.commit.settled:  # after a compaction rows have other numbers
        content = replace(content, indexes=before.indexes)
    home.replace(content)


def _tag_of(state: FileState) -> str:
    return state.sha256.partition(" ")[2]


# --- Health --------------------------------------------------------------------------------------


@health.bytes_of.register(RemoteFolder)
def _bytes_of(path: RemoteFolder) -> int:
    return sum(state.size for state in path.remote.list_own())


@health.bytes_to_free.register(RemoteFolder)
def _bytes_to_free(path: RemoteFolder, commit: Commit, store: Store) -> int:
    """Of what no commit names, old versions that it still names included."""
    home = path.remote
    needed = named_files(home.current)
    unnamed = sum(state.size for state in home.list_own() if state.name not in needed)
    old = sum(
        state.size
        for name, state in commit.files.items()
        if piece_of(path, name, commit.version, commit.files) is Piece.OLD
    )
    return unnamed + old


@health.is_locked.register(RemoteFolder)
def _is_locked(path: RemoteFolder) -> bool:
    try:
        return not is_free(path.remote.objects.get(LEASE))
    except FileNotFoundError:
        return False
