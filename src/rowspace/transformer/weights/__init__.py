"""Transformers on disk: our own folders, and Hugging Face's of several architectures."""

from rowspace.transformer.weights.folder import load_model as load_model
from rowspace.transformer.weights.folder import save_model as save_model
from rowspace.transformer.weights.folder import write_model as write_model
from rowspace.transformer.weights.pretrained import config_from as config_from
from rowspace.transformer.weights.pretrained import load_pretrained as load_pretrained
from rowspace.transformer.weights.pretrained import load_transformer as load_transformer
