"""The store of a space in object storage: how LanceDB reaches it, and changes that are made once.

Lance puts each version's manifest only if there is none of that number, and where one is there it
rebases its change on it: so another writer's rows come in, and a change that was tried again after
its answer was lost could be made twice. Both show in the version's number. So a change
counts only if its version directly follows the one before; or else the store is brought back to
that and the change made anew. Each version of a write then holds what was committed and what this
write did, and nothing else.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from rowspace.errors import RowspaceError, SpaceError, SpaceLockedError, StorageError
from rowspace.search.commit import Commit
from rowspace.search.remote.folder import RemoteFolder
from rowspace.search.remote.home import Home
from rowspace.search.store import Store, open_store
from rowspace.search.writer import open_to_write
from rowspace.storage.errors import told
from rowspace.storage.settings import CONNECT_SECONDS, REQUEST_SECONDS, RETRIES, RETRY_SECONDS

_TRIES = 5
_NETWORK = re.compile(
    r"error sending request|HTTP error|after \d+ retries|status code: (?:5\d\d|40[13])|"
    r"NoSuchBucket|AccessDenied|Forbidden|SignatureDoesNotMatch|InvalidAccessKeyId|timed? ?out|"
    r"connection|incompatible with concurrent|[Cc]ommit conflict",
)


class RemotePlace:
    """Where the table of a space in object storage is."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._address = home.address / home.current.root / "store"

    def __str__(self) -> str:
        return str(self._home.address)

    def connect(self) -> Any:
        """A connection of LanceDB."""
        import lancedb

        options = dict(self._home.objects.settings.options) | {
            "client_max_retries": str(RETRIES),
            "client_retry_timeout": str(RETRY_SECONDS),
            "connect_timeout": f"{CONNECT_SECONDS} seconds",
            "timeout": f"{REQUEST_SECONDS} seconds",
        }
        return lancedb.connect(str(self._address), storage_options=options)

    def change(self, store: Store, step: Callable[[], None]) -> None:
        """Make one change, which is one version more."""
        before = store.version
        for attempt in range(_TRIES):
            self._check_lease()
            failed: RowspaceError | None = None
            try:
                step()
                if store.version == before + 1:
                    return
            except (SpaceError, StorageError) as error:
                failed = error
            if attempt == _TRIES - 1:
                raise failed or SpaceLockedError(
                    f"another process writes to {self} at the same time, so nothing of this write "
                    "is kept; run the same command again"
                )
            time.sleep(0.05 * 2**attempt)
            before = bring_back(store, before)

    def _check_lease(self) -> None:
        if not self._home.session.lease.is_held:
            raise SpaceLockedError(
                f"this process lost the lease on {self} while it was held up, so nothing of this "
                "write is kept; run the same command again"
            )

    def error(self, error: BaseException, doing: str) -> RowspaceError | None:
        """What an error of Lance means there; None if it is one as on the disk."""
        if not _NETWORK.search(str(error)):
            return None
        line = StorageError(" ".join(str(error).split())[:300])
        return told(line, self._address, self._home.objects.settings.where, doing)


def bring_back(store: Store, version: int) -> int:
    """Make the newest version what `version` was; returns its number."""
    for attempt in range(_TRIES):
        try:
            store.bring_back(version)
            return store.version
        except (SpaceError, StorageError):
            if attempt == _TRIES - 1:
                raise
            time.sleep(0.05 * 2**attempt)
    raise AssertionError("unreachable")


@open_store.register(RemoteFolder)
def _open_store(path: RemoteFolder, version: int | None = None) -> Store:
    return Store.open(RemotePlace(path.remote), version)


@open_to_write.register(RemoteFolder)
def _open_to_write(path: RemoteFolder, commit: Commit) -> Store:
    store = Store.open(RemotePlace(path.remote))
    if store.version != commit.version:  # an unfinished write left others
        bring_back(store, commit.version)
    return store
