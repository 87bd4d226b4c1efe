"""Transformers on disk: our own folders, and Hugging Face's of several architectures."""

from rowspace.extras import missing_torch

try:
    import torch as torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise missing_torch("rowspace.transformer.weights") from error

from rowspace.transformer.weights.export import write_transformer
from rowspace.transformer.weights.folder import load_model, save_model, write_model
from rowspace.transformer.weights.pretrained import config_from, load_pretrained, load_transformer

__all__ = [
    "config_from",
    "load_model",
    "load_pretrained",
    "load_transformer",
    "save_model",
    "write_model",
    "write_transformer",
]
