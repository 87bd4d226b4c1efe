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
from rowspace.transformer.pretrained import RECORD
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.weights.checkpoint import CONFIG, open_checkpoint, read_json
from rowspace.transformer.weights.folder import load_model
from rowspace.transformer.weights.pretrained import is_read, load_transformer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
HUB_SECONDS = 5
"""That the hub has to answer in."""
MOST_REASON = 160
_WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model")


def load_encoder(
    model: Path | str,
    *,
    max_length: int | None = None,
    dtype: str = "float32",
    device: str | None = None,
) -> ContextualEncoder:
    """Read a transformer that gives words their vectors in a sentence.

    A text is read between the special tokens that the tokenizer puts around it, as [CLS] and [SEP].
    What `rowspace train lm|mlm` made gets a text between two end-of-text tokens ([SEP] or
    <|endoftext|>), as in its training, where documents follow each other with one after each and
    [CLS] never occurs.

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
    _check_folder(folder)
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


def _check_folder(folder: Path) -> None:
    """Raise for what is no model whose weights can be read."""
    adapter = folder / "adapter_config.json"
    if adapter.exists() and not (folder / CONFIG).exists():
        raise FormatError(
            f"{folder} holds an adapter ({adapter.name}) and not the model it changes; merge them "
            "with merge_and_unload of the peft library, and give what it makes"
        )
    quantization = read_json(folder / CONFIG).get("quantization_config")
    if quantization:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise FormatError(
            f"{folder} is quantized ({method or 'quantization_config'}), and only floats are read; "
            "give the checkpoint before it was quantized"
        )
    with open_checkpoint(folder):
        pass  # says what is amiss with the files


def _from_hub(name: str) -> Path:
    """The folder of a model of the hub: the cached one, else a download."""
    hub = need("huggingface_hub")
    with contextlib.suppress(Exception):  # not in the cache, or no name that can be
        cached = hub.snapshot_download(name, allow_patterns=_WANTED, local_files_only=True)
        if _is_whole(Path(cached)):
            return Path(cached)
    if hub.constants.HF_HUB_OFFLINE:
        raise FormatError(
            f"there is no folder {name!r}, nor a model of that name in the hub's cache, and "
            "HF_HUB_OFFLINE is set; check the name, or give a local folder"
        )
    try:
        hub.HfApi().model_info(name, timeout=HUB_SECONDS)  # the download would wait for long
        return Path(hub.snapshot_download(name, allow_patterns=_WANTED))
    except Exception as error:  # of many kinds, by what the network does
        raise FormatError(
            f"there is no folder {name!r}, and the hub gives no model of that name "
            f"({_reason(error)}); check the name, or give a local folder"
        ) from error


def _is_whole(folder: Path) -> bool:
    """Whether the cache has the model too, where other programs may have left a part of it."""
    return (folder / CONFIG).exists() and any(folder.glob("*.safetensors"))


def _reason(error: Exception) -> str:
    """The beginning of a library's message, which may have many lines."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MOST_REASON else text[: MOST_REASON - 1] + "…"


def _load_tokenizer(folder: Path) -> SubwordTokenizer:
    is_ours = "rowspace" in read_json(folder / CONFIG)
    if is_ours or (folder / "tokenizer.json").exists():
        tokenizer = SubwordTokenizer.load(folder)
        return tokenizer.between_ends() if (folder / RECORD).exists() and is_ours else tokenizer
    transformers = need("transformers")
    try:
        loaded = transformers.AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        files = [name for name in loaded.vocab_files_names.values() if (folder / name).exists()]
    except Exception as error:  # the library raises what it likes
        raise FormatError(
            f"{folder} has no tokenizer.json, and no other tokenizer that can be read "
            f"({_reason(error)}); copy the tokenizer's files beside the model"
        ) from error
    if not getattr(loaded, "is_fast", False):
        raise FormatError(
            f"{folder}: its {type(loaded).__name__} cannot tell where in a text a token stands; "
            "give a model with a tokenizer.json"
        )
    if not files:  # the library made one up, of special tokens alone
        raise FormatError(
            f"{folder} has no tokenizer.json, nor the files of another tokenizer; copy the "
            "tokenizer's files beside the model"
        )
    return SubwordTokenizer(loaded.backend_tokenizer)


def _load_states(folder: Path, dtype: torch.dtype, device: torch.device) -> HiddenStates:
    content = read_json(folder / CONFIG)
    if "rowspace" in content:
        return OurStates(load_model(folder, dtype=dtype, device=device).transformer)
    if is_read(folder):
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
