"""Losses of sentence embeddings, a file each.

Each takes embeddings in order, as tensors (B, D) or (B, N, D), and all else by name, so that
`matryoshka` can wrap any of them and `grad_cache` can stand before it. Where scores are scaled,
half precision is taken as float32; call them outside of autocast, which would undo that.
"""

from rowspace.sentence.losses.cosent import cosent as cosent
from rowspace.sentence.losses.distillation import embedding_cosine as embedding_cosine
from rowspace.sentence.losses.distillation import embedding_mse as embedding_mse
from rowspace.sentence.losses.info_nce import info_nce as info_nce
from rowspace.sentence.losses.margin_mse import margin_mse as margin_mse
from rowspace.sentence.losses.matryoshka import EmbeddingLoss as EmbeddingLoss
from rowspace.sentence.losses.matryoshka import matryoshka as matryoshka
from rowspace.sentence.losses.triplet import triplet as triplet

LOSSES: dict[str, EmbeddingLoss] = {
    "info_nce": info_nce,
    "triplet": triplet,
    "cosent": cosent,
    "margin_mse": margin_mse,
    "embedding_mse": embedding_mse,
    "embedding_cosine": embedding_cosine,
}
