"""A tokenizer as the folder of a Hugging Face model has it: AutoTokenizer gives the same ids."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError
from rowspace.files import write_json
from rowspace.transformer.tokenizer import SubwordTokenizer

_SETTINGS = "tokenizer_config.json"
_NAMES = "special_tokens_map.json"
FILES = (
    "tokenizer.json", _SETTINGS, _NAMES, "added_tokens.json", "vocab.txt", "vocab.json",
    "merges.txt", "tokenizer.model", "sentencepiece.bpe.model", "spiece.model",
    "chat_template.jinja",
)  # fmt: skip


def write_tokenizer(
    tokenizer: SubwordTokenizer, folder: Path, *, max_length: int | None = None
) -> None:
    """Write tokenizer.json, tokenizer_config.json and special_tokens_map.json.

    A tokenizer without a token for padding fills texts up with the one that ends them, as is usual
    for language models; the mask says which are padding.

    Parameters
    ----------
    tokenizer : SubwordTokenizer
        As texts are read: one of `rowspace train lm|mlm` is given `between_ends` first.
    folder : path
        That is there.
    max_length : int, optional
        Tokens that the model reads.

    Raises
    ------
    ConfigError
        If it has neither a token for padding nor one that ends texts.
    """
    padding_id = tokenizer.padding_id if tokenizer.padding_id is not None else tokenizer.end_id
    if padding_id is None:
        raise ConfigError(
            "the tokenizer has no special token that could fill up short texts, so texts cannot be "
            "read together; give one with [PAD], </s> or <|endoftext|>"
        )
    ids = {
        "pad_token": padding_id,
        "eos_token": tokenizer.end_id,
        "unk_token": tokenizer.unknown_id,
        "mask_token": tokenizer.mask_id,
        "cls_token": tokenizer.cls_id,
        "sep_token": tokenizer.sep_id,
    }
    names = {
        name: tokenizer.tokens[token_id] for name, token_id in ids.items() if token_id is not None
    }
    settings: dict[str, Any] = {
        **names,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": "right",
    }
    if max_length is not None:
        settings["model_max_length"] = max_length
    tokenizer.save(folder)
    write_json(folder / _SETTINGS, settings)
    write_json(folder / _NAMES, names)


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy the tokenizer's files of a published model, as they are."""
    for name in FILES:
        if (source / name).exists():
            shutil.copy(source / name, folder / name)
