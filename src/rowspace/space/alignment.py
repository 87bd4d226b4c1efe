"""Two spaces turned onto each other, and how far each word has moved between them.

Schönemann (1966), https://doi.org/10.1007/BF02289451: the orthogonal Procrustes problem.
Hamilton, Leskovec & Jurafsky (2016), https://aclanthology.org/P16-1141: the change of a word's
meaning as its cosine distance after alignment. Gonen et al. (2020),
https://aclanthology.org/2020.acl-main.51: as the neighbours it has lost, which needs no alignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, VocabularyError
from rowspace.space.hubness import neighbor_graph
from rowspace.space.sample import common_keys, directions, frequency_order, lengths, rows_of, take
from rowspace.space.similarity import Doubles, Rows, unit_rows
from rowspace.space.transforms import AffineMap
from rowspace.space.vectors import Vectors

Matrix = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Alignment:
    """A map of one space onto another and how well it fits."""

    map: AffineMap
    """From the first space into the second."""
    anchors: list[str]
    """The words it was fitted on."""
    residual: float
    """`|mapped - other|² / |other|²` over the anchors; 0 where the spaces are only turned."""


@dataclass(frozen=True)
class Drift:
    """How far each common word is from itself, most frequent first."""

    keys: list[str]
    distances: Doubles
    """(n,) cosine distance after alignment, in [0, 2]."""
    lost: Doubles
    """(n,) share of the k nearest common words that are others in the other space."""
    k: int
    alignment: Alignment

    def largest(self, n: int = 10) -> Rows:
        """Rows of the words that moved most, by distance."""
        return np.argsort(-self.distances, kind="stable")[:n].astype(np.int64)


def procrustes(
    source: Matrix, target: Matrix, *, scale: bool = False, center: bool = False
) -> AffineMap:
    """The rotation (or reflection) R that brings source @ R nearest to target, row by row.

    Schönemann (1966): R = U Vᵀ where sourceᵀ target = U S Vᵀ.

    Parameters
    ----------
    source, target : (n, dim) float arrays
    scale : bool
        Find the best factor too.
    center : bool
        Move the means onto each other first.

    Raises
    ------
    ConfigError
        If the shapes differ, or the sources are all zero.

    Examples
    --------
    >>> turned = procrustes(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [-1.0, 0.0]]))
    >>> turned.apply(np.array([[2.0, 0.0]])).round(6).tolist()
    [[0.0, 2.0]]
    """
    if source.ndim != 2 or source.shape != target.shape:
        raise ConfigError(
            f"shapes {source.shape} and {target.shape} cannot be aligned; give the same words in "
            "spaces of the same dimension"
        )
    a, b = source.astype(np.float64), target.astype(np.float64)
    zero = np.zeros(a.shape[1])
    origin, goal = (a.mean(axis=0), b.mean(axis=0)) if center else (zero, zero)
    a, b = a - origin, b - goal
    if not a.any():
        raise ConfigError("all vectors to align are zero or equal; give others")
    u, singular, vt = np.linalg.svd(a.T @ b)
    factor = singular.sum() / np.vdot(a, a) if scale else 1.0
    return AffineMap(origin, factor * (u @ vt), goal, "aligned")


def align(
    vectors: Vectors,
    other: Vectors,
    anchors: Sequence[str] | None = None,
    *,
    scale: bool = False,
    center: bool = False,
) -> Alignment:
    """The map of `vectors` into the space of `other`.

    Parameters
    ----------
    vectors, other : Vectors
        Of the same dimension.
    anchors : sequence of str, optional
        Words whose place should be the same in both; all common ones by default.
    scale, center : bool
        See `procrustes`. Without them only directions matter, and each anchor counts the same;
        with them the vectors are compared as they are.

    Raises
    ------
    ConfigError
        If the dimensions differ, or an anchor is a zero vector.
    VocabularyError
        If an anchor is unknown, or there is no common word.
    """
    _check_dims(vectors, other)
    words = _usable(vectors, other, common_keys(vectors, other) if anchors is None else anchors)
    source, target = vectors[words], other[words]
    if scale or center:
        a, b = source.astype(np.float64), target.astype(np.float64)
    else:
        a, b = directions(source, words), directions(target, words)
    found = procrustes(a, b, scale=scale, center=center)
    difference = found.apply(a) - b
    residual = float(np.vdot(difference, difference) / np.vdot(b - found.target, b - found.target))
    return Alignment(found, words, residual)


def _check_dims(vectors: Vectors, other: Vectors) -> None:
    if vectors.dim != other.dim:
        raise ConfigError(
            f"spaces of {vectors.dim} and {other.dim} dimensions cannot be turned onto each other; "
            "train both with the same dim, or bring both to the smaller with PCA"
        )


def _usable(vectors: Vectors, other: Vectors, anchors: Sequence[str]) -> list[str]:
    """The anchors that have a direction in both spaces."""
    if isinstance(anchors, str):
        raise ConfigError(f"anchors is one string, {anchors!r}; give a list of words")
    if not anchors:
        raise VocabularyError("there are no anchors to align by; give some words of both spaces")
    long = [lengths(space, rows_of(space, anchors)) != 0 for space in (vectors, other)]
    words = [word for word, usable in zip(anchors, long[0] & long[1], strict=True) if usable]
    if not words:
        raise ConfigError("every word to align by is a zero vector in one space; give others")
    return words


def measure_drift(
    vectors: Vectors,
    other: Vectors,
    *,
    k: int = 10,
    top: int = 20_000,
    anchors: Sequence[str] | None = None,
) -> Drift:
    """How far each common word is from itself in the other space.

    Parameters
    ----------
    vectors, other : Vectors
        Of the same dimension, for instance trained on texts of two times.
    k : int
        Neighbours compared; fewer where there are not so many common words.
    top : int
        Only the most frequent so many common words, by the counts of `vectors`. Rare words move by
        chance.
    anchors : sequence of str, optional
        See `align`.

    Raises
    ------
    ConfigError, VocabularyError
        As `align`; and if fewer than two common words have a direction.
    """
    _check_dims(vectors, other)
    ordered = [vectors.index_to_key[row] for row in frequency_order(vectors).tolist()]
    common_keys(vectors, other)  # tells in plain words where there are none
    words = _usable(vectors, other, [key for key in ordered if key in other][:top])
    if len(words) < 2:
        raise ConfigError("the two spaces share one word, so none has neighbours; give more text")
    alignment = align(vectors, other, words if anchors is None else anchors)
    first, second = (take(space, rows_of(space, words)) for space in (vectors, other))
    mapped = unit_rows(alignment.map.apply(first.matrix))
    cosines = np.einsum("nd,nd->n", mapped, unit_rows(second.matrix))
    k = min(k, len(words) - 1)
    graphs = [neighbor_graph(space.matrix, k, "comparing neighbours") for space in (first, second)]
    return Drift(words, 1 - np.clip(cosines, -1, 1), _share_lost(*graphs), k, alignment)


def _share_lost(before: Rows, after: Rows) -> Doubles:
    """Share of each row of `before` (n, k) that is not in the same row of `after`."""
    kept = [len(np.intersect1d(a, b)) for a, b in zip(before, after, strict=True)]
    lost: Doubles = 1 - np.array(kept) / before.shape[1]
    return lost
