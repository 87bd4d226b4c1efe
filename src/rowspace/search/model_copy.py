"""A space's own copy of a model, whatever kind it is: it stays when the given one goes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from rowspace.errors import ConfigError
from rowspace.files import fsync_tree
from rowspace.search.fusion import dense_weight_of
from rowspace.search.manifest import check_kind, load_encoder
from rowspace.search.model_state import ModelState
from rowspace.space.encoder import Encoder


class SavedEncoder(Encoder, Protocol):
    """An encoder that can be written to a folder: a SentenceEncoder, a SIFEncoder."""

    def save(self, folder: Path) -> object:
        """Write all of it."""


Model = Path | str | SavedEncoder
"""A folder, a file of word vectors, a hub's name; or an encoder."""


def copy_model(model: Model, path: Path, folder: str, texts: Iterable[str]) -> ModelState:
    """Write a model to a folder of a space.

    Parameters
    ----------
    model : path, str or Encoder
    path : Path
        The space.
    folder : str
        In the space; made here.
    texts : iterable of str
        A sample of the space, from which SIF learns what is common to all its texts.

    Returns
    -------
    ModelState
        Its column is not known yet, and empty.

    Raises
    ------
    ConfigError
        If it is in a form that cannot be written anew, or would not give the same vectors.
    FormatError
        If there is no such model.
    """
    if isinstance(model, str | Path):
        kind, encoder, details = _copy_named(str(model), path / folder, texts)
    else:
        kind, encoder, details = _copy_encoder(model, path / folder)
    state = ModelState(
        kind=check_kind(kind),
        dim=encoder.dim,
        fingerprint=encoder.fingerprint,
        column="",
        folder=folder,
        dense_weight=dense_weight_of(kind),
        details=details,
    )
    if load_encoder(path, state).fingerprint != encoder.fingerprint:
        raise ConfigError(
            f"the copy of the model in {path / folder} would not give the same vectors; save it, "
            "and give the folder"
        )
    return state


def _copy_named(
    model: str, folder: Path, texts: Iterable[str]
) -> tuple[str, Encoder, dict[str, Any]]:
    from rowspace.sentence.kinds import holds_word_vectors

    if not holds_word_vectors(model):
        from rowspace.search.kept_encoder import describe, keep

        encoder = keep(model, folder)
        return "sentence", encoder, {"model": Path(model).name, **describe(encoder)}
    from rowspace.space.formats import load
    from rowspace.space.history import history_of, save_history
    from rowspace.static.sif import SIFEncoder

    vectors = load(model)
    averages = SIFEncoder.from_vectors(vectors, texts)
    averages.save(folder)
    save_history(history_of(model, vectors), folder)
    return averages.kind, averages, {"words": len(vectors)}


def _copy_encoder(encoder: SavedEncoder, folder: Path) -> tuple[str, Encoder, dict[str, Any]]:
    kind = getattr(encoder, "kind", None)
    if kind is None:
        from rowspace.search.kept_encoder import describe, keep_encoder
        from rowspace.sentence.encoder import SentenceEncoder

        if not isinstance(encoder, SentenceEncoder):
            raise ConfigError(
                f"a {type(encoder).__name__} cannot be kept in a space; give a SentenceEncoder, a "
                "SIFEncoder, or the path of a model"
            )
        name = "the encoder" if encoder.folder is None else str(encoder.folder)
        return "sentence", keep_encoder(encoder, folder, name), describe(encoder)
    encoder.save(folder)
    fsync_tree(folder)
    return kind, encoder, {}
