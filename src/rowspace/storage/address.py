"""Addresses of object storage: `s3://bucket/some/key`, which stand where a path may stand."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rowspace.errors import StorageError

SCHEME = "s3"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


@dataclass(frozen=True, order=True)
class Address:
    """A bucket, and a key in it without slashes at its ends; no key is all of the bucket."""

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}://{self.bucket}" + (f"/{self.key}" if self.key else "")

    def __truediv__(self, name: str) -> Address:
        return Address(self.bucket, f"{self.key}/{name}" if self.key else name)

    @property
    def name(self) -> str:
        """What stands after the last slash."""
        return PurePosixPath(self.key or self.bucket).name

    @property
    def suffix(self) -> str:
        """As of a path: `.gz` of `a.jsonl.gz`."""
        return PurePosixPath(self.key).suffix


def is_address(path: Path | str | Address) -> bool:
    """Whether this is an address and no path of the disk."""
    return isinstance(path, Address) or (
        isinstance(path, str) and _ADDRESS.fullmatch(path) is not None
    )


def parse_address(text: str | Address) -> Address:
    """The address that a text is.

    Raises
    ------
    StorageError
        If it has no bucket, or another scheme than s3.

    Examples
    --------
    >>> parse_address("s3://bucket/docs.space/").key
    'docs.space'
    """
    if isinstance(text, Address):
        return text
    match = _ADDRESS.fullmatch(text)
    if match is None or match[1].lower() != SCHEME:
        raise StorageError(
            f"{text} is no address that is known; give {SCHEME}://BUCKET/NAME (other stores "
            "answer to that too, at the server that AWS_ENDPOINT_URL names)"
        )
    bucket, _, key = match[2].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise StorageError(f"{text} names no bucket; give {SCHEME}://BUCKET/NAME")
    return Address(bucket, key.strip("/"))


def path_or_address(path: Path | str | Address) -> Path | Address:
    """A path of the disk, or an address where it is one."""
    if isinstance(path, Address) or (isinstance(path, str) and is_address(path)):
        return parse_address(path)
    return Path(os.fspath(path))
