"""Tokenizers written for `transformers`: AutoTokenizer says the same ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

transformers = pytest.importorskip("transformers")
pytest.importorskip("torch")

from rowspace.errors import ConfigError  # noqa: E402
from rowspace.text.corpus import Corpus  # noqa: E402
from rowspace.transformer.model import LanguageModel  # noqa: E402
from rowspace.transformer.tokenizer import SubwordTokenizer  # noqa: E402
from rowspace.transformer.tokenizer_export import copy_tokenizer, write_tokenizer  # noqa: E402
from rowspace.transformer.weights import write_transformer  # noqa: E402
from tests.transformer.small_encoders import TEXTS, write_encoder  # noqa: E402

LONGEST = 12


def _trained(tmp_path: Path, kind: str) -> SubwordTokenizer:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(TEXTS * 3))
    return SubwordTokenizer.train(Corpus(path), kind, vocab_size=400)


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "characters"])
@pytest.mark.parametrize("between", [True, False])
def test_auto_tokenizer_gives_the_same_ids(tmp_path: Path, kind: str, between: bool) -> None:
    tokenizer = _trained(tmp_path, kind)
    if between:
        tokenizer = tokenizer.between_ends()
    folder = tmp_path / "model"
    folder.mkdir()
    model = LanguageModel(vocab_size=tokenizer.vocab_size, dim=16, n_layers=1, n_heads=2)
    write_transformer(model, folder)
    write_tokenizer(tokenizer, folder, max_length=LONGEST)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = tokenizer.encode_batch(TEXTS, add_special_tokens=True)
    assert theirs(TEXTS)["input_ids"] == ours
    assert theirs.model_max_length == LONGEST
    assert theirs(["a bank"])["input_ids"][0] == SubwordTokenizer.load(folder).encode(
        "a bank", add_special_tokens=True
    )
    if between:
        assert {row[0] for row in ours} == {row[-1] for row in ours} == {tokenizer.end_id}
    batch = theirs(TEXTS, padding=True, truncation=True)
    assert set(batch) == {"input_ids", "attention_mask"}
    assert {len(row) for row in batch["input_ids"]} == {LONGEST}
    short = TEXTS.index("bank")
    n_real = len(ours[short])
    assert batch["attention_mask"][short] == [1] * n_real + [0] * (LONGEST - n_real)
    assert theirs.eos_token_id == tokenizer.end_id
    assert theirs.mask_token_id == tokenizer.mask_id


def test_names_of_special_tokens_stand_in_both_files(tmp_path: Path) -> None:
    write_tokenizer(_trained(tmp_path, "wordpiece"), tmp_path)
    names = json.loads((tmp_path / "special_tokens_map.json").read_text())
    assert names == {
        "pad_token": "[PAD]",
        "eos_token": "[SEP]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert names.items() <= settings.items()
    assert "model_max_length" not in settings


def test_the_files_of_a_published_one_are_copied(tmp_path: Path) -> None:
    source = write_encoder(tmp_path / "source", "llama")
    (tmp_path / "copy").mkdir()
    copy_tokenizer(source, tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["tokenizer.json"]
    assert (tmp_path / "copy/tokenizer.json").read_bytes() == (
        source / "tokenizer.json"
    ).read_bytes()


def test_one_that_cannot_fill_up_texts_is_refused(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    bare = SubwordTokenizer(tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0}, [])))
    with pytest.raises(ConfigError, match="no special token that could fill up"):
        write_tokenizer(bare, tmp_path)
    assert not list(tmp_path.iterdir())
