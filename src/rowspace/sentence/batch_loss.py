"""A batch of examples to its loss: which texts are read with which prompt, and by which loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.sentence.example import Example, Kind, text_key
from rowspace.sentence.finetune_config import FinetuneConfig
from rowspace.sentence.grad_cache import grad_cache
from rowspace.sentence.losses import LOSSES, EmbeddingLoss, matryoshka
from rowspace.sentence.prompts import Prompts
from rowspace.space.encoder import Encoder

Rows = NDArray[np.int64]

_OF_KIND: dict[Kind, str] = {
    "pairs": "info_nce",
    "triplets": "info_nce",
    "scored": "cosent",
    "margins": "margin_mse",
}
_NEEDS: dict[str, tuple[Kind, ...]] = {
    "triplet": ("triplets", "margins"),
    "cosent": ("scored",),
    "margin_mse": ("margins",),
}


class Trainable(Protocol):
    """A module that turns texts into vectors with gradients: `SentenceModel` is one."""

    def read(self, texts: Sequence[str], prompt: str = "") -> Any:
        """Texts as the module's inputs."""

    def __call__(self, inputs: Any) -> Tensor:
        """(B, dim) vectors."""

    def parameters(self) -> Any:
        """As `nn.Module`."""


@dataclass
class Texts:
    """The texts of a batch, each with its prompt, and which of them belong together."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    """(prompt, text)."""

    def add(self, prompt: str, texts: Sequence[str]) -> slice:
        """Add some; returns where they are."""
        start = len(self.texts)
        self.texts += [(prompt, text) for text in texts]
        return slice(start, len(self.texts))


def loss_name(config: FinetuneConfig, kind: Kind, name: str) -> str:
    """The loss of a source.

    Raises
    ------
    ConfigError
        If the one asked for needs what the source does not have.
    """
    wanted = _OF_KIND[kind] if config.loss == "auto" else config.loss
    needs = _NEEDS.get(wanted)
    if needs is not None and kind not in needs:
        raise ConfigError(
            f"the loss {wanted} needs {' or '.join(needs)}, and {name} holds {kind}; give another "
            "loss, or `rowspace mine` negatives first"
        )
    return wanted


class BatchLoss:
    """The loss of a batch of examples of one source, backward included.

    Parameters
    ----------
    model : Trainable
    config : FinetuneConfig
    prompts : Prompts
    kind : Kind
        What the source holds.
    name : str
        Of the loss.
    teacher : Encoder, optional
        For distillation of vectors.
    """

    def __init__(
        self,
        model: Trainable,
        config: FinetuneConfig,
        prompts: Prompts,
        kind: Kind,
        name: str,
        teacher: Encoder | None = None,
    ) -> None:
        if name.startswith("embedding_") and teacher is None:
            raise ConfigError(f"the loss {name} needs a teacher; give one")
        self.model, self.config, self.prompts = model, config, prompts
        self.kind, self.name, self.teacher = kind, name, teacher
        self._loss: EmbeddingLoss = LOSSES[name]
        if config.matryoshka:
            self._loss = matryoshka(self._loss, self._dims())

    def _dims(self) -> list[int]:
        dim: int = self.model.dim  # type: ignore[attr-defined]
        return [dim, *(d for d in self.config.matryoshka if d != dim)]

    def backward(self, examples: Sequence[Example]) -> Tensor:
        """Add the gradients of the batch's loss; returns the loss, ()."""
        texts = Texts()
        if self.name.startswith("embedding_"):
            value = self._distillation(texts, examples)
        elif self.name == "cosent":
            value = self._scored(texts, examples)
        else:
            value = self._ranked(texts, examples)
        return self._run(texts, value)

    # What is made of the vectors of all texts

    def _ranked(self, texts: Texts, examples: Sequence[Example]) -> Callable[[Tensor], Tensor]:
        anchors = texts.add(self.prompts.query, [example.anchor for example in examples])
        positives = texts.add(self.prompts.document, [example.positive for example in examples])
        n = min(self.config.n_negatives, max(len(example.negatives) for example in examples))
        filled, there = _filled_negatives(examples, n)
        negatives = texts.add(self.prompts.document, filled)
        settings = self._settings(examples, filled, there, n)

        def value(vectors: Tensor) -> Tensor:
            others = vectors[negatives].view(len(examples), n, -1) if n else None
            if others is None and self.name != "info_nce":
                return vectors.sum() * 0.0  # no example of this batch has a negative
            return self._loss(vectors[anchors], vectors[positives], others, **settings)

        return value

    def _settings(
        self, examples: Sequence[Example], filled: Sequence[str], there: Tensor, n: int
    ) -> dict[str, Any]:
        config = self.config
        settings: dict[str, Any] = {"has_negative": there} if n else {}
        if self.name == "margin_mse":
            margins = torch.zeros(len(examples), n)
            for row, example in enumerate(examples):
                found = example.margins[:n]
                margins[row, : len(found)] = torch.tensor(found)
            settings["margins"] = margins / config.teacher_temperature
            settings["similarity"] = "cosine"
        if self.name == "info_nce":
            settings["anchor_keys"] = _keys([example.anchor for example in examples])
            settings["positive_keys"] = _keys([example.positive for example in examples])
            if n:
                settings["negative_keys"] = _keys(filled).view(len(examples), n)
            settings |= {"scale": config.scale, "symmetric": config.symmetric}
            settings["false_negative_margin"] = config.false_negative_margin
        return settings

    def _scored(self, texts: Texts, examples: Sequence[Example]) -> Callable[[Tensor], Tensor]:
        """Both texts of a scored pair are read alike, as its order means nothing."""
        first = texts.add(self.prompts.query, [example.anchor for example in examples])
        second = texts.add(self.prompts.query, [example.positive for example in examples])
        scores = torch.tensor([float(example.score or 0.0) for example in examples])

        def value(vectors: Tensor) -> Tensor:
            return self._loss(
                vectors[first], vectors[second], scores=scores, scale=self.config.scale
            )

        return value

    def _distillation(
        self, texts: Texts, examples: Sequence[Example]
    ) -> Callable[[Tensor], Tensor]:
        assert self.teacher is not None
        anchors = [example.anchor for example in examples]
        documents = [text for example in examples for text in example.texts[1:]]
        texts.add(self.prompts.query, anchors)
        texts.add(self.prompts.document, documents)
        read_query = getattr(self.teacher, "encode_query", self.teacher.encode)
        read_document = getattr(self.teacher, "encode_document", self.teacher.encode)
        wanted = np.concatenate([read_query(anchors), read_document(documents)])
        dim: int = self.model.dim  # type: ignore[attr-defined]
        if wanted.shape[1] != dim:
            raise ConfigError(
                f"the teacher's vectors have {wanted.shape[1]} numbers and the student's {dim}; "
                "give a teacher with as many, or cut it with truncate_dim"
            )

        def value(vectors: Tensor) -> Tensor:
            return self._loss(vectors, torch.from_numpy(wanted))

        return value

    # Through the model

    def _run(self, texts: Texts, value: Callable[[Tensor], Tensor]) -> Tensor:
        """In chunks of texts of like length; their vectors are put back in order."""
        chunks = _chunks(texts.texts, self.config.chunk_size)
        inputs = [self._inputs(texts, rows) for rows in chunks]
        places = torch.from_numpy(np.argsort(np.concatenate(chunks)))

        def whole(vectors: Tensor) -> Tensor:
            return value(vectors.float().cpu()[places])

        if self.config.grad_cache:
            return grad_cache(self.model, inputs, whole)
        loss = whole(torch.cat([self.model(chunk) for chunk in inputs]))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _inputs(self, texts: Texts, rows: Rows) -> Any:
        prompt = texts.texts[rows[0]][0]
        return self.model.read([texts.texts[row][1] for row in rows], prompt)


