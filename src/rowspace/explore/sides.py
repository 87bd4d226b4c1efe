"""What is compared: two models, of two subjects or of one space, and the points that both have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rowspace.explore.documents import DocumentPoints
from rowspace.explore.passages import PassagePoints
from rowspace.explore.points import Points, Rows
from rowspace.explore.subject import Subject
from rowspace.explore.words import WordPoints
from rowspace.space.sample import frequency_order

MOST = 20_000
"""Points that are compared: of words the most frequent, of others a sample."""


@dataclass(frozen=True)
class Side:
    """One of the models that can be compared."""

    name: str
    subject: int
    model: str | None


def sides_of(subjects: Sequence[Subject]) -> list[Side]:
    """The models of all subjects, under names that differ."""
    plain: list[Side] = []
    for number, subject in enumerate(subjects):
        if len(subject.models) < 2:
            plain.append(Side(subject.name, number, None))
            continue
        for model in subject.models:
            name = model if len(subjects) == 1 else f"{subject.name}/{model}"
            plain.append(Side(name, number, model))
    seen: Counter[str] = Counter()
    sides = []
    for side in plain:
        seen[side.name] += 1
        again = seen[side.name]
        name = side.name if again == 1 else f"{side.name} ({again})"
        sides.append(Side(name, side.subject, side.model))
    return sides


def common_rows(a: Points, b: Points, seed: int = 0) -> tuple[Rows, Rows, int]:
    """Rows of the same points in both, and how many points both have.

    Returns
    -------
    rows of a, rows of b : (n,) int64 arrays
        At most `MOST`: the most frequent words first; of documents and passages a seeded sample, in
        the order of a.
    n_common : int
    """
    place = {key: row for row, key in enumerate(keys_of(b))}
    keys = keys_of(a)
    order = frequency_order(a.word_vectors) if isinstance(a, WordPoints) else np.arange(len(a))
    pairs = [(row, place[keys[row]]) for row in order.tolist() if keys[row] in place]
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    chosen = rows[:MOST]
    if len(rows) > MOST and not isinstance(a, WordPoints):
        some = np.random.default_rng(seed).permutation(len(rows))[:MOST]
        chosen = rows[np.sort(some)]
    return chosen[:, 0], chosen[:, 1], len(rows)


def keys_of(points: Points, rows: Rows | None = None) -> list[str]:
    """What names each point for good: the word, or the id."""
    if isinstance(points, WordPoints):
        return points.word_vectors.index_to_key if rows is None else points.labels(rows)
    if isinstance(points, DocumentPoints):
        ids = points.passages.column("document_id").take(pa.array(points.groups.first))
    else:
        assert isinstance(points, PassagePoints)
        ids = points.column("document_id" if points.kind == "documents" else "passage_id")
    found: list[str] = (ids if rows is None else ids.take(pa.array(rows))).to_pylist()
    return found
