"""Small random models of the `transformers` library, and what they say: the truth of parity."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

VOCAB, TRAINED = 97, 64
"""Tokens, and the length that a model was trained at."""
_LLAMA = {
    "vocab_size": VOCAB,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": TRAINED,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
_GPT2 = {"vocab_size": VOCAB, "n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": TRAINED}
_GPT2 |= {"bos_token_id": 1, "eos_token_id": 2}
_BERT = {
    "vocab_size": VOCAB,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": TRAINED,
}
KINDS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM, _LLAMA),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM, _LLAMA),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM, _LLAMA),
    "phi3": (transformers.Phi3Config, transformers.Phi3ForCausalLM, _LLAMA),
    "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel, _GPT2),
    "bert": (transformers.BertConfig, transformers.BertForMaskedLM, _BERT),
}
_AUTO = {"bert": transformers.AutoModelForMaskedLM}

Make = Callable[..., Path]
"""Makes the folder of a kind of model with some settings, or gives the one that is there."""


def write(folder: Path, kind: str, **settings: Any) -> Path:
    """Write a model whose random weights give logits of about 1."""
    config, model_class, usual = KINDS[kind]
    torch.manual_seed(7)
    model = model_class(config(**{**usual, **settings}))
    randomise(model)
    model.save_pretrained(folder)
    return folder


def randomise(model: torch.nn.Module) -> None:
    """Give a model weights that make states of about 1."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
        else:
            parameter.data += 0.2 * torch.randn_like(parameter)


def logits(folder: Path, token_ids: Tensor, **inputs: Tensor) -> Tensor:
    """What `transformers` says, of a model that saw no text before: some remember the longest."""
    model = copy.deepcopy(_load(folder, (folder / "config.json").read_text()))
    with torch.no_grad():
        found: Tensor = model(token_ids, **inputs).logits
    return found


@functools.cache
def _load(folder: Path, config: str) -> Any:
    auto = _AUTO.get(json.loads(config)["model_type"], transformers.AutoModelForCausalLM)
    return auto.from_pretrained(folder, dtype=torch.float32).eval()


def text(n_tokens: int, n_texts: int = 1) -> Tensor:
    """Random token ids, (n_texts, n_tokens); a shorter text is the start of a longer one."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, VOCAB, (n_tokens, n_texts), generator=generator).T


def edit_config(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a folder's `config.json`."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
