"""A comparison in a folder: comparison.json to read, and the items behind its scores.

`items.npz` holds what each model said of each item, so that any two of them can be compared again.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from rowspace.errors import EvaluationError, FormatError
from rowspace.evaluate.compare.cache import fields_of, outcome_from
from rowspace.evaluate.compare.items_file import pack, unpack
from rowspace.evaluate.compare.outcome import (
    Comparison,
    Costs,
    Entry,
    Items,
    NotScored,
)
from rowspace.files import sha256, write_atomically, write_json
from rowspace.version import __version__

COMPARISON, ITEMS = "comparison.json", "items.npz"
FORMAT = 1


def write_comparison(comparison: Comparison, folder: Path | str) -> None:
    """Write a comparison into a folder, which is made if it is not there.

    Parameters
    ----------
    comparison : Comparison
    folder : path
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / ITEMS) as file:
        file.write(pack({}, _items(comparison)))
    record = {"format": FORMAT, "items": sha256(folder / ITEMS), **as_dict(comparison)}
    write_json(folder / COMPARISON, record)


def read_comparison(folder: Path | str) -> Comparison:
    """Read what `write_comparison` wrote.

    Raises
    ------
    EvaluationError
        If there is none.
    FormatError
        If it is damaged, or of a newer Rowspace.
    """
    folder = Path(folder)
    path = folder / COMPARISON
    if not path.is_file():
        raise EvaluationError(f"there is no {path}; `rowspace compare … --out {folder}` writes one")
    try:
        record = json.loads(path.read_text())
        if record["format"] > FORMAT:
            raise FormatError(f"{path} is of a newer rowspace; bring this one up to date")
        if record["items"] != sha256(folder / ITEMS):
            raise ValueError(f"{ITEMS} is not the one it was written with")
        _, items = unpack((folder / ITEMS).read_bytes())
        return _from_dict(record, items)
    except FormatError:
        raise
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(
            f"{path} is damaged ({error}); run the comparison again, which takes what is scored "
            "from the cache"
        ) from error


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """As JSON can hold it, without the items."""
    return {
        "rowspace": __version__,
        "settings": comparison.settings,
        "entries": [_entry_dict(entry) for entry in comparison.entries],
        "skipped": [dataclasses.asdict(one) for one in comparison.skipped],
        "differences": [
            {"task": task, "model": name, "than": other, "value": v, "low": low, "high": high}
            for (task, name, other), (v, low, high) in comparison.differences.items()
        ],
    }


def _entry_dict(entry: Entry) -> dict[str, Any]:
    fields = {f.name: getattr(entry, f.name) for f in dataclasses.fields(entry)}
    return {
        **fields,
        "costs": None if entry.costs is None else dataclasses.asdict(entry.costs),
        "outcomes": {task: fields_of(outcome) for task, outcome in entry.outcomes.items()},
        "not_scored": [dataclasses.asdict(one) for one in entry.not_scored],
    }


def _items(comparison: Comparison) -> dict[str, Items]:
    return {
        _items_name(place, task): outcome.items
        for place, entry in enumerate(comparison.entries)
        for task, outcome in entry.outcomes.items()
    }


def _items_name(place: int, task: str) -> str:
    return f"{place} {task}"


def _from_dict(record: dict[str, Any], items: dict[str, Items]) -> Comparison:
    return Comparison(
        entries=[_entry(place, entry, items) for place, entry in enumerate(record["entries"])],
        skipped=[NotScored(**one) for one in record["skipped"]],
        settings=record["settings"],
        differences={
            (d["task"], d["model"], d["than"]): (d["value"], d["low"], d["high"])
            for d in record["differences"]
        },
    )


def _entry(place: int, record: dict[str, Any], items: dict[str, Items]) -> Entry:
    outcomes = {
        task: outcome_from(fields, items[_items_name(place, task)])
        for task, fields in record["outcomes"].items()
    }
    costs = record["costs"]
    return Entry(
        **{
            **record,
            "costs": None if costs is None else Costs(**costs),
            "outcomes": outcomes,
            "not_scored": [NotScored(**one) for one in record["not_scored"]],
        }
    )
