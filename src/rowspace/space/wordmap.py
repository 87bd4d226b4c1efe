"""A map of the frequent words: where each stands, which labels have room, who is near whom.

Placed by `projection`, coloured by k-means of the vectors; it is the same for the same vectors.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.space.plots import Box
from rowspace.space.projection import MIN_TSNE_WORDS, SEED, coordinates
from rowspace.space.sample import frequency_order
from rowspace.space.similarity import Doubles, Rows, unit_rows
from rowspace.space.vectors import Vectors

N_MAP_WORDS = 350
N_MAP_NEIGHBORS = 8
N_CLUSTERS = 8
MAX_SHARE = 2e-3
"""A word that is more of the text than this says little about it."""
MAP_WIDTH, MAP_HEIGHT = 1000.0, 720.0

_MAX_LABEL = 28


@dataclass(frozen=True)
class MapWord:
    """One word on the map: a dot, and beside it a label that is hidden where there is no room."""

    word: str
    label: str
    count: int | None
    cluster: int
    x: float
    y: float
    radius: float
    font_size: float
    label_x: float
    label_y: float
    """Left end of the label's baseline, from the dot."""
    is_labelled: bool
    neighbors: list[tuple[int, float]]
    """(number on this map, cosine of the vectors), nearest first."""


@dataclass(frozen=True)
class WordMap:
    """The map: words, the most frequent first, and the words of each cluster."""

    words: list[MapWord]
    clusters: list[list[str]]
    method: str
    width: float = MAP_WIDTH
    height: float = MAP_HEIGHT

    @property
    def n_labelled(self) -> int:
        """How many words had room for a label."""
        return sum(word.is_labelled for word in self.words)

    def data(self) -> list[dict[str, Any]]:
        """What the page's script needs of each word."""
        return [
            {"w": w.word, "x": round(w.x, 1), "y": round(w.y, 1), "n": w.neighbors}
            for w in self.words
        ]


def map_rows(vectors: Vectors, n: int = N_MAP_WORDS) -> Rows:
    """Rows of the words that the map shows, the most frequent first; see `topical_rows`."""
    return topical_rows(vectors.index_to_key, vectors.counts, frequency_order(vectors), n)


def topical_rows(words: Sequence[str], counts: Rows | None, order: Rows, n: int) -> Rows:
    """Rows of the `n` most frequent words that say something of what a text is about.

    Very frequent words, numbers and words under three letters are left out, unless that leaves
    too few for a map: then the very frequent stay, and then everything does.

    Parameters
    ----------
    words : sequence of str
    counts : (n_words,) int array or None
    order : (n_words,) int array
        Rows, the most frequent first.
    n : int
    """
    topical = list(islice(_frequent_rows(words, counts, order, MAX_SHARE), n))
    if len(topical) < MIN_TSNE_WORDS:
        topical = list(islice(_frequent_rows(words, counts, order, 1.0), n))
    if len(topical) < MIN_TSNE_WORDS:
        topical = order[:n].tolist()
    return np.array(topical, dtype=np.int64)


def _frequent_rows(
    words: Sequence[str], counts: Rows | None, order: Rows, max_share: float
) -> Iterator[int]:
    limit = math.inf if counts is None else max_share * int(counts.sum())
    for row in order:
        word = words[row]
        is_wordlike = len(word) >= 3 and not any(character.isdigit() for character in word)
        if is_wordlike and (counts is None or counts[row] <= limit):
            yield int(row)


def draw_map(vectors: Vectors, rows: Rows, groups: Rows) -> WordMap:
    """Place the words at `rows`, colour them, and label as many as have room."""
    units = unit_rows(vectors.matrix[rows])
    words = [vectors.index_to_key[row] for row in rows]
    labels = [word if len(word) <= _MAX_LABEL else word[: _MAX_LABEL - 1] + "…" for word in words]
    counts = None if vectors.counts is None else vectors.counts[rows]
    weights = _weights(len(rows) if counts is None else counts, len(rows))
    radii, fonts = 2.4 + 2.6 * weights, 12.0 + 5.0 * weights
    flat, method = coordinates(units)
    points = fit_in_frame(flat, MAP_WIDTH, MAP_HEIGHT, margin=46.0)
    boxes = place_labels(points, radii, [label_size(*p) for p in zip(labels, fonts, strict=True)])
    nearest = map_neighbors(units)
    drawn = []
    for i, box in enumerate(boxes):
        x, y = points[i].tolist()
        label_x, label_y = _baseline(box, (x, y), radii[i], labels[i], fonts[i])
        drawn.append(
            MapWord(
                words[i], labels[i], None if counts is None else int(counts[i]), int(groups[i]),
                x, y, float(radii[i]), float(fonts[i]), label_x, label_y, box is not None,
                nearest[i],
            )
        )  # fmt: skip
    members = [[words[i] for i in np.flatnonzero(groups == g)] for g in range(groups.max() + 1)]
    return WordMap(drawn, members, method)


