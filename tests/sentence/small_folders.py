"""Folders of sentence-transformers with small random transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rowspace.sentence.folder import SentenceConfig, write_config
from rowspace.sentence.prompts import Prompts
from tests.transformer.small_encoders import write_encoder

PROMPTS = Prompts({"query": "a river: ", "document": "the bank: "})


def write_sentence_encoder(folder: Path, kind: str = "bert", **settings: Any) -> Path:
    """Write a transformer of some kind, and the modules around it."""
    write_encoder(folder, kind)
    config = SentenceConfig(**{"normalize": True, "prompts": PROMPTS, **settings})
    write_config(config, folder, dim=48)
    return folder
