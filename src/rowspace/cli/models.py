"""What kind of model a folder holds, for commands that take word vectors and transformers alike."""

from __future__ import annotations

import json
from pathlib import Path

from rowspace.space import folder


def is_transformer(model: str) -> bool:
    """Whether a folder's config.json describes a transformer, as ours and Hugging Face's do.

    A folder that `save` wrote holds word vectors, and so does one of model2vec, which has a
    config.json too.
    """
    path = Path(model)
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(config, dict) or folder.is_in(path):
        return False
    return "rowspace" in config or config.get("model_type") not in (None, "model2vec")
