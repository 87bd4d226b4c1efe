"""What is checked of the tensors that a loss is given."""

from __future__ import annotations

import torch
from torch import Tensor

from rowspace.errors import ConfigError


def check_shape(name: str, tensor: Tensor, *sizes: int | None) -> None:
    """Refuse a tensor whose shape is other than `sizes`, where None is any size.

    Raises
    ------
    ConfigError
    """
    fits = tensor.ndim == len(sizes) and all(
        wanted in (None, size) for size, wanted in zip(tensor.shape, sizes, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in sizes)
        raise ConfigError(
            f"{name} has the shape {tuple(tensor.shape)}; give one of shape ({wanted})"
        )


def check_rows(**tensors: Tensor) -> None:
    """Refuse (B, D) embeddings that are not all of the shape of the first."""
    first = next(iter(tensors.values()))
    for name, tensor in tensors.items():
        check_shape(name, tensor, *([None, None] if tensor is first else first.shape))


def at_least_float32(tensor: Tensor) -> Tensor:
    """The same, half precision as float32: a scaled cosine of bfloat16 has two digits."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def check_scale(scale: float) -> None:
    """Refuse a scale (1 / temperature) that is not above 0."""
    if not scale > 0:
        raise ConfigError(f"scale is {scale}, so scores say nothing; give more than 0, as 20")
