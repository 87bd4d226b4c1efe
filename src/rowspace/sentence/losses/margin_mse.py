"""MarginMSE: the margin of the positive over each negative as a teacher has it.

Hofstätter et al. (2020), https://arxiv.org/abs/2010.02666, eq. 6.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from rowspace.errors import ConfigError
from rowspace.sentence.losses.shapes import check_rows, check_shape

SIMILARITIES = ("dot", "cosine")


def margin_mse(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    margins: Tensor,
    similarity: str = "dot",
    has_negative: Tensor | None = None,
) -> Tensor:
    """Mean squared difference between the model's margins and the teacher's.

    Parameters
    ----------
    anchors, positives : (B, D) float
    negatives : (B, N, D) float
    margins : (B, N) float
        The teacher's score of the positive less its score of each negative.
    similarity : {"dot", "cosine"}
        What the model's scores are; a teacher whose scores are cosines wants cosine.
    has_negative : (B, N) bool, optional
        False where `negatives` is only filled up.

    Returns
    -------
    () float
        0 if there is no negative.

    Raises
    ------
    ConfigError
        If shapes do not fit together, or the similarity is unknown.
    """
    if similarity not in SIMILARITIES:
        raise ConfigError(
            f"similarity {similarity!r} is unknown; give one of {', '.join(SIMILARITIES)}"
        )
    check_rows(anchors=anchors, positives=positives)
    n, dim = anchors.shape
    check_shape("negatives", negatives, n, None, dim)
    check_shape("margins", margins, n, negatives.shape[1])
    if similarity == "cosine":
        anchors, positives, negatives = (
            functional.normalize(x, dim=-1) for x in (anchors, positives, negatives)
        )
    of_positives = (anchors * positives).sum(dim=-1, keepdim=True)  # (B, 1)
    of_negatives = (anchors[:, None] * negatives).sum(dim=-1)  # (B, N)
    squares = (of_positives - of_negatives - margins).square()
    if has_negative is None:
        return squares.mean()
    check_shape("has_negative", has_negative, *squares.shape)
    # masked_fill, as a margin that is only filled up may be NaN
    return squares.masked_fill(~has_negative, 0.0).sum() / has_negative.sum().clamp(min=1)
