"""What a server allows and how much it takes on, checked once."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, field

from rowspace.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Settings of `serve`."""

    host: str = "127.0.0.1"
    """The address that is listened to. Any but a loopback one needs a token."""
    port: int = 8000
    """0 takes a free one."""
    token: str | None = field(default=None, repr=False)
    """What clients must send in `Authorization`, after `Bearer`; None asks for none."""
    hosts: tuple[str, ...] = ()
    """Names by which the server may be called beside its address and localhost, as
    `example.org` with any port or `example.org:8000` with that alone."""
    origins: tuple[str, ...] = ()
    """Other sites whose pages may call it, as "https://example.org"."""
    max_body: int = 16 << 20
    """Bytes of a request's body."""
    max_head: int = 1 << 15
    """Bytes of its address and headers."""
    max_requests: int = 256
    """Requests that are answered at once; what is beyond is refused (503). Connections are
    limited to twice as many."""
    body_seconds: float = 30.0
    """What a client may take to send a body (408)."""
    max_items: int = 2048
    """Texts of an embeddings request, documents of an addition, texts of a reranking."""
    max_characters: int = 1 << 20
    """Of one text."""
    max_tokens: int = 300_000
    """Of all texts of a request together."""
    max_k: int = 1000
    """Hits of a search, for each query."""
    max_queries: int = 64
    """Of a search."""
    max_query: int = 1 << 15
    """Characters of a query."""
    max_hits: int = 4096
    """Hits of a search, for all its queries together; a document, which has more passages, counts
    as four."""
    max_pairs: int = 2048
    """Pairs of a query and a text that one request gives the reranker."""
    max_id: int = 512
    """Characters of a document's id."""
    max_fields: int = 64
    """Metadata fields of a document that is added."""
    max_metadata: int = 1 << 14
    """Characters of a document's metadata, as JSON; each of its passages keeps them."""
    search_threads: int = 4
    """Searches that are answered at once."""
    max_waiting: int = 64
    """Searches, or rerankings, or additions and deletions, that wait; others are refused (429)."""
    queue_tokens: int = 1 << 18
    """Tokens that wait or are computed at once; what is beyond is refused (429)."""
    batch_tokens: int = 1 << 13
    """Tokens that are computed together."""
    deadline: float = 30.0
    """Seconds after which a request that still waits is given up (503)."""
    drain: float = 20.0
    """Seconds that requests are given to end when the server is told to."""
    explorer: bool = True
    """Whether the explorer is served too, at /explore/."""
    log: bool = False
    """Whether a line about each request is written to stderr."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}; give 1 to 65535, or 0 for a free one")
        for name in _POSITIVE:
            _check_positive(name, getattr(self, name))
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                raise ConfigError(
                    f"{host!r} is no name of a host; give one as example.org or example.org:8000"
                )
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"{origin!r} is no origin; give scheme and host alone, as https://example.org"
                )
        _check_token(self.token)
        if self.token is None and not is_loopback(self.host):
            raise ConfigError(
                f"{self.host} can be reached from other machines, and there is no token; give "
                "--token-file, or leave out --host"
            )


MIN_TOKEN = 16
"""Characters of the shortest token that is taken."""
_POSITIVE = (
    *("max_body", "max_head", "max_requests", "max_items", "max_characters", "max_tokens"),
    *("max_k", "body_seconds", "queue_tokens", "batch_tokens", "deadline", "drain"),
    *("max_queries", "max_query", "max_hits", "max_pairs", "max_id", "max_fields"),
    *("max_metadata", "search_threads", "max_waiting"),
)
_HOST = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:  # nor is it NaN
        raise ConfigError(f"{name} is {value}; give a number above 0")


def _check_token(token: str | None) -> None:
    if token is None:
        return
    if len(token) < MIN_TOKEN:
        raise ConfigError(
            f"the token has {len(token)} characters, which can be guessed; give {MIN_TOKEN} or "
            "more, as of `openssl rand -hex 32`"
        )
    if not token.isprintable() or " " in token:
        raise ConfigError(
            "the token has spaces or characters that cannot be printed, which no header can "
            "carry; give one line of letters and digits, as of `openssl rand -hex 32`"
        )
