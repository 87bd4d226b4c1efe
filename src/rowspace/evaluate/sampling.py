"""Parts of a set that are the same for every model, whatever order its lines are in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError


def places_by_hash(keys: Sequence[str], labels: Sequence[object], salt: str) -> NDArray[np.float64]:
    """Where each item is among those of its label when they are ordered by a hash of their keys.

    Parameters
    ----------
    keys : sequence of str
        What tells items apart.
    labels : sequence
    salt : str
        Another one gives another order.

    Returns
    -------
    (n,) float64
        In (0, 1), evenly spread within each label: those below s are a share s of each.
    """
    hashes = [hashlib.sha256(f"{salt}\n{key}".encode()).digest() for key in keys]
    rows: dict[object, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    places = np.zeros(len(keys))
    for of_label in rows.values():
        of_label.sort(key=hashes.__getitem__)
        places[of_label] = (np.arange(len(of_label)) + 0.5) / len(of_label)
    return places


def stratified_rows(
    keys: Sequence[str], labels: Sequence[object], n: int | None, seed: int = 0
) -> NDArray[np.int64]:
    """Rows of n items, about as many of each label as its share; all of them where n is None.

    Those of a smaller n are among those of a larger one.

    Returns
    -------
    (n or fewer,) int64
        Rising.

    Raises
    ------
    ConfigError
        If n is below 1.
    """
    if n is not None and n < 1:
        raise ConfigError(f"a limit of {n} leaves nothing; give 1 or more")
    if n is None or n >= len(keys):
        return np.arange(len(keys))
    order = np.argsort(places_by_hash(keys, labels, f"limit {seed}"), kind="stable")
    return np.sort(order[:n])
