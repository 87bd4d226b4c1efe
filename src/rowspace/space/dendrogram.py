"""A hierarchy of words as an indented tree of text, or as lines to draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rowspace.errors import ConfigError
from rowspace.space.plots import Scale, linear_ticks, short_number
from rowspace.space.similarity import Doubles

MAX_LEAVES = 400
"""More can be neither read nor drawn; the text's recursion would be too deep as well."""

_ROW_HEIGHT = 22.0
_TREE_WIDTH = 320.0
_TOP, _BOTTOM = 12.0, 44.0


@dataclass(frozen=True)
class Dendrogram:
    """A tree in the units of its drawing, y downwards: joints on the left, leaves on the right."""

    lines: list[list[tuple[float, float]]]
    labels: list[tuple[float, float, str, int]]
    """(x, y, text, number of the leaf)."""
    ticks: list[tuple[float, str]]
    axis_y: float
    width: float
    height: float


def dendrogram_text(tree: Doubles, labels: Sequence[str]) -> str:
    """The hierarchy as a tree of text, the distance at each joint.

    Parameters
    ----------
    tree : (n - 1, 4) float array
        A linkage matrix, see `clusters.linkage`.
    labels : sequence of str
        One a leaf.

    Raises
    ------
    ConfigError
        If there are too many leaves, or not one label each.

    Examples
    --------
    >>> tree = np.array([[0.0, 1.0, 0.25, 2.0], [2.0, 3.0, 0.5, 3.0]])
    >>> print(dendrogram_text(tree, ["king", "queen", "car"]))
    0.50
    ├── car
    └── 0.25
        ├── king
        └── queen
    """
    _check(tree, labels)
    return "\n".join(_branch(tree, labels, 2 * len(labels) - 2))


def _branch(tree: Doubles, labels: Sequence[str], node: int) -> Iterator[str]:
    n = len(labels)
    if node < n:
        yield labels[node]
        return
    left, right, height, _ = tree[node - n].tolist()
    yield f"{height:.2f}"
    for child, joint, rest in ((int(left), "├── ", "│   "), (int(right), "└── ", "    ")):
        lines = _branch(tree, labels, child)
        yield joint + next(lines)
        for line in lines:
            yield rest + line


def draw_dendrogram(tree: Doubles, labels: Sequence[str], label_width: float = 380.0) -> Dendrogram:
    """Where the lines and labels of the hierarchy stand; see `dendrogram_text`."""
    from scipy.cluster.hierarchy import dendrogram

    _check(tree, labels)
    found = dendrogram(tree, no_plot=True)
    bottom = _TOP + _ROW_HEIGHT * len(labels)
    ticks = linear_ticks(0, float(tree[:, 2].max()))
    x = Scale(0, ticks[-1], _TREE_WIDTH, 14)

    def y(place: float) -> float:  # scipy puts leaf i at 10 i + 5
        return _TOP + _ROW_HEIGHT * place / 10

    lines = [
        [(x(height), y(place)) for height, place in zip(heights, places, strict=True)]
        for heights, places in zip(found["dcoord"], found["icoord"], strict=True)
    ]
    texts = [
        (_TREE_WIDTH + 8, y(10 * i + 5), labels[leaf], int(leaf))
        for i, leaf in enumerate(found["leaves"])
    ]
    return Dendrogram(
        lines, texts, [(x(t), short_number(t)) for t in ticks], bottom + 6,
        _TREE_WIDTH + label_width, bottom + _BOTTOM,
    )  # fmt: skip


def _check(tree: Doubles, labels: Sequence[str]) -> None:
    if np.shape(tree) != (len(labels) - 1, 4):
        raise ConfigError(
            f"{len(labels):,} labels for a hierarchy of shape {np.shape(tree)}; give one a leaf"
        )
    if len(labels) > MAX_LEAVES:
        raise ConfigError(
            f"a tree of {len(labels):,} leaves cannot be read; give up to {MAX_LEAVES}"
        )
