"""Folders of small random models, each with a tokenizer of its kind beside it, and small texts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.transformer import foreign

LINES = (
    "A river bank in spring, and the bank's hedges.",
    "She robbed the BANK; the bank is naïve about the café.",
    "東京 tower, bank-holiday 🎉 שלום to all the other banks.",
)
TEXTS = [*LINES, "bank", "An unknown wordlessness stands there, far from any river bank in spring."]
SENTENCES = (
    "the bank of the river was muddy.",
    "she robbed the Bank, and the bank's clerk ran.",
    "no money at all",
    "a dog ran along the river bank to the bank",
)
ANIMALS = ["cat", "dog", "fox", "hen", "owl", "pig"]
N_POSITIONS = 64
_SIZE = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": N_POSITIONS,
    "pad_token_id": 0,
}
_DISTILBERT = {"dim": 48, "hidden_dim": 80, "n_layers": 2, "n_heads": 4} | {
    "max_position_embeddings": N_POSITIONS
}
_NO_IDS = {"bos_token_id": None, "eos_token_id": None}
_MODERN = _NO_IDS | {"cls_token_id": 1, "sep_token_id": 2, "local_attention": 8}
FOREIGN: dict[str, dict[str, Any]] = {
    "roberta": _SIZE | {"pad_token_id": 1, "max_position_embeddings": N_POSITIONS + 2},
    "distilbert": _DISTILBERT,
    "electra": _SIZE | {"embedding_size": 24},
    "mpnet": _SIZE | {"pad_token_id": 1, "max_position_embeddings": N_POSITIONS + 2},
    "qwen3": _SIZE | {"num_key_value_heads": 2, "head_dim": 12},
    "gpt_neox": _SIZE,
    "modernbert": _SIZE | _MODERN,
}
"""Kinds that `transformers` runs, and their settings."""
TOKENIZERS = {
    "bert": "wordpiece",
    "distilbert": "wordpiece",
    "electra": "wordpiece",
    "mpnet": "wordpiece",
    "llama": "metaspace",
    "mistral": "metaspace",
    "phi3": "unigram",
}
"""Byte-level BPE for the others."""


def make_tokenizer(kind: str) -> Any:
    """Learn one of a kind from a few lines."""
    return {
        "wordpiece": _wordpiece,
        "bytes": _bytes,
        "metaspace": _metaspace,
        "unigram": _unigram,
    }[kind]()


def _trained(tokenizer: Any, trainer: Any) -> Any:
    tokenizer.train_from_iterator(LINES * 2, trainer)
    return tokenizer


def _around(tokenizer: Any, template: str) -> None:
    names = {part for part in template.split() if not part.startswith("$")}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(name, tokenizer.token_to_id(name)) for name in names]
    )


def _wordpiece() -> Any:
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=90, special_tokens=special, show_progress=False)
    _around(_trained(tokenizer, trainer), "[CLS] $A [SEP]")
    return tokenizer


def _bytes() -> Any:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    return _trained(tokenizer, trainer)


def _metaspace() -> Any:
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=special, show_progress=False)
    tokenizer = _trained(tokenizer, trainer)
    _around(tokenizer, "<s> $A")
    return tokenizer


def _unigram() -> Any:
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=80,
        unk_token="<unk>",
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        show_progress=False,
    )
    tokenizer = _trained(tokenizer, trainer)
    _around(tokenizer, "<s> $A </s>")
    return tokenizer


def write_encoder(folder: Path, kind: str, **settings: Any) -> Path:
    """Write a model of some kind and a tokenizer."""
    tokenizer = make_tokenizer(TOKENIZERS.get(kind, "bytes"))
    size = {"vocab_size": tokenizer.get_vocab_size()} | settings
    if kind in foreign.KINDS:
        foreign.write(folder, kind, **size)
    else:
        torch.manual_seed(7)
        config = transformers.AutoConfig.for_model(kind, **(FOREIGN[kind] | size))
        model = transformers.AutoModel.from_config(config)
        foreign.randomise(model)
        model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def hidden_states(folder: Path, ids: list[int]) -> tuple[torch.Tensor, ...]:
    """What `transformers` says of each layer for one text: (T, D) tensors."""
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        found = model(torch.tensor([ids]), output_hidden_states=True)
    last = found.last_hidden_state
    torch.testing.assert_close(found.hidden_states[-1], last, rtol=0, atol=0)
    return tuple(state[0] for state in found.hidden_states)


def write_lines(path: Path, n: int = 120) -> Path:
    """A text of lines of several lengths, some of them too long, of the words of `SENTENCES`."""
    draw = random.Random(5)
    words = " ".join(SENTENCES).split()
    lines = [" ".join(draw.choices(words, k=draw.choice([1, 4, 9, 20, 80]))) for _ in range(n)]
    path.write_text("\n".join(lines) + "\n")
    return path


def animal_sentences(n: int = 24) -> list[str]:
    """Sentences of seven words, of which three are drawn of `ANIMALS`."""
    draw = random.Random(0)
    return ["The {} saw the {} near {}.".format(*draw.choices(ANIMALS, k=3)) for _ in range(n)]


def write_animals(path: Path, n: int = 200) -> Path:
    """A text of `animal_sentences`, one a line."""
    path.write_text("\n".join(animal_sentences(n)))
    return path
