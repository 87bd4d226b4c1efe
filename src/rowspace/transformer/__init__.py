"""Transformers from token id to logits: embeddings, attention, layers, models, training.

Names are imported when first used, so that what needs no torch, as a tokenizer, does not load it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rowspace.extras import missing_torch

_HOMES = {
    "Attention": "attention",
    "Encoder": "model",
    "Extraction": "extraction",
    "HiddenTokens": "objectives",
    "LanguageModel": "model",
    "LanguageModelTrainer": "pretrain",
    "NextToken": "objectives",
    "PretrainConfig": "pretrain_config",
    "RowRecord": "rows",
    "RowWiseAdagrad": "optimizers",
    "SubwordTokenizer": "tokenizer",
    "TokenEmbedding": "embeddings",
    "TransformerConfig": "config",
    "TransformerEmbeddings": "embeddings",
    "by_frequency": "rows",
    "count_parameters": "embeddings",
    "extend_vocabulary": "vocabulary",
    "extract": "extraction",
    "generate": "generation",
    "load_model": "weights",
    "load_transformer": "weights",
    "make_optimizer": "optimizers",
    "open_extraction": "extraction",
    "save_model": "weights",
    "to_vectors": "embeddings",
}

__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from rowspace.transformer.attention import Attention as Attention
    from rowspace.transformer.config import TransformerConfig as TransformerConfig
    from rowspace.transformer.embeddings import TokenEmbedding as TokenEmbedding
    from rowspace.transformer.embeddings import TransformerEmbeddings as TransformerEmbeddings
    from rowspace.transformer.embeddings import count_parameters as count_parameters
    from rowspace.transformer.embeddings import to_vectors as to_vectors
    from rowspace.transformer.extraction import Extraction as Extraction
    from rowspace.transformer.extraction import extract as extract
    from rowspace.transformer.extraction import open_extraction as open_extraction
    from rowspace.transformer.generation import generate as generate
    from rowspace.transformer.model import Encoder as Encoder
    from rowspace.transformer.model import LanguageModel as LanguageModel
    from rowspace.transformer.objectives import HiddenTokens as HiddenTokens
    from rowspace.transformer.objectives import NextToken as NextToken
    from rowspace.transformer.optimizers import RowWiseAdagrad as RowWiseAdagrad
    from rowspace.transformer.optimizers import make_optimizer as make_optimizer
    from rowspace.transformer.pretrain import LanguageModelTrainer as LanguageModelTrainer
    from rowspace.transformer.pretrain_config import PretrainConfig as PretrainConfig
    from rowspace.transformer.rows import RowRecord as RowRecord
    from rowspace.transformer.rows import by_frequency as by_frequency
    from rowspace.transformer.tokenizer import SubwordTokenizer as SubwordTokenizer
    from rowspace.transformer.vocabulary import extend_vocabulary as extend_vocabulary
    from rowspace.transformer.weights import load_model as load_model
    from rowspace.transformer.weights import load_transformer as load_transformer
    from rowspace.transformer.weights import save_model as save_model


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rowspace.transformer' has no attribute {name!r}")
    try:
        module = importlib.import_module(f"rowspace.transformer.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing_torch(f"rowspace.transformer.{name}") from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
