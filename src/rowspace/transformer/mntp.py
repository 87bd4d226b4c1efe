"""Masked next-token prediction: a decoder that sees all learns to use what stands after a token.

BehnamGhader et al. (2024), https://arxiv.org/abs/2404.05961, section 2.1: some tokens are hidden as
in BERT's training, and each is told by the state of the token before it, as the decoder was trained
to tell the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.loss import IGNORED
from rowspace.transformer.masking import MaskedBatches
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.objectives import SENTENCE_TOKENS, Ids, Model, Sample, filled
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.tokenizer import SubwordTokenizer


def stand_in(tokenizer: SubwordTokenizer, name: str) -> int:
    """The id of the token that stands where one is hidden.

    A decoder has no token for that. The paper takes one that it knows and that is rare, "_".

    Parameters
    ----------
    tokenizer : SubwordTokenizer
    name : str
        Of a token. Where there is none of that name, the tokenizer's mask token.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    if name in tokenizer.tokens:
        return tokenizer.tokens.index(name)
    if tokenizer.mask_id is None:
        raise ConfigError(
            f"the tokenizer has no token {name!r} and no mask token, so nothing can be hidden; "
            "give a mask_token that it has"
        )
    return tokenizer.mask_id


class ShiftedBatches:
    """Masked batches in which the state before a hidden token has to tell it.

    Parameters
    ----------
    masked : MaskedBatches
    """

    def __init__(self, masked: MaskedBatches) -> None:
        self.masked = masked

    def batch_at(self, step: int) -> tuple[Tensor, Tensor]:
        """As `MaskedBatches.batch_at`, targets one place to the left.

        The first token of a block has none before it: hidden, it is told by nobody.
        """
        inputs, targets = self.masked.batch_at(step)
        shifted = torch.full_like(targets, IGNORED)
        shifted[:, :-1] = targets[:, 1:]
        return inputs, shifted


@dataclass(frozen=True)
class MaskedNextToken:
    """The objective, as `training.Run` and `HeldOutText` ask for one.

    Parameters
    ----------
    mask_id : int
        Of the token that stands where one is hidden.
    """

    mask_id: int
    name = "mntp"
    predicts_all = False
    special_tokens = None

    def check_tokenizer(self, tokenizer: SubwordTokenizer) -> None:
        """The stand-in was found in it."""

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
    ) -> ShiftedBatches:
        """Blocks with some tokens hidden, and targets before them."""
        masked = MaskedBatches(
            ids,
            tokenizer,
            config.batch_size,
            block_size,
            share=config.mask_share,
            mask_id=self.mask_id,
            mode=mode,
            seed=config.seed,
        )
        return ShiftedBatches(masked)

    @torch.no_grad()
    def samples(
        self, model: Model, ids: Ids, n: int, tokenizer: SubwordTokenizer, seed: int
    ) -> list[Sample]:
        """What the model puts where every seventh token is hidden."""

        def logits(given: Tensor) -> Tensor:
            return model(given).roll(1, dims=1)  # type: ignore[no-any-return]

        length = min(SENTENCE_TOKENS, model.config.max_length, len(ids))
        return filled(logits, ids, n, length, tokenizer, self.mask_id, model.head.weight.device)
