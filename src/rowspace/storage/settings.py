"""How object storage is reached: the usual variables of the environment, looked at before use.

Where no credentials are set, the clients would ask the metadata address of a cloud's machines, for
minutes if there is none. So what is missing is said here, before anything is asked.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rowspace.errors import StorageError

RETRIES = 6
"""How often a request is tried again that failed or was not answered."""
RETRY_SECONDS = 15
CONNECT_SECONDS = 5
REQUEST_SECONDS = 120
DEFAULT_REGION = "us-east-1"

_KEY, _SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_BY_ROLE = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
)
"""Where one of these is set, the clients get their credentials by it."""


@dataclass(frozen=True)
class Settings:
    """What the environment says of the store."""

    endpoint: str | None
    """None is the address of AWS for the region."""
    options: tuple[tuple[str, str], ...] = field(repr=False)
    """For the clients, under the names that both obstore and Lance know; the secret is in it."""

    @property
    def where(self) -> str:
        """For messages."""
        return self.endpoint or "AWS"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """What the environment says of the store.

    Raises
    ------
    StorageError
        If there are no credentials, or the address is no URL or is not encrypted.
    """
    variables = os.environ if environ is None else environ
    options = {
        "aws_region": variables.get("AWS_REGION")
        or variables.get("AWS_DEFAULT_REGION")
        or DEFAULT_REGION
    }
    options |= _credentials(variables)
    endpoint = next((variables[name] for name in _ENDPOINTS if variables.get(name)), None)
    if endpoint is not None:
        options["aws_endpoint"] = endpoint.rstrip("/")
        if _is_plain_http(endpoint, variables):
            options["allow_http"] = "true"
    if _is_set(variables, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"):
        options["aws_virtual_hosted_style_request"] = "true"
    return Settings(endpoint, tuple(sorted(options.items())))


def _credentials(variables: Mapping[str, str]) -> dict[str, str]:
    if _is_set(variables, "AWS_SKIP_SIGNATURE"):
        return {"aws_skip_signature": "true"}
    if any(variables.get(name) for name in _BY_ROLE):
        return {}
    missing = [name for name in (_KEY, _SECRET) if not variables.get(name)]
    if missing:
        are, them = ("are", "them") if len(missing) > 1 else ("is", "it")
        raise StorageError(
            f"no credentials for object storage: {' and '.join(missing)} {are} not set; set "
            f"{them}, and AWS_ENDPOINT_URL for a server other than AWS"
        )
    found = {"aws_access_key_id": variables[_KEY], "aws_secret_access_key": variables[_SECRET]}
    if variables.get("AWS_SESSION_TOKEN"):
        found["aws_session_token"] = variables["AWS_SESSION_TOKEN"]
    return found


def _is_plain_http(endpoint: str, variables: Mapping[str, str]) -> bool:
    parts = urlsplit(endpoint)
    if "@" in parts.netloc:
        raise StorageError(
            "AWS_ENDPOINT_URL has a name or a password in it, which messages would show; give it "
            f"as https://HOST:PORT, and set {_KEY} and {_SECRET}"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StorageError(f"AWS_ENDPOINT_URL is {endpoint!r}; give it as https://HOST:PORT")
    if parts.scheme == "https":
        return False
    if not (_is_loopback(parts.hostname) or _is_set(variables, "AWS_ALLOW_HTTP")):
        raise StorageError(
            f"{endpoint} is not encrypted: others on the network can read what is sent; give "
            "https://, or set AWS_ALLOW_HTTP=true"
        )
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_set(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").lower() in ("true", "1", "yes", "on")
