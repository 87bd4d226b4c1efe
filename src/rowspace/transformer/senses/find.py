"""The senses of a word: its vectors in many sentences, in groups.

Word sense induction as Schütze (1998), https://aclanthology.org/J98-1004, did it by contexts, here with
a transformer's vectors, and disambiguation by the mean of labelled ones (Loureiro, Rezaee, Pilehvar &
Camacho-Collados 2021, https://doi.org/10.1162/coli_a_00405). The vectors are centered before they
are grouped, since contextual ones lie in a narrow cone (Ethayarajh 2019,
https://aclanthology.org/D19-1006).
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.space.clusters import Clustering, cluster
from rowspace.space.separation import Separation, measure_separation
from rowspace.space.similarity import Doubles, Floats, Rows, unit_rows
from rowspace.transformer.layer_mix import LayerMix
from rowspace.transformer.occurrences import Span
from rowspace.transformer.senses.collect import MAX_OCCURRENCES, Collected, collect
from rowspace.transformer.senses.examples import Example
from rowspace.transformer.senses.surroundings import Scored, typical, words_around, words_near

if TYPE_CHECKING:
    from rowspace.transformer.contextual import ContextualEncoder

By = Literal["mean", "nearest"]
BY: tuple[By, ...] = get_args(By)
LAYERS = (-1,)
"""Lower ones tell where in the sentence a word stands more than what it means."""
TRIED = tuple(range(2, 9))
"""Numbers of senses that are tried."""
LEAST_EXCESS = 0.04
"""Silhouette above that of clouds without groups, its error taken off, that tells senses.

Chosen on MiniLM's vectors, where it parts 10 of 11 ambiguous words and 2 of 25 that have one sense;
of 12 further ones of one sense it parts 4, two of them with fewer than 70 occurrences.
"""
FEWEST = 8
"""Occurrences; fewer cannot tell senses from chance."""

_NO_DIRECTION = 1e-6


@dataclass(frozen=True)
class Sense:
    """One sense as people see it."""

    name: str
    size: int
    share: float
    """Of the occurrences that were read."""
    typical: list[int]
    """Occurrences near the center that differ from each other, best first."""
    around: Scored
    """Words that its sentences have more than the others', with z-scores."""
    near: Scored
    """Words of its sentences with vectors near its center, with cosines."""


