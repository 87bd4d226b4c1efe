"""A transformer with a head that gives a pair of texts one score, in torch.

Foreign ones only, which the `transformers` library runs: BERT, RoBERTa and their like, whose head
reads the first token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rowspace.sentence.batches import Batch
from rowspace.sentence.runtime import Pooled, torch_threads
from rowspace.transformer.hidden_states import load_pretrained
from rowspace.transformer.load_encoder import DTYPES, device_of
from rowspace.transformer.weights.checkpoint import open_checkpoint


class PairScores(nn.Module):
    """Tokens of pairs to scores, before the activation.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        One for sequence classification with one label.
    has_types : bool
        Whether it has a vector for each type of token.
    """

    def __init__(self, model: Any, has_types: bool) -> None:
        super().__init__()
        self.model, self.has_types = model, has_types

    @property
    def n_rows(self) -> int:
        """Token ids that it has rows for."""
        return len(self.model.get_input_embeddings().weight)

    def forward(self, token_ids: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
        """(B, T) ids, a (B, T) bool mask and (B, 1, T) types of tokens to (B, 1, 1) scores."""
        types = {"token_type_ids": weights[:, 0].long()} if self.has_types else {}
        found = self.model(input_ids=token_ids, attention_mask=mask.long(), **types)
        scores: Tensor = found.logits
        return scores[:, :, None]


class TorchScorer:
    """Runs a cross-encoder in torch; a `Runtime` of batches whose weights are types of tokens.

    Parameters
    ----------
    module : PairScores
    dtype : str
        What it computes in.
    n_threads : int, optional
        torch's own number if not given.
    """

    dim = 1

    def __init__(
        self, module: PairScores, *, dtype: str = "float32", n_threads: int | None = None
    ) -> None:
        self.module, self.n_threads = module, n_threads
        self.name = f"torch {dtype}"
        self.n_rows = module.n_rows

    def run(self, batches: Iterable[Batch]) -> Iterator[Pooled]:
        """Each batch's (B, 1, 1) scores."""
        device = self.module.model.device
        for batch in batches:
            inputs = (torch.from_numpy(x) for x in (batch.token_ids, batch.mask, batch.weights))
            with torch_threads(self.n_threads), torch.inference_mode():
                scores = self.module(*(one.to(device) for one in inputs))
                found = scores.float().cpu().numpy()
            yield batch, found


def load_scores(
    folder: Path, has_types: bool, *, dtype: str = "float32", device: str | None = None
) -> PairScores:
    """Read a model for sequence classification, in evaluation mode, from safetensors alone.

    Raises
    ------
    FormatError
        If a file is damaged, a tensor missing, or the library does not know the architecture.
    ConfigError
        If torch cannot use the device.
    """
    with open_checkpoint(folder):
        pass  # says what is amiss with the files
    model = load_pretrained(folder, DTYPES[dtype], "AutoModelForSequenceClassification")
    return PairScores(model.to(device_of(device)), has_types)
