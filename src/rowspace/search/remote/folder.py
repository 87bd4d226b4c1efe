"""A space at an address, seen as a folder: copies of its small files are there, its store is not.

Functions that touch a space's files take its path first, and have a twin for this kind of path
(`functools.singledispatch`). All others need not know. In a message it reads as the address.

s3://bucket/docs.space/
  commit.json    the last finished write; names all others
  lease.json     who may write
  ROOT/          a name that is used once, in the commit
    model/ models/ store/ index/ report.html
  old/           lists of files that no commit names any more
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any

from rowspace.errors import ConfigError
from rowspace.storage.address import Address, is_address, parse_address
from rowspace.storage.cache import cache_folder

if TYPE_CHECKING:
    from rowspace.search.remote.home import Home


class RemoteFolder(PosixPath):
    """The local folder of a space at an address. Use `locate`; what is below is a plain path."""

    remote: Home

    def __new__(cls, folder: Path, home: Home) -> RemoteFolder:
        """A path that knows where the space is."""
        self = super().__new__(cls, folder)
        self.remote = home
        return self

    def __init__(self, folder: Path, home: Home) -> None:
        if PosixPath.__init__ is not object.__init__:  # from Python 3.12 on
            super().__init__(folder)  # type: ignore[call-arg]

    def __format__(self, spec: str) -> str:
        return format(str(self.remote.address), spec)

    def __truediv__(self, name: Any) -> Path:  # type: ignore[override]
        below: Path = self.local / name
        return below

    def __reduce__(self) -> Any:
        return locate, (str(self.remote.address),)

    def exists(self) -> bool:
        """Whether there is a space at the address."""
        return self.remote.look() is not None

    @property
    def local(self) -> Path:
        """The same as a plain path."""
        return Path(str(self))

    @property
    def parent(self) -> Path:  # type: ignore[override]
        """As of a plain path."""
        return self.local.parent

    def with_segments(self, *segments: Any) -> Path:
        """What Python 3.12 makes paths of that come from this one."""
        return Path(*segments)

    def resolve(self, strict: bool = False) -> RemoteFolder:
        """Itself: its name is the space's."""
        return self

    def glob(self, pattern: str) -> Any:
        """As of a plain path."""
        return self.local.glob(pattern)

    def rglob(self, pattern: str) -> Any:
        """As of a plain path."""
        return self.local.rglob(pattern)


def locate(path: Path | str | Address) -> Path:
    """The folder of a space, which may be given by its address.

    Raises
    ------
    StorageError
        If it is an address that is not known, or there are no credentials.
    """
    if isinstance(path, Path):
        return path
    if not is_address(path):
        return Path(str(path))
    import rowspace.search.remote.commits  # the twins
    import rowspace.search.remote.place  # noqa: F401
    from rowspace.search.remote.home import Home

    return folder_of(Home(parse_address(path)))


def must_be_here(path: Path, to_do: str) -> None:
    """See that a space is on the disk.

    Raises
    ------
    ConfigError
        If it is in object storage.
    """
    if isinstance(path, RemoteFolder):
        raise ConfigError(
            f"{path} is in object storage, where Rowspace cannot {to_do}; copy it to the disk "
            f"with `rowspace copy {path} {path.name}`, do it there, and copy it to a new address"
        )


def folder_of(home: Home) -> RemoteFolder:
    """The folder for what is kept of a space, made here."""
    address, where = home.address, home.objects.settings.where
    digest = hashlib.sha256(f"{where} {address}".encode()).hexdigest()[:16]
    folder = cache_folder() / "spaces" / digest / address.name
    folder.mkdir(parents=True, exist_ok=True)
    return RemoteFolder(folder, home)
