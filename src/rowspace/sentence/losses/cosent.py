"""CoSENT: the cosines of pairs ranked as people's scores of them.

Su (2022), https://kexue.fm/archives/8847, eq. 6: log(1 + Σ exp(scale · (cos_j - cos_i))) over all
i, j of the batch where pair i is scored above pair j.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rowspace.sentence.losses.shapes import at_least_float32, check_rows, check_scale, check_shape


def cosent(anchors: Tensor, positives: Tensor, *, scores: Tensor, scale: float = 20.0) -> Tensor:
    """How much the cosines of the batch's pairs are out of the order of their scores.

    Parameters
    ----------
    anchors, positives : (B, D) float
        The two texts of each pair.
    scores : (B,) float
        Only their order matters; equal scores want nothing of each other.
    scale : float
        What cosines are multiplied with.

    Returns
    -------
    () float
        A sum over the batch's pairs of pairs within the logarithm, so it grows with B.

    Raises
    ------
    ConfigError
        If shapes do not fit together.

    Examples
    --------
    >>> a, b = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(cosent(a, b, scores=torch.tensor([0.0, 1.0]), scale=1.0).item(), 4)  # log(1 + e)
    1.3133
    """
    check_rows(anchors=anchors, positives=positives)
    check_shape("scores", scores, len(anchors))
    check_scale(scale)
    anchors, positives = at_least_float32(anchors), at_least_float32(positives)
    cosines = functional.cosine_similarity(anchors, positives, dim=-1) * scale
    differences = cosines[None, :] - cosines[:, None]  # (B, B): [i, j] is cos_j - cos_i
    is_wanted = scores[:, None] > scores[None, :]  # i above j
    terms = differences.masked_fill(~is_wanted, -torch.inf).flatten()
    return torch.logsumexp(torch.cat([terms.new_zeros(1), terms]), dim=0)  # exp(0) is the 1
