"""The graph by its authors' library, hnswlib: float32 rows, twice the memory of FAISS's float16.

Malkov & Yashunin (2018), https://arxiv.org/abs/1603.09320. For those whose other programs read its
files. A damaged file overflows its heap (hnswlib #673), so a file's digest is checked before.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rowspace.errors import FormatError
from rowspace.extras import need
from rowspace.machine import n_cores
from rowspace.search.index.approximate import Floats, Mask, Positions
from rowspace.search.index.config import IndexConfig


class HnswlibGraph:
    """Use `new` or `load`."""

    efforts: ClassVar = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
    depth: ClassVar = 1

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def new(cls, dim: int, n: int, sample: Floats, config: IndexConfig) -> HnswlibGraph:
        """An empty graph."""
        index = need("hnswlib", "hnswlib").Index(space="ip", dim=dim)
        index.init_index(max(n, 1), M=config.m, ef_construction=config.ef_construction)
        return cls(index)

    @classmethod
    def load(cls, file: Path, dim: int, n: int, *, to_grow: bool = False) -> HnswlibGraph:
        """A graph that `save` wrote."""
        index = need("hnswlib", "hnswlib").Index(space="ip", dim=dim)
        try:
            index.load_index(str(file))
        except RuntimeError as error:
            raise FormatError(f"{file} is no hnswlib index ({error})") from error
        if index.get_current_count() != n:
            raise FormatError(f"{file} holds {index.get_current_count():,} rows, not {n:,}")
        return cls(index)

    def save(self, file: Path) -> None:
        """Write the graph to a file."""
        self._index.save_index(str(file))
        if file.stat().st_size != self._index.index_file_size():  # hnswlib does not look
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    def add(self, rows: Floats) -> None:
        """Take in (m, dim) further rows."""
        start = self._index.get_current_count()
        if start + len(rows) > self._index.get_max_elements():
            self._index.resize_index(start + len(rows))
        ids = np.arange(start, start + len(rows))
        self._index.add_items(rows, ids, num_threads=n_cores())

    def search(self, units: Floats, k: int, effort: int, allowed: Mask | None) -> Positions:
        """Rows near each query."""
        self._index.set_ef(max(effort, k))
        filter_ = None if allowed is None else allowed.tolist().__getitem__
        found = np.full((len(units), k), -1, np.int64)
        for query, unit in enumerate(units):  # one by one: what has too few rows fails alone
            try:
                positions, _ = self._index.knn_query(unit, k, num_threads=1, filter=filter_)
            except RuntimeError:  # fewer than k within reach: the caller compares all rows
                continue
            found[query] = positions[0].astype(np.int64)
        return found
