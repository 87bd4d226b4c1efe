"""A fact of every point as what a page colours by: a share of a range, or one of a few names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rowspace.explore.map_clusters import NONE, Clusters

MOST_NAMES = 20
"""Of the values of a category; what is rarer is "other"."""
OTHER = "other"
SKEWED = 5.0
"""How much longer the upper half of the values is than the lower for colours to follow the log."""


@dataclass(frozen=True)
class Colors:
    """What a page needs to colour points by a fact."""

    legend: dict[str, Any]
    """{kind: "category", names} or {kind: "number", low, high, log}; of dates also `dates`, the
    first and the last, which `low` and `high` are in days since 1970."""
    values: NDArray[Any]
    """(n,) uint16 places in the names, 65535 for none; or float32 in [0, 1], NaN for none."""
    counts: list[int] = field(default_factory=list)

    def tobytes(self) -> bytes:
        """The values, little-endian."""
        return self.values.astype(self.values.dtype.newbyteorder("<")).tobytes()


def cluster_colors(clusters: Clusters, level: int) -> Colors:
    """By group."""
    names = clusters.names[level]
    return Colors({"kind": "category", "names": names}, clusters.codes[:, level])


def field_colors(values: pa.Array, kind: str) -> Colors:
    """By a fact.

    Parameters
    ----------
    values : (n,) Arrow array
        Null where a point has none.
    kind : {"number", "category", "date"}
    """
    if kind == "category":
        return _categories(values)
    if kind == "date":
        return _dates(values)
    return _numbers(values.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _categories(values: pa.Array) -> Colors:
    """The most frequent values by name, those first; equal ones by name."""
    encoded = values.cast(pa.string()).dictionary_encode()
    found = encoded.dictionary.to_pylist()
    indices = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.bincount(indices[indices >= 0], minlength=len(found))
    order = sorted(range(len(found)), key=lambda place: (-counts[place], found[place]))
    kept = order if len(order) <= MOST_NAMES else order[:MOST_NAMES]
    names = [found[place] for place in kept]
    codes = np.full(len(found) + 1, len(kept), np.uint16)  # the last is of -1
    codes[kept] = np.arange(len(kept))
    codes[-1] = NONE
    if len(kept) < len(order):
        names.append(OTHER)
    return Colors({"kind": "category", "names": names}, codes[indices])


def _dates(values: pa.Array) -> Colors:
    """Strings that begin with a date, as days; what is none is missing."""
    days = pc.utf8_slice_codeunits(values.cast(pa.string()), 0, 10)
    parsed = pc.strptime(days, "%Y-%m-%d", "s", error_is_null=True).cast(pa.date32())
    numbers = parsed.cast(pa.int32()).cast(pa.float64()).to_numpy(zero_copy_only=False)
    colors = _numbers(numbers, may_be_log=False)
    ends = pc.min_max(parsed)
    ends = [
        None if end is None else end.isoformat()
        for end in (ends["min"].as_py(), ends["max"].as_py())
    ]
    return Colors(colors.legend | {"dates": ends}, colors.values)


def _numbers(values: NDArray[np.float64], may_be_log: bool = True) -> Colors:
    there = np.isfinite(values)
    shares = np.full(len(values), np.nan, np.float32)
    if not there.any():
        return Colors({"kind": "number", "low": None, "high": None, "log": False}, shares)
    known = values[there]
    low, high = float(known.min()), float(known.max())
    log = may_be_log and low > 0 and _is_skewed(known)
    scaled, ends = (np.log(known), np.log([low, high])) if log else (known, np.array([low, high]))
    width = ends[1] - ends[0]
    shares[there] = (scaled - ends[0]) / width if width > 0 else 0.5
    return Colors({"kind": "number", "low": low, "high": high, "log": log}, shares)


def _is_skewed(values: NDArray[np.float64]) -> bool:
    low, middle, high = np.quantile(values, [0.01, 0.5, 0.99])
    return bool(high - middle > SKEWED * max(middle - low, 1e-12))
