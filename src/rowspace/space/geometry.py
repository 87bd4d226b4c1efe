"""The geometry of a space in one call: isotropy, hubs, lengths, clusters, drift, bias.

Each measure is a module beside this, which names its paper. Here they are taken together, on the
most frequent words, and each figure is said in plain words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rowspace.errors import ConfigError
from rowspace.space.alignment import Drift, measure_drift
from rowspace.space.bias import BiasDirection, Pairs, bias_direction, projections
from rowspace.space.clusters import Clustering, ClusterWords, cluster, describe_clusters
from rowspace.space.hubness import Hubness, measure_hubness
from rowspace.space.isotropy import Isotropy, measure_isotropy
from rowspace.space.sample import frequent
from rowspace.space.spectrum import Spectrum, spectrum_of
from rowspace.space.vectors import Vectors

TOP = 20_000
"""Words measured unless told otherwise: comparing 20,000 takes seconds, not minutes."""
N_CLUSTERED = 5000
"""Words that are put in clusters, of those measured: rarer ones hardly have a place yet."""
N_NEIGHBORS = 10
N_EXTREMES = 12


@dataclass(frozen=True)
class BiasView:
    """A direction and the words that lie farthest along it on either side."""

    direction: BiasDirection
    toward_first: list[tuple[str, float]]
    """(word, cosine), the farthest first."""
    toward_second: list[tuple[str, float]]


@dataclass(frozen=True)
class Geometry:
    """What was measured of a space."""

    sample: Vectors
    """The words measured, the most frequent first."""
    n_words: int
    """Of the whole space."""
    n_zero: int
    """Zero vectors among the most frequent words, which are left out."""
    spectrum: Spectrum
    isotropy: Isotropy
    hubness: Hubness
    norms_by_count: float | None
    """Spearman's correlation of lengths and counts; None without counts."""
    clusters: Clustering | None
    """Of the first words of the sample."""
    cluster_words: list[ClusterWords]
    drift: Drift | None
    bias: BiasView | None


@dataclass(frozen=True)
class Finding:
    """One figure in plain words."""

    name: str
    value: str
    meaning: str
    """What it is and which direction is good."""


def measure_geometry(
    vectors: Vectors,
    *,
    top: int = TOP,
    n_clusters: int | None = None,
    clustering: str | None = "kmeans",
    other: Vectors | None = None,
    pairs: Pairs | None = None,
) -> Geometry:
    """Measure a space on its most frequent words.

    Parameters
    ----------
    vectors : Vectors
    top : int
        Words measured. Neighbours take top² · dim multiplications.
    n_clusters : int, optional
        Chosen by silhouette by default.
    clustering : {"kmeans", "average", "ward"} or None
        None finds no clusters.
    other : Vectors, optional
        A second space: how far have the words moved in it?
    pairs : sequence of (str, str), optional
        Pairs of words that give a direction, such as ("he", "she").

    Raises
    ------
    ConfigError
        If there are fewer than two words with a direction, a vector holds NaN or infinity, the
        clusters do not fit, or the other space has another dimension.
    VocabularyError
        If a word of the pairs is unknown, or the other space shares no word.

    Examples
    --------
    >>> vectors = Vectors(["n", "e", "s", "w"], [[0, 1], [1, 0], [0, -1], [-1, 0]])
    >>> geometry = measure_geometry(vectors, n_clusters=2)
    >>> round(geometry.isotropy.isoscore, 6), geometry.clusters.n_clusters
    (1.0, 2)
    """
    sample = frequent(vectors, top)
    if len(sample) < 2:
        raise ConfigError(
            f"{len(sample)} vector has no geometry; give at least two that are not zero"
        )
    bias = None if pairs is None else _view_bias(vectors, sample, pairs)  # before the long parts
    drift = None if other is None else measure_drift(vectors, other, k=N_NEIGHBORS, top=top)
    clusters = None
    if clustering is not None:
        clusters = cluster(sample.matrix[:N_CLUSTERED], n_clusters, method=clustering)
    spectrum = spectrum_of(sample.matrix)
    return Geometry(
        sample=sample,
        n_words=len(vectors),
        n_zero=min(top, len(vectors)) - len(sample),
        spectrum=spectrum,
        isotropy=measure_isotropy(sample.matrix, spectrum),
        hubness=measure_hubness(sample.matrix, min(N_NEIGHBORS, len(sample) - 1)),
        norms_by_count=_norms_by_count(sample),
        clusters=clusters,
        cluster_words=[] if clusters is None else describe_clusters(sample, clusters),
        drift=drift,
        bias=bias,
    )


