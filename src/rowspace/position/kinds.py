"""Every method of position by its name: one line each, and one for its settings if it has any."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

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
    scale: float = 1.0
    """Of sinusoidal positions: what the waves are multiplied by."""
    scale_base: float = 512.0
    """Of xPos: tokens; larger fades slower."""
    n_buckets: int = 32
    """Of T5's distances."""
    max_distance: int = 128
    """Of T5: tokens, from which on all is one bucket."""


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
    return XPos(
        needs.head_dim,
        base=needs.base,
        scale_base=needs.scale_base,
        center=needs.max_length // 2,
    )


def _t5(needs: Needs) -> Position:
    return RelativeBias(
        needs.n_heads,
        n_buckets=needs.n_buckets,
        max_distance=needs.max_distance,
        bidirectional=not needs.causal,
    )


POSITIONS: dict[str, Callable[[Needs], Position]] = {
    "none": lambda needs: NoPosition(),
    "learned": lambda needs: Learned(needs.max_length, needs.dim),
    "sinusoidal": lambda needs: Sinusoidal(needs.dim, base=needs.base, scale=needs.scale),
    "rope": lambda needs: _rope(needs, "half"),
    "rope-interleaved": lambda needs: _rope(needs, "interleaved"),
    "xpos": _xpos,
    "alibi": lambda needs: ALiBi(needs.n_heads),
    "t5": _t5,
}

_OF_ROPE = ("base", "scaling", "rotary_dim", "precision")
SETTINGS: dict[str, tuple[str, ...]] = {
    "sinusoidal": ("base", "scale"),
    "rope": _OF_ROPE,
    "rope-interleaved": _OF_ROPE,
    "xpos": ("base", "scale_base"),
    "t5": ("n_buckets", "max_distance"),
}
_WHOLE = ("rotary_dim", "n_buckets", "max_distance")
_FRACTIONS = ("base", "scale", "scale_base")


def make_position(
    name: str,
    *,
    dim: int,
    head_dim: int,
    n_heads: int,
    max_length: int,
    causal: bool = True,
    **settings: Any,
) -> Position:
    """The method of this name, for a model of this shape.

    Parameters
    ----------
    name : str
        A key of `POSITIONS`.
    dim, head_dim, n_heads, max_length, causal
        See `Needs`.
    **settings
        Those of the method, as `SETTINGS` lists them: base, scaling, rotary_dim, precision,
        scale, scale_base, n_buckets, max_distance; see `Needs`. None is as if not given.

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
    given = {setting: value for setting, value in settings.items() if value is not None}
    _check_known(name, settings.keys(), given.keys())
    for setting, value in given.items():
        _check_number(setting, value)
    return POSITIONS[name](
        Needs(
            dim=dim,
            head_dim=head_dim,
            n_heads=n_heads,
            max_length=max_length,
            causal=causal,
            **given,
        )
    )


def _check_known(name: str, settings: Set[str], given: Set[str]) -> None:
    """Refuse what no method knows, and what is given to a method that has no use for it."""
    known = SETTINGS.get(name, ())
    anywhere = {setting for those in SETTINGS.values() for setting in those}
    unknown = sorted((settings - anywhere) | (given - set(known)))
    if not unknown:
        return
    others = [kind for kind, those in SETTINGS.items() if set(unknown) <= set(those)]
    raise ConfigError(
        f"position {name!r} has no {' and no '.join(unknown)}; its settings are: "
        f"{', '.join(known) or 'none'}; leave out what it does not have"
        + (f", or take {' or '.join(map(repr, others))}" if others else "")
    )


def _check_number(setting: str, value: Any) -> None:
    if setting in _WHOLE and not isinstance(value, Integral):
        raise ConfigError(f"{setting} is {value!r}; give a whole number")
    if setting in _FRACTIONS and not isinstance(value, Real):
        raise ConfigError(f"{setting} is {value!r}; give a number")
