"""Removing what no commit names any more, when nobody can be using it.

Readers open the version of a commit and may go on with it while newer ones are committed; a writer
that lost its lease may still be putting files. So a compaction removes nothing at once: it lists
what is in no commit, and removes what an earlier list has, if that is a day old by the store's own
clock and the objects are still the same. What has no name as a space gives them is left alone.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable

from rowspace.errors import StorageError
from rowspace.search import writer
from rowspace.search.commit import COMMIT
from rowspace.search.remote.folder import RemoteFolder
from rowspace.search.remote.home import LEASE, OLD, Home, RemoteCommit
from rowspace.storage.objects import State

KEPT_SECONDS = 24 * 3600.0
"""How long an old version can still be read."""


def named_files(current: RemoteCommit) -> set[str]:
    """The names, below the address, of what is in use."""
    below = [*current.commit.files, *current.indexes, "report.html"]
    return {COMMIT, LEASE, *(f"{current.root}/{name}" for name in below)}


@writer.remove_old_files.register(RemoteFolder)
def remove_old_files(path: RemoteFolder, names: Iterable[str]) -> None:
    """List the files of versions before a compaction, and remove those of old lists.

    Only after the compaction's commit.
    """
    home = path.remote
    needed = named_files(home.current) - {f"{home.current.root}/{name}" for name in names}
    there = {state.name: state for state in home.list_own()}
    lists = [state for name, state in there.items() if name.startswith(f"{OLD}/")]
    listed = {state.name: _read(home, state) for state in lists}
    known = {name for content in listed.values() for name in content}
    unnamed = {
        name: state.etag
        for name, state in there.items()
        if name not in needed and name not in known and not name.startswith(f"{OLD}/")
    }
    name = f"{OLD}/{uuid.uuid4().hex}.json"
    home.objects.put(name, json.dumps(unnamed).encode())
    now = home.objects.head(name).modified
    if not unnamed:
        home.objects.delete([name])
    for state in lists:
        if (now - state.modified).total_seconds() >= KEPT_SECONDS:
            _remove(home, listed[state.name], there, needed)
            home.objects.delete([state.name])


def _read(home: Home, state: State) -> dict[str, str]:
    """What a list says; one that is damaged says nothing, and its files are listed again."""
    try:
        return dict(json.loads(home.objects.get(state.name).data))  # type: ignore[union-attr]
    except (ValueError, TypeError, FileNotFoundError):
        return {}


def _remove(home: Home, listed: dict[str, str], there: dict[str, State], needed: set[str]) -> None:
    gone = [
        name
        for name, etag in listed.items()
        if name in there and there[name].etag == etag and name not in needed
    ]
    if not home.session.lease.is_held:
        raise StorageError(f"the lease on {home.address} was lost; run the same command again")
    home.objects.delete(gone)