def _weights(counts: Rows | int, n: int) -> Doubles:
    """How large each word is drawn, in [0, 1]: by the logarithm of its count, or by its rank."""
    sizes = np.log(np.maximum(counts, 1)) if n and not isinstance(counts, int) else -np.arange(n)
    low, high = float(sizes.min()), float(sizes.max())
    return np.asarray((sizes - low) / (high - low) if high > low else np.ones(n), np.float64)


def fit_in_frame(flat: Doubles, width: float, height: float, margin: float) -> Doubles:
    """(n, 2) places in the drawing; each axis is stretched to fill it, as neither has a unit."""
    low, high = flat.min(axis=0), flat.max(axis=0)
    spread = high - low
    share = np.full(flat.shape, 0.5)
    np.divide(flat - low, spread, out=share, where=spread > 1e-12)
    return margin + share * (np.array([width, height]) - 2 * margin)


def clusters(units: Doubles) -> Rows:
    """k-means of the vectors: a group number each, the largest group 0."""
    from sklearn.cluster import KMeans

    n_distinct = len(np.unique(units.round(6), axis=0))
    k = max(1, min(N_CLUSTERS, len(units) // 4, n_distinct))
    with threadpool_limits(1):
        found: Rows = KMeans(k, n_init=4, random_state=SEED).fit_predict(units).astype(np.int64)
    by_size = np.argsort(-np.bincount(found, minlength=k), kind="stable")
    return np.argsort(by_size).astype(np.int64)[found]


def map_neighbors(units: Doubles, n: int = N_MAP_NEIGHBORS) -> list[list[tuple[int, float]]]:
    """The `n` nearest of each vector by cosine: (number, cosine), nearest first."""
    cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : min(n, len(units) - 1)]
    return [
        [(int(j), round(float(cosines[i, j]), 3)) for j in row] for i, row in enumerate(nearest)
    ]


def label_size(text: str, font_size: float) -> tuple[float, float]:
    """Width and height of a label in a font like Arial, rather too large than too small."""
    return 1.06 * font_size * sum(map(_character_width, text)) + 2, 1.12 * font_size


def _character_width(character: str) -> float:
    """Width of a character as a share of the font size."""
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in "ijl.,:;'|!I ":
        return 0.29
    if character in "ftr()[]-/\\":
        return 0.36
    if character in "mwMW@%&":
        return 0.9
    return 0.71 if character.isupper() or not character.isascii() else 0.57


def place_labels(
    points: Doubles, radii: Doubles, sizes: Sequence[tuple[float, float]]
) -> list[Box | None]:
    """A box for each label beside its dot, or None where there is no room.

    Labels come in the order given and take the first free place of eight. No box meets another,
    covers a dot's center, or leaves the drawing.

    Parameters
    ----------
    points : (n, 2) float array
    radii : (n,) float array
    sizes : sequence of (width, height)
    """
    taken = np.empty((0, 4))
    boxes: list[Box | None] = []
    for i, (x, y) in enumerate(points.tolist()):
        others = np.delete(points, i, axis=0)
        candidates = _beside(x, y, float(radii[i]) + 2, *sizes[i])
        free = (box for box in candidates if _is_free(box, taken, others))
        box = next(free, None)
        boxes.append(box)
        if box is not None:
            taken = np.vstack([taken, box])
    return boxes


def _beside(x: float, y: float, gap: float, width: float, height: float) -> Iterator[Box]:
    """Boxes right, left, above, below and at the corners of a dot."""
    near = 0.7 * gap
    for left, top in (
        (x + gap, y - height / 2),
        (x - gap - width, y - height / 2),
        (x - width / 2, y - gap - height),
        (x - width / 2, y + gap),
        (x + near, y - near - height),
        (x + near, y + near),
        (x - near - width, y - near - height),
        (x - near - width, y + near),
    ):
        yield left, top, left + width, top + height


def _is_free(box: Box, taken: Doubles, dots: Doubles) -> bool:
    left, top, right, bottom = box
    if left < 0 or top < 0 or right > MAP_WIDTH or bottom > MAP_HEIGHT:
        return False
    meets = (
        (taken[:, 0] < right) & (taken[:, 2] > left) & (taken[:, 1] < bottom) & (taken[:, 3] > top)
    )
    x, y = dots[:, 0], dots[:, 1]
    covers = (x > left - 2) & (x < right + 2) & (y > top) & (y < bottom)
    return not (meets.any() or covers.any())


def _baseline(
    box: Box | None, dot: tuple[float, float], radius: float, label: str, font_size: float
) -> tuple[float, float]:
    """Where the text of a label starts, from its dot; a hidden one appears where it fits."""
    if box is None:
        width, _ = label_size(label, font_size)
        fits = dot[0] + radius + 2 + width <= MAP_WIDTH
        return (radius + 2 if fits else -radius - 2 - width), 0.35 * font_size
    return box[0] - dot[0] + 1, box[3] - dot[1] - 0.24 * font_size
