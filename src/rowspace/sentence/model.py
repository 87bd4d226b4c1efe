"""A sentence embedder as it is trained: texts to vectors with gradients.

What training and inference share is read from one place: prompts, the cut at `max_length`, pooling
and layers are those of the `SentenceConfig` that is saved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.sentence.batches import Batch, padded
from rowspace.sentence.dense import Dense
from rowspace.sentence.encoder import SentenceEncoder, TransformerEmbedding
from rowspace.sentence.folder import SentenceConfig, read_modules
from rowspace.sentence.loading import transformer_in
from rowspace.sentence.pooling import pool
from rowspace.sentence.reading import TokenReader
from rowspace.sentence.runtime import TorchRuntime
from rowspace.sentence.saving import write_folder
from rowspace.transformer.hidden_states import ForeignStates, HiddenStates, OurStates
from rowspace.transformer.load_encoder import load_states
from rowspace.transformer.model_folder import (
    CONFIG,
    check_vocabulary,
    folder_of,
    load_model_tokenizer,
    read_json,
)
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.tokenizer_export import write_tokenizer
from rowspace.transformer.weights import write_transformer

_ACTIVATIONS = {"identity": nn.Identity, "tanh": nn.Tanh, "relu": nn.ReLU}


@dataclass(frozen=True)
class Inputs:
    """Texts as tensors."""

    token_ids: Tensor
    """(B, T) int64, 0 on padding."""
    mask: Tensor | None
    """(B, T) bool, False on padding; None where there is none."""
    weights: Tensor
    """(B, K, T) float32: what each state is multiplied by in the pooling."""

    def __len__(self) -> int:
        return len(self.token_ids)


class SentenceModel(nn.Module):
    """A transformer, pooling, and layers after it.

    Parameters
    ----------
    states : HiddenStates
    tokenizer : SubwordTokenizer
    config : SentenceConfig
    foreign : dict, optional
        The config.json that the transformer was read from, for `save`.

    Examples
    --------
    >>> model = SentenceModel.load("models/minilm")
    >>> model(model.read(["a text", "another"])).shape
    torch.Size([2, 384])
    """

    def __init__(
        self,
        states: HiddenStates,
        tokenizer: SubwordTokenizer,
        config: SentenceConfig,
        *,
        foreign: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.n_truncated = 0
        """Texts read so far whose end was not."""
        self.states, self.tokenizer, self.config, self.foreign = states, tokenizer, config, foreign
        self.transformer: nn.Module = states.model  # type: ignore[attr-defined]
        self.dense = nn.ModuleList(map(_layer_of, config.dense))
        self._reader = TokenReader(tokenizer, config.max_length, lowercase=config.lowercase)

    @classmethod
    def load(
        cls, model: Path | str, *, max_length: int | None = None, device: str | None = None
    ) -> SentenceModel:
        """Read a sentence-transformers folder, or a bare transformer, whose states are averaged.

        Parameters
        ----------
        model : path or str
            A folder, or a name on the hub.
        max_length : int, optional
            Tokens read at once; the model's own if not given.
        device : str, optional

        Raises
        ------
        FormatError, ConfigError, MissingExtraError
            As `load_encoder`.
        """
        folder = folder_of(model)
        home, config = transformer_in(folder, read_modules(folder), str(model), max_length)
        content = read_json(home / CONFIG)
        foreign = None if "rowspace" in content else content
        tokenizer, states = load_model_tokenizer(home), load_states(home, device=device)
        check_vocabulary(home, tokenizer, states.n_rows)
        return cls(states, tokenizer, config, foreign=foreign)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        dense = self.config.dense
        return len(dense[-1].weight) if dense else self.states.dim * len(self.config.poolings)

    def set_config(self, config: SentenceConfig, max_length: int | None = None) -> None:
        """Read texts by other settings, of the same layers, or at another length, from here on.

        Raises
        ------
        ConfigError
            If the length is more than the model was made for.
        """
        if max_length is not None:
            most = self.states.max_length
            if most is not None and max_length > most:
                raise ConfigError(
                    f"max_length is {max_length:,}, and the model was made for {most:,} tokens; "
                    "give that or less"
                )
            config = dataclasses.replace(config, max_length=max_length)
        self.config = config
        self._reader = TokenReader(self.tokenizer, config.max_length, lowercase=config.lowercase)

    def read(self, texts: Sequence[str], prompt: str = "") -> Inputs:
        """Texts as the encoder reads them, on the model's device."""
        pieces = self._reader.read([prompt + text for text in texts])
        self.n_truncated += pieces.n_truncated
        n_prompt = 0 if self.config.include_prompt else self._reader.n_prompt(prompt)
        rows = np.arange(len(pieces.ids))
        batch = padded(pieces, rows, self.config.poolings, n_prompt=n_prompt)
        return _inputs_of(batch, self.states.device)

    def forward(self, inputs: Inputs) -> Tensor:
        """(B, dim) vectors, of unit length where the config says so."""
        last = self.states.n_layers
        states = self.states.read(inputs.token_ids, inputs.mask, [last])[0]  # (B, T, D)
        weights = inputs.weights.to(states.dtype)
        vectors = pool(states, weights, self.config.poolings).flatten(1)  # (B, K D)
        for layer in self.dense:
            vectors = layer(vectors)
        return F.normalize(vectors, dim=-1) if self.config.normalize else vectors

    def encoder(self) -> SentenceEncoder:
        """An encoder of the weights as they are now, which it shares; for evaluation."""
        runtime = TorchRuntime(self.states, self.config.poolings)
        embedding = TransformerEmbedding(
            runtime, self._reader, self.config.poolings, lambda: f"in training {id(self)}"
        )
        return SentenceEncoder(embedding, self._config_now())

    def _config_now(self) -> SentenceConfig:
        layers = zip(self.config.dense, self.dense, strict=True)
        dense = tuple(_dense_of(before, layer) for before, layer in layers)
        return dataclasses.replace(self.config, dense=dense)

    def save(self, folder: Path | str, *, card: str = "") -> None:
        """Write a folder that sentence-transformers and `load_encoder` read, in one step.

        Parameters
        ----------
        folder : path
        card : str
            The text of its README.md.
        """
        config = self._config_now()
        write_folder(
            Path(folder), config, lambda path: self._write(path, card), dim=self.states.dim
        )

    def _write(self, folder: Path, card: str) -> None:
        if isinstance(self.states, OurStates):
            write_transformer(self.states.model, folder, foreign=self.foreign)
        else:
            assert isinstance(self.states, ForeignStates)
            self.states.model.save_pretrained(folder, safe_serialization=True)
        write_tokenizer(self.tokenizer, folder, max_length=self.config.max_length)
        if card:
            (folder / "README.md").write_text(card, encoding="utf-8")


def _inputs_of(batch: Batch, device: torch.device) -> Inputs:
    weights = torch.from_numpy(batch.weights * batch.scales[:, :, None])
    mask = torch.from_numpy(batch.mask).to(device) if batch.is_padded else None
    return Inputs(torch.from_numpy(batch.token_ids).to(device), mask, weights.to(device))


def _layer_of(dense: Dense) -> nn.Module:
    n_out, n_in = dense.weight.shape
    linear = nn.Linear(n_in, n_out, bias=dense.bias is not None)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(dense.weight))
        if dense.bias is not None:
            linear.bias.copy_(torch.from_numpy(dense.bias))
    return nn.Sequential(linear, _ACTIVATIONS[dense.activation]())


def _dense_of(before: Dense, layer: nn.Module) -> Dense:
    linear = layer[0]  # type: ignore[index]
    bias = None if linear.bias is None else linear.bias.detach().cpu().numpy().copy()
    return Dense(linear.weight.detach().cpu().numpy().copy(), bias, before.activation)
