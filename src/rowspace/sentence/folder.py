"""Sentence-transformers folders: which modules a model has, and how they are set.

Two layouts are read: the older one, and that of sentence-transformers from 5.4 on, whose classes
and keys have other names. The older one is written, since every server reads it. A folder without
`modules.json` is a bare transformer: its last states are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_json
from rowspace.sentence.dense import Dense
from rowspace.sentence.files import read_json, read_object, typed
from rowspace.sentence.pooling import POOLINGS
from rowspace.sentence.prompts import OURS, Prompts
from rowspace.transformer.model_folder import CONFIG
from rowspace.version import __version__

MODULES, SETTINGS = "modules.json", "config_sentence_transformers.json"
LENGTH = "sentence_bert_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
RANGES = "int8_ranges.json"
_OLDER_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
MODEL2VEC = "model2vec"
"""The model_type of its folders, which may have no `modules.json`."""
_READ = ("Transformer", "StaticEmbedding", "Pooling", "Dense", "Normalize")


@dataclass(frozen=True, kw_only=True)
class SentenceConfig:
    """What makes a text's vector of the states of its tokens, besides the transformer."""

    poolings: tuple[str, ...] = ("mean",)
    """Of `POOLINGS`; several are put side by side."""
    include_prompt: bool = True
    """Whether the prompt's tokens are pooled too."""
    dense: tuple[Dense, ...] = ()
    """Layers after the pooling."""
    normalize: bool = False
    """Whether vectors get unit length in the end."""
    max_length: int | None = None
    """Tokens read at once, special ones included; the transformer's own if not given."""
    lowercase: bool = False
    """Whether texts are lower-cased before they are cut into tokens."""
    prompts: Prompts = field(default_factory=Prompts)
    truncate_dim: int | None = None
    """Numbers of a vector that are kept, the first ones (Matryoshka)."""
    similarity: str = "cosine"
    """cosine, dot, euclidean or manhattan."""
    ranges: NDArray[np.float32] | None = None
    """(2, dim): the least and greatest value of each number, for int8."""


@dataclass(frozen=True)
class Module:
    """A line of `modules.json`."""

    kind: str
    path: Path


def read_modules(folder: Path) -> list[Module]:
    """The modules of a folder, in order; without `modules.json`, model2vec's, or a Transformer.

    Raises
    ------
    FormatError
        If a module is missing, or of a kind that is not read.
    """
    if not (folder / MODULES).exists():
        return _bare_modules(folder)
    modules = listed_modules(folder)
    kinds = [module.kind for module in modules]
    for module in modules:
        if module.kind not in _READ:
            raise FormatError(
                f"{folder / MODULES}: the module {module.kind} is not read; read are "
                f"{', '.join(_READ)}"
            )
        if module.kind != "Normalize" and not module.path.is_dir():  # which has no files
            raise FormatError(
                f"{module.path} is missing, which {MODULES} names; copy or download the folder "
                "again"
            )
    if not kinds or kinds[0] not in _READ[:2] or any(kind in _READ[:2] for kind in kinds[1:]):
        raise FormatError(
            f"{folder / MODULES}: the modules are {', '.join(kinds) or 'none'}; there has to be "
            "one that reads text, and first"
        )
    if kinds[0] == "Transformer" and kinds[1:2] != ["Pooling"]:
        raise FormatError(
            f"{folder / MODULES}: no Pooling follows the Transformer, so there is no vector of a "
            "text; copy or download the folder again"
        )
    return modules


def listed_modules(folder: Path) -> list[Module]:
    """What `modules.json` lists, in order, of whatever kind."""
    listing = read_json(folder / MODULES)
    try:
        return [
            Module(str(line["type"]).rsplit(".", 1)[-1], folder / line["path"])
            for line in sorted(listing, key=lambda line: line.get("idx", 0))
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise FormatError(
            f"{folder / MODULES} does not list modules with their type and path; copy or download "
            "the folder again"
        ) from error


def _bare_modules(folder: Path) -> list[Module]:
    config = folder / "config.json"
    content = read_object(config) if config.exists() else {}
    if content.get("model_type") != MODEL2VEC:
        return [Module("Transformer", folder)]
    static = [Module("StaticEmbedding", folder)]
    return [*static, Module("Normalize", folder)] if content.get("normalize") else static


def read_config(folder: Path, modules: list[Module], name: str = "") -> SentenceConfig:
    """What the files of a folder say.

    Parameters
    ----------
    folder : Path
    modules : list of Module
    name : str
        What the model is called, for prompts that its folder does not say.

    Raises
    ------
    FormatError
        If a file is missing or damaged.
    """
    settings_file, length_file = folder / SETTINGS, modules[0].path / LENGTH
    settings = read_object(settings_file) if settings_file.exists() else {}
    length = read_object(length_file) if length_file.exists() else {}
    poolings: tuple[str, ...] = ("mean",)
    include_prompt = True
    if len(modules) > 1 and modules[1].kind == "Pooling":
        poolings, include_prompt = _read_pooling(modules[1].path)
    return SentenceConfig(
        poolings=poolings,
        include_prompt=include_prompt,
        dense=tuple(Dense.read(module.path) for module in modules if module.kind == "Dense"),
        normalize=_ends_normal(folder, modules),
        max_length=typed(length, "max_seq_length", int, length_file)
        or tokenizer_length(modules[0].path),
        lowercase=bool(typed(length, "do_lower_case", bool, length_file)),
        prompts=_read_prompts(settings, settings_file, name),
        truncate_dim=typed(settings, "truncate_dim", int, settings_file),
        similarity=typed(settings, "similarity_fn_name", str, settings_file) or "cosine",
        ranges=_read_ranges(folder),
    )


def _ends_normal(folder: Path, modules: list[Module]) -> bool:
    kinds = [module.kind for module in modules]
    if "Normalize" in kinds[:-1]:
        raise FormatError(
            f"{folder / MODULES}: {kinds[kinds.index('Normalize') + 1]} follows Normalize, which "
            "is read at the end only"
        )
    return kinds[-1] == "Normalize"


def _read_pooling(path: Path) -> tuple[tuple[str, ...], bool]:
    config = read_object(path / "config.json")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _OLDER_POOLINGS.items() if config.get(key)] or ["mean"]
    poolings = (modes,) if isinstance(modes, str) else tuple(modes)
    if unknown := [mode for mode in poolings if mode not in POOLINGS]:
        raise FormatError(
            f"{path / 'config.json'}: the pooling {unknown[0]!r} is not read; read are "
            f"{', '.join(POOLINGS)}"
        )
    return poolings, bool(config.get("include_prompt", True))


