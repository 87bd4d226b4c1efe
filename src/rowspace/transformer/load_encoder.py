"""A folder or a hub's name to an encoder: what `rowspace train lm|mlm` made, or published models.

BERT, GPT-2, LLaMA, Mistral, Qwen2 and Phi-3 are read into our own modules, others run in the
`transformers` library. Weights come from safetensors alone, and no code of a model's own is run.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path
from typing import Any

import torch

from rowspace.errors import ConfigError, FormatError
from rowspace.extras import need
from rowspace.files import sha256
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.hidden_states import HiddenStates, OurStates, load_foreign
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.weights.checkpoint import CONFIG, open_checkpoint, read_json
from rowspace.transformer.weights.folder import load_model
from rowspace.transformer.weights.pretrained import ARCHITECTURES, load_transformer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt")


def load_encoder(
    model: Path | str,
    *,
    max_length: int | None = None,
    dtype: str = "float32",
    device: str | None = None,
) -> ContextualEncoder:
    """Read a transformer that gives words their vectors in a sentence.

    Parameters
    ----------
    model : path or str
        A folder with config.json, safetensors and a tokenizer; or the name of a model on the
        Hugging Face hub, as "bert-base-uncased", which is asked only where the name is not in its
        cache.
    max_length : int, optional
        Tokens read at once; the model's own if not given.
    dtype : {"float32", "bfloat16", "float16"}
        What the model computes in; vectors are float32.
    device : str, optional
        A name of torch; `cuda` where there is one, else `cpu`, if not given.

    Raises
    ------
    FormatError
        If there is no such model, its weights are pickles, it needs code of its own, its tokenizer
        cannot tell where tokens stand, or a file is damaged.
    ConfigError
        If a setting cannot be.
    MissingExtraError
        If torch, or the `transformers` library for a model that it is needed for, is missing.

    Examples
    --------
    >>> encoder = rowspace.load_encoder("models/bert")
    >>> encoder.encode(["a text"]).shape
    (1, 768)
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; give one of {', '.join(DTYPES)}")
    folder = _folder_of(model)
    with open_checkpoint(folder):
        pass  # says what is amiss with the weights
    tokenizer = _load_tokenizer(folder)
    states = _load_states(folder, DTYPES[dtype], _device_of(device))
    _check_vocabulary(folder, tokenizer, states)
    return ContextualEncoder(
        states, tokenizer, max_length=max_length, digest=functools.partial(_digest, folder, dtype)
    )


def _folder_of(model: Path | str) -> Path:
    """The model's folder, which may have to come from the hub."""
    folder = Path(model)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise FormatError(f"{folder} is a file; give the folder of a transformer")
    name = str(model)
    if isinstance(model, Path) or name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise FormatError(f"there is no folder {folder}; check the path")
    return _from_hub(name)


def _from_hub(name: str) -> Path:
    """The folder of a model of the hub: the cached one, else a download."""
    hub = need("huggingface_hub")
    with contextlib.suppress(Exception):  # not in the cache, or no name that can be
        return Path(hub.snapshot_download(name, allow_patterns=_WANTED, local_files_only=True))
    try:
        return Path(hub.snapshot_download(name, allow_patterns=_WANTED))
    except Exception as error:  # of many kinds, by what the network does
        reason = " ".join(str(error).split())[:160]
        raise FormatError(
            f"there is no folder {name!r}, and the hub gives no model of that name ({reason}); "
            "check the name, or give a local folder"
        ) from error


def _load_tokenizer(folder: Path) -> SubwordTokenizer:
    if (folder / "tokenizer.json").exists() or "rowspace" in read_json(folder / CONFIG):
        return SubwordTokenizer.load(folder)
    try:
        transformers = need("transformers")
        loaded = transformers.AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # the library raises what it likes
        reason = " ".join(str(error).split())[:160]
        raise FormatError(
            f"{folder} has no tokenizer.json, and no other tokenizer that can be read ({reason}); "
            "copy the tokenizer's files beside the model"
        ) from error
    if not getattr(loaded, "is_fast", False):
        raise FormatError(
            f"{folder}: its {type(loaded).__name__} cannot tell where in a text a token stands; "
            "give a model with a tokenizer.json"
        )
    return SubwordTokenizer(loaded.backend_tokenizer)


def _load_states(folder: Path, dtype: torch.dtype, device: torch.device) -> HiddenStates:
    content = read_json(folder / CONFIG)
    if "rowspace" in content:
        return OurStates(load_model(folder, dtype=dtype, device=device).transformer)
    if content.get("model_type") in ARCHITECTURES:
        # It may have a part that only its own library knows; if it is damaged, that one says so.
        with contextlib.suppress(FormatError):
            return OurStates(load_transformer(folder, dtype=dtype, device=device))
    states = load_foreign(folder, dtype)
    states.model.to(device)
    return states


def _check_vocabulary(folder: Path, tokenizer: SubwordTokenizer, states: HiddenStates) -> None:
    """Raise for a tokenizer of another model, whose ids have no rows here."""
    n_rows = states.n_rows
    if tokenizer.vocab_size > n_rows:
        raise FormatError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size:,} tokens and the model's table "
            f"{n_rows:,} rows; give the tokenizer that belongs to it"
        )


def _device_of(name: str | None) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.ones(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        raise ConfigError(
            f"device is {name!r}, which torch cannot use here ({reason}); give cpu"
        ) from error
    return device


def _digest(folder: Path, dtype: str) -> str:
    """What tells these weights from others'."""
    paths: list[Any] = sorted(folder.glob("*.safetensors"))
    parts = [sha256(folder / CONFIG), *map(sha256, paths), dtype]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
