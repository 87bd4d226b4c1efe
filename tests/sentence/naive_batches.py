"""The loss of a batch with each text embedded alone and each sum a loop; a teacher of letters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rowspace.sentence import FinetuneConfig
from rowspace.sentence.example import Example
from tests.sentence.small_training import PROMPTS, Model

SCALE, MARGIN = 20.0, 0.2


class Teacher:
    """Vectors of a text's letters, other ones of queries and documents."""

    dim, fingerprint = 48, "letters"

    def encode(self, lines: list[str]) -> Any:
        return np.stack([self.vector(line) for line in lines])

    def encode_query(self, lines: list[str]) -> Any:
        return -self.encode(lines)

    def vector(self, line: str) -> Any:
        return np.random.default_rng(list(line.encode())).normal(size=48).astype(np.float32)


def oracle(model: Model, config: FinetuneConfig, name: str, batch: list[Example]) -> torch.Tensor:
    """The loss with each text embedded alone, each sum a loop."""
    total = torch.zeros((), dtype=torch.float64)
    for dim in [model.dim, *config.matryoshka]:
        total = total + _of_length(model, config, name, batch, dim)
    return total


def _of_length(
    model: Model, config: FinetuneConfig, name: str, batch: list[Example], dim: int
) -> torch.Tensor:
    def vector(text: str, prompt: str) -> torch.Tensor:
        found: torch.Tensor = model(model.read([text], prompt))[0, :dim]
        return found

    def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = a @ b / (a.norm() * b.norm())
        return found

    query, document = PROMPTS.query, PROMPTS.document
    anchors = [vector(example.anchor, query) for example in batch]
    if name == "cosent":
        others = [vector(example.positive, query) for example in batch]
        cosines = [cosine(a, b) for a, b in zip(anchors, others, strict=True)]
        terms = [
            torch.exp(SCALE * (cosines[j] - cosines[i]))
            for i, one in enumerate(batch)
            for j, other in enumerate(batch)
            if one.score > other.score  # type: ignore[operator]
        ]
        return torch.log(1 + torch.stack(terms).sum())
    positives = [vector(example.positive, document) for example in batch]
    n = config.n_negatives
    negatives = [[vector(text, document) for text in each.negatives[:n]] for each in batch]
    losses = []
    if name.startswith("embedding_"):
        wanted = [-Teacher().vector(example.anchor) for example in batch]
        wanted += [Teacher().vector(text) for each in batch for text in each.texts[1 : n + 2]]
        found = [*anchors]
        for positive, own in zip(positives, negatives, strict=True):
            found += [positive, *own]
        for one, given in zip(found, wanted, strict=True):
            other = torch.from_numpy(given).to(one.dtype)
            is_mse = name == "embedding_mse"
            losses.append((one - other).square().mean() if is_mse else 1 - cosine(one, other))
    elif name == "info_nce":
        for i, anchor in enumerate(anchors):
            logits = [SCALE * cosine(anchor, positive) for positive in positives]
            logits += [SCALE * cosine(anchor, each) for own in negatives for each in own]
            losses.append(-torch.log_softmax(torch.stack(logits), dim=0)[i])
        if config.symmetric:
            for i, positive in enumerate(positives):
                logits = [SCALE * cosine(positive, anchor) for anchor in anchors]
                losses.append(-torch.log_softmax(torch.stack(logits), dim=0)[i])
    elif name == "triplet":
        for anchor, positive, own in zip(anchors, positives, negatives, strict=True):
            near = cosine(anchor, positive)
            losses += [(cosine(anchor, each) - near + MARGIN).clamp(min=0) for each in own]
    else:
        for i, own in enumerate(negatives):
            near = cosine(anchors[i], positives[i])
            for k, each in enumerate(own):
                margin = (batch[i].scores[0] - batch[i].scores[k + 1]) / config.teacher_temperature
                losses.append((near - cosine(anchors[i], each) - margin) ** 2)
    return torch.stack(losses).mean()
