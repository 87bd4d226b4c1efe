"""A lease: an object that says who may write, until its holder stops renewing it.

Two writers so seldom meet. That they do no harm where they meet is the matter of the write itself,
which depends on what it started from: a lease can run out under a writer that was stopped for long.

No two clocks are compared to the second. A lease is dead if it stayed the same for as long as it
lasts by the watcher's own clock; or if it is older, by the server's clock, than any two clocks
may differ.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from rowspace.errors import SpaceLockedError, StorageError
from rowspace.storage.objects import ConflictError, Found, Objects

LEASE_SECONDS = 20.0
"""How long a lease lasts that is not renewed."""
MAX_SKEW_SECONDS = 300.0
"""By how much the clocks of a server and a client may differ."""
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class _Terms:
    """What the object says."""

    owner: str | None
    """None if it is given back."""
    who: str
    seconds: float


class Lease:
    """Held inside `with`, renewed by a thread meanwhile.

    Parameters
    ----------
    objects : Objects
    name : str
        Of the object.
    timeout : float
        Seconds to wait for another holder.
    seconds : float
        How long it lasts where nobody renews it.

    Raises
    ------
    SpaceLockedError
        On entering, if another holds it for longer than `timeout`.
    StorageError
        If the store is out of reach.
    """

    def __init__(
        self, objects: Objects, name: str, timeout: float, seconds: float = LEASE_SECONDS
    ) -> None:
        self._objects, self._name = objects, name
        self._timeout, self._seconds = timeout, seconds
        self._owner = uuid.uuid4().hex
        self._etag = ""
        self._until = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have taken it yet."""
        return time.monotonic() < self._until

    def __enter__(self) -> Lease:
        deadline = time.monotonic() + self._timeout
        watched, since = "", 0.0
        while True:
            found = self._read()
            if is_free(found):
                if self._take(None if found is None else found.etag):
                    break
                continue
            assert found is not None
            if found.etag != watched:
                watched, since = found.etag, time.monotonic()
            elif time.monotonic() - since > _terms(found).seconds:
                if self._take(found.etag):
                    break
                continue
            if time.monotonic() >= deadline:
                raise SpaceLockedError(
                    f"{self._objects.address} is being written by another process "
                    f"({_terms(found).who}); wait for it to finish, then try again"
                )
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())) or 0.001)
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._until > 0:
            self._until = 0.0
            with contextlib.suppress(StorageError):  # it runs out, or is another's by now
                self._objects.put_if(self._name, self._bytes(None), self._etag)

    def _read(self) -> Found | None:
        try:
            return self._objects.get(self._name)
        except FileNotFoundError:
            return None

    def _take(self, etag: str | None) -> bool:
        """Write the lease as ours; False if somebody else was first."""
        asked = time.monotonic()
        try:
            self._etag = self._objects.put_if(self._name, self._bytes(self._owner), etag)
        except ConflictError:
            return False
        self._until = asked + self._seconds
        return True

    def _renew(self) -> None:
        while not self._stop.wait(self._seconds / 4):
            try:
                if not self._take(self._etag):
                    self._until = 0.0  # another has it
                    return
            except StorageError:
                continue  # out of reach for now; it may still be in time

    def _bytes(self, owner: str | None) -> bytes:
        who = f"pid {os.getpid()} on {socket.gethostname()}"
        terms = {
            "owner": owner,
            "who": who,
            "seconds": self._seconds,
            "renewal": uuid.uuid4().hex,  # so that each write has a tag of its own
        }
        return json.dumps(terms).encode()


def is_free(found: Found | None) -> bool:
    """Whether a lease is given back, or so old that it is dead by any clock."""
    if found is None:
        return True
    terms = _terms(found)
    age = (datetime.now(UTC) - found.modified).total_seconds()
    return terms.owner is None or age > terms.seconds + MAX_SKEW_SECONDS


def _terms(found: Found) -> _Terms:
    """What a lease says; one that is not readable lasts as long as ours do."""
    try:
        content: Any = json.loads(found.data)
        owner = content["owner"]
        return _Terms(None if owner is None else str(owner), str(content["who"]),
                      min(float(content["seconds"]), 3600.0))  # fmt: skip
    except (ValueError, KeyError, TypeError):
        return _Terms("unknown", "unknown", LEASE_SECONDS)
