"""The commit of a space in object storage: reading it, and replacing it if it is as it was.

`commit.json` is replaced by a put that depends on its tag, so of two writers that started from one
commit only the first can finish; what the other wrote is named by no commit and never seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rowspace.errors import SpaceCorruptError, SpaceLockedError, SpaceVersionError, StorageError
from rowspace.search.commit import COMMIT, Commit, FileState
from rowspace.search.fields import Field
from rowspace.search.model_state import ModelState
from rowspace.storage.address import Address
from rowspace.storage.lease import Lease
from rowspace.storage.objects import ConflictError, Objects, State

FORMAT = 1
LEASE = "lease.json"
OLD = "old"
PROBE = "probe"
_OWN = re.compile(rf"[0-9a-f]{{12}}/.+|{OLD}/[0-9a-f]{{32}}\.json|{PROBE}-[0-9a-f]{{32}}")
_TAG = "tag "  # before the tag of a file whose digest is not known


@dataclass(frozen=True)
class RemoteCommit:
    """What `commit.json` says."""

    root: str
    """Below which the files are."""
    commit: Commit
    tags: Mapping[str, str]
    """The store's tag of each file."""
    indexes: Mapping[str, FileState] = field(default_factory=dict)
    """Files of indexes of the vectors that came with the space."""


@dataclass
class Session:
    """What one write knows: the commit that it started from, and what was there then."""

    lease: Lease
    etag: str | None
    """The tag of commit.json that is to be replaced; None where there is to be none."""
    before: frozenset[str] = frozenset()
    """The files below the root when the write began, named by a commit or not."""


class Home:
    """A space at an address.

    Parameters
    ----------
    address : Address

    Raises
    ------
    StorageError
        If there are no credentials.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.objects = Objects(address)
        self._seen: tuple[RemoteCommit, str] | None = None
        self._local = threading.local()

    # --- Reading ---------------------------------------------------------------------------------

    def look(self) -> str | None:
        """Read the commit if it is another than the last one seen; returns its tag."""
        unless = None if self._seen is None else self._seen[1]
        try:
            found = self.objects.get(COMMIT, unless)
        except FileNotFoundError:
            self._seen = None
            return None
        if found is not None:
            self._seen = _parse(found.data, self.address / COMMIT), found.etag
        assert self._seen is not None
        return self._seen[1]

    @property
    def seen(self) -> RemoteCommit | None:
        """The last commit that was looked at; None if there is no space."""
        if self._seen is None:
            self.look()
        return None if self._seen is None else self._seen[0]

    @property
    def current(self) -> RemoteCommit:
        """`seen`, of a space that is there."""
        seen = self.seen
        if seen is None:
            raise SpaceCorruptError(f"{self.address / COMMIT} is missing; publish the space again")
        return seen

    @property
    def root(self) -> Objects:
        """The objects that the commit names, and others beside them."""
        return Objects(self.address / self.current.root, self.objects.settings)

    def list_own(self) -> Iterator[State]:
        """The objects below the address that a space has; others may keep theirs there too."""
        for state in self.objects.list():
            if state.name in (COMMIT, LEASE) or _OWN.fullmatch(state.name):
                yield state

    def list_files(self) -> dict[str, State]:
        """The objects below the root, by their names there."""
        root = self.current.root
        return {
            state.name.removeprefix(f"{root}/"): state for state in self.objects.list(f"{root}/")
        }

    def tags_are_md5(self, name: str) -> bool:
        """Whether the tag of a file is the MD5 of its bytes.

        So it is where a store does so with others, and the file was not put in parts.
        """
        found = self.objects.get(COMMIT)
        assert found is not None
        digest = hashlib.md5(found.data, usedforsecurity=False).hexdigest()
        return found.etag.strip('"') == digest and "-" not in self.current.tags.get(name, "-")

    # --- Writing ---------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """Of the write that this thread is in."""
        session: Session | None = getattr(self._local, "session", None)
        assert session is not None, "a commit is written inside `writing` only"
        return session

    @property
    def is_writing(self) -> bool:
        """Whether this thread is in a write."""
        return getattr(self._local, "session", None) is not None

    @contextlib.contextmanager
    def writing(self, timeout: float) -> Iterator[Session]:
        """Hold the lease; what is committed inside must follow the commit that is there now."""
        with Lease(self.objects, LEASE, timeout) as lease:
            etag = self.look()
            self._local.session = Session(lease, etag)
            try:
                yield self.session
            finally:
                self._local.session = None

    def publish(self, content: RemoteCommit) -> None:
        """Make this the space's first state.

        Raises
        ------
        SpaceLockedError
            If there is one by now.
        StorageError
            If the store is out of reach.
        """
        self._seen = content, self._put(content, None)

    def replace(self, content: RemoteCommit) -> None:
        """Make this the space's state, if that is still what the write started from.

        Raises
        ------
        SpaceLockedError
            If another writer was faster.
        StorageError
            If the store is out of reach.
        """
        etag = self._put(content, self.session.etag)
        self.session.etag = etag
        self._seen = content, etag

    def _put(self, content: RemoteCommit, etag: str | None) -> str:
        try:
            return self.objects.put_if(COMMIT, _to_bytes(content), etag)
        except ConflictError as error:
            raise SpaceLockedError(
                f"another process committed to {self.address} meanwhile, so nothing of this write "
                "is kept; run the same command again"
            ) from error
        except StorageError as error:
            raise StorageError(
                f"{error}; whether this write counts is not known, see `rowspace status "
                f"{self.address}`"
            ) from error


def state_of(state: State) -> FileState:
    """What a commit says of a file whose digest is not known: its tag, in place of one."""
    return FileState(state.size, _TAG + state.etag)


def digest_of(state: FileState) -> str | None:
    """The SHA-256 of a file; None if it is not known."""
    return None if state.sha256.startswith(_TAG) else state.sha256


def _to_bytes(content: RemoteCommit) -> bytes:
    body = {"format": FORMAT, "write": uuid.uuid4().hex, **asdict(content)}
    return json.dumps(body | {"digest": _digest(body)}, indent=1).encode() + b"\n"


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _parse(data: bytes, address: Address) -> RemoteCommit:
    try:
        body = json.loads(data)
        digest = body.pop("digest")
        if (format_ := body["format"]) != FORMAT and isinstance(format_, int):
            raise SpaceVersionError(
                f"{address} has format {format_} and this Rowspace reads {FORMAT}; upgrade Rowspace"
            )
        if digest != _digest(body):
            raise ValueError("its digest is another")
        return RemoteCommit(
            root=body["root"],
            commit=_to_commit(body["commit"]),
            tags=body["tags"],
            indexes=_files(body["indexes"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpaceCorruptError(
            f"{address} is not readable ({error}); publish the space again from a copy"
        ) from error


def _to_commit(content: dict[str, Any]) -> Commit:
    fields = {name: Field(**value) for name, value in content.pop("fields").items()}
    models = {name: ModelState(**value) for name, value in content.pop("models").items()}
    files = _files(content.pop("files"))
    return Commit(**content, fields=fields, models=models, files=files)


def _files(content: Mapping[str, Any]) -> dict[str, FileState]:
    return {name: FileState(**value) for name, value in content.items()}


def new_root() -> str:
    """A name below the address that nobody used before."""
    return uuid.uuid4().hex[:12]


def next_number(commit: Commit, before: RemoteCommit | None) -> Commit:
    """`commit` with the number that follows."""
    return replace(commit, number=1 if before is None else before.commit.number + 1)
