"""What a model is trained to tell: the next token, or the hidden ones.

The trainer asks an objective for a model, its batches and what to show of it; the rest it does
alike for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rowspace.transformer.batches import Batches
from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.generation import generate
from rowspace.transformer.masking import MaskedBatches, mask_id_of
from rowspace.transformer.model import Encoder, LanguageModel
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.tokenizer import SubwordTokenizer

Model: TypeAlias = LanguageModel | Encoder
Ids: TypeAlias = NDArray[Any]

_GIVEN_TOKENS = 12
_NEW_TOKENS = 60
SENTENCE_TOKENS = 24
_TEMPERATURE, _TOP_K = 0.8, 50


@dataclass(frozen=True)
class Sample:
    """What a model makes of a text that it has not learned from."""

    given: str
    made: str
    """How it goes on, of a language model; the whole text, of a masked one."""
    truth: str
    """What stands there in the text."""


class StepBatches(Protocol):
    """Batches by number."""

    def batch_at(self, step: int) -> tuple[Tensor, Tensor]:
        """(B, T) token ids and (B, T) targets, -100 where nothing is predicted."""
        ...


class Objective(Protocol):
    """What a model is trained to tell."""

    @property
    def name(self) -> str:
        """As `rowspace train` has it."""
        ...

    @property
    def predicts_all(self) -> bool:
        """Whether each token is predicted, so that a loss can be told per word and per byte."""
        ...

    @property
    def special_tokens(self) -> tuple[str, ...] | None:
        """Those of a tokenizer that is trained for it; None for the usual ones of its kind."""
        ...

    def check_tokenizer(self, tokenizer: SubwordTokenizer) -> None:
        """Raise ConfigError for one that will not do."""
        ...

    def make_model(self, config: TransformerConfig) -> Model:
        """A model that has learned nothing."""
        ...

    def make_batches(
        self,
        ids: Ids,
        tokenizer: SubwordTokenizer,
        config: PretrainConfig,
        block_size: int,
        mode: str,
    ) -> StepBatches:
        """Batches of a text's ids.

        Raises
        ------
        ConfigError
            If the tokenizer will not do.
        CorpusError
            If the text is shorter than a block.
        """
        ...

    def samples(
        self, model: Model, ids: Ids, n: int, tokenizer: SubwordTokenizer, seed: int
    ) -> list[Sample]:
        """What the model makes of `n` places of a text."""
        ...


class NextToken:
    """Each token predicts the next (Radford et al. 2018)."""

    name, predicts_all, special_tokens = "lm", True, None

    def check_tokenizer(self, tokenizer: SubwordTokenizer) -> None:
        """Any will do."""

    def make_model(self, config: TransformerConfig) -> LanguageModel:
        """A model that has learned nothing."""
        return LanguageModel(config)

    def make_batches(
        self,
        ids: Ids,
        tokenizer: SubwordTokenizer,
        config: PretrainConfig,
        block_size: int,
        mode: str,
    ) -> Batches:
        """Blocks and the tokens that follow."""
        return Batches(ids, config.batch_size, block_size, mode=mode, seed=config.seed)

    def samples(
        self, model: Model, ids: Ids, n: int, tokenizer: SubwordTokenizer, seed: int
    ) -> list[Sample]:
        """How the model goes on after a few tokens."""
        assert isinstance(model, LanguageModel)
        length = min(_GIVEN_TOKENS + _NEW_TOKENS, model.config.max_length, len(ids))
        n_given = max(1, min(_GIVEN_TOKENS, length // 2))
        rows = places(ids, n, length)
        given = rows[:, :n_given].to(model.head.weight.device)
        generator = torch.Generator(given.device).manual_seed(seed)
        made = generate(
            model,
            given,
            length - n_given,
            temperature=_TEMPERATURE,
            top_k=_TOP_K,
            generator=generator,
        )[:, n_given:]
        return [
            Sample(*(tokenizer.decode(part) for part in parts))
            for parts in zip(given.tolist(), made.tolist(), rows[:, n_given:].tolist(), strict=True)
        ]


class HiddenTokens:
    """Hidden tokens are told by all others (Devlin et al. 2019)."""

    name, predicts_all = "mlm", False
    special_tokens = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

    def check_tokenizer(self, tokenizer: SubwordTokenizer) -> None:
        """Raise ConfigError for one without a mask token."""
        mask_id_of(tokenizer)

    def make_model(self, config: TransformerConfig) -> Encoder:
        """A model that has learned nothing."""
        return Encoder(config)

    def make_batches(
        self,
        ids: Ids,
        tokenizer: SubwordTokenizer,
        config: PretrainConfig,
        block_size: int,
        mode: str,
    ) -> MaskedBatches:
        """Blocks with some tokens hidden."""
        return MaskedBatches(
            ids,
            tokenizer,
            config.batch_size,
            block_size,
            share=config.mask_share,
            whole_words=config.whole_words,
            sample=config.mask_sample,
            mode=mode,
            seed=config.seed,
        )

    @torch.no_grad()
    def samples(
        self, model: Model, ids: Ids, n: int, tokenizer: SubwordTokenizer, seed: int
    ) -> list[Sample]:
        """What the model puts where every seventh token is hidden."""
        length = min(SENTENCE_TOKENS, model.config.max_length, len(ids))
        assert tokenizer.mask_id is not None
        device = model.head.weight.device
        return filled(model, ids, n, length, tokenizer, tokenizer.mask_id, device)


def filled(
    logits_of: Callable[[Tensor], Tensor],
    ids: Ids,
    n: int,
    length: int,
    tokenizer: SubwordTokenizer,
    mask_id: int,
    device: torch.device,
) -> list[Sample]:
    """`n` stretches of a text in which every seventh token is hidden and told again.

    Parameters
    ----------
    logits_of : callable
        (n, T) token ids to the (n, T, V) logits of what stands in each place.
    """
    rows = places(ids, n, length)
    hidden = torch.zeros_like(rows, dtype=torch.bool)
    hidden[:, length // 4 :: 7] = True
    given = rows.masked_fill(hidden, mask_id)
    logits = logits_of(given.to(device)).cpu()
    logits[..., list(tokenizer.special_tokens.values())] = -torch.inf
    made = torch.where(hidden, logits.argmax(dim=-1), rows)
    return [
        Sample(*(tokenizer.decode(part) for part in parts))
        for parts in zip(given.tolist(), made.tolist(), rows.tolist(), strict=True)
    ]


def places(ids: Ids, n: int, length: int) -> Tensor:
    """(n, length) int64 tensor: stretches of a text from all over it."""
    starts = np.linspace(0, len(ids) - length, n + 2).astype(np.int64)[1:-1]
    return torch.from_numpy(ids[starts[:, None] + np.arange(length)].astype(np.int64))