def _read_prompts(settings: dict[str, Any], path: Path, name: str) -> Prompts:
    texts = typed(settings, "prompts", dict, path) or {}
    for key in texts:
        typed(texts, key, str, path)
    default = typed(settings, "default_prompt_name", str, path)
    if default is not None and default not in texts:
        raise FormatError(
            f"{path}: the default prompt is {default!r}, and the prompts are "
            f"{', '.join(map(repr, texts)) or 'none'}; name one of them"
        )
    return Prompts.of(settings, name)


def tokenizer_length(path: Path) -> int | None:
    """The tokenizer's length, which the newer layout says, and bare transformers."""
    tokenizer = path / TOKENIZER_CONFIG
    if not tokenizer.exists():
        return None
    length = read_object(tokenizer).get("model_max_length")
    return int(length) if isinstance(length, int | float) and 0 < length < 1 << 30 else None


def _read_ranges(folder: Path) -> NDArray[np.float32] | None:
    if not (folder / RANGES).exists():
        return None
    content = read_object(folder / RANGES)
    try:
        ranges = np.array([content["low"], content["high"]], dtype=np.float32)
    except (KeyError, ValueError, TypeError) as error:
        raise FormatError(
            f"{folder / RANGES} holds no ranges 'low' and 'high'; remove it, and set them anew"
        ) from error
    return ranges


def check_is_free(folder: Path) -> None:
    """Raise ConfigError unless a model may be written there: nothing, or an older model."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file; give a folder")
    is_model = (folder / MODULES).exists() or (folder / CONFIG).exists()
    if any(folder.iterdir()) and not is_model:
        raise ConfigError(
            f"{folder} holds other files, which would be lost; give a folder that is new or empty, "
            "or one of a model"
        )


def write_config(config: SentenceConfig, folder: Path, *, dim: int) -> None:
    """Write all but the transformer's own files into a folder that is being written.

    Parameters
    ----------
    config : SentenceConfig
    folder : Path
        With the transformer's files in it.
    dim : int
        Length of a token's state.
    """
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules += [(f"{len(modules) + i}_Dense", "Dense") for i in range(len(config.dense))]
    if config.normalize:
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
    (folder / "1_Pooling").mkdir()
    pooling: dict[str, Any] = {"word_embedding_dimension": dim}
    pooling |= {key: mode in config.poolings for key, mode in _OLDER_POOLINGS.items()}
    if list(config.poolings) != [mode for mode in POOLINGS if mode in config.poolings]:
        pooling["pooling_mode"] = list(config.poolings)  # the older keys have one order
    pooling["include_prompt"] = config.include_prompt
    write_json(folder / "1_Pooling" / "config.json", pooling)
    for layer, (path, _) in zip(config.dense, modules[2:], strict=False):
        layer.write(folder / path)
    if config.normalize:
        (folder / modules[-1][0]).mkdir()
    length = {"max_seq_length": config.max_length, "do_lower_case": config.lowercase}
    write_json(folder / LENGTH, length)
    write_modules(modules, folder)
    write_settings(config, folder)


def write_modules(modules: list[tuple[str, str]], folder: Path) -> None:
    """Write `modules.json`: each module's path and kind."""
    listing = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    write_json(folder / MODULES, listing)


def write_settings(config: SentenceConfig, folder: Path) -> None:
    """Write prompts, similarity and ranges."""
    settings: dict[str, Any] = {
        "__version__": {"sentence_transformers": "2.7.0", OURS: __version__},
        **config.prompts.as_dict(),
        "similarity_fn_name": config.similarity,
    }
    if config.truncate_dim is not None:
        settings["truncate_dim"] = config.truncate_dim
    write_json(folder / SETTINGS, settings)
    if config.ranges is not None:
        low, high = config.ranges.tolist()
        write_json(folder / RANGES, {"low": low, "high": high})
