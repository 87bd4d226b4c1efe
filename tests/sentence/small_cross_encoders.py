"""Small random cross-encoders, as `transformers` and sentence-transformers write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.transformer.foreign import randomise
from tests.transformer.small_encoders import FOREIGN, LINES, N_POSITIONS, make_tokenizer

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
_LENGTH: dict[str, Any] = {"model_max_length": N_POSITIONS}
_USUAL = {key: value for key, value in FOREIGN["electra"].items() if key != "embedding_size"}
_SHIFTED = FOREIGN["roberta"]
_SIZES: dict[str, dict[str, Any]] = {
    "albert": _USUAL | {"embedding_size": 24},
    "bert": _USUAL,
    "camembert": _SHIFTED,
    "deberta-v2": _USUAL | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "xlm-roberta": _SHIFTED,
    **FOREIGN,
}


def write_cross_encoder(folder: Path, kind: str = "bert", **settings: Any) -> Path:
    """Write a model for sequence classification, with one label, and a tokenizer."""
    torch.manual_seed(7)
    tokenizer = _tokenizer(kind)
    settings = {"num_labels": 1, "vocab_size": len(tokenizer), **_SIZES[kind], **settings}
    config = transformers.AutoConfig.for_model(kind, **settings)
    auto = transformers.AutoModelForSequenceClassification
    model = auto.from_config(config)
    randomise(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(kind: str) -> Any:
    """The library's own tokenizer of a kind, with a few dozen words."""
    if kind in ("roberta", "xlm-roberta", "camembert"):
        trained = make_tokenizer("bytes")
        vocabulary = trained.get_vocab()
        for name in ("<unk>", "<mask>"):
            vocabulary[name] = len(vocabulary)
        return transformers.RobertaTokenizer(vocab=vocabulary, merges=[], **_LENGTH)
    vocabulary = make_tokenizer("wordpiece").get_vocab()
    own = {
        "distilbert": transformers.DistilBertTokenizer,
        "mpnet": transformers.MPNetTokenizer,
    }.get(kind, transformers.BertTokenizer)
    if kind == "mpnet":
        names = {"[PAD]": "<pad>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}
        places = {names.get(token, token): place for token, place in vocabulary.items()}
        return own(vocab=places, **_LENGTH)
    return own(vocab=vocabulary, **_LENGTH)


QUERIES = ["muddy bank", "who robbed the bank?", "東京", ""]
PASSAGES = [*LINES, "bank", "", "the river " * 60, "an unknown wordlessness there"]
PAIRS = [(query, passage) for query in QUERIES for passage in PASSAGES]
PAIRS += [("the bank " * 50, "river"), ("the bank " * 50, "the river " * 60), PAIRS[0], PAIRS[0]]
"""Of several lengths: too long in either text, empty, and some twice."""
