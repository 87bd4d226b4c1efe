"""A folder or a hub's name to an encoder: what `rowspace train lm|mlm` made, or published models.

BERT, GPT-2, LLaMA, Mistral, Qwen2 and Phi-3 are read into our own modules, others run in the
`transformers` library. Weights come from safetensors alone, and no code of a model's own is run.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch

from rowspace.errors import ConfigError
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.hidden_states import HiddenStates, OurStates, load_foreign
from rowspace.transformer.model_folder import (
    CONFIG,
    check_folder,
    check_vocabulary,
    digest_of,
    folder_of,
    load_model_tokenizer,
    read_json,
)
from rowspace.transformer.weights.checkpoint import open_checkpoint
from rowspace.transformer.weights.folder import load_model
from rowspace.transformer.weights.pretrained import is_read, load_transformer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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
    >>> encoder = load_encoder("models/minilm")
    >>> encoder.encode(["a text"]).shape
    (1, 384)
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; give one of {', '.join(DTYPES)}")
    folder = folder_of(model)
    check_folder(folder)
    tokenizer = load_model_tokenizer(folder)
    states = load_states(folder, dtype=dtype, device=device)
    check_vocabulary(folder, tokenizer, states.n_rows)
    digest = functools.partial(digest_of, folder, dtype)
    return ContextualEncoder(states, tokenizer, max_length=max_length, digest=digest)


def load_states(folder: Path, *, dtype: str = "float32", device: str | None = None) -> HiddenStates:
    """Read the layers of a model's folder, in evaluation mode; as `load_encoder` does."""
    with open_checkpoint(folder):
        pass  # says what is amiss with the files
    return _load_states(folder, DTYPES[dtype], device_of(device))


def _load_states(folder: Path, dtype: torch.dtype, device: torch.device) -> HiddenStates:
    content = read_json(folder / CONFIG)
    if "rowspace" in content:
        return OurStates(load_model(folder, dtype=dtype, device=device).transformer)
    if is_read(folder):
        return OurStates(load_transformer(folder, dtype=dtype, device=device))
    states = load_foreign(folder, dtype)
    states.model.to(device)
    return states


def device_of(name: str | None) -> torch.device:
    """A device by its name; cuda where there is one if None, else cpu.

    Raises
    ------
    ConfigError
        If torch cannot use it here.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.ones(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        raise ConfigError(
            f"device is {name!r}, which torch cannot use here ({reason}); give cpu"
        ) from error
    return device
