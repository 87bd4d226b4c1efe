"""A transformer as a Hugging Face folder, which `transformers`, and what builds on it, can load.

The inverse of reading: each of our tensors is cut into the parts it is made of there, and turned
back where it was turned. What was read goes back to its own architecture; a model of our own takes
the form of a LLaMA, Mistral, Qwen2 or GPT-2 that computes the same (see `forms`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from rowspace.files import write_json
from rowspace.transformer.model import Encoder, LanguageModel, Transformer
from rowspace.transformer.model_folder import CONFIG
from rowspace.transformer.weights.architecture import Architecture, Foreign
from rowspace.transformer.weights.checkpoint import TENSORS
from rowspace.transformer.weights.forms import form_of, to_halves
from rowspace.transformer.weights.pretrained import ARCHITECTURES

_INNER = "transformer."
_TABLE = "transformer.embeddings.token.weight"
_HEAD = "head.weight"
_QKV = ".attention.qkv."
_CLASSES = {
    "llama": ("LlamaModel", "LlamaForCausalLM"),
    "mistral": ("MistralModel", "MistralForCausalLM"),
    "qwen2": ("Qwen2Model", "Qwen2ForCausalLM"),
    "phi3": ("Phi3Model", "Phi3ForCausalLM"),
    "gpt2": ("GPT2Model", "GPT2LMHeadModel"),
    "bert": ("BertModel", "BertForMaskedLM"),
}


def write_transformer(
    model: LanguageModel | Encoder | Transformer,
    folder: Path,
    *,
    foreign: Foreign | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write config.json and model.safetensors into a folder that is there.

    `transformers` (5 or newer, for a model that was made bidirectional) and `load_transformer` give
    the same states of it, up to rounding. Rows that no token has are left out, and so is which rows
    are frozen. BERT's pooler, which is not read, is not written.

    Parameters
    ----------
    model : LanguageModel, Encoder or Transformer
        A Transformer is written without a head; so is an Encoder of our own, whose head has no
        form there.
    folder : path
        As one that is being written; see `rowspace.files.write_folder_atomically`.
    foreign : dict, optional
        The config.json that the model was read from; without, one is made.
    dtype : torch.dtype
        Of the tensors in the file.

    Raises
    ------
    ConfigError
        If there is no architecture that computes the same; the message says why.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_transformer(LanguageModel(vocab_size=9, dim=16, n_heads=2), folder)
    >>> sorted(path.name for path in folder.iterdir())
    ['config.json', 'model.safetensors']
    """
    transformer = model if isinstance(model, Transformer) else model.transformer
    content = form_of(transformer, foreign)
    architecture = ARCHITECTURES[content["model_type"]]
    has_head = isinstance(model, architecture.kind)
    content["architectures"] = [_CLASSES[content["model_type"]][has_head]]
    content["dtype"] = str(dtype).removeprefix("torch.")
    content.pop("torch_dtype", None)  # its older name
    tensors = dict(_parts(model if has_head else transformer, architecture))
    write_json(folder / CONFIG, content)
    save_file(
        {name: tensor.to("cpu", dtype).contiguous().clone() for name, tensor in tensors.items()},
        folder / TENSORS,
        metadata={"format": "pt"},
    )


def _parts(
    model: LanguageModel | Encoder | Transformer, architecture: Architecture
) -> Iterator[tuple[str, Tensor]]:
    """The tensors as they are called and lie there; without a head, names have no prefix."""
    is_bare = isinstance(model, Transformer)
    ours = {
        (_INNER if is_bare else "") + name: parameter.detach()
        for name, parameter in model.named_parameters()
    }
    transformer = model if isinstance(model, Transformer) else model.transformer
    for name, parts in architecture.sources(transformer.config).items():
        if name not in ours:  # of the head
            continue
        tensor, prefix, start = ours[name], "", 0
        if name in (_TABLE, _HEAD):
            tensor = tensor[: transformer.embeddings.token.vocab_size]
        if _QKV in name:
            tensor = to_halves(tensor, transformer)
        if name.startswith(_INNER) and not is_bare:
            prefix = architecture.prefix
        for part in parts:
            n_rows = tensor.shape[0] if part.rows is None else part.rows
            rows = tensor[start : start + n_rows]
            start += n_rows
            yield prefix + part.name, rows.T if part.is_transposed else rows
