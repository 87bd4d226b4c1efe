"""Repair: what is damaged in a space is put right from a copy, or made anew where it can be.

The small files have copies in one another. Any file may have one below a folder that the caller
names: a backup of the space, or the folder its model came from; it is known by its size and
SHA-256. The index of the text is built from the passages, and what only older versions need is
left out. Whatever was damaged goes to `quarantine/`, nothing is deleted. An index in files is left
to `rowspace index`, which has the encoder.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rowspace.errors import ConfigError, SpaceCorruptError
from rowspace.files import WriterLock, sha256, write_atomically
from rowspace.progress import track
from rowspace.search.commit import (
    COMMIT,
    COPY,
    Commit,
    Damage,
    FileState,
    find_damage,
    newest_commit,
    put_right,
    read_commit,
    remove_leftovers,
    set_aside,
    write_commit,
)
from rowspace.search.index.cached import find_damaged_indexes
from rowspace.search.manifest import read_manifest
from rowspace.search.pieces import Piece, version_on_disk
from rowspace.search.store import Store, disk_errors
from rowspace.search.writer import LOCK_TIMEOUT, index_anew, publish


@dataclass(frozen=True)
class Repaired:
    """What a repair did and what it could not."""

    repaired: dict[str, str] = field(default_factory=dict)
    """How each file was put right, by its path in the space."""
    left: dict[str, str] = field(default_factory=dict)
    """What is lost with each file that is still damaged, and what to do."""


def repair(
    path: Path | str, sources: Sequence[Path | str] = (), timeout: float = LOCK_TIMEOUT
) -> Repaired:
    """Put right what is damaged in a space.

    Parameters
    ----------
    path : path
        The space.
    sources : sequence of path
        Folders in which to look for whole copies of damaged files, at any depth.
    timeout : float
        Seconds to wait for another process that writes.

    Returns
    -------
    Repaired

    Raises
    ------
    ConfigError
        If a source is no folder.
    SpaceCorruptError
        If both commits are lost, and no source has one of the store's newest version.
    SpaceLockedError
        If another process writes for longer than `timeout`.
    """
    path, folders = Path(path), [Path(source) for source in sources]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"there is no folder {folder}; give --from a folder that has copies")
    if not path.is_dir():
        read_manifest(path)  # says what there is instead
    with disk_errors(path, "repair the space"), WriterLock(path / "lock", timeout, str(path)):
        return _repair(path, folders)


def _repair(path: Path, sources: Sequence[Path]) -> Repaired:
    result = Repaired()
    commit = _commit(path, sources)
    result.repaired.update(dict.fromkeys(put_right(path, commit), "from its copy"))
    with track("looking at every file"):
        damage = list(find_damage(path, commit, thorough=True))
    damage = list(_take_copies(path, commit, damage, sources, result))
    damage = _set_old_aside(path, commit, damage, result)
    remove_leftovers(path, commit)
    if any(one.piece is Piece.INDEX for one in damage):
        damage = _index_anew(path, damage, result)
    for one in damage:
        result.left[one.name] = (
            f"lost is {one.piece.value}; give a backup with --from FOLDER, or build the space again"
        )
    for name, _ in find_damaged_indexes(path):
        result.left[name] = f"searches do without it; `rowspace index {path}` makes it anew"
    return result


def _commit(path: Path, sources: Sequence[Path]) -> Commit:
    """The last finished write; where both files are lost, from a source that has this very one."""
    try:
        return read_commit(path)
    except SpaceCorruptError as error:
        folders = {file.parent for name in (COMMIT, COPY) for file in _find(sources, name)}
        found = [commit for folder in folders if (commit := newest_commit(folder)) is not None]
        if not found:
            raise error
        commit = max(found, key=lambda one: one.number)
        version = version_on_disk(path)
        if version is not None and version != commit.version:
            raise SpaceCorruptError(
                f"the commit of {path} is lost, and the one in the backup is of version "
                f"{commit.version} where the store has {version}; copy the whole backup, which "
                "lacks what was written after it"
            ) from error
        return commit


def _find(sources: Iterable[Path], pattern: str) -> Iterator[Path]:
    for source in sources:
        yield from (file for file in source.rglob(pattern) if file.is_file())


def _take_copies(
    path: Path,
    commit: Commit,
    damage: Iterable[Damage],
    sources: Sequence[Path],
    result: Repaired,
) -> Iterator[Damage]:
    """Put whole copies in place of damaged files; yields what has none."""
    sizes: dict[int, list[Path]] = {}
    damage = list(damage)
    wanted = {commit.files[one.name].size for one in damage}
    for file in _find(sources, "*") if wanted else ():
        if (size := file.stat().st_size) in wanted:
            sizes.setdefault(size, []).append(file)
    for one in damage:
        state = commit.files[one.name]
        copy = _whole_copy(state, sizes.get(state.size, []))
        if copy is None:
            yield one
        else:
            _copy(path, one.name, copy, state)
            result.repaired[one.name] = f"from {copy}"


def _whole_copy(state: FileState, candidates: Iterable[Path]) -> Path | None:
    return next((file for file in candidates if _sha256_or_none(file) == state.sha256), None)


def _sha256_or_none(file: Path) -> str | None:
    try:
        return sha256(file)
    except OSError:
        return None


def _copy(path: Path, name: str, source: Path, state: FileState) -> None:
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path / name) as file:
        with source.open("rb") as original:
            shutil.copyfileobj(original, file, 1 << 20)
        if file.tell() != state.size:
            raise SpaceCorruptError(f"{source} changed while it was copied; try again")
        set_aside(path, name)


def _set_old_aside(
    path: Path, commit: Commit, damage: list[Damage], result: Repaired
) -> list[Damage]:
    """Take what only older versions need out of the commit; returns the rest."""
    old = [one for one in damage if one.piece is Piece.OLD]
    if not old:
        return damage
    files = dict(commit.files)
    for one in old:
        set_aside(path, one.name)
        del files[one.name]
        result.repaired[one.name] = "set aside, only older versions need it"
    write_commit(path, replace(commit, files=files))
    return [one for one in damage if one.piece is not Piece.OLD]


def _index_anew(path: Path, damage: list[Damage], result: Repaired) -> list[Damage]:
    """Build the index of the text from the passages, if all of these are whole."""
    lost = [one for one in damage if one.piece is not Piece.INDEX]
    if any(one.piece is not Piece.MODEL for one in lost):
        return damage
    index = [one for one in damage if one.piece is Piece.INDEX]
    commit = read_commit(path)
    for one in index:
        set_aside(path, one.name)
    store = Store.open(path / "store")
    with track("indexing"):
        index_anew(store, read_manifest(path).language, store.indexed_vectors())
    known = {name: state for name, state in commit.files.items() if (path / name).exists()}
    publish(path, store, replace(commit, files=known, changed=0))
    result.repaired.update({one.name: "the index is built anew" for one in index})
    return lost
