"""What kind of model a folder holds, for commands that take word vectors and transformers alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rowspace.space import folder


def is_transformer(model: str) -> bool:
    """Whether a folder's config.json describes a transformer, as ours and Hugging Face's do.

    A folder that `save` wrote holds word vectors, and so does one of model2vec, which has a
    config.json too.
    """
    config = _config(model)
    return "rowspace" in config or config.get("model_type") not in (None, "model2vec")


def has_modules(model: str) -> bool:
    """Whether a folder is one of sentence-transformers, which lists its modules."""
    return (Path(model) / "modules.json").is_file()


def is_text_encoder(model: str) -> bool:
    """Whether a folder's model encodes whole texts: a transformer, static tokens, or modules."""
    return has_modules(model) or is_transformer(model) or bool(_config(model).get("model_type"))


def _config(model: str) -> dict[str, Any]:
    """What config.json says; nothing where there is none, or `save` wrote the folder."""
    path = Path(model)
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) and not folder.is_in(path) else {}
