"""A training run on the disk: a folder of safetensors and JSON that is there whole, or not at all.

Nothing is unpickled: what torch would pickle of an optimizer are tensors and numbers by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rowspace.errors import FormatError
from rowspace.files import sha256, write_folder_atomically

_MODEL, _OPTIMIZER, _OTHER = FILES = (
    "model.safetensors",
    "optimizer.safetensors",
    "run.safetensors",
)
_STATE = "state.json"


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Any],
) -> None:
    """Write all that a run needs to go on, in place of an older checkpoint.

    Parameters
    ----------
    folder : Path
    model, optimizer
    tensors : mapping of str to tensor
        What else the run has learned.
    state : mapping
        What else it knows, as JSON can hold it; `identity` tells this run from another.
    """
    optimizer_tensors, optimizer_numbers = _split(optimizer.state_dict()["state"])
    with write_folder_atomically(folder) as temporary:
        for name, values in zip(
            FILES, (model_tensors(model), optimizer_tensors, dict(tensors)), strict=True
        ):
            save_file({k: v.detach().contiguous() for k, v in values.items()}, temporary / name)
        digests = {name: sha256(temporary / name) for name in FILES}
        content = {**state, "optimizer": optimizer_numbers, "digests": digests}
        (temporary / _STATE).write_text(json.dumps(content))


def load_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    identity: Mapping[str, Any],
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Put the model and the optimizer where they were; gives the run's own tensors and state.

    Raises
    ------
    FormatError
        If a file is damaged or missing, or the checkpoint is of a run with another identity.
    """
    try:
        state: dict[str, Any] = json.loads((folder / _STATE).read_text())
        if state["identity"] != json.loads(json.dumps(identity)):
            raise FormatError(
                f"the checkpoint {folder} is of other settings or text; use the same, or remove "
                "it to train from the start"
            )
        for name, digest in state["digests"].items():
            if sha256(folder / name) != digest:
                raise ValueError(f"{name} has changed since it was written")
        _restore_model(model, load_file(folder / _MODEL))
        _restore_optimizer(optimizer, load_file(folder / _OPTIMIZER), state["optimizer"])
        return load_file(folder / _OTHER), state
    except FormatError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise FormatError(
            f"the checkpoint {folder} is damaged ({error}); remove it to train from the start"
        ) from error


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and kept buffers by name, a tied one once."""
    kept = model.state_dict(keep_vars=True)
    parameters = dict(model.named_parameters())  # one that is tied has its first name only
    return parameters | {k: v for k, v in kept.items() if not isinstance(v, nn.Parameter)}


def _restore_model(model: nn.Module, saved: Mapping[str, Tensor]) -> None:
    there = model_tensors(model)
    if there.keys() != saved.keys():
        raise ValueError(f"it has other tensors: {', '.join(sorted(there.keys() ^ saved.keys()))}")
    with torch.no_grad():
        for name, tensor in there.items():
            if tensor.shape != saved[name].shape:
                raise ValueError(
                    f"{name} is of shape {tuple(saved[name].shape)}, not {tuple(tensor.shape)}"
                )
            tensor.copy_(saved[name])


def _split(state: Mapping[Any, Mapping[str, Any]]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state of each parameter, by number: tensors under "number.name", and what else it is."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for number, values in state.items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{number}.{name}"] = value
            else:
                numbers[f"{number}.{name}"] = value
    return tensors, numbers


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]
) -> None:
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **numbers}.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
