"""What a server answers from: a space or an encoder, and a reranker where one is loaded."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rowspace.search.manifest import is_space
from rowspace.search.model_state import ModelState
from rowspace.search.remote.folder import locate
from rowspace.search.rerank import Reranker
from rowspace.search.space import Space, open_space
from rowspace.space.encoder import Encoder

if TYPE_CHECKING:
    from rowspace.explore.subject import Subject


@dataclass
class Served:
    """What a server answers from."""

    name: str
    """Of the model that has none of its own: the folder's name."""
    path: Path
    space: Space | None = None
    encoder: Encoder | None = None
    """Where there is no space."""
    reranker: Reranker | None = None
    reranker_name: str = ""
    subjects: list[Subject] = field(default_factory=list)
    """What the explorer shows: one, or two that are compared; none if it only answers programs."""

    @property
    def model_names(self) -> list[str]:
        """The models that make vectors, the default first."""
        if self.space is None:
            return [] if self.encoder is None else [self.name]
        return self.space.model_names

    def encoder_of(self, name: str) -> Encoder:
        """The encoder of a model, loaded when first asked for."""
        if self.space is not None:
            return self.space.encoders[name]
        assert self.encoder is not None
        return self.encoder


def load_deterministic(path: Path, model: ModelState, threads: int | None = None) -> Encoder:
    """A space's encoder that gives a text the same bits whichever texts are encoded with it.

    So a text's vector does not depend on what other clients ask at the same time.
    """
    from rowspace.search.manifest import load_encoder
    from rowspace.sentence.loading import load_encoder as load_sentence_encoder

    if model.kind == "sentence":
        return load_sentence_encoder(path / model.folder, deterministic=True, threads=threads)
    return load_encoder(path, model)


def load_served(path: Path | str, rerank: str | None = None, threads: int | None = None) -> Served:
    """What `rowspace serve PATH` answers from.

    Parameters
    ----------
    path : path
        A space, or the folder of a sentence encoder.
    rerank : str, optional
        A cross-encoder's folder or name.
    threads : int, optional
        That sentence encoders and the cross-encoder compute on; all cores if not given.

    Raises
    ------
    SpaceError, FormatError
        If there is neither, or it is damaged.
    """
    path = locate(path)
    served = Served(path.resolve().name, path)
    if is_space(path) or not _is_encoder(path):
        served.space = open_space(path, load=functools.partial(load_deterministic, threads=threads))
    else:
        from rowspace.sentence.loading import load_encoder

        served.encoder = load_encoder(path, deterministic=True, threads=threads)
    if rerank is not None:
        from rowspace.sentence.cross_encoder import load_cross_encoder

        served.reranker, served.reranker_name = (
            load_cross_encoder(rerank, threads=threads),
            Path(rerank).name,
        )
    return served


def _is_encoder(path: Path) -> bool:
    return any((path / name).exists() for name in ("config.json", "modules.json"))
