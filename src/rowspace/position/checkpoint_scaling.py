"""Scalings as checkpoints tell them: the `rope_scaling` or `rope_parameters` of a config.json.

One type is ours alone: "ntk", with a `factor`, for NTK, which Hugging Face has only as "dynamic".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from rowspace.errors import ConfigError
from rowspace.position.scaling import (
    NTK,
    DynamicNTK,
    Linear,
    Llama3,
    LongRoPE,
    Scaling,
    YaRN,
)

Parameters = Mapping[str, Any]

_NUMBERS = (
    "factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor",
    "beta_fast", "beta_slow", "attention_factor", "mscale", "mscale_all_dim",
)  # fmt: skip


def scaling_from(
    config: Parameters | None,
    *,
    max_length: int | None = None,
    original_length: int | None = None,
) -> Scaling | None:
    """The scaling that Hugging Face's dict describes.

    Parameters
    ----------
    config : dict or None
        `rope_scaling` of a config.json, or `rope_parameters` of a newer one; or
        {"rope_type": "ntk", "factor": 2.0}, which only Rowspace has.
    max_length : int, optional
        The config's `max_position_embeddings`, which stands for what the dict leaves out.
    original_length : int, optional
        The config's own `original_max_position_embeddings`, where it has one (Phi-3); it goes
        before the dict's.

    Returns
    -------
    Scaling or None
        None where there is nothing to scale.

    Raises
    ------
    ConfigError
        If it is not a dict, the type is unknown, or a value it needs is missing or cannot be.

    Examples
    --------
    >>> scaling_from({"rope_type": "linear", "factor": 2.0})
    Linear(factor=2.0)
    """
    if config is None:
        return None
    if not isinstance(config, Mapping):
        raise ConfigError(
            f"the RoPE scaling is {config!r}; give it as a config.json does, such as "
            '{"rope_type": "linear", "factor": 4}'
        )
    kind = config.get("rope_type", config.get("type", "default"))
    if kind == "default":
        _refuse_layers(config)
        return None
    if not isinstance(kind, str) or kind not in READERS:
        known = ", ".join(["default", *READERS])
        raise ConfigError(f"RoPE scaling of type {kind!r} is not known; known are: {known}")
    _check_numbers(config)
    return READERS[kind](_complete(config, kind, max_length, original_length))


def _check_numbers(config: Parameters) -> None:
    for name in _NUMBERS:
        if config.get(name) is not None and not _is_number(config[name]):
            raise ConfigError(f"the RoPE scaling's {name} is {config[name]!r}; give a number")
    for name in ("short_factor", "long_factor"):
        found = config.get(name) or ()
        if not isinstance(found, Sequence) or not all(_is_number(value) for value in found):
            raise ConfigError(f"the RoPE scaling's {name} is {found!r}; give a list of numbers")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _refuse_layers(config: Parameters) -> None:
    nested = [name for name, value in config.items() if isinstance(value, Mapping)]
    if nested:
        raise ConfigError(
            f"RoPE parameters differ by layer ({', '.join(nested)}); "
            "give those of one kind of layer"
        )


def _complete(
    config: Parameters, kind: str, max_length: int | None, original_length: int | None
) -> dict[str, Any]:
    """The dict with the lengths of training and use that it leaves out."""
    told = {name: value for name, value in config.items() if value is not None}
    if kind == "dynamic":  # which has only the one length
        told["original_max_position_embeddings"] = max_length
    elif original_length is not None:
        told["original_max_position_embeddings"] = original_length
    told.setdefault("original_max_position_embeddings", max_length)
    original = told["original_max_position_embeddings"]
    if kind in ("yarn", "longrope", "su") and max_length and original:
        told.setdefault("factor", max(max_length / original, 1.0))
    return {name: value for name, value in told.items() if value is not None}


def _needed(config: Parameters, name: str) -> Any:
    if name not in config:
        raise ConfigError(f"the RoPE scaling {dict(config)} has no {name!r}; add it")
    return config[name]


def _length(config: Parameters) -> int:
    return int(_needed(config, "original_max_position_embeddings"))


def _linear(config: Parameters) -> Scaling:
    return Linear(_needed(config, "factor"))


def _ntk(config: Parameters) -> Scaling:
    return NTK(_needed(config, "factor"))


def _dynamic(config: Parameters) -> Scaling:
    return DynamicNTK(_needed(config, "factor"), _length(config))


def _yarn(config: Parameters) -> Scaling:
    return YaRN(
        _needed(config, "factor"),
        _length(config),
        beta_fast=config.get("beta_fast") or 32.0,
        beta_slow=config.get("beta_slow") or 1.0,
        truncate=config.get("truncate", True),
        attention_factor=config.get("attention_factor"),
        mscale=config.get("mscale"),
        mscale_all_dim=config.get("mscale_all_dim"),
    )


def _llama3(config: Parameters) -> Scaling:
    return Llama3(
        _needed(config, "factor"),
        _needed(config, "low_freq_factor"),
        _needed(config, "high_freq_factor"),
        _length(config),
    )


def _longrope(config: Parameters) -> Scaling:
    return LongRoPE(
        _needed(config, "short_factor"),
        _needed(config, "long_factor"),
        _length(config),
        factor=_needed(config, "factor"),
        attention_factor=config.get("attention_factor"),
    )


READERS: dict[str, Callable[[Parameters], Scaling]] = {
    "linear": _linear,
    "dynamic": _dynamic,
    "yarn": _yarn,
    "llama3": _llama3,
    "longrope": _longrope,
    "su": _longrope,  # as the first Phi-3 files name it
    "ntk": _ntk,  # Rowspace's own
}
