"""What an index is asked to be, and which kind fits a space of some size."""

from __future__ import annotations

from dataclasses import dataclass

from rowspace.errors import ConfigError

EXACT_ROWS = 200_000
"""Up to so many rows all are compared: a few milliseconds, and nothing is missed."""
MEMORY_SHARE = 0.5
"""Of the memory that is free, an index takes this share at most, where it has the choice."""
KINDS = ("auto", "exact", "hnsw", "hnswlib", "ivfpq", "rabitq", "lance")


@dataclass(frozen=True, kw_only=True)
class IndexConfig:
    """Settings of a space's vector index."""

    kind: str = "auto"
    """exact: all rows are compared, mapped from a file. hnsw: FAISS's graph over float16 rows.
    hnswlib: the graph of its authors, float32. ivfpq, rabitq: FAISS's inverted lists of codes, in
    a fraction of the memory, compared exactly in the end. lance: in the store, for more vectors
    than memory holds. auto: by size, see `choose_kind`."""
    recall: float = 0.95
    """Share of the ten nearest rows that a search is to find."""
    m: int = 32
    """Links of a graph's node (Malkov & Yashunin 2018)."""
    ef_construction: int = 40
    """How far a graph looks for a new node's neighbours."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"index kind {self.kind!r} is not known; give one of {KINDS}")
        if not 0.0 < self.recall <= 1.0:
            raise ConfigError(f"recall is {self.recall}; give more than 0 and at most 1")
        if not 2 <= self.m <= 512:
            raise ConfigError(f"m is {self.m}; give 2 to 512")
        if not 1 <= self.ef_construction <= 10_000:
            raise ConfigError(f"ef_construction is {self.ef_construction}; give 1 to 10,000")


def choose_kind(n: int, dim: int, free_bytes: int | None, m: int = 32) -> str:
    """The kind for n rows of `dim` numbers on a machine with so much free memory."""
    if n <= EXACT_ROWS:
        return "exact"
    room = float("inf") if free_bytes is None else MEMORY_SHARE * free_bytes
    if graph_bytes(n, dim, m) <= room:
        return "hnsw"
    return "rabitq" if code_bytes(n, dim) <= room else "lance"


def graph_bytes(n: int, dim: int, m: int = 32) -> int:
    """Memory of a graph over float16 rows: numbers, 2·m links at the bottom and some above."""
    return n * (2 * dim + 8 * m + 4 * m // 8 + 20)


def code_bytes(n: int, dim: int) -> int:
    """Memory of inverted lists of one bit a number, with factors and ids."""
    return n * (dim // 8 + 16)
