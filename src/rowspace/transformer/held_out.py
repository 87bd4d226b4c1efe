"""The loss on text that nothing is learned from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rowspace.errors import CorpusError
from rowspace.transformer.loss import IGNORED
from rowspace.transformer.objectives import Model, Objective, StepBatches
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.tokens import TokenFile

TOKENS_WHILE_TRAINING = 1 << 16
"""About as many are read for one loss while training; the last loss is of all."""


@dataclass(frozen=True)
class HeldOutText:
    """A text in blocks, in order."""

    batches: StepBatches
    n_blocks: int
    block_size: int
    batch_size: int

    @classmethod
    def of(
        cls,
        tokens: TokenFile,
        objective: Objective,
        tokenizer: SubwordTokenizer,
        config: PretrainConfig,
    ) -> HeldOutText:
        """The text of a file; its blocks are shorter than in training where it is.

        Raises
        ------
        CorpusError
            If it has not even two tokens.
        """
        if tokens.n_tokens < 2:
            raise CorpusError(
                f"held_out is {config.held_out}, but only {tokens.n_tokens} tokens were held out; "
                "give more text, or 0 for held_out"
            )
        block_size = min(config.max_length, tokens.n_tokens - 1)
        batches = objective.make_batches(tokens.open(), tokenizer, config, block_size, "in_order")
        n_blocks = (tokens.n_tokens - 1) // block_size
        return cls(batches, n_blocks, block_size, config.batch_size)

    @torch.no_grad()
    def loss(
        self,
        model: Model,
        n_tokens: float = math.inf,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> float | None:
        """Mean loss of the blocks, or of some from all over the text.

        Parameters
        ----------
        model : LanguageModel or Encoder
        n_tokens : float
            To read, about.
        is_stopped : callable
            Asked before each batch.

        Returns
        -------
        float or None
            Nats per predicted token; None if it was stopped.
        """
        device = next(model.parameters()).device
        total, n_predicted = 0.0, 0
        for step, n_rows in self._steps(n_tokens):
            if is_stopped():
                return None
            token_ids, targets = (part[:n_rows] for part in self.batches.batch_at(step))
            n = int((targets != IGNORED).sum())
            total += float(model.loss(token_ids.to(device), targets.to(device))) * n
            n_predicted += n
        return total / n_predicted

    def _steps(self, n_tokens: float) -> Iterator[tuple[int, int]]:
        """Numbers of batches, and how many of their texts are there: the last goes around."""
        n_batches = math.ceil(self.n_blocks / self.batch_size)
        n_wanted = math.ceil(min(n_tokens / (self.block_size * self.batch_size), n_batches))
        for step in np.linspace(0, n_batches - 1, n_wanted).round().astype(int).tolist():
            yield step, min(self.batch_size, self.n_blocks - step * self.batch_size)
