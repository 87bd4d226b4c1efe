"""InfoNCE with the batch's other positives as negatives: multiple negatives ranking.

Henderson et al. (2017), https://arxiv.org/abs/1705.00652; van den Oord et al. (2018),
https://arxiv.org/abs/1807.03748, eq. 4. Also called in-batch softmax, NT-Xent without anchors, or
SimCSE's loss. `scale` is 1 / temperature.

A candidate that may be right as well is no negative. It is known by its text, or by a score too
near the positive's: the margin of GISTEmbed (Solatorio 2024, https://arxiv.org/abs/2402.16829),
measured here by the model itself, without a guide.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rowspace.errors import ConfigError
from rowspace.sentence.losses.shapes import at_least_float32, check_rows, check_scale, check_shape


def info_nce(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor | None = None,
    *,
    scale: float = 20.0,
    symmetric: bool = False,
    has_negative: Tensor | None = None,
    anchor_keys: Tensor | None = None,
    positive_keys: Tensor | None = None,
    negative_keys: Tensor | None = None,
    false_negative_margin: float | None = None,
) -> Tensor:
    """Cross-entropy of each anchor's positive among all positives and negatives of the batch.

    Parameters
    ----------
    anchors, positives : (B, D) float
    negatives : (B, N, D) float, optional
        Of each anchor; those of the others serve it as well.
    scale : float
        What cosines are multiplied with.
    symmetric : bool
        The mean of this loss and that of each positive's anchor among all anchors.
    has_negative : (B, N) bool, optional
        False where `negatives` is only filled up.
    anchor_keys, positive_keys : (B,) int, optional
        Equal where texts are: two positives of one anchor are not each other's negatives.
    negative_keys : (B, N) int, optional
        With `positive_keys`: a negative whose text is an anchor's positive is none for it.
    false_negative_margin : float, optional
        Leave out a candidate whose cosine is above `s - margin · |s|`, where s is the positive's.
        Below 0 it spares all that are not clearly nearer than the positive.

    Returns
    -------
    () float

    Raises
    ------
    ConfigError
        If shapes do not fit together.

    Examples
    --------
    >>> one = torch.eye(2)
    >>> round(info_nce(one, one, scale=1.0).item(), 4)  # -log(e / (e + 1))
    0.3133
    """
    check_rows(anchors=anchors, positives=positives)
    check_scale(scale)
    n, dim = anchors.shape
    anchors, positives = _units(anchors), _units(positives)
    cosines = anchors @ positives.T  # (B, B)
    same = _same_pairs(n, anchor_keys, positive_keys).to(cosines.device)  # (B, B)
    backward = cosines.T
    is_false = same
    if negatives is not None:
        check_shape("negatives", negatives, n, None, dim)
        others = _units(negatives.flatten(0, 1))  # (B·N, D)
        cosines = torch.cat([cosines, anchors @ others.T], dim=1)  # (B, B + B·N)
        left_out = _no_negatives(negatives, has_negative, positive_keys, negative_keys)
        is_false = torch.cat([same, left_out], dim=1)
    loss = _softmax_loss(cosines, is_false, scale, false_negative_margin)
    if symmetric:
        loss = (loss + _softmax_loss(backward, same, scale, false_negative_margin)) / 2
    return loss


def _units(vectors: Tensor) -> Tensor:
    return functional.normalize(at_least_float32(vectors), dim=-1)


def _softmax_loss(cosines: Tensor, is_false: Tensor, scale: float, margin: float | None) -> Tensor:
    """Cross-entropy of the diagonal of (B, C), without what `is_false` (B, C) marks elsewhere."""
    n = len(cosines)
    if margin is not None:
        positive = cosines.detach().diagonal()[:, None]
        is_false = is_false | (cosines.detach() > positive - margin * positive.abs())
    is_false = is_false.clone()
    is_false[torch.arange(n), torch.arange(n)] = False
    logits = (cosines * scale).masked_fill(is_false, -torch.inf)
    return functional.cross_entropy(logits, torch.arange(n, device=cosines.device))


def _same_pairs(n: int, anchor_keys: Tensor | None, positive_keys: Tensor | None) -> Tensor:
    """(B, B) where two examples share an anchor or a positive."""
    same = torch.zeros(n, n, dtype=torch.bool)
    for name, keys in (("anchor_keys", anchor_keys), ("positive_keys", positive_keys)):
        if keys is not None:
            check_shape(name, keys, n)
            same = same.to(keys.device) | (keys[:, None] == keys[None])
    return same


def _no_negatives(
    negatives: Tensor,
    has_negative: Tensor | None,
    positive_keys: Tensor | None,
    negative_keys: Tensor | None,
) -> Tensor:
    """(B, B·N) where a negative is only filled up, or the anchor's own positive."""
    n, n_negatives, _ = negatives.shape
    left_out = torch.zeros(n, n * n_negatives, dtype=torch.bool, device=negatives.device)
    if has_negative is not None:
        check_shape("has_negative", has_negative, n, n_negatives)
        left_out |= ~has_negative.flatten()[None]
    if negative_keys is not None:
        check_shape("negative_keys", negative_keys, n, n_negatives)
        if positive_keys is None:
            raise ConfigError("negative_keys need positive_keys to compare with; give both")
        left_out |= negative_keys.flatten()[None] == positive_keys[:, None]
    return left_out
