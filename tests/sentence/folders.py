"""Small random sentence-transformers folders, written by sentence-transformers itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from tests.transformer.small_encoders import TEXTS, write_encoder

DIM = 48
PADDING = {"llama": "<unk>", "gpt2": "<pad>", "roberta": "<pad>"}
QUERIES = ["muddy", "who robbed the bank?"]
MIXED = [*TEXTS, "", "   ", "the " * 400, *QUERIES, TEXTS[1].upper()]
"""Of several lengths, one too long, one empty."""


def write_transformer(folder: Path, kind: str, **settings: Any) -> Path:
    """A transformer with the tokenizer files that `transformers` reads."""
    write_encoder(folder, kind, **settings)
    ends = {} if kind in PADDING else {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token=PADDING.get(kind, "[PAD]"), **ends
    ).save_pretrained(folder)
    return folder


def write_sentence_folder(
    folder: Path,
    kind: str = "bert",
    poolings: Sequence[str] = ("mean",),
    *,
    include_prompt: bool = True,
    dense: Any = None,
    normalize: bool = False,
    lowercase: bool = False,
    max_length: int = 64,
    **settings: Any,
) -> Path:
    """Write the newer layout; `dense` is an activation of torch, `settings` those of the model."""
    bare = write_transformer(folder.with_name(folder.name + "-bare"), kind)
    first = Transformer(str(bare), max_seq_length=max_length, do_lower_case=lowercase)
    modules: list[Any] = [first, Pooling(DIM, tuple(poolings), include_prompt=include_prompt)]
    torch.manual_seed(3)
    if dense is not None:
        modules.append(Dense(DIM * len(poolings), 20, activation_function=dense))
    if normalize:
        modules.append(Normalize())
    SentenceTransformer(modules=modules, device="cpu", **settings).save(str(folder))
    return folder


def theirs(folder: Path, texts: Sequence[str], **settings: Any) -> NDArray[np.float32]:
    """What sentence-transformers makes of texts."""
    model = SentenceTransformer(str(folder), device="cpu")
    found: NDArray[np.float32] = model.encode(list(texts), **settings)
    return found
