"""Clustering: do vectors fall into the groups that people made?

Words by category: Almuhareb & Poesio (2005), whose set is `ap.tsv`, and the ESSLLI 2008 set, scored
by purity. Texts by label: MTEB, Muennighoff et al. (2023),
https://aclanthology.org/2023.eacl-main.148, scored by V-measure (Rosenberg & Hirschberg 2007,
https://aclanthology.org/D07-1043). Differs from both in that clusters are made by spherical
k-means, so a vector's direction counts and its length does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.labelled_texts import LabelledTexts, TextTask, distinct, told
from rowspace.evaluate.lines import numbered_lines
from rowspace.evaluate.lookup import fold, row_of_words
from rowspace.evaluate.sense import Labels
from rowspace.evaluate.weighted import score_once, v_measure
from rowspace.sentence.alike import encode_alike
from rowspace.space.clusters import spherical_kmeans
from rowspace.space.encoder import Encoder
from rowspace.space.similarity import unit_rows
from rowspace.space.transforms import Matrix
from rowspace.space.vectors import Vectors

NO_CLUSTER = -1
"""Of what has no vector."""

_CATEGORY = "`word TAB category`"


@dataclass(frozen=True, kw_only=True)
class ClusteringSettings:
    """How vectors are clustered."""

    n_starts: int = 10
    """Starts of k-means, of which the tightest clusters are kept."""

    n_texts: int | None = None
    """Texts that are clustered at most, about as many of each label as its share; None for all."""

    seed: int = 0
    """Of the starts, and of which texts are taken."""

    def __post_init__(self) -> None:
        if self.n_starts < 1:
            raise ConfigError(f"n_starts is {self.n_starts}, so there are no clusters; give 1 up")


@dataclass(frozen=True, kw_only=True)
class ClusteringResult:
    """How the clusters of one set of vectors agree with people's groups."""

    v_measure: float
    """Harmonic mean of homogeneity and completeness, in [0, 1]; what has no vector is a cluster of
    its own in it."""

    purity: float
    """Share of all items that are of the most frequent group of their cluster, in [0, 1]; what has
    no vector is not."""

    n_items: int
    n_clusters: int
    """As many as there are groups."""

    n_without_vector: int

    notes: tuple[str, ...] = ()
    """What a reader must know to trust the numbers."""


@dataclass(frozen=True, kw_only=True)
class Clustered:
    """Which cluster each item is in."""

    groups: Labels
    """(n,): people's groups by number."""

    clusters: Labels
    """(n,): `NO_CLUSTER` for what has no vector."""

    notes: tuple[str, ...] = ()


def evaluate_word_clustering(
    vectors: Vectors,
    words: LabelledTexts,
    settings: ClusteringSettings | None = None,
    *,
    case_insensitive: bool = True,
    restrict_vocab: int | None = 300_000,
    notes: tuple[str, ...] = (),
) -> ClusteringResult:
    """Cluster words into as many groups as they have categories.

    Parameters
    ----------
    vectors : Vectors
        The most frequent word first.
    words : LabelledTexts
        Of `read_categories`.
    settings : ClusteringSettings, optional
    case_insensitive : bool
        Fold case on both sides; the first, most frequent, variant of a word is taken.
    restrict_vocab : int or None
        Know only this many words, the most frequent; None for all.
    notes : tuple of str
        Handed on.

    Returns
    -------
    ClusteringResult

    Raises
    ------
    EvaluationError
        If fewer words have a vector than there are categories.
    """
    known = vectors.index_to_key[:restrict_vocab]
    rows = row_of_words(known, case_insensitive=case_insensitive)
    matrix = np.zeros((len(words), vectors.dim), dtype=np.float32)
    for place, word in enumerate(words.texts):
        row = rows.get(fold(word, case_insensitive=case_insensitive))
        if row is not None:
            matrix[place] = vectors.matrix[row]
    return clustering_result(cluster(matrix, words.labels, settings, notes))