def _view_bias(vectors: Vectors, sample: Vectors, pairs: Pairs) -> BiasView:
    direction = bias_direction(vectors, pairs)
    values = projections(sample, direction.vector)
    order = np.argsort(-values, kind="stable").tolist()

    def named(rows: Sequence[int]) -> list[tuple[str, float]]:
        return [(sample.index_to_key[row], float(values[row])) for row in rows]

    return BiasView(direction, named(order[:N_EXTREMES]), named(order[::-1][:N_EXTREMES]))


def _norms_by_count(sample: Vectors) -> float | None:
    from scipy.stats import spearmanr

    if sample.counts is None or len(sample) < 3:
        return None
    if np.ptp(sample.counts) == 0 or np.ptp(sample.norms) == 0:
        return None
    return float(spearmanr(sample.norms, sample.counts).statistic)


def findings(geometry: Geometry) -> list[Finding]:
    """The figures in plain words, one a line."""
    found = [*_isotropy_findings(geometry), *_hub_findings(geometry)]
    if geometry.norms_by_count is not None:
        found.append(
            Finding(
                "length and count",
                f"{geometry.norms_by_count:.2f}",
                "rank correlation of a vector's length with how often its word occurs; neither end "
                "is better, and near -1 or 1 lengths tell frequency, so compare by cosine",
            )
        )
    if geometry.clusters is not None:
        found.append(
            Finding(
                "clusters",
                f"{geometry.clusters.n_clusters}, silhouette {geometry.clusters.silhouette:.2f}",
                "1 is clusters far apart, 0 is one cloud; higher is clearer, and .1 is usual for "
                "words",
            )
        )
    if geometry.drift is not None:
        found += _drift_findings(geometry.drift)
    if geometry.bias is not None:
        found.append(
            Finding(
                "bias direction",
                f"{geometry.bias.direction.share:.0%} shared",
                "how much of the pairs' differences lies along one direction; higher means the "
                "pairs agree",
            )
        )
    return found


def _isotropy_findings(geometry: Geometry) -> list[Finding]:
    isotropy, shares = geometry.isotropy, geometry.spectrum.shares
    dim = len(shares)
    half = int(np.searchsorted(np.cumsum(shares), 0.5)) + 1
    return [
        Finding(
            "isotropy",
            f"{isotropy.partition:.3f}",
            "smallest over largest partition function; 1 is no preferred direction, higher is "
            "more even",
        ),
        Finding(
            "mean cosine",
            f"{isotropy.mean_cosine:.3f}",
            "of two random words; 0 is no preferred direction, nearer to 0 is more even",
        ),
        Finding(
            "IsoScore",
            f"{isotropy.isoscore:.3f}",
            "1 is the same variance along every axis, 0 is all along one; higher is more even",
        ),
        Finding(
            "axes in use",
            f"{isotropy.participation_ratio:.1f} of {dim}",
            "participation ratio; near the dimension no axis is wasted, far below it PCA costs "
            "little",
        ),
        Finding(
            "effective rank",
            f"{isotropy.effective_rank:.1f} of {dim}",
            "the same by entropy, which counts weak axes too; higher is more even",
        ),
        Finding(
            "variance",
            f"{shares[0]:.1%} on axis 1",
            f"half of all lies on the first {half}; a strong first axis is often frequency: try "
            "all-but-the-top",
        ),
    ]


