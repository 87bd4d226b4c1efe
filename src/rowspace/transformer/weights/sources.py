"""Where each of our tensors comes from, and reading it: several into one, transposed or not.

A foreign checkpoint keeps queries, keys and values apart, or the gate from the value; ours are one
matrix each. GPT-2 stores its matrices as (in, out). A `Part` says so, and its tensor is copied
straight to its rows, so that reading takes the model and one tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rowspace.errors import FormatError
from rowspace.transformer.weights.checkpoint import Checkpoint


class Part(NamedTuple):
    """A tensor of the checkpoint, and the rows of ours that it fills."""

    name: str
    rows: int | None = None
    """How many; all if None. Those of the part before come first."""
    is_transposed: bool = False


Sources = dict[str, list[Part]]
"""The parts of each tensor of a model, by our name."""


def fill(
    model: nn.Module,
    checkpoint: Checkpoint,
    sources: Sources,
    *,
    dtype: torch.dtype,
    device: torch.device | str,
) -> None:
    """Read the tensors of a model that was built without memory for them.

    Parameters
    ----------
    model : Module
        Its parameters are on the device "meta".
    checkpoint : Checkpoint
    sources : Sources
        One for each parameter; of those that are shared, the first name.
    dtype, device
        Of the model's tensors.

    Raises
    ------
    FormatError
        If a tensor is missing, or of another shape.
    """
    state = {}
    for name, parameter in model.named_parameters():
        into = torch.empty(parameter.shape, dtype=dtype, device=device)
        state[name] = _read(checkpoint, sources[name], into)
    model.load_state_dict(state, strict=False, assign=True)


def _read(checkpoint: Checkpoint, parts: list[Part], into: Tensor) -> Tensor:
    start = 0
    for part in parts:
        n_rows = into.shape[0] if part.rows is None else part.rows
        rows = into[start : start + n_rows]
        start += n_rows
        _check(checkpoint, part, tuple(rows.T.shape if part.is_transposed else rows.shape))
        tensor = _read_floats(checkpoint, part.name)
        rows.copy_(tensor.T if part.is_transposed else tensor)
    return into


def _read_floats(checkpoint: Checkpoint, name: str) -> Tensor:
    tensor = checkpoint.read(name)
    if not tensor.is_floating_point():
        raise FormatError(
            f"{checkpoint.path}: the tensor {checkpoint.name_in_file(name)!r} is of "
            f"{str(tensor.dtype).removeprefix('torch.')}, and only floats are read; give the "
            "checkpoint before it was quantized"
        )
    return tensor


def _check(checkpoint: Checkpoint, part: Part, wanted: tuple[int, ...]) -> None:
    if part.name not in checkpoint.names:
        raise FormatError(
            f"{checkpoint.path}: the tensor {part.name!r} of shape {wanted} is missing; this is a "
            "checkpoint of another shape than its config.json says, or not all of it"
        )
    if (found := checkpoint.shape(part.name)) != wanted:
        raise FormatError(
            f"{checkpoint.path}: the tensor {checkpoint.name_in_file(part.name)!r} has shape "
            f"{found}, and its config.json wants {wanted}; this is a checkpoint of another "
            "shape: give the config.json it came with"
        )


def refuse_unknown(
    checkpoint: Checkpoint, sources: Sources, is_spare: Callable[[str], bool]
) -> None:
    """Raise if the checkpoint has a tensor that nothing takes: without it the model is another.

    Parameters
    ----------
    checkpoint : Checkpoint
    sources : Sources
    is_spare : callable
        Tells names that are left on purpose.

    Raises
    ------
    FormatError
        If there is one.
    """
    taken = {part.name for parts in sources.values() for part in parts}
    unknown = [name for name in checkpoint.names if name not in taken and not is_spare(name)]
    if unknown:
        name, n_more = unknown[0], len(unknown) - 1
        others = f" (and {n_more} more)" if n_more else ""
        raise FormatError(
            f"{checkpoint.path}: the tensor {checkpoint.name_in_file(name)!r} of shape "
            f"{checkpoint.shape(name)}{others} has no place in the model that its config.json "
            "describes; this is a checkpoint of another shape: give the config.json it came with"
        )
