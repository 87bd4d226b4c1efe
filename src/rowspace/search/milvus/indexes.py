"""The indexes of vectors that Milvus can make, with settings for a number of rows.

FLAT compares all and is exact; AUTOINDEX is Milvus's own choice. The others look at a part, and
what share of the nearest they find depends on the vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FLAT_ROWS = 200_000
"""Up to so many rows all are compared, if nothing is asked for; beyond, HNSW."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class Index:
    """One kind of index."""

    build: Callable[[int], Settings]
    """Its settings for a number of rows."""
    search: Callable[[int, int], Settings]
    """Those of a search, of the number of hits and of rows."""


def _n_lists(n: int) -> int:
    return min(65_536, max(1, round(4 * math.sqrt(n))))


def _n_probes(n: int) -> int:
    return max(1, min(_n_lists(n), max(16, _n_lists(n) // 16)))


INDEXES = {
    "FLAT": Index(lambda n: {}, lambda k, n: {}),
    "AUTOINDEX": Index(lambda n: {}, lambda k, n: {}),
    "HNSW": Index(
        lambda n: {"M": 32, "efConstruction": 200},
        lambda k, n: {"ef": max(128, min(2 * k, 32_768))},
    ),
    "IVF_FLAT": Index(lambda n: {"nlist": _n_lists(n)}, lambda k, n: {"nprobe": _n_probes(n)}),
    "IVF_RABITQ": Index(
        lambda n: {"nlist": _n_lists(n), "refine": True, "refine_type": "SQ8"},
        lambda k, n: {"nprobe": _n_probes(n), "rbq_query_bits": 6, "refine_k": 4},
    ),
    "DISKANN": Index(lambda n: {}, lambda k, n: {"search_list": max(100, 2 * k)}),
}


IN_LITE = ("FLAT", "AUTOINDEX", "HNSW", "IVF_FLAT")
"""Those that Milvus Lite has; it takes the others for FLAT without a word."""


def choose_index(n: int) -> str:
    """The kind for a number of rows where none is asked for."""
    return "FLAT" if n <= FLAT_ROWS else "HNSW"
