"""What the client of object storage raises, as one line of ours."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from rowspace.errors import StorageError
from rowspace.storage.address import Address

_BUCKET = re.compile(r"NoSuchBucket|specified bucket does not exist", re.I)
_REFUSED = re.compile(
    r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|InvalidToken|ExpiredToken"
    r"|40[13] (?:Unauthorized|Forbidden)|MissingAuthenticationToken",
    re.I,
)
_AWAY = re.compile(r"error sending request|connect|dns|timed out|unreachable", re.I)
_CODE = re.compile(r"<Code>(\w+)</Code>")


@contextlib.contextmanager
def storage_errors(address: Address, where: str, doing: str) -> Iterator[None]:
    """Turn what obstore raises into a StorageError; what is not there stays FileNotFoundError."""
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        NotModifiedError,
        PreconditionError,
    )

    try:
        yield
    except (AlreadyExistsError, PreconditionError, NotModifiedError):
        raise
    except FileNotFoundError as error:
        if _BUCKET.search(str(error)):
            raise told(error, address, where, doing) from error
        raise
    except (BaseError, PermissionError) as error:
        raise told(error, address, where, doing) from error


def told(error: BaseException, address: Address, where: str, doing: str) -> StorageError:
    """The line that says what happened and what helps."""
    text = str(error)
    if _BUCKET.search(text):
        return StorageError(
            f"there is no bucket {address.bucket!r} at {where}; check the address, or make the "
            "bucket first"
        )
    if found := _REFUSED.search(text):
        code = _CODE.search(text)
        return StorageError(
            f"{where} refuses to {doing} {address} ({code[1] if code else found[0]}); check "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what this key may do"
        )
    if _AWAY.search(text):
        return StorageError(
            f"{where} does not answer: could not {doing} {address}; check AWS_ENDPOINT_URL and "
            "the network, then run the same command again"
        )
    code = _CODE.search(text)
    line = code[1] if code else " ".join(text.split("\n\n")[0].split())[:200]
    return StorageError(f"could not {doing} {address} at {where} ({line})")
