"""Embedding distillation: a student's vectors drawn to a teacher's of the same texts.

Reimers & Gurevych (2020), https://arxiv.org/abs/2004.09813, eq. 1 has the mean squared error;
the cosine leaves lengths free.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from rowspace.sentence.losses.shapes import check_rows


def embedding_mse(students: Tensor, teachers: Tensor) -> Tensor:
    """Mean squared difference of the numbers of two (B, D) sets of vectors: a () float."""
    check_rows(students=students, teachers=teachers)
    return functional.mse_loss(students, teachers)


def embedding_cosine(students: Tensor, teachers: Tensor) -> Tensor:
    """Mean cosine distance, 1 - cosine, of two (B, D) sets of vectors: a () float."""
    check_rows(students=students, teachers=teachers)
    return (1 - functional.cosine_similarity(students, teachers, dim=-1)).mean()
