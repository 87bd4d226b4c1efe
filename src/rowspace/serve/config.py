"""What a server allows and how much it takes on, checked once."""

from __future__ import annotations

import ipaddress
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
    """What clients must send as `Authorization: Bearer TOKEN`; None asks for none."""
    hosts: tuple[str, ...] = ()
    """Names by which the server may be called beside its address and localhost."""
    origins: tuple[str, ...] = ()
    """Other sites, as `https://example.org`, whose pages may call it."""
    max_body: int = 16 << 20
    """Bytes of a request's body."""
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
    max_hits: int = 10_000
    """Hits of a search, for all its queries together."""
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

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}; give 1 to 65535, or 0 for a free one")
        for name in ("max_body", "max_items", "max_characters", "max_tokens", "max_k"):
            _check_positive(name, getattr(self, name))
        for name in ("queue_tokens", "batch_tokens", "deadline", "drain"):
            _check_positive(name, getattr(self, name))
        for name in ("max_queries", "max_query", "max_hits", "max_pairs", "max_id"):
            _check_positive(name, getattr(self, name))
        for name in ("max_fields", "max_metadata", "search_threads", "max_waiting"):
            _check_positive(name, getattr(self, name))
        if self.token is not None and len(self.token) < MIN_TOKEN:
            raise ConfigError(
                f"the token has {len(self.token)} characters, which can be guessed; give "
                f"{MIN_TOKEN} or more, as of `openssl rand -hex 32`"
            )
        if self.token is None and not is_loopback(self.host):
            raise ConfigError(
                f"{self.host} can be reached from other machines, and there is no token; give "
                "--token-file, or leave out --host"
            )


MIN_TOKEN = 16
"""Characters of the shortest token that is taken."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_positive(name: str, value: float) -> None:
    if value <= 0:
        raise ConfigError(f"{name} is {value}; give more than 0")
