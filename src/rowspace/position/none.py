"""No position at all (NoPE): what a causal model can do with its mask alone.

Haviv et al. (2022), https://aclanthology.org/2022.findings-emnlp.99; Kazemnejad et al. (2023),
https://arxiv.org/abs/2305.19466. Without a mask, attention then sees a bag of words. With a causal
mask, the second layer can tell how many tokens the first one saw, and so where it is.
"""

from __future__ import annotations

from rowspace.position.base import Position


class NoPosition(Position):
    """Tells nothing: token vectors, queries, keys and scores stay as they are."""
