"""A client of Milvus, and what it raises as one line of ours.

The token of a server is in the environment alone: a command line can be read by everyone on the
machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rowspace.errors import (
    ConfigError,
    FormatError,
    MissingExtraError,
    RemoteError,
    RowspaceError,
    SpaceCorruptError,
    SpaceLockedError,
)
from rowspace.extras import need

TOKEN_VARIABLE = "ROWSPACE_MILVUS_TOKEN"  # noqa: S105, a name and no token
CONNECT_SECONDS = 5.0
SECONDS = 60.0
"""For one request; one that writes or loads may take ten times as long."""
OLDEST = (2, 5)
"""Milvus has fields that may be null since then."""

_NOT_FOUND = 100
_SUFFIX = ".db"
_WITHOUT_PINGS = {"grpc.keepalive_time_ms": 2**31 - 1}
"""The client would look every 10 s whether the server is there, for which Milvus Lite hangs up."""


def is_file(uri: str) -> bool:
    """Whether an address is a file of Milvus Lite and not a server."""
    return "://" not in uri


def check_uri(uri: str) -> str:
    """An address as it is kept: a server's as it is, a file's whole path.

    Raises
    ------
    ConfigError
        If it is neither, or has a password in it.
    """
    if is_file(uri):
        if not uri.endswith(_SUFFIX):
            raise ConfigError(
                f"the address {uri!r} is no server (http://host:19530), and a file of Milvus Lite "
                f"ends in {_SUFFIX}; give one of the two"
            )
        return str(Path(uri).absolute())
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        shown = "" if {"@", "?", "#"} & set(uri) else f" {uri!r}"  # could be with a password
        raise ConfigError(
            f"the address of Milvus{shown} cannot be read; give http://host:19530"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"the address of Milvus is {parts.scheme}://…; give http://host:19530, https://host, "
            f"or a file that ends in {_SUFFIX}"
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"the address of Milvus at {parts.hostname} has more than host, port and database in "
            "it, which would be kept in the space; put user:password or the token into "
            f"{TOKEN_VARIABLE}"
        )
    return uri


def connect(uri: str, *, create: bool = False) -> Any:
    """A `pymilvus.MilvusClient`.

    Parameters
    ----------
    uri : str
        As `check_uri` gives it.
    create : bool
        Make the file of Milvus Lite where there is none.

    Raises
    ------
    MissingExtraError
        If pymilvus, or Milvus Lite for a file, is not installed.
    RemoteError
        If no server answers within seconds, it refuses the token, or is too old.
    SpaceLockedError
        If another process has the file open.
    FormatError
        If there is no such file, or it is something else.
    """
    pymilvus = need("pymilvus", "milvus")
    for name in ("pymilvus", "milvus_lite"):  # each error is written there too, with a traceback
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if not is_file(uri):
        with milvus_errors(uri, "connect"):
            client = pymilvus.MilvusClient(
                uri, token=os.environ.get(TOKEN_VARIABLE, ""), timeout=CONNECT_SECONDS
            )
            _check_version(uri, client.get_server_version(timeout=CONNECT_SECONDS))
        return client
    if importlib.util.find_spec("milvus_lite") is None:
        raise MissingExtraError(
            f"{uri} is a file of Milvus Lite, which is not installed; run: pip install "
            "milvus-lite, or give the address of a server"
        )
    if not create and not Path(uri).exists():
        raise FormatError(f"there is no Milvus Lite file {uri}; bring it back, or export again")
    if not Path(uri).parent.is_dir():
        raise ConfigError(f"there is no folder {Path(uri).parent} for {uri}; make it first")
    try:
        return pymilvus.MilvusClient(uri, timeout=SECONDS, grpc_options=_WITHOUT_PINGS)
    except pymilvus.MilvusException as error:
        raise _lite_error(uri) from error


def _check_version(uri: str, version: str) -> None:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        raise RemoteError(f"Milvus at {uri} is {version}; update it to 2.5 or newer")


def _lite_error(uri: str) -> RowspaceError:
    """Why a file of Milvus Lite does not open, which its client does not tell."""
    from milvus_lite.db import MilvusLite
    from milvus_lite.exceptions import DataDirLockedError
    from milvus_lite.server_manager import server_manager_instance

    if server_manager_instance.start_and_get_uri(uri) is not None:  # this process has it open
        return RemoteError(f"Milvus Lite did not answer for {uri} in {SECONDS:.0f} s; try again")
    try:
        MilvusLite(uri).close()
    except DataDirLockedError:
        return SpaceLockedError(
            f"another process has {uri} open, and Milvus Lite serves one at a time; end it, or "
            "use a Milvus server"
        )
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        return FormatError(f"{uri} is not a file of Milvus Lite 3 ({line}); give another name")
    return RemoteError(f"Milvus Lite did not start for {uri}; try again")


@contextlib.contextmanager
def milvus_errors(uri: str, doing: str) -> Iterator[None]:
    """Turn what the client raises into one line."""
    client, rpc = need("pymilvus", "milvus"), need("grpc", "milvus")
    try:
        yield
    except client.MilvusException as error:
        cause = error.__cause__
        if isinstance(cause, rpc.RpcError):  # of a connection, where the message tells less
            raise _translate(cause.code(), str(cause.details()), uri, doing) from error
        raise _translate(error.code, str(error.message), uri, doing) from error
    except rpc.RpcError as error:
        raise _translate(error.code(), str(error.details()), uri, doing) from error


def _translate(code: Any, message: str, uri: str, doing: str) -> RowspaceError:
    text = f"{getattr(code, 'name', code)} {message}".lower()
    if "unauthenticated" in text or "auth check failure" in text or "permission" in text:
        has = "refuses the token" if os.environ.get(TOKEN_VARIABLE) else "wants a token"
        return RemoteError(
            f"Milvus at {uri} {has}; put user:password or a token into {TOKEN_VARIABLE}"
        )
    if any(word in text for word in ("unavailable", "fail connecting", "deadline", "timeout")):
        return RemoteError(
            f"no Milvus answers at {uri} (could not {doing}); see that it runs and that the "
            "address is right"
        )
    if "unimplemented" in text:
        return RemoteError(
            f"what answers at {uri} is no Milvus, or one of another time; give the address of its "
            "gRPC port, 19530 if nothing else was set"
        )
    line = re.sub(r"^\[\w+\] Retry [^,]*, (?:message=)?", "", " ".join(message.split()))[:300]
    if code == _NOT_FOUND or "can't find collection" in text:
        return SpaceCorruptError(
            f"the collection is not in Milvus at {uri} any more ({line}); export the space again"
        )
    return RemoteError(f"Milvus at {uri} could not {doing} ({line})")
