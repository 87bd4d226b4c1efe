"""Which names a server goes by, and whose pages may call it.

A page of another site can make a browser send requests to this machine. What it cannot do is choose
the headers `Host`, `Origin` and `Sec-Fetch-*`: a site whose name was made to point here (DNS
rebinding) still sends its own name. Fetch metadata: https://www.w3.org/TR/fetch-metadata/
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from rowspace.serve.config import ServeConfig, is_loopback

DEFAULT_PORTS = {"http": "80", "https": "443"}
_PLACE = re.compile(r"([^\[\]:/@\s]+|\[[0-9a-f:.]+\])(:[0-9]+)?")


def is_own_host(host: str, config: ServeConfig) -> bool:
    """Whether a `Host` header names this server.

    The port is looked at only where `config.hosts` tells one: tunnels and containers change it, and
    a rebound name is refused by its name.

    Parameters
    ----------
    host : str
        As `localhost:8000`, `127.0.0.1` or `[::1]:8000`.
    config : ServeConfig
    """
    host = host.lower()
    allowed = {name.lower() for name in config.hosts}
    name = _without_port(host)
    if name is None:
        return False
    if host in allowed or name in allowed:
        return True
    bare = name.strip("[]")
    if is_loopback(bare) or bare == config.host.lower().strip("[]"):
        return True
    # Listening to all addresses, it is called by any of them; numbers cannot be rebound.
    return config.host in ("0.0.0.0", "::", "[::]") and _is_number(bare)  # noqa: S104


def is_own_origin(origin: str, host: str) -> bool:
    """Whether a page of `origin` was served under the name in the `Host` header.

    The scheme is not compared: before a proxy that ends TLS it is another.
    """
    scheme, separator, place = origin.lower().partition("://")
    if not separator or scheme not in DEFAULT_PORTS:
        return False
    return _with_port(place, scheme) == _with_port(host.lower(), scheme)


def comes_from_elsewhere(headers: Mapping[bytes, bytes], is_page: bool) -> bool:
    """Whether a browser says that a page of another site asks, which sent no `Origin`.

    Parameters
    ----------
    headers : mapping
    is_page : bool
        Whether it asks for a page that holds no data, which a link of any site may lead to.
    """
    site = headers.get(b"sec-fetch-site", b"none").lower()
    if site in (b"none", b"same-origin"):
        return False
    follows = headers.get(b"sec-fetch-mode") == b"navigate"
    into_tab = headers.get(b"sec-fetch-dest") == b"document"
    return not (is_page and follows and into_tab)


def _without_port(host: str) -> str | None:
    """The name of a `Host` header; None if it is not one."""
    found = _PLACE.fullmatch(host)
    return found[1] if found else None


def _with_port(place: str, scheme: str) -> str:
    bracket = place.rfind("]")
    return place if ":" in place[bracket + 1 :] else f"{place}:{DEFAULT_PORTS[scheme]}"


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