def evaluate_text_clustering(
    encoder: Encoder, task: TextTask, settings: ClusteringSettings | None = None
) -> ClusteringResult:
    """Cluster the test texts of a task into as many groups as they have labels.

    Raises
    ------
    EvaluationError
        If fewer texts have a vector than there are labels.
    """
    return clustering_result(cluster_texts(encoder, task, settings))


def cluster_texts(
    encoder: Encoder, task: TextTask, settings: ClusteringSettings | None = None
) -> Clustered:
    """As `evaluate_text_clustering`: the cluster of each text."""
    settings = settings or ClusteringSettings()
    task = task.limited(None, settings.n_texts, settings.seed)
    vectors, notes = encode_alike(encoder, task.test.texts)
    return cluster(vectors, task.test.labels, settings, notes=(*task.notes, *notes))


def cluster(
    vectors: Matrix,
    labels: Sequence[str],
    settings: ClusteringSettings | None = None,
    notes: tuple[str, ...] = (),
) -> Clustered:
    """Spherical k-means with as many clusters as there are labels.

    Parameters
    ----------
    vectors : (n, dim) float array
        A zero row has no cluster.
    labels : sequence of str
        n of them.
    settings : ClusteringSettings, optional
    notes : tuple of str
        Handed on.

    Raises
    ------
    EvaluationError
        If fewer rows are not zero than there are labels, or there is one label.
    """
    settings = settings or ClusteringSettings()
    names, groups = np.unique(np.array(labels), return_inverse=True)
    has_vector = np.asarray(vectors.any(axis=1))
    n_known = int(has_vector.sum())
    if len(names) < 2 or n_known < len(names):
        raise EvaluationError(
            f"{n_known} of {len(labels)} have a vector, and they have {len(names)} labels; "
            "clustering takes two labels and as many vectors or more"
        )
    clusters = np.full(len(labels), NO_CLUSTER, dtype=np.int64)
    with threadpool_limits(1):  # the sums of several threads are not always the same
        clusters[has_vector] = spherical_kmeans(
            unit_rows(vectors[has_vector]), len(names), settings.seed, settings.n_starts
        )
    return Clustered(groups=groups.astype(np.int64), clusters=clusters, notes=notes)


def clustering_result(found: Clustered) -> ClusteringResult:
    """The scores of clusters."""
    return ClusteringResult(
        v_measure=score_once(v_measure, found.groups, found.clusters),
        purity=float(is_in_majority(found.groups, found.clusters).mean()),
        n_items=len(found.groups),
        n_clusters=len(set(found.groups.tolist())),
        n_without_vector=int((found.clusters == NO_CLUSTER).sum()),
        notes=found.notes,
    )


def is_in_majority(groups: Labels, clusters: Labels) -> NDArray[np.bool_]:
    """Whether each item is of the most frequent group of its cluster; its mean is the purity.

    Of equally frequent groups the first counts. An item of `NO_CLUSTER` is not.

    Examples
    --------
    >>> float(is_in_majority(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])).mean())
    0.75
    """
    most = {c: int(np.bincount(groups[clusters == c]).argmax()) for c in set(clusters.tolist())}
    most[NO_CLUSTER] = -1
    said = np.array([most[c] for c in clusters.tolist()])
    return np.asarray(groups == said)


def read_categories(path: Path | str) -> tuple[LabelledTexts, tuple[str, ...]]:
    """Read words and their categories: `word TAB category` lines.

    A word that stands there several times counts once, with its first category, and lines without a
    word are passed over, as `ap.tsv` has some.

    Returns
    -------
    words : LabelledTexts
    notes : tuple of str
        How many lines were left out.

    Raises
    ------
    EvaluationError
        If a line has no category, which the message names, or no line is there.
    """
    left_out: Counter[str] = Counter()
    words = distinct(_categories(Path(path)), left_out)
    if not words.texts:
        raise EvaluationError(f"{Path(path).name} holds no words; give {_CATEGORY} lines")
    return words, tuple(told(left_out))


def _categories(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in numbered_lines(path):
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) < 2 or not fields[1]:
            raise EvaluationError(
                f"{path.name} line {number} is not {_CATEGORY}: {line[:80]!r}; correct or remove it"
            )
        yield fields[1], fields[0]
