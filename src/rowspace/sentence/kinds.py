"""What kind of model a folder holds, for what takes word vectors and encoders of texts alike."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rowspace.errors import FormatError
from rowspace.sentence.folder import MODULES
from rowspace.space import folder


def is_transformer(model: Path | str) -> bool:
    """Whether a folder's config.json describes a transformer, as ours and Hugging Face's do.

    A folder that `save` wrote holds word vectors, and so does one of model2vec, which has a
    config.json too.
    """
    config = _config(model)
    return "rowspace" in config or config.get("model_type") not in (None, "model2vec")


def has_modules(model: Path | str) -> bool:
    """Whether a folder is one of sentence-transformers, which lists its modules."""
    return (Path(model) / MODULES).is_file()


def is_text_encoder(model: Path | str) -> bool:
    """Whether a folder's model encodes whole texts: a transformer, static tokens, or modules."""
    if has_modules(model) or is_transformer(model):
        return True
    return bool(_config(model).get("model_type")) and (Path(model) / "tokenizer.json").is_file()


def holds_word_vectors(model: Path | str) -> bool:
    """Whether it is a path, and no text encoder's; what is no path may be a name of the hub."""
    return Path(model).exists() and not is_text_encoder(model)


@contextlib.contextmanager
def told_of_the_name(model: str) -> Iterator[None]:
    """Say of what is no path, and cannot be loaded, that it was taken for a name of the hub."""
    try:
        yield
    except FormatError as error:
        if Path(model).exists():
            raise
        raise FormatError(
            f"there is no path {model}, and as the name of a model: {error}"
        ) from error


def _config(model: Path | str) -> dict[str, Any]:
    """What config.json says; nothing where there is none, or `save` wrote the folder."""
    path = Path(model)
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) and not folder.is_in(path) else {}