@dataclass(frozen=True)
class Senses:
    """Occurrences of a word, each with its sense; `find_senses` makes it."""

    word: str
    senses: list[Sense]
    """The largest first, or as the examples come."""
    found: Collected
    """The sentences, and where the word stands in them."""
    vectors: Floats
    """(n, dim) of each occurrence."""
    assignments: Rows
    """(n,) the sense of each occurrence, from 0."""
    margins: Doubles
    """(n,) how clearly each has that sense: its silhouette, or with examples how much nearer the
    sense is than the next one, by cosine. 0 where there is one sense."""
    origin: Doubles
    """(dim,) taken from unit vectors before they are compared."""
    centers: Doubles
    """(n_senses, dim) mean direction of each, of length 1."""
    references: Doubles
    """(n_references, dim) what a vector is compared with: the centers, or examples."""
    reference_senses: Rows
    """(n_references,)"""
    layers: tuple[int, ...]
    separation: Separation | None = None
    """Why there is this number of senses, where it was chosen."""
    n_examples: int = 0

    def __len__(self) -> int:
        return len(self.senses)

    @property
    def silhouette(self) -> float | None:
        """Mean silhouette of the groups that were found; None with examples or one sense."""
        is_found = not self.n_examples and len(self) > 1
        return float(self.margins.mean()) if is_found else None

    def classify(self, vectors: NDArray[np.floating[Any]]) -> Rows:
        """The sense of other vectors of the word, by the same encoder and layers.

        Parameters
        ----------
        vectors : (n, dim) float array

        Returns
        -------
        (n,) int64

        Raises
        ------
        ConfigError
            If the dimension is another.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.origin):
            raise ConfigError(
                f"the senses have vectors of {len(self.origin)} numbers, and these are of shape "
                f"{vectors.shape}; give (n, {len(self.origin)})"
            )
        cosines = _moved(unit_rows(vectors), self.origin) @ self.references.T
        nearest: Rows = self.reference_senses[cosines.argmax(axis=1)]
        return nearest

    def doubtful(self, n: int) -> list[int]:
        """The occurrences with the smallest margins, the most doubtful first."""
        return [int(row) for row in np.argsort(self.margins, kind="stable")[:n]]


def find_senses(
    encoder: ContextualEncoder,
    word: str,
    sentences: Iterable[str],
    *,
    n_senses: int | None = None,
    examples: Sequence[Example] | None = None,
    by: By = "mean",
    layers: int | Sequence[int] = LAYERS,
    hidden: bool = False,
    max_occurrences: int = MAX_OCCURRENCES,
    method: str = "ward",
    seed: int = 0,
) -> Senses:
    """Part the occurrences of a word by sense.

    Parameters
    ----------
    encoder : ContextualEncoder
    word : str
        Or a phrase; found in whatever case, not inside a longer word.
    sentences : iterable of str
        Each different one counts once.
    n_senses : int, optional
        By default that of 2 to 8 with the largest mean silhouette, or 1 where it is not
        `LEAST_EXCESS` and the error above that of clouds without groups (`space.separation`).
    examples : sequence of Example, optional
        Labelled sentences: each occurrence is given a sense of theirs, and none is looked for.
    by : {"mean", "nearest"}
        With examples: the sense whose mean is nearest, or that of the nearest example.
    layers : int or sequence of int
        Whose mean is the vector of an occurrence.
    hidden : bool
        Read each sentence with the word hidden, as `ContextualEncoder.contextual` does: better for
        small masked models.
    max_occurrences : int
        Of more, an even sample is read.
    method : {"ward", "average", "kmeans"}
        How groups are made.
    seed : int
        Of the sample, the clouds and k-means.

    Raises
    ------
    VocabularyError
        If the word does not occur.
    ConfigError
        If it occurs too seldom for `n_senses`, or a setting cannot be.
    CorpusError
        If there is no sentence or no example.

    Examples
    --------
    ::

        encoder = rowspace.load_encoder("models/bert").words
        senses = find_senses(encoder, "bank", open("sentences.txt"))
        [(sense.share, sense.near[:3]) for sense in senses.senses]
    """
    if by not in BY:
        raise ConfigError(f"by is {by!r}; give one of {', '.join(BY)}")
    if examples is not None and n_senses is not None:
        raise ConfigError("examples say how many senses there are; leave n_senses out")
    mixer = LayerMix.of(layers, "mean", encoder.n_layers)
    labelled = None if examples is None else _read_examples(encoder, examples, mixer.layers, hidden)
    found = collect(sentences, word, max_occurrences, seed)
    _check_number(word, len(found.spans), n_senses)
    vectors = _read(encoder, found.sentences, found.spans, mixer.layers, hidden)
    units = unit_rows(vectors)
    if labelled is None:
        parted = _group(units, n_senses, method, seed)
    else:
        parted = _label(units, *labelled, by)
    return Senses(
        word=word,
        senses=_describe(encoder, word, found, units, parted, mixer.layers),
        found=found,
        vectors=vectors,
        assignments=parted.groups,
        margins=parted.margins,
        origin=parted.origin,
        centers=parted.centers,
        references=parted.references,
        reference_senses=parted.reference_senses,
        layers=mixer.layers,
        separation=parted.separation,
        n_examples=0 if examples is None else len(examples),
    )


@dataclass(frozen=True)
class _Parted:
    """Unit vectors in groups; the fields are those of `Senses`."""

    names: list[str]
    groups: Rows
    margins: Doubles
    origin: Doubles
    centers: Doubles
    references: Doubles
    reference_senses: Rows
    separation: Separation | None = None


def _check_number(word: str, n: int, n_senses: int | None) -> None:
    if n_senses is not None and not 1 <= n_senses <= n:
        times = "time" if n == 1 else "times"
        raise ConfigError(
            f"{word!r} occurs {n:,} {times}, which cannot be parted into {n_senses:,} senses; "
            f"give 1 to {n:,} senses, or more text"
        )


def _read(
    encoder: ContextualEncoder,
    sentences: Sequence[str],
    spans: Sequence[Span],
    layers: Sequence[int],
    hidden: bool,
) -> Floats:
    """(n, dim): the vector of each span in its sentence."""
    places: dict[str, list[int]] = {}
    for row, sentence in enumerate(sentences):
        places.setdefault(sentence, []).append(row)
    read = encoder.contextual(
        list(places),
        spans=[[spans[row] for row in rows] for rows in places.values()],
        layers=layers,
        mix="mean",
        hidden=hidden,
        on_truncate="chunk",
    )
    vectors = np.empty_like(read.vectors)
    vectors[[row for rows in places.values() for row in rows]] = read.vectors
    return vectors


def _moved(units: Doubles, origin: Doubles) -> Doubles:
    """Directions seen from `origin`; zero where there is nothing but rounding."""
    moved = units - origin
    moved[np.sqrt(np.einsum("nd,nd->n", moved, moved)) < _NO_DIRECTION] = 0.0
    return unit_rows(moved)


def _group(units: Doubles, n_senses: int | None, method: str, seed: int) -> _Parted:
    origin = units.mean(axis=0)
    moved = _moved(units, origin)
    usable = np.flatnonzero(moved.any(axis=1))  # one in the very middle has no direction
    separation = None
    if n_senses is None and len(usable) >= FEWEST:
        separation = measure_separation(moved[usable], TRIED, method=method, seed=seed)
    if n_senses is not None and 1 < n_senses <= len(usable):
        clustering = cluster(moved[usable], n_senses, method=method, seed=seed)
        return _grouped(clustering, usable, origin, len(units))
    if separation is not None and separation.excess - separation.error >= LEAST_EXCESS:
        return _grouped(separation.clustering, usable, origin, len(units), separation)
    return _one_sense(units, separation)


def _grouped(
    clustering: Clustering,
    usable: Rows,
    origin: Doubles,
    n: int,
    separation: Separation | None = None,
) -> _Parted:
    groups, margins = np.zeros(n, dtype=np.int64), np.zeros(n)
    groups[usable], margins[usable] = clustering.groups, clustering.silhouettes
    k = clustering.n_clusters
    return _Parted(
        [str(number) for number in range(1, k + 1)],
        groups,
        margins,
        origin,
        clustering.centers,
        clustering.centers,
        np.arange(k),
        separation,
    )


def _one_sense(units: Doubles, separation: Separation | None) -> _Parted:
    center = unit_rows(units.mean(axis=0)[None])
    n, dim = units.shape
    groups = np.zeros(n, dtype=np.int64)
    return _Parted(
        ["1"], groups, np.zeros(n), np.zeros(dim), center, center, np.zeros(1, np.int64), separation
    )


def _read_examples(
    encoder: ContextualEncoder, examples: Sequence[Example], layers: Sequence[int], hidden: bool
) -> tuple[list[str], Doubles, Rows]:
    """Names of the senses, unit vectors of the examples, and the sense of each."""
    if not examples:
        raise ConfigError("there is no example; give one of each sense, or leave examples out")
    names = list(dict.fromkeys(example.sense for example in examples))
    vectors = _read(
        encoder,
        [example.sentence for example in examples],
        [example.span for example in examples],
        layers,
        hidden,
    )
    senses = np.array([names.index(example.sense) for example in examples], dtype=np.int64)
    return names, unit_rows(vectors), senses


def _label(units: Doubles, names: list[str], shown: Doubles, senses: Rows, by: By) -> _Parted:
    centers = unit_rows(np.stack([shown[senses == k].mean(axis=0) for k in range(len(names))]))
    references, reference_senses = centers, np.arange(len(names))
    if by == "nearest":
        references, reference_senses = shown, senses
    cosines = units @ references.T
    best = np.stack(
        [cosines[:, reference_senses == k].max(axis=1) for k in range(len(names))], axis=1
    )  # (n, n_senses)
    margins = np.zeros(len(units))
    if len(names) > 1:
        ordered = np.sort(best, axis=1)
        margins = ordered[:, -1] - ordered[:, -2]
    return _Parted(
        names,
        best.argmax(axis=1).astype(np.int64),
        margins,
        np.zeros(units.shape[1]),
        centers,
        references,
        reference_senses,
    )


def _describe(
    encoder: ContextualEncoder,
    word: str,
    found: Collected,
    units: Doubles,
    parted: _Parted,
    layers: Sequence[int],
) -> list[Sense]:
    n_groups, groups = len(parted.names), parted.groups
    around = words_around(found.sentences, groups, n_groups, word)
    near = words_near(encoder, found.sentences, units, groups, n_groups, word, layers)
    moved = _moved(units, parted.origin)
    senses = []
    for group, name in enumerate(parted.names):
        rows = np.flatnonzero(groups == group)
        best = typical(moved[rows], parted.centers[group])
        senses.append(
            Sense(
                name,
                len(rows),
                len(rows) / len(groups),
                [int(row) for row in rows[best]],
                around[group],
                near[group],
            )
        )
    return senses
