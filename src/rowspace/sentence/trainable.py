"""What can be trained: a folder to the module that fits it."""

from __future__ import annotations

from pathlib import Path

from rowspace.sentence.folder import read_modules
from rowspace.sentence.model import SentenceModel
from rowspace.sentence.static_model import StaticModel
from rowspace.space import folder as vectors_folder
from rowspace.space.formats import load
from rowspace.transformer.model_folder import folder_of


def load_trainable(
    model: Path | str, *, max_length: int | None = None, device: str | None = None
) -> SentenceModel | StaticModel:
    """Read a model to train: a transformer, a static embedder, or word vectors, which become one.

    Parameters
    ----------
    model : path or str
        A folder, a file of word vectors, or a name on the hub.
    max_length, device
        As `SentenceModel.load`.
    """
    path = Path(model)
    if path.is_file() or vectors_folder.is_in(path):
        static = StaticModel.from_vectors(load(path))
        return static.to(device) if device else static
    is_static = read_modules(folder_of(model))[0].kind == "StaticEmbedding"
    kind = StaticModel if is_static else SentenceModel
    return kind.load(model, max_length=max_length, device=device)
