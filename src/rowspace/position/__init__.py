"""Position: learned, sinusoidal, RoPE with its scalings, ALiBi, T5, xPos, none."""

from rowspace.extras import missing_torch

try:
    import torch as torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise missing_torch("rowspace.position") from error

from rowspace.position.alibi import ALiBi
from rowspace.position.base import Placement, Position, Rotation
from rowspace.position.checkpoint_scaling import scaling_from
from rowspace.position.kinds import POSITIONS, make_position
from rowspace.position.learned import Learned
from rowspace.position.none import NoPosition
from rowspace.position.relative import RelativeBias
from rowspace.position.rope import RoPE
from rowspace.position.scaling import (
    NTK,
    DynamicNTK,
    Linear,
    Llama3,
    LongRoPE,
    Scaling,
    YaRN,
)
from rowspace.position.sinusoidal import Sinusoidal
from rowspace.position.xpos import XPos

__all__ = [
    "NTK",
    "POSITIONS",
    "ALiBi",
    "DynamicNTK",
    "Learned",
    "Linear",
    "Llama3",
    "LongRoPE",
    "NoPosition",
    "Placement",
    "Position",
    "RelativeBias",
    "RoPE",
    "Rotation",
    "Scaling",
    "Sinusoidal",
    "XPos",
    "YaRN",
    "make_position",
    "scaling_from",
]
