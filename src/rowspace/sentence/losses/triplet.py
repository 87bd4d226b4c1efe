"""Triplet loss: the positive nearer than the negative, by a margin.

Schroff et al. (2015), https://arxiv.org/abs/1503.03832, eq. 2; for sentences Reimers & Gurevych
(2019), https://arxiv.org/abs/1908.10084, section 3.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor
from torch.nn import functional

from rowspace.errors import ConfigError
from rowspace.sentence.losses.shapes import check_rows, check_shape

Distance = Literal["cosine", "euclidean"]
DISTANCES: tuple[str, ...] = get_args(Distance)


def triplet(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    margin: float | None = None,
    distance: str = "cosine",
    has_negative: Tensor | None = None,
) -> Tensor:
    """Mean of max(0, distance to the positive - distance to the negative + margin).

    Parameters
    ----------
    anchors, positives : (B, D) float
    negatives : (B, N, D) float
        Each makes a triplet with its anchor and positive.
    margin : float, optional
        0.2 for cosine distance, 5 for Euclidean if not given.
    distance : {"cosine", "euclidean"}
        Cosine distance is 1 - cosine.
    has_negative : (B, N) bool, optional
        False where `negatives` is only filled up.

    Returns
    -------
    () float
        0 if there is no negative.

    Raises
    ------
    ConfigError
        If shapes do not fit together, or the distance is unknown.
    """
    if distance not in DISTANCES:
        raise ConfigError(f"distance {distance!r} is unknown; give one of {', '.join(DISTANCES)}")
    check_rows(anchors=anchors, positives=positives)
    n, dim = anchors.shape
    check_shape("negatives", negatives, n, None, dim)
    if margin is None:
        margin = 0.2 if distance == "cosine" else 5.0
    near = _distances(anchors, positives, distance)[:, None]  # (B, 1)
    far = _distances(anchors[:, None], negatives, distance)  # (B, N)
    losses = functional.relu(near - far + margin)
    if has_negative is None:
        return losses.mean()
    check_shape("has_negative", has_negative, *losses.shape)
    return (losses * has_negative).sum() / has_negative.sum().clamp(min=1)


def _distances(a: Tensor, b: Tensor, distance: str) -> Tensor:
    if distance == "cosine":
        return 1 - functional.cosine_similarity(a, b, dim=-1)
    return functional.pairwise_distance(a, b)  # adds 1e-6, so that equal vectors have a gradient
