"""Rowspace: embeddings you own, trained, measured, searched and served on one machine.

Names are imported when first used, so that `import rowspace` stays fast.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowspace.extras import missing_torch
from rowspace.kernel_cache import keep_kernels
from rowspace.version import __version__

keep_kernels(Path(__file__).parent)

_HOMES = {
    "ContextualEncoder": "rowspace.transformer.contextual",
    "CrossEncoder": "rowspace.sentence.cross_encoder",
    "FastText": "rowspace.static.fasttext",
    "FastTextConfig": "rowspace.static.fasttext",
    "GloVe": "rowspace.static.glove",
    "GloVeConfig": "rowspace.static.glove",
    "Hit": "rowspace.search.hit",
    "Phrases": "rowspace.text.phrases",
    "RemoteEncoder": "rowspace.sentence.remote",
    "Retrieved": "rowspace.search.retrieval",
    "SIFEncoder": "rowspace.static.sif",
    "SentenceEncoder": "rowspace.sentence.encoder",
    "Space": "rowspace.search.space",
    "SubwordVectors": "rowspace.space.subword",
    "Vectors": "rowspace.space.vectors",
    "WordVectors": "rowspace.transformer.contextual",
    "Word2Vec": "rowspace.static.word2vec",
    "Word2VecConfig": "rowspace.static.word2vec",
    "build": "rowspace.search.build",
    "copy_space": "rowspace.search.remote.copying",
    "load": "rowspace.space.formats",
    "load_cross_encoder": "rowspace.sentence.cross_encoder",
    "load_encoder": "rowspace.sentence.loading",
    "open_space": "rowspace.search.space",
    "read_documents": "rowspace.text.corpus",
    "tune_dense_weight": "rowspace.search.tuning",
}

__all__ = ["__version__", *sorted(_HOMES)]

if TYPE_CHECKING:
    from rowspace.search.build import build as build
    from rowspace.search.hit import Hit as Hit
    from rowspace.search.remote.copying import copy_space as copy_space
    from rowspace.search.retrieval import Retrieved as Retrieved
    from rowspace.search.space import Space as Space
    from rowspace.search.space import open_space as open_space
    from rowspace.search.tuning import tune_dense_weight as tune_dense_weight
    from rowspace.sentence.cross_encoder import CrossEncoder as CrossEncoder
    from rowspace.sentence.cross_encoder import load_cross_encoder as load_cross_encoder
    from rowspace.sentence.encoder import SentenceEncoder as SentenceEncoder
    from rowspace.sentence.loading import load_encoder as load_encoder
    from rowspace.sentence.remote import RemoteEncoder as RemoteEncoder
    from rowspace.space.formats import load as load
    from rowspace.space.subword import SubwordVectors as SubwordVectors
    from rowspace.space.vectors import Vectors as Vectors
    from rowspace.static.fasttext import FastText as FastText
    from rowspace.static.fasttext import FastTextConfig as FastTextConfig
    from rowspace.static.glove import GloVe as GloVe
    from rowspace.static.glove import GloVeConfig as GloVeConfig
    from rowspace.static.sif import SIFEncoder as SIFEncoder
    from rowspace.static.word2vec import Word2Vec as Word2Vec
    from rowspace.static.word2vec import Word2VecConfig as Word2VecConfig
    from rowspace.text.corpus import read_documents as read_documents
    from rowspace.text.phrases import Phrases as Phrases
    from rowspace.transformer.contextual import ContextualEncoder as ContextualEncoder
    from rowspace.transformer.contextual import WordVectors as WordVectors


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rowspace' has no attribute {name!r}")
    try:
        module = importlib.import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing_torch(f"rowspace.{name}") from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
