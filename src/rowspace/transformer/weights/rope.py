"""RoPE's settings in a `config.json`: today's `rope_parameters`, the older `rope_scaling`."""

from __future__ import annotations

from typing import Any

from rowspace.errors import FormatError
from rowspace.transformer.weights.architecture import Foreign
from rowspace.transformer.weights.settings import check_kind

_ORIGINAL = "original_max_position_embeddings"
_NOT_SCALING = ("type", "rope_theta", "partial_rotary_factor")


def rope_settings(foreign: Foreign, head_dim: int) -> dict[str, Any]:
    """What our RoPE takes: its base, the scaling as `scaling_from` reads it, the values turned.

    Angles are worked out in float32, as they were when the weights were trained.
    """
    given = _parameters(foreign)
    share = _either(given, foreign, "partial_rotary_factor", 1.0)
    settings = {
        "base": float(_either(given, foreign, "rope_theta", 10_000.0)),
        "rotary_dim": int(head_dim * share),
        "precision": "float32",
    }
    scaling = {name: value for name, value in given.items() if name not in _NOT_SCALING}
    return settings | ({"scaling": scaling} if scaling["rope_type"] != "default" else {})


def _parameters(foreign: Foreign) -> dict[str, Any]:
    """What a `config.json` says of RoPE, with the type and the trained length in it."""
    given = foreign.get("rope_parameters") or foreign.get("rope_scaling") or {}
    check_kind("rope_parameters or rope_scaling", given, "dict")
    if nested := [name for name, value in given.items() if isinstance(value, dict)]:
        raise FormatError(
            f"this {foreign.get('model_type')} model turns some layers otherwise than others "
            f"({', '.join(nested)}), and one RoPE for all is read; run it with transformers"
        )
    found = {name: value for name, value in given.items() if value is not None}
    found.setdefault("rope_type", found.get("type", "default"))
    if found["rope_type"] in ("su", "yarn") and "short_factor" in found:
        found["rope_type"] = "longrope"  # what Phi-3 called it at first
    if foreign.get(_ORIGINAL) is not None:  # which goes before that in the scaling
        found[_ORIGINAL] = foreign[_ORIGINAL]
    return found


def _either(given: dict[str, Any], foreign: Foreign, name: str, default: float) -> float:
    """A number that stands among RoPE's parameters, or beside them in older files."""
    value = given.get(name) or foreign.get(name) or default
    check_kind(name, value, "float")
    return value
