"""Points as CSV: a line of names, then a line a point, read and written a few thousand at a time.

RFC 4180. A cell that begins as a formula would (= + - @, a tab, a line's end) gets a ' before it,
so that no table program runs what a text says (https://owasp.org/www-community/attacks/CSV_Injection).
Numbers are numbers.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from rowspace.explore.layouts import Layout
from rowspace.explore.map_clusters import Clusters
from rowspace.explore.points import Points, Rows
from rowspace.explore.words import WordPoints

AT_ONCE = 2000
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
FIRST = ("row", "label", "x", "y", "cluster")


def csv_lines(points: Points, rows: Rows, layout: Layout, clusters: Clusters) -> Iterator[bytes]:
    """A table of some points, in parts.

    Parameters
    ----------
    points : Points
    rows : (n,) int array
    layout, clusters
        Where they are and what of.
    """
    columns: list[str] | None = None
    for start in range(0, max(1, len(rows)), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        told = _table(points, part, layout, clusters)
        out = io.StringIO()
        writer = csv.writer(out)
        if columns is None:
            columns = _columns(points)
            writer.writerow(map(safe, columns))
        writer.writerows([safe(row.get(name)) for name in columns] for row in told)
        yield out.getvalue().encode("utf-8", "replace")


def _columns(points: Points) -> list[str]:
    """Names of the columns: metadata fields are last, one that is called as another is `meta.`."""
    if isinstance(points, WordPoints):
        return [*FIRST, *points.fields]
    own = ["document_id", "passage_id", "title", "text", "source"]
    if points.kind == "documents" and "passages" in points.fields:
        own.append("passages")
    return [*FIRST, *own, *(_named(name, own) for name in _metadata(points))]


def _metadata(points: Points) -> list[str]:
    return [name for name in points.fields if name not in ("source", "length", "passages")]


def _named(name: str, taken: list[str]) -> str:
    return f"meta.{name}" if name in (*FIRST, *taken) else name


def _table(
    points: Points, rows: Rows, layout: Layout, clusters: Clusters
) -> Iterator[dict[str, Any]]:
    groups = clusters.names[0]
    told = zip(
        rows.tolist(),
        layout.places[rows].tolist(),
        clusters.codes[rows, 0].tolist(),
        points.details(rows),
        strict=True,
    )
    for row, (x, y), code, details in told:
        metadata = details.pop("metadata", {})
        taken = [*FIRST, *details]
        yield {
            "row": row,
            "x": round(x, 6),
            "y": round(y, 6),
            "cluster": groups[code] if code < len(groups) else None,
            **details,
            **{_named(name, taken): value for name, value in metadata.items()},
        }


def safe(value: Any) -> Any:
    """A cell that no table program takes for a formula."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULAS) else text
