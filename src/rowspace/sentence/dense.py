"""A linear layer after the pooling: `2_Dense` of a sentence-transformers folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from rowspace.errors import FormatError
from rowspace.files import write_json
from rowspace.sentence.files import read_object, read_tensors

_ACTIVATIONS = {"Identity": "identity", "Tanh": "tanh", "ReLU": "relu"}


@dataclass(frozen=True)
class Dense:
    """x to activation(x Wᵀ + b).

    Parameters
    ----------
    weight : (n_out, n_in) float32 array
    bias : (n_out,) float32 array or None
    activation : {"identity", "tanh", "relu"}
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None = None
    activation: str = "identity"

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, n_in) to (B, n_out)."""
        found = vectors @ self.weight.T
        if self.bias is not None:
            found += self.bias
        if self.activation == "tanh":
            np.tanh(found, out=found)
        elif self.activation == "relu":
            np.maximum(found, 0, out=found)
        return found

    @classmethod
    def read(cls, folder: Path) -> Dense:
        """Read a module's folder: config.json and model.safetensors.

        Raises
        ------
        FormatError
            If a file is missing or damaged, or it is no plain layer.
        """
        config = read_object(folder / "config.json")
        name = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
        activation = _ACTIVATIONS.get(name.rsplit(".", 1)[-1])
        if activation is None:
            raise FormatError(
                f"{folder / 'config.json'}: the activation {name} is not read; read are "
                f"{', '.join(_ACTIVATIONS)}"
            )
        if config.get("use_residual"):
            raise FormatError(f"{folder / 'config.json'}: a residual layer is not read")
        tensors = read_tensors(folder / "model.safetensors")
        weight, bias = tensors.get("linear.weight"), tensors.get("linear.bias")
        shape = (config.get("out_features"), config.get("in_features"))
        if weight is None or weight.shape != shape:
            found = None if weight is None else weight.shape
            raise FormatError(
                f"{folder}: its linear.weight has the shape {found}, and its config.json says "
                f"{shape}; copy or download the folder again"
            )
        return cls(weight, bias, activation)

    def write(self, folder: Path) -> None:
        """Write a module's folder."""
        folder.mkdir()
        names = {ours: theirs for theirs, ours in _ACTIVATIONS.items()}
        kind = "linear" if self.activation == "identity" else "activation"
        config: dict[str, Any] = {
            "in_features": self.weight.shape[1],
            "out_features": self.weight.shape[0],
            "bias": self.bias is not None,
            "activation_function": f"torch.nn.modules.{kind}.{names[self.activation]}",
        }
        write_json(folder / "config.json", config)
        tensors = {"linear.weight": self.weight}
        if self.bias is not None:
            tensors["linear.bias"] = self.bias
        save_file(tensors, folder / "model.safetensors")
