"""Copies of a space's models and indexes on this machine: fetched once, checked, kept by digest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from rowspace.errors import SpaceCorruptError
from rowspace.files import WriterLock, sha256, write_folder_atomically
from rowspace.progress import track
from rowspace.search.commit import FileState, read_commit
from rowspace.search.index.cached import FOLDER as INDEXES
from rowspace.search.model_state import ModelState
from rowspace.search.remote.folder import RemoteFolder
from rowspace.search.remote.home import Home, digest_of
from rowspace.storage.cache import cache_folder

WAIT_SECONDS = 3600.0
"""For another process that fetches the same; it lets go when it dies."""
_fetching = threading.Lock()


def fetch_model(path: Path, model: ModelState) -> None:
    """See that a model's folder is below the space's; one on the disk has it there."""
    if isinstance(path, RemoteFolder):
        with _alone():
            _fetch_model(path, model)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One thread of one process fetches at a time, others then find what it fetched.

    Processes on several machines, or in containers, may share the cache.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with _fetching, WriterLock(folder / ".fetching", WAIT_SECONDS, f"the cache {folder}"):
        yield


def _fetch_model(path: RemoteFolder, model: ModelState) -> None:
    files = _below(read_commit(path).files, f"{model.folder}/")
    key = hashlib.sha256(json.dumps(_digests(files), sort_keys=True).encode()).hexdigest()
    kept = cache_folder() / "models" / key
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        _fetch(path.remote, model.folder, files, kept, f"fetching model {model.folder}")
    _link(path / model.folder, kept)


def _below(files: Mapping[str, FileState], prefix: str) -> dict[str, FileState]:
    return {
        name.removeprefix(prefix): state for name, state in files.items() if name.startswith(prefix)
    }


def _digests(files: Mapping[str, FileState]) -> list[list[str]]:
    return [[name, state.sha256] for name, state in sorted(files.items())]


def _link(link: Path, target: Path) -> None:
    """Make `link` point to `target`, in one step."""
    target = target.resolve()
    if link.is_symlink() and link.resolve() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}.{id(link)}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def fetch_indexes(path: RemoteFolder) -> None:
    """Fetch the indexes that came with the space, those that this machine has none of."""
    by_name: dict[str, dict[str, FileState]] = {}
    for name, state in path.remote.current.indexes.items():
        _, model, file = name.split("/", 2)
        by_name.setdefault(model, {})[file] = state
    for model, files in by_name.items():
        folder = path / INDEXES / model
        if folder.exists():
            continue
        with _alone():
            if folder.exists():
                continue
            folder.parent.mkdir(exist_ok=True)
            _fetch(path.remote, f"{INDEXES}/{model}", files, folder, "fetching the index")


def _fetch(
    home: Home, below: str, files: Mapping[str, FileState], folder: Path, doing: str
) -> None:
    """Make a folder of these files, each of the digest that was committed."""
    total = sum(state.size for state in files.values())
    with track(doing, total) as tracker, write_folder_atomically(folder) as new:
        for name, state in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            fetch_file(home, f"{below}/{name}", state, new / name)
            tracker.advance(state.size)


def fetch_file(home: Home, name: str, state: FileState, file: Path) -> str:
    """Download a file of the space, check it, and return its SHA-256."""
    try:
        home.root.download(name, file)
    except FileNotFoundError as error:
        raise SpaceCorruptError(
            f"{home.address / home.current.root / name} is missing; publish the space again"
        ) from error
    found, wanted = sha256(file), digest_of(state)
    if wanted is not None and found != wanted:
        raise SpaceCorruptError(
            f"{home.address / home.current.root / name} is altered (its SHA-256 is another); "
            "publish the space again from a copy"
        )
    return found