def _hub_findings(geometry: Geometry) -> list[Finding]:
    hubness = geometry.hubness
    hubs = ", ".join(
        f"{geometry.sample.index_to_key[row]} ({hubness.occurrences[row]:,})"
        for row in hubness.hubs(5)
    )
    return [
        Finding(
            "hub skewness",
            f"{hubness.skewness:.2f}",
            f"of how often a word is among others' {hubness.k} nearest; 0 is even, above 1 a few "
            "hubs answer too much, lower is better",
        ),
        Finding(
            "Robin Hood index",
            f"{hubness.robin_hood:.2f}",
            "share of neighbour places to hand on until all have as many; lower is better",
        ),
        Finding(
            "anti-hubs",
            f"{hubness.antihub_share:.1%}",
            "words that are nobody's neighbour and are never found; lower is better",
        ),
        Finding("largest hubs", hubs, "word (how many others have it among their nearest)"),
    ]


def _drift_findings(drift: Drift) -> list[Finding]:
    moved = ", ".join(drift.keys[row] for row in drift.largest(5))
    return [
        Finding(
            "alignment residual",
            f"{drift.alignment.residual:.2f}",
            f"of {len(drift.alignment.anchors):,} common words; 0 is the same space turned, lower "
            "is nearer",
        ),
        Finding(
            "median drift",
            f"{np.median(drift.distances):.2f}",
            "cosine distance of a word from itself after alignment; 0 has not moved",
        ),
        Finding(
            "neighbours lost",
            f"{drift.lost.mean():.0%}",
            f"of each word's {drift.k} nearest, on average; lower is nearer",
        ),
        Finding("moved most", moved, "words whose use differs, or is rare in one of the two"),
    ]


def to_record(geometry: Geometry) -> dict[str, Any]:
    """Everything measured as what JSON can hold, without the arrays a row long."""
    sample, hubness, drift, bias = (
        geometry.sample, geometry.hubness, geometry.drift, geometry.bias,
    )  # fmt: skip
    return {
        "words": geometry.n_words,
        "measured": len(sample),
        "zero": geometry.n_zero,
        "dim": sample.dim,
        "isotropy": vars(geometry.isotropy),
        "variance_shares": geometry.spectrum.shares.tolist(),
        "hubness": {
            "k": hubness.k,
            "skewness": hubness.skewness,
            "robin_hood": hubness.robin_hood,
            "antihub_share": hubness.antihub_share,
            "hubs": [
                {"word": sample.index_to_key[row], "count": int(hubness.occurrences[row])}
                for row in hubness.hubs(20)
            ],
        },
        "norms_by_count": geometry.norms_by_count,
        "clusters": None if geometry.clusters is None else _clusters_record(geometry),
        "drift": None if drift is None else _drift_record(drift),
        "bias": None
        if bias is None
        else {
            "share": bias.direction.share,
            "pairs": bias.direction.pairs,
            "toward_first": [{"word": w, "cosine": c} for w, c in bias.toward_first],
            "toward_second": [{"word": w, "cosine": c} for w, c in bias.toward_second],
        },
    }


def _clusters_record(geometry: Geometry) -> dict[str, Any]:
    assert geometry.clusters is not None
    return {
        "method": geometry.clusters.method,
        "silhouette": geometry.clusters.silhouette,
        "tried": geometry.clusters.tried,
        "clusters": [vars(described) for described in geometry.cluster_words],
    }


def _drift_record(drift: Drift) -> dict[str, Any]:
    return {
        "common": len(drift.keys),
        "residual": drift.alignment.residual,
        "median": float(np.median(drift.distances)),
        "neighbours_lost": float(drift.lost.mean()),
        "words": [
            {
                "word": drift.keys[row],
                "distance": float(drift.distances[row]),
                "neighbours_lost": float(drift.lost[row]),
            }
            for row in drift.largest(50)
        ],
    }
