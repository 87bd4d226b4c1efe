"""A batch of examples to its loss: which texts are read with which prompt, and by which loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.sentence.example import Example, Kind, text_key
from rowspace.sentence.finetune_config import FinetuneConfig
from rowspace.sentence.gathering import Gathering, Rows
from rowspace.sentence.grad_cache import grad_cache
from rowspace.sentence.losses import LOSSES, EmbeddingLoss, matryoshka
from rowspace.sentence.prompts import Prompts
from rowspace.space.encoder import Encoder
from rowspace.transformer.distributed import ALONE, World
from rowspace.transformer.training import mix

_OF_KIND: dict[Kind, str] = {
    "pairs": "info_nce",
    "triplets": "info_nce",
    "scored": "cosent",
    "margins": "margin_mse",
}
_NEEDS: dict[str, tuple[Kind, ...]] = {
    "info_nce": ("pairs", "triplets", "margins"),
    "triplet": ("triplets", "margins"),
    "cosent": ("scored",),
    "margin_mse": ("margins",),
}
_DROPS = ("dropout", "attention_dropout")


class Trainable(Protocol):
    """A module that turns texts into vectors with gradients: `SentenceModel` is one."""

    def read(self, texts: Sequence[str], prompt: str = "") -> Any:
        """Texts as the module's inputs."""

    def __call__(self, inputs: Any) -> Tensor:
        """(B, dim) vectors."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """What learns."""

    @property
    def dim(self) -> int:
        """Length of a vector."""


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
            f"the loss {wanted} needs {' or '.join(needs)}, and {name} holds {kind}; give "
            f"{_OF_KIND[kind]}, or other examples"
        )
    if wanted in ("triplet", "margin_mse") and not config.n_negatives:
        raise ConfigError(
            f"the loss {wanted} needs negatives, and n_negatives is 0; give 1 or more"
        )
    return wanted


class BatchLoss:
    """The loss of a batch of examples of one source, backward included.

    Parameters
    ----------
    model : Trainable
    config : FinetuneConfig
    prompts : Prompts
    name : str
        Of the loss, as `loss_name` gives it.
    teacher : Encoder, optional
        For distillation of vectors.
    autocast : callable, optional
        Gives the context that the model runs in; the loss is worked out in float32.
    world : World
        Processes that share the texts of a batch; each has the loss of all.

    Raises
    ------
    ConfigError
        If a teacher is missing or its vectors are of another length, or a leading length is longer
        than the vectors.
    """

    def __init__(
        self,
        model: Trainable,
        config: FinetuneConfig,
        prompts: Prompts,
        name: str,
        teacher: Encoder | None = None,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        world: World = ALONE,
    ) -> None:
        if name.startswith("embedding_"):
            _check_teacher(name, teacher, model.dim)
        self.model, self.config, self.prompts = model, config, prompts
        self.name, self.teacher, self.autocast, self.world = name, teacher, autocast, world
        self._loss: EmbeddingLoss = LOSSES[name]
        if config.matryoshka:
            self._loss = matryoshka(self._loss, _dims(config.matryoshka, model.dim))

    def backward(self, examples: Sequence[Example]) -> Tensor:
        """Add the gradients of the batch's loss; returns the loss, ().

        Of several processes each adds its part of the gradients, that of the texts it embeds;
        torch's random numbers are to be in the same state on all.
        """
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
        own = [example.negatives[: self.config.n_negatives] for example in examples]
        negatives = texts.add(self.prompts.document, [text for each in own for text in each])
        has_negative = _has_negative([len(each) for each in own])  # (B, N)
        rows = torch.arange(positives.start, positives.stop)[:, None].repeat(
            1, has_negative.shape[1]
        )  # where there is none, the positive stands in
        rows[has_negative] = torch.arange(negatives.start, negatives.stop)
        settings = self._settings(examples, own, has_negative)

        def value(vectors: Tensor) -> Tensor:
            others = vectors[rows] if rows.numel() else None  # (B, N, D)
            if others is None and self.name != "info_nce":
                return vectors.sum() * 0.0  # no example of this batch has a negative
            return self._loss(vectors[anchors], vectors[positives], others, **settings)

        return value

    def _settings(
        self, examples: Sequence[Example], own: Sequence[tuple[str, ...]], has_negative: Tensor
    ) -> dict[str, Any]:
        config = self.config
        settings: dict[str, Any] = {}
        if has_negative.numel():
            settings["has_negative"] = has_negative
        if self.name == "margin_mse":
            margins = torch.zeros(has_negative.shape)
            pairs = zip(examples, own, strict=True)
            found = [each for example, there in pairs for each in example.margins[: len(there)]]
            margins[has_negative] = torch.tensor(found)
            settings["margins"] = margins / config.teacher_temperature
            settings["similarity"] = config.margin_similarity
        if self.name == "info_nce":
            settings["anchor_keys"] = _keys([example.anchor for example in examples])
            settings["positive_keys"] = _keys([example.positive for example in examples])
            if has_negative.numel():
                keys = torch.zeros(has_negative.shape, dtype=torch.int64)
                keys[has_negative] = _keys([text for each in own for text in each])
                settings["negative_keys"] = keys
            settings |= {"scale": config.scale, "symmetric": config.symmetric}
            settings["false_negative_margin"] = config.false_negative_margin
        return settings

    def _scored(self, texts: Texts, examples: Sequence[Example]) -> Callable[[Tensor], Tensor]:
        """Both texts of a scored pair are read alike, as its order means nothing."""
        first = texts.add(self.prompts.alike, [example.anchor for example in examples])
        second = texts.add(self.prompts.alike, [example.positive for example in examples])
        scores = torch.tensor([example.score for example in examples], dtype=torch.float64)

        def value(vectors: Tensor) -> Tensor:
            return self._loss(
                vectors[first], vectors[second], scores=scores, scale=self.config.scale
            )

        return value

    def _distillation(
        self, texts: Texts, examples: Sequence[Example]
    ) -> Callable[[Tensor], Tensor]:
        anchors = [example.anchor for example in examples]
        n = 2 + self.config.n_negatives
        documents = [text for example in examples for text in example.texts[1:n]]
        texts.add(self.prompts.query, anchors)
        texts.add(self.prompts.document, documents)
        wanted = self._of_teacher(anchors, documents)

        def value(vectors: Tensor) -> Tensor:
            return self._loss(vectors, wanted)

        return value

    def _of_teacher(self, anchors: Sequence[str], documents: Sequence[str]) -> Tensor:
        """(N, D): its vectors of the anchors and then the documents."""
        assert self.teacher is not None
        read = {
            "query": getattr(self.teacher, "encode_query", self.teacher.encode),
            "document": getattr(self.teacher, "encode_document", self.teacher.encode),
        }
        texts = [("query", text) for text in anchors] + [("document", text) for text in documents]
        chunks = _chunks(texts, self.config.chunk_size)
        gathering = Gathering(chunks, _costs(texts, chunks), self.world)
        found = [torch.zeros(0, self.model.dim)]
        for number in gathering.own:
            side = texts[chunks[number][0]][0]
            found.append(torch.from_numpy(read[side]([texts[row][1] for row in chunks[number]])))
        return gathering.all(torch.cat(found))

    # Through the model

    def _run(self, texts: Texts, value: Callable[[Tensor], Tensor]) -> Tensor:
        """In chunks of texts of like length, of which each process embeds some.

        What a chunk drops depends on its number alone, not on who embeds it.
        """
        chunks = _chunks(texts.texts, self.config.chunk_size)
        gathering = Gathering(chunks, _costs(texts.texts, chunks), self.world)
        seed = int(torch.randint(2**62, ()))
        inputs = [
            (mix(seed, number), self._inputs(texts, chunks[number])) for number in gathering.own
        ]

        def whole(own: Tensor) -> Tensor:
            return value(gathering.all(own))

        if not inputs:
            return whole(self._nothing())
        if self.config.grad_cache:
            return grad_cache(self._encode, inputs, whole)
        loss = whole(torch.cat([self._encode(chunk) for chunk in inputs]))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _encode(self, inputs: tuple[int, Any]) -> Tensor:
        seed, texts = inputs
        torch.manual_seed(seed)
        with self.autocast():
            vectors = self.model(texts)
        return vectors.float() if vectors.dtype == torch.bfloat16 else vectors

    def _nothing(self) -> Tensor:
        """The vectors of no text, (0, D)."""
        dtype = next(self.model.parameters()).dtype
        return torch.zeros(0, self.model.dim, dtype=torch.promote_types(dtype, torch.float32))

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


def _costs(texts: Sequence[tuple[str, str]], chunks: Sequence[Rows]) -> list[float]:
    """What it takes to embed each chunk: characters, with what is filled up."""
    return [len(rows) * (1 + max(len(texts[row][1]) for row in rows)) for rows in chunks]


def _has_negative(counts: Sequence[int]) -> Tensor:
    """(B, N) bool: True for as many as each example has, where the most is N."""
    return torch.arange(max(counts)) < torch.tensor(counts)[:, None]


def _check_teacher(loss: str, teacher: Encoder | None, dim: int) -> None:
    if teacher is None:
        raise ConfigError(f"the loss {loss} needs a teacher; give one")
    if teacher.dim != dim:
        raise ConfigError(
            f"the teacher's vectors have {teacher.dim:,} numbers and the student's {dim:,}; give a "
            "teacher with as many"
        )


def _dims(lengths: Sequence[int], dim: int) -> list[int]:
    """The whole length, and the others."""
    if max(lengths) > dim:
        raise ConfigError(
            f"matryoshka has {max(lengths):,}, and the vectors have {dim:,} numbers; give no more"
        )
    return [dim, *(length for length in lengths if length != dim)]


def _keys(texts: Sequence[str]) -> Tensor:
    return torch.from_numpy(np.array([text_key(text) for text in texts], np.uint64).view(np.int64))


def set_dropout(module: nn.Module, share: float) -> None:
    """Let every part of a module that drops something drop this share.

    Raises
    ------
    ConfigError
        If no part does.
    """
    is_found = False
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p, is_found = share, True
        for name in _DROPS:  # a number in a layer's own attention
            if isinstance(getattr(part, name, None), int | float):
                setattr(part, name, share)
                is_found = True
    if not is_found:
        raise ConfigError(f"dropout is {share}, and no part of this model drops any; leave it out")
