"""Reciprocal rank fusion: several rankings into one, by rank alone.

Cormack, Clarke & Büttcher (2009), https://doi.org/10.1145/1571941.1572114
"""

from __future__ import annotations

from collections.abc import Sequence

from rowspace.errors import ConfigError

SIF_DENSE_WEIGHT = 0.2  # docs/decisions/fusion.md
SENTENCE_DENSE_WEIGHT = 0.5  # docs/decisions/fusion.md


def dense_weight_of(kind: str) -> float:
    """How much the ranking of an encoder of a kind counts, beside 1 for that by words."""
    return SIF_DENSE_WEIGHT if kind == "sif" else SENTENCE_DENSE_WEIGHT


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[int]], weights: Sequence[float] | None = None, k: int = 60
) -> list[tuple[int, float]]:
    """Fuse rankings: an item scores the sum of weight / (k + rank) over those that have it.

    Parameters
    ----------
    rankings : sequence of sequences of int
        Items, best first; each at most once in a ranking. Ranks count from 1.
    weights : sequence of float or None
        One a ranking, 1 where not given.
    k : int
        Softens the lead of the first ranks; 60 in the paper.

    Returns
    -------
    list of (item, score)
        Best first. Equal scores are in the order of the best rank, then of the item.

    Raises
    ------
    ConfigError
        If there is not one weight a ranking, or k is negative.

    Examples
    --------
    >>> [item for item, _ in reciprocal_rank_fusion([[7, 8, 9], [8, 9]])]
    [8, 9, 7]
    """
    weights = [1.0] * len(rankings) if weights is None else weights
    if len(weights) != len(rankings):
        raise ConfigError(f"{len(weights)} weights for {len(rankings)} rankings; give one each")
    if k < 0:
        raise ConfigError(f"k is {k}; give 0 or more")
    scores: dict[int, float] = {}
    best: dict[int, int] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + weight / (k + rank)
            best[item] = min(best.get(item, rank), rank)
    return sorted(scores.items(), key=lambda entry: (-entry[1], best[entry[0]], entry[0]))
