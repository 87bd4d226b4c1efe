"""What can be trained: a folder to the module that fits it."""

from __future__ import annotations

from pathlib import Path

from rowspace.sentence.model import SentenceModel


def load_trainable(
    model: Path | str, *, max_length: int | None = None, device: str | None = None
) -> SentenceModel:
    """Read a model to train.

    Parameters
    ----------
    model : path or str
        A folder of a transformer, or its name on the hub.
    max_length, device
        As `SentenceModel.load`.
    """
    return SentenceModel.load(model, max_length=max_length, device=device)
