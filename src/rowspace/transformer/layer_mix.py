"""Which layers a token's vector is taken from, and how several make one.

Layer 0 is the embeddings; negative numbers count from the last. What later layers know of a word's
context and what earlier ones keep of the word differ by model (Ethayarajh 2019; Tenney et al. 2019,
https://aclanthology.org/P19-1452), so it pays to try some.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rowspace.errors import ConfigError

Mix = Literal["mean", "concat", "none"] | Sequence[float]


@dataclass(frozen=True)
class LayerMix:
    """Layers of a model and what is made of them."""

    layers: tuple[int, ...]
    """From 0, the embeddings."""
    mix: Literal["mean", "concat", "none"] | tuple[float, ...]

    @classmethod
    def of(cls, layers: int | Sequence[int], mix: Mix, n_layers: int) -> LayerMix:
        """Check what was asked of a model of `n_layers`.

        Raises
        ------
        ConfigError
            If there is no such layer or mix, or not a weight for each layer.
        """
        asked = _numbers(layers)
        if not asked:
            raise ConfigError("layers is empty; give one layer or more, as -1 for the last")
        for layer in asked:
            if not -n_layers - 1 <= layer <= n_layers:
                raise ConfigError(
                    f"there is no layer {layer}; give 0 (the embeddings) to {n_layers}, or "
                    f"-1 (the last) to {-n_layers - 1}"
                )
        found = tuple(layer % (n_layers + 1) for layer in asked)
        if isinstance(mix, str):
            if mix not in ("mean", "concat", "none"):
                raise _no_mix(mix)
            return cls(found, mix)
        weights = _weights(mix)
        if not all(map(math.isfinite, weights)):
            raise ConfigError(f"mix is {list(weights)}; give finite weights")
        if len(weights) != len(found):
            raise ConfigError(
                f"mix has {len(weights)} weights and there are {len(found)} layers; give one each"
            )
        return cls(found, weights)

    @property
    def n_vectors(self) -> int:
        """Vectors of the model's width that one token gets."""
        return len(self.layers) if self.mix in ("concat", "none") else 1

    def __call__(self, states: Sequence[Tensor]) -> Tensor:
        """Mix the states of `layers`, (…, D) each, to (…, n_vectors · D), in float32."""
        states = [state.float() for state in states]
        if self.mix in ("concat", "none"):
            return torch.cat(states, dim=-1)
        if len(states) == 1 and self.mix == "mean":
            return states[0]
        weights = self.mix if isinstance(self.mix, tuple) else [1 / len(states)] * len(states)
        mixed = states[0] * weights[0]
        for state, weight in zip(states[1:], weights[1:], strict=True):
            mixed = mixed + state * weight
        return mixed


def _weights(mix: Sequence[float]) -> tuple[float, ...]:
    try:
        return tuple(float(weight) for weight in mix)
    except (TypeError, ValueError) as error:
        raise _no_mix(mix) from error


def _no_mix(mix: object) -> ConfigError:
    return ConfigError(f"mix is {mix!r}; give mean, concat, none, or a weight a layer")


def _numbers(layers: int | Sequence[int]) -> tuple[int, ...]:
    try:
        each = layers if isinstance(layers, Sequence) else np.atleast_1d(np.asarray(layers))
        return tuple(operator.index(layer) for layer in each)
    except TypeError as error:
        raise ConfigError(
            f"layers is {layers!r}; give a whole number or several, as -1 for the last"
        ) from error
