"""Items with what describes them, as the bytes of one .npz file: arrays and JSON, nothing pickled.

The same content gives the same bytes. Each array has a checksum, which the reader compares.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.evaluate.compare.outcome import Items

_RECORD = "record"


def pack(record: Mapping[str, Any], items: Mapping[str, Items]) -> bytes:
    """The bytes of a file with a record that JSON can hold, and items by name."""
    names: list[dict[str, Any]] = []
    columns_by_place: dict[str, NDArray[Any]] = {}
    for place, (name, one) in enumerate(items.items()):
        about = {field: getattr(one, field) for field in ("statistic", "metric", "coverage")}
        columns = list(one.columns)
        names.append({"name": name, "columns": columns, "notes": list(one.notes), **about})
        columns_by_place |= {
            f"{place}-{i}": np.asarray(one.columns[c]) for i, c in enumerate(columns)
        }
    header = json.dumps({"record": record, "items": names}).encode()
    file = io.BytesIO()
    np.savez_compressed(
        file, allow_pickle=False, **{_RECORD: np.frombuffer(header, np.uint8), **columns_by_place}
    )
    return file.getvalue()


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, Items]]:
    """The record and the items of a file that `pack` made.

    Raises
    ------
    ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error
        If it is damaged.
    """
    arrays: Mapping[str, NDArray[Any]]
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        header = json.loads(arrays[_RECORD].tobytes())
        found = {}
        for place, about in enumerate(header["items"]):
            columns = {c: arrays[f"{place}-{i}"] for i, c in enumerate(about.pop("columns"))}
            name, notes = about.pop("name"), tuple(about.pop("notes"))
            found[name] = Items(**about, columns=columns, notes=notes)
    record: dict[str, Any] = header["record"]
    return record, found
