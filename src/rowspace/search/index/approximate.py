"""What an approximate index is, and the kinds there are.

Each holds rows 0, 1, 2 … of unit vectors and proposes rows near to a query; whoever asks compares
them exactly, so a proposal needs no score. One effort says how far it looks: more is slower and
misses less.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.search.index.config import IndexConfig

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]

HOMES = {
    "hnsw": "rowspace.search.index.hnsw:FaissHNSW",
    "hnswlib": "rowspace.search.index.hnswlib_graph:HnswlibGraph",
    "ivfpq": "rowspace.search.index.inverted:IVFPQ",
    "rabitq": "rowspace.search.index.inverted:IVFRaBitQ",
}
"""Kinds that are kept in files of their own, beside the vectors."""


class ApproximateIndex(Protocol):
    """Proposes the rows nearest to a query by inner product."""

    efforts: ClassVar[Sequence[int]]
    """What may be tried, rising."""
    depth: ClassVar[int]
    """Candidates to ask for, for each row that is wanted."""

    @classmethod
    def new(cls, dim: int, n: int, sample: Floats, config: IndexConfig) -> ApproximateIndex:
        """An empty one for about n rows, of which (m, dim) `sample` are some to learn from."""

    @classmethod
    def load(cls, file: Path, dim: int, n: int, *, to_grow: bool = False) -> ApproximateIndex:
        """One that was saved; `file` must be known to be whole.

        It may be mapped from the file, and cannot take in rows then, unless it is `to_grow`.

        Raises
        ------
        FormatError
            If it is of other rows.
        """

    def save(self, file: Path) -> None:
        """Write it to a file."""

    def add(self, rows: Floats) -> None:
        """Take in (m, dim) further rows."""

    def search(self, units: Floats, k: int, effort: int, allowed: Mask | None) -> Positions:
        """(n_queries, k) rows near each of (n_queries, dim) units; -1 where it found no more.

        With a mask of (n,) rows, only these.
        """


def kind_of_index(name: str) -> type[ApproximateIndex]:
    """The class of a kind.

    Raises
    ------
    ConfigError
        If there is no such kind.
    """
    if name not in HOMES:
        raise ConfigError(f"index kind {name!r} is not known; give one of {', '.join(HOMES)}")
    module, class_name = HOMES[name].split(":")
    found: type[ApproximateIndex] = getattr(importlib.import_module(module), class_name)
    return found
