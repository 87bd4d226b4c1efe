"""The folder of a cross-encoder, as `transformers` and sentence-transformers write it: how it reads
pairs, and what becomes of its scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rowspace.errors import FormatError
from rowspace.sentence.files import read_object, typed
from rowspace.sentence.folder import (
    LENGTH,
    MODULES,
    SETTINGS,
    TOKENIZER_CONFIG,
    listed_modules,
    tokenizer_length,
)
from rowspace.sentence.loading import longest_of
from rowspace.transformer.model_folder import CONFIG, check_folder, read_json

KINDS = (
    "albert",
    "bert",
    "camembert",
    "deberta-v2",
    "distilbert",
    "electra",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
)
"""model_types that are read: encoders, whose head reads the first token."""
_TYPED = ("albert", "bert", "deberta-v2", "electra")
"""Those whose tokenizers tell types."""
ACTIVATIONS = ("sigmoid", "identity")
_HEAD = "ForSequenceClassification"
_N_LABELS = 2
"""Where config.json does not say, as in `transformers`."""


@dataclass(frozen=True)
class CrossEncoderConfig:
    """How a cross-encoder reads pairs and gives scores."""

    max_length: int | None = None
    """Tokens of a pair, special ones included; None for any number."""
    lowercase: bool = False
    """Whether texts are lower-cased first."""
    has_types: bool = True
    """Whether the model has vectors for types of tokens, which tell both texts apart."""
    activation: str = "sigmoid"
    """What the head's number goes through: sigmoid, or identity."""


def read_cross_encoder(
    folder: Path, max_length: int | None = None, activation: str | None = None
) -> tuple[Path, CrossEncoderConfig]:
    """Where a cross-encoder's transformer is, and how it is set.

    Parameters
    ----------
    folder : Path
    max_length : int, optional
        As `longest_of`.
    activation : str, optional
        The folder's own if not given.

    Raises
    ------
    FormatError
        If it is no cross-encoder, has more than one label, or is set as is not read.
    """
    home = _home(folder)
    check_folder(home)
    content = read_json(home / CONFIG)
    _check_kind(home / CONFIG, content)
    settings = read_object(folder / SETTINGS) if (folder / SETTINGS).exists() else {}
    _check_prompt(folder / SETTINGS, settings)
    length_file = home / LENGTH
    length = read_object(length_file) if length_file.exists() else {}
    own = typed(length, "max_seq_length", int, length_file) or tokenizer_length(home)
    return home, CrossEncoderConfig(
        max_length=longest_of(home, own, max_length),
        lowercase=bool(typed(length, "do_lower_case", bool, length_file)),
        has_types=_has_types(home, content),
        activation=activation or _activation(folder, settings, home / CONFIG, content),
    )


def _home(folder: Path) -> Path:
    if not (folder / MODULES).exists():
        return folder
    modules = listed_modules(folder)
    kinds = [module.kind for module in modules]
    if kinds != ["Transformer"]:
        raise FormatError(
            f"{folder / MODULES}: the modules are {', '.join(kinds) or 'none'}, and a "
            "cross-encoder is one Transformer with a head; give the folder of a cross-encoder"
        )
    return modules[0].path


def _check_kind(path: Path, content: dict[str, Any]) -> None:
    kind = content.get("model_type")
    classes = content.get("architectures") or ["none"]
    if "rowspace" in content or not str(classes[0]).endswith(_HEAD):
        raise FormatError(
            f"{path}: the architecture is {classes[0]}, which gives pairs no score; give the "
            f"folder of a cross-encoder, whose architecture ends with {_HEAD}"
        )
    if kind not in KINDS:
        raise FormatError(
            f"{path}: the model_type {kind!r} is not read as a cross-encoder; read are "
            f"{', '.join(KINDS)}"
        )
    n_labels = len(content.get("id2label") or ()) or content.get("num_labels") or _N_LABELS
    if n_labels != 1:
        raise FormatError(
            f"{path}: the model has {n_labels} labels, and a reranker has one, the relevance; "
            "give a cross-encoder trained for ranking"
        )


def _has_types(home: Path, content: dict[str, Any]) -> bool:
    """Whether the tokenizer tells the model which text a token is of, and the model listens."""
    if content["model_type"] not in _TYPED or content.get("type_vocab_size", 2) < 2:
        return False
    path = home / TOKENIZER_CONFIG
    names = read_object(path).get("model_input_names") if path.exists() else None
    return names is None or "token_type_ids" in names


def _check_prompt(path: Path, settings: dict[str, Any]) -> None:
    name = typed(settings, "default_prompt_name", str, path)
    prompts = typed(settings, "prompts", dict, path) or {}
    if name is not None and prompts.get(name):
        raise FormatError(
            f"{path}: texts are read after the prompt {prompts[name]!r}, which is not supported "
            "for pairs; give a cross-encoder without a prompt"
        )


def _activation(folder: Path, settings: dict[str, Any], path: Path, content: dict[str, Any]) -> str:
    """The activation that the folder names, in any of the places where it has been over time."""
    inner = content.get("sentence_transformers")
    places: list[tuple[Path, Any]] = [
        (folder / SETTINGS, settings.get("activation_fn")),
        (path, inner.get("activation_fn") if isinstance(inner, dict) else None),
        (path, content.get("sbert_ce_default_activation_function")),
    ]
    for file, name in places:
        if name is None:
            continue
        activation = str(name).rsplit(".", 1)[-1].lower()
        if not str(name).startswith("torch.") or activation not in ACTIVATIONS:
            raise FormatError(
                f"{file}: the activation {name!r} is not read; read are torch's "
                f"{' and '.join(ACTIVATIONS)}, and load_cross_encoder's `activation` goes before it"
            )
        return activation
    return "sigmoid"
