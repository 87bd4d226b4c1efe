"""What all scorers share: a fingerprint of files and settings, and warnings that become notes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import EvaluationError
from rowspace.evaluate.compare.bootstrap import score
from rowspace.evaluate.compare.outcome import Items
from rowspace.files import sha256

_CUT = re.compile("the rest was not read")


def digest(kind: str, version: int, paths: Sequence[Path], **settings: Any) -> str:
    """Hex digest of a task's files, its settings and the version of the way it is scored."""
    files = [(path.name, sha256(path)) for path in paths]
    content = json.dumps([kind, version, files, settings], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def files_below(folder: Path) -> list[Path]:
    """All files of a folder, by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def cut_texts() -> Iterator[list[str]]:
    """Yields a list that holds, when the block ends, what was warned of texts that were cut."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
    for warning in caught:
        message = str(warning.message)
        if not _CUT.search(message):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
        elif (note := message.split(";")[0]) not in notes:
            notes.append(note)


def checked(items: Items) -> Items:
    """The items, if they have a score.

    Raises
    ------
    EvaluationError
        If they have none.
    """
    if not np.isfinite(score(items)):
        raise EvaluationError(
            f"its {items.metric} is undefined, since the model says the same of all "
            f"{len(next(iter(items.columns.values()))):,} items or there is one label"
        )
    return items


def share_known(is_zero: Any) -> float:
    """The share of items that a model has vectors for."""
    return float(1 - np.mean(is_zero))
