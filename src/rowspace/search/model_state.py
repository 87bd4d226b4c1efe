"""What a space knows of one of its models: the encoder, and where its vectors and files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_MODEL = "default"
"""The name of the model that a space is built with."""


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """An encoder of a space, and where its vectors and its files are."""

    kind: str
    """A key of `manifest.ENCODERS`."""
    dim: int
    fingerprint: str
    column: str
    """Of the store, with its vectors."""
    folder: str
    """Its path in the space."""
    dense_weight: float
    """How much its ranking counts in a hybrid search, beside 1 for that by words."""
    set_weight: float | None = None
    """The same, if it was set since the model came."""
    details: dict[str, Any] = field(default_factory=dict)
    """What `status` shows of it: vocabulary size, words trained on."""

    @property
    def weight(self) -> float:
        """How much its ranking counts."""
        return self.dense_weight if self.set_weight is None else self.set_weight


def first_model(manifest: Mapping[str, Any]) -> ModelState:
    """The model that a space has when it is built, by what `space.json` says."""
    return ModelState(
        **manifest["encoder"],
        column="vector",
        folder="model",
        dense_weight=manifest.get("dense_weight", 1.0),
    )
