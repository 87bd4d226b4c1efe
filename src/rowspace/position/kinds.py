"""Every method of position by its name: one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rowspace.errors import ConfigError
from rowspace.position.alibi import ALiBi
from rowspace.position.base import Position
from rowspace.position.learned import Learned
from rowspace.position.none import NoPosition
from rowspace.position.relative import RelativeBias
from rowspace.position.rope import RoPE
from rowspace.position.scaling import Scaling
from rowspace.position.sinusoidal import Sinusoidal
from rowspace.position.xpos import XPos


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a method may want to know of the model it is for."""

    dim: int
    """Of the token vectors."""
    head_dim: int
    n_heads: int
    max_length: int
    """Tokens of the longest text; only learned positions and xPos's center depend on it."""
    causal: bool
    """Whether a token sees none after it."""
    base: float = 10_000.0
    """Of RoPE, xPos and sinusoidal positions."""
    scaling: Scaling | None = None
    """Of RoPE."""
    rotary_dim: int | None = None
    """Of RoPE: values turned; None for all."""
    precision: str = "float64"
    """Of RoPE's angles; "float32" as checkpoints are trained."""


def _rope(needs: Needs, layout: str) -> Position:
    return RoPE(
        needs.head_dim,
        base=needs.base,
        layout=layout,
        rotary_dim=needs.rotary_dim,
        scaling=needs.scaling,
        precision=needs.precision,
    )


def _xpos(needs: Needs) -> Position:
    return XPos(needs.head_dim, base=needs.base, center=needs.max_length // 2)


POSITIONS: dict[str, Callable[[Needs], Position]] = {
    "none": lambda needs: NoPosition(),
    "learned": lambda needs: Learned(needs.max_length, needs.dim),
    "sinusoidal": lambda needs: Sinusoidal(needs.dim, base=needs.base),
    "rope": lambda needs: _rope(needs, "half"),
    "rope-interleaved": lambda needs: _rope(needs, "interleaved"),
    "xpos": _xpos,
    "alibi": lambda needs: ALiBi(needs.n_heads),
    "t5": lambda needs: RelativeBias(needs.n_heads, bidirectional=not needs.causal),
}


def make_position(
    name: str,
    *,
    dim: int,
    head_dim: int,
    n_heads: int,
    max_length: int,
    causal: bool = True,
    base: float = 10_000.0,
    scaling: Scaling | None = None,
    rotary_dim: int | None = None,
    precision: str = "float64",
) -> Position:
    """The method of this name, for a model of this shape.

    Parameters
    ----------
    name : str
        A key of `POSITIONS`.
    dim, head_dim, n_heads, max_length, causal, base, scaling, rotary_dim, precision
        See `Needs`.

    Raises
    ------
    ConfigError
        If the name is unknown, a setting is not the method's, or the method refuses one.

    Examples
    --------
    >>> make_position("alibi", dim=8, head_dim=4, n_heads=2, max_length=16)
    ALiBi()
    """
    if name not in POSITIONS:
        raise ConfigError(f"position {name!r} is not known; known are: {', '.join(POSITIONS)}")
    if not name.startswith("rope") and (scaling is not None or rotary_dim is not None):
        raise ConfigError(
            f"position {name!r} has no scaling and no rotary_dim; leave them out, or give 'rope'"
        )
    return POSITIONS[name](
        Needs(
            dim=dim,
            head_dim=head_dim,
            n_heads=n_heads,
            max_length=max_length,
            causal=causal,
            base=base,
            scaling=scaling,
            rotary_dim=rotary_dim,
            precision=precision,
        )
    )
