"""A model's folder as it is found: on the disk or the hub, its tokenizer, its digest.

Nothing here needs torch. What is taken from the hub are safetensors, JSON and tokenizers; code that
a model brings is never fetched, nor run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError, FormatError
from rowspace.extras import need
from rowspace.files import sha256
from rowspace.transformer.tokenizer import SubwordTokenizer

CONFIG = "config.json"
RECORD = "training.json"
"""What training leaves beside a model of ours."""
HUB_SECONDS = 5
"""That the hub has to answer in."""
MOST_REASON = 160
_WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model")
_OWNER = "sentence-transformers"
"""Whose models are called by their names alone, as "all-MiniLM-L6-v2"."""


def folder_of(model: Path | str) -> Path:
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


def check_folder(folder: Path) -> None:
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


def check_is_hugging_face(folder: Path) -> None:
    """Raise ConfigError for a folder in our own form, which other libraries do not read."""
    if "rowspace" in read_json(folder / CONFIG):
        raise ConfigError(
            f"{folder} is in Rowspace's own form; write it with "
            "rowspace.sentence.SentenceModel.load(folder).save(another), which others read too"
        )


def load_model_tokenizer(folder: Path) -> SubwordTokenizer:
    """The tokenizer of a model's folder; one that we trained reads texts between end tokens."""
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


def check_vocabulary(folder: Path, tokenizer: SubwordTokenizer, n_rows: int) -> None:
    """Raise FormatError for a tokenizer of another model, whose ids have no rows here."""
    if tokenizer.vocab_size > n_rows:
        raise FormatError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size:,} tokens and the model's table "
            f"{n_rows:,} rows; give the tokenizer that belongs to it"
        )


def digest_of(folder: Path, dtype: str) -> str:
    """What tells these weights from others'."""
    paths: list[Any] = sorted(folder.glob("*.safetensors"))
    parts = [sha256(folder / CONFIG), *map(sha256, paths), dtype]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _from_hub(name: str) -> Path:
    """The folder of a model of the hub: the cached one, else a download."""
    hub = need("huggingface_hub")
    names = [name] if "/" in name else [name, f"{_OWNER}/{name}"]
    for one in names:
        with contextlib.suppress(Exception):  # not in the cache, or no name that can be
            cached = hub.snapshot_download(one, allow_patterns=_WANTED, local_files_only=True)
            if _is_whole(Path(cached)):
                return Path(cached)
    if hub.constants.HF_HUB_OFFLINE:
        raise FormatError(
            f"there is no folder {name!r}, nor a model of that name in the hub's cache, and "
            "HF_HUB_OFFLINE is set; check the name, or give a local folder"
        )
    try:
        return Path(hub.snapshot_download(_known_of(hub, names), allow_patterns=_WANTED))
    except Exception as error:  # of many kinds, by what the network does
        raise FormatError(
            f"there is no folder {name!r}, and the hub gives no model of that name "
            f"({_reason(error)}); check the name, or give a local folder"
        ) from error


def _known_of(hub: Any, names: list[str]) -> str:
    """The first of these names that the hub knows; a download of none would wait for long."""
    from huggingface_hub.errors import RepositoryNotFoundError

    *others, last = names
    for name in others:
        with contextlib.suppress(RepositoryNotFoundError):
            hub.HfApi().model_info(name, timeout=HUB_SECONDS)
            return name
    hub.HfApi().model_info(last, timeout=HUB_SECONDS)
    return last


def _is_whole(folder: Path) -> bool:
    """Whether the cache has the model too, where other programs may have left a part of it."""
    return (folder / CONFIG).exists() and any(folder.glob("*.safetensors"))


def _reason(error: Exception) -> str:
    """The beginning of a library's message, which may have many lines."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MOST_REASON else text[: MOST_REASON - 1] + "…"


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises
    ------
    FormatError
        If there is no such file, or no object in it.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise FormatError(f"{path} is missing; give the folder of a transformer") from error
    except NotADirectoryError as error:
        raise FormatError(f"{path.parent} is a file; give the folder of a transformer") from error
    except ValueError as error:
        raise FormatError(f"{path} is not JSON ({error}); copy or download it again") from error
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds no JSON object; give the folder of a transformer")
    return content