def _chunks(texts: Sequence[tuple[str, str]], size: int) -> list[Rows]:
    """Which texts go through the model together: of one prompt, and of like length."""
    found = []
    for prompt in dict.fromkeys(prompt for prompt, _ in texts):
        rows = np.array([i for i, (own, _) in enumerate(texts) if own == prompt])
        rows = rows[np.argsort([len(texts[row][1]) for row in rows], kind="stable")]
        found += [rows[i : i + size] for i in range(0, len(rows), size)]
    return found


def _filled_negatives(examples: Sequence[Example], n: int) -> tuple[list[str], Tensor]:
    """`n` negatives of each, one after the other, and (B, n) which are its own."""
    filled: list[str] = []
    there = torch.zeros(len(examples), n, dtype=torch.bool)
    for row, example in enumerate(examples):
        own = example.negatives[:n]
        there[row, : len(own)] = True
        filled += [*own, *[example.positive] * (n - len(own))]
    return filled, there


def _keys(texts: Sequence[str]) -> Tensor:
    return torch.from_numpy(np.array([text_key(text) for text in texts], np.uint64).view(np.int64))


def set_dropout(module: nn.Module, share: float) -> None:
    """Let every part of a module that drops something drop this share."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = share
        elif isinstance(getattr(part, "dropout", None), float):
            part.dropout = share  # type: ignore[assignment]
