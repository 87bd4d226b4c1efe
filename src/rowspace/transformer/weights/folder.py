"""Rowspace's own folder of a transformer: `config.json` and `model.safetensors`.

The tensors are named as the model names them; a tied head is stored once, as the embedding. The
JSON says in "rowspace" of which format it is, and in "kind" which model: "lm" or "mlm".
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_folder_atomically, write_json
from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.embeddings import TokenEmbedding
from rowspace.transformer.model import Encoder, LanguageModel
from rowspace.transformer.model_folder import CONFIG, read_json
from rowspace.transformer.weights.build import read_model
from rowspace.transformer.weights.checkpoint import (
    TENSORS,
    Checkpoint,
    open_checkpoint,
)
from rowspace.transformer.weights.pretrained import load_pretrained
from rowspace.transformer.weights.settings import blamed_on, check_kinds
from rowspace.transformer.weights.sources import Part, refuse_unknown

FORMAT = 1
_FROZEN = ".frozen_ids"
KINDS: dict[str, type[LanguageModel] | type[Encoder]] = {"lm": LanguageModel, "mlm": Encoder}


def save_model(model: LanguageModel | Encoder, folder: Path | str) -> None:
    """Write a model's folder, in one step: it is there whole, or as it was.

    Other files that are in it, such as a tokenizer, stay.

    Parameters
    ----------
    model : LanguageModel or Encoder
    folder : path

    Raises
    ------
    ConfigError
        If `folder` is a file, or the config has a scaling that is no dict.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{str(folder)!r} is a file; give a folder")
    with write_folder_atomically(folder) as temporary:
        if folder.exists():
            ours = shutil.ignore_patterns(CONFIG, "model*.safetensors*")
            shutil.copytree(folder, temporary, dirs_exist_ok=True, ignore=ours)
        write_model(model, temporary)


def write_model(model: LanguageModel | Encoder, folder: Path) -> None:
    """Write a model's two files into a folder that is there, as one that is being written."""
    _check_scaling(model.config)
    _check_sides(model)
    kind = next(name for name, type_ in KINDS.items() if isinstance(model, type_))
    content = {"rowspace": FORMAT, "kind": kind, "config": model.config.as_dict()}
    write_json(folder / CONFIG, content)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if model.config.is_tied:
        del tensors["head.weight"]
    save_file(tensors, folder / TENSORS, metadata={"format": "pt"})


def _check_sides(model: LanguageModel | Encoder) -> None:
    if isinstance(model, LanguageModel) and not model.transformer.causal:
        raise ConfigError(
            "this language model was made bidirectional, which this kind of folder does not say; "
            "write it with write_transformer"
        )


def _check_scaling(config: TransformerConfig) -> None:
    scaling = config.position_settings.get("scaling")
    if not isinstance(scaling, dict | None):
        raise ConfigError(
            f"the position's scaling is {scaling}, which has no form on disk; give it as a "
            'config.json does, such as {"rope_type": "linear", "factor": 4}'
        )


def load_model(
    folder: Path | str, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> LanguageModel | Encoder:
    """Read a model that `save_model` wrote, or one of Hugging Face.

    Parameters
    ----------
    folder : path
    dtype, device
        Of the model's tensors, whatever the file's are.

    Returns
    -------
    LanguageModel or Encoder
        In evaluation mode.

    Raises
    ------
    FormatError
        If it is damaged, of a newer Rowspace, of an architecture that is not read, or its tensors
        are not those that its config describes.

    Examples
    --------
    >>> save_model(LanguageModel(vocab_size=65, dim=32, n_layers=2), "small.lm")
    >>> load_model("small.lm").config.vocab_size
    65
    """
    folder = Path(folder)
    content = read_json(folder / CONFIG)
    if "rowspace" not in content:
        return load_pretrained(folder, dtype=dtype, device=device)
    kind, config = _described(folder, content)
    with open_checkpoint(folder) as checkpoint:
        with blamed_on(folder / CONFIG), torch.device("meta"):
            names = [name for name, _ in kind(config).named_parameters()]
        sources = {name: [Part(name)] for name in names}
        refuse_unknown(checkpoint, sources, lambda name: name.endswith(_FROZEN))
        model = read_model(lambda: kind(config), checkpoint, sources, dtype=dtype, device=device)
        _freeze(model, checkpoint)
    return model


def _freeze(model: LanguageModel | Encoder, checkpoint: Checkpoint) -> None:
    """Keep the rows where they are that were kept when the model was saved."""
    for name in checkpoint.names:
        if name.endswith(_FROZEN):
            table = model.get_submodule(name.removesuffix(_FROZEN))
            assert isinstance(table, TokenEmbedding)
            table.freeze(checkpoint.read(name))


def _described(
    folder: Path, content: dict[str, Any]
) -> tuple[type[LanguageModel] | type[Encoder], TransformerConfig]:
    """What a `config.json` of ours says."""
    if not isinstance(content["rowspace"], int) or content["rowspace"] > FORMAT:
        raise FormatError(
            f"{folder / CONFIG}: written in format {content['rowspace']}, and this Rowspace reads "
            f"up to {FORMAT}; update Rowspace"
        )
    if content.get("kind") not in KINDS or not isinstance(content.get("config"), dict):
        raise FormatError(
            f"{folder / CONFIG}: its kind is {content.get('kind')!r}, and a model is of kind "
            f"{' or '.join(KINDS)} with a config; give a folder that save_model wrote"
        )
    settings = content["config"]
    with blamed_on(folder / CONFIG):
        check_kinds(settings)
        return KINDS[content["kind"]], TransformerConfig.from_dict(settings)
