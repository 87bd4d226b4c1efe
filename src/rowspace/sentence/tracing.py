"""A transformer and its pooling traced by torch into OpenVINO's graph."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rowspace.errors import ConfigError, FormatError
from rowspace.sentence.batches import Batch
from rowspace.sentence.loading import longest_of
from rowspace.sentence.pair_scores import load_scores
from rowspace.sentence.pooling import pool, pooling_weights
from rowspace.sentence.runtime_openvino import openvino
from rowspace.transformer.hidden_states import HiddenStates
from rowspace.transformer.load_encoder import load_states

_TRIAL_LENGTH = 300
"""Tokens of the longest text that a graph is tried on: more than 8 bits count."""


@dataclass(frozen=True)
class Traced:
    """A model's graph, and what it has to come to."""

    graph: Any
    """openvino.Model"""
    n_rows: int
    """Token ids that the model has rows for."""
    trial: Batch
    expected: NDArray[np.float32]
    """(B, K, D): what torch makes of the trial."""


class PooledStates(nn.Module):
    """A transformer whose last states are pooled.

    Parameters
    ----------
    states : HiddenStates
    poolings : sequence of str
    """

    def __init__(self, states: HiddenStates, poolings: Sequence[str]) -> None:
        super().__init__()
        self.model = getattr(states, "model", None)  # registers its parameters
        self.states, self.poolings = states, tuple(poolings)

    def forward(self, token_ids: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
        """(B, T) ids, a (B, T) bool mask and (B, K, T) weights to (B, K, D)."""
        states = self.states.read(token_ids, mask, [self.states.n_layers])[0]
        return pool(states, weights, self.poolings)


def trace(folder: Path, poolings: Sequence[str]) -> Traced:
    """A model's graph, with a batch to try it on.

    Raises
    ------
    FormatError
        If the model's states are no numbers.
    ConfigError
        If OpenVINO cannot carry out the model.
    """
    states = load_states(folder, device="cpu")
    longest = min(_TRIAL_LENGTH, states.max_length or _TRIAL_LENGTH)

    def batch(lengths: list[int]) -> Batch:
        return _batch(lengths, states.n_rows, poolings)

    return _traced(folder, PooledStates(states, poolings), states.n_rows, longest, batch)


def trace_scores(folder: Path, has_types: bool) -> Traced:
    """A cross-encoder's graph, as `trace`."""
    scores = load_scores(folder, has_types, device="cpu")
    longest = min(_TRIAL_LENGTH, longest_of(folder, None, None) or _TRIAL_LENGTH)

    def batch(lengths: list[int]) -> Batch:
        pairs = _batch(lengths, scores.n_rows, ["mean"])
        is_second = np.arange(max(lengths)) >= np.array(lengths)[:, None] // 2
        return dataclasses.replace(pairs, weights=pairs.weights * is_second[:, None])

    return _traced(folder, scores, scores.n_rows, longest, batch)


def _traced(
    folder: Path,
    module: nn.Module,
    n_rows: int,
    longest: int,
    batch: Callable[[list[int]], Batch],
) -> Traced:
    """The graph of a module that reads ids, a mask and weights."""
    module.eval()
    trial = batch([longest, max(1, longest // 3), 1])
    # At least two texts of unlike lengths, so that padding is in what is traced.
    example = batch([min(7, longest), min(4, longest)])
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that are fixed: the trial tells
        try:
            graph = openvino().convert_model(module, example_input=_inputs(example))
        except Exception as error:  # the library raises what it likes
            reason = " ".join(str(error).split())[:160]
            raise ConfigError(
                f"OpenVINO cannot carry out {folder} ({reason}); give runtime='torch'"
            ) from error
        expected = module(**_inputs(trial)).numpy()
    if not np.isfinite(expected).all():
        raise FormatError(
            f"{folder}: the model's states are not finite, so its weights are damaged or hold NaN; "
            "copy or download them again"
        )
    return Traced(graph, n_rows, trial, expected)


def _batch(lengths: list[int], n_rows: int, poolings: Sequence[str]) -> Batch:
    sizes, width = np.array(lengths), max(lengths)
    token_ids = np.random.default_rng(0).integers(0, n_rows, (len(lengths), width))
    mask = np.arange(width) < sizes[:, None]
    weights, scales = pooling_weights(poolings, sizes, width)
    return Batch(np.arange(len(lengths)), token_ids * mask, mask, True, weights, scales)


def _inputs(batch: Batch) -> dict[str, Tensor]:
    return {
        "token_ids": torch.from_numpy(batch.token_ids),
        "mask": torch.from_numpy(batch.mask),
        "weights": torch.from_numpy(batch.weights),
    }
