"""Sentence embedders: loading, running, training, distilling and shipping them.

Names are imported when first used, so that what needs no torch does not load it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rowspace.extras import missing_torch

_HOMES = {
    "CrossEncoder": "cross_encoder",
    "SentenceConfig": "folder",
    "SentenceEncoder": "encoder",
    "DevelopmentSet": "development",
    "FinetuneConfig": "finetune_config",
    "SentenceModel": "model",
    "SentenceTrainer": "finetune",
    "StaticDistillConfig": "distill_config",
    "LLM2VecConfig": "llm2vec_config",
    "StaticModel": "static_model",
    "distill_embedder": "distill",
    "load_cross_encoder": "cross_encoder",
    "load_encoder": "loading",
    "quantize_model": "loading",
    "read_pairs": "pairs",
}

__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from rowspace.sentence.cross_encoder import CrossEncoder as CrossEncoder
    from rowspace.sentence.cross_encoder import load_cross_encoder as load_cross_encoder
    from rowspace.sentence.development import DevelopmentSet as DevelopmentSet
    from rowspace.sentence.distill import distill_embedder as distill_embedder
    from rowspace.sentence.distill_config import StaticDistillConfig as StaticDistillConfig
    from rowspace.sentence.encoder import SentenceEncoder as SentenceEncoder
    from rowspace.sentence.finetune import SentenceTrainer as SentenceTrainer
    from rowspace.sentence.finetune_config import FinetuneConfig as FinetuneConfig
    from rowspace.sentence.folder import SentenceConfig as SentenceConfig
    from rowspace.sentence.llm2vec_config import LLM2VecConfig as LLM2VecConfig
    from rowspace.sentence.loading import load_encoder as load_encoder
    from rowspace.sentence.loading import quantize_model as quantize_model
    from rowspace.sentence.model import SentenceModel as SentenceModel
    from rowspace.sentence.pairs import read_pairs as read_pairs
    from rowspace.sentence.static_model import StaticModel as StaticModel


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rowspace.sentence' has no attribute {name!r}")
    try:
        module = importlib.import_module(f"rowspace.sentence.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing_torch(f"rowspace.sentence.{name}") from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
