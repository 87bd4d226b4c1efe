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

_INPUT = "sentence_embedding"
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

    def __call__(
        self, vectors: NDArray[np.float32], *, row_by_row: bool = False
    ) -> NDArray[np.float32]:
        """(B, n_in) to (B, n_out); row by row, a vector's bits do not depend on B."""
        found = np.empty((len(vectors), len(self.weight)), dtype=np.float32)
        if row_by_row:
            for i, vector in enumerate(vectors):
                np.matmul(self.weight, vector, out=found[i])
        else:
            np.matmul(vectors, self.weight.T, out=found)
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
            raise FormatError(
                f"{folder / 'config.json'}: a layer with a residual is not read; run the model in "
                "sentence-transformers"
            )
        if config.get("module_input_name", _INPUT) != _INPUT:
            raise FormatError(
                f"{folder / 'config.json'}: the layer changes {config['module_input_name']}, and "
                "only those after the pooling are read; run the model in sentence-transformers"
            )
        tensors = read_tensors(folder / "model.safetensors")
        weight, bias = tensors.get("linear.weight"), tensors.get("linear.bias")
        shape = (config.get("out_features"), config.get("in_features"))
        if weight is None or weight.shape != shape:
            raise _not_as_said(folder, "linear.weight", weight, shape)
        if (bias is not None) != bool(config.get("bias", True)) or (
            bias is not None and bias.shape != shape[:1]
        ):
            raise _not_as_said(folder, "linear.bias", bias, shape[:1])
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


def _not_as_said(
    folder: Path, name: str, found: NDArray[np.float32] | None, wanted: tuple[Any, ...]
) -> FormatError:
    shape = "is missing" if found is None else f"has the shape {found.shape}"
    return FormatError(
        f"{folder}: {name} {shape}, and config.json wants {wanted}; copy or download the folder "
        "again"
    )
