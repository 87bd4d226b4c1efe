from __future__ import annotations

from pathlib import Path

from rowspace.sentence.reading import TokenReader
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.transformer.small_encoders import write_encoder


def test_a_prompt_has_its_tokens_and_the_special_one_before_it(tmp_path: Path) -> None:
    tokenizer = SubwordTokenizer.load(write_encoder(tmp_path / "bert", "bert"))
    reader = TokenReader(tokenizer, 64)
    n = reader.n_prompt("the bank ")
    ids = reader.read(["the bank river"]).ids[0]
    assert [tokenizer.tokens[i] for i in ids[:n]] == ["[CLS]", "the", "bank"]
    assert reader.n_prompt("") == 0
