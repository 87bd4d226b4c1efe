from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from rowspace.errors import CorpusError
from rowspace.sentence import word_cache
from rowspace.sentence.word_cache import WordCache, never_looks_over_spaces
from rowspace.sentence.word_tokenizer import word_tokenizer
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.sentence.small_static import tokenizer
from tests.transformer.small_encoders import write_encoder

_CHARACTERS = [*"abt  he  cnk.,'[]", "[MASK]", "[SEP]", "é", "e\u0301", "\u0301", "東", "京", "\t",
               "\n", "\x00", "\x1c", "\x85", "\u00a0", "\u3000", "\u200b", "Σ", "ß", "🎉", "bank",
               "river", "İ", "\ufeff"]  # fmt: skip


def _texts(n: int) -> list[str]:
    random = np.random.default_rng(7)
    lengths = random.integers(0, 60, size=n)
    return ["".join(random.choice(_CHARACTERS, length)) for length in lengths]


@pytest.mark.parametrize("most", [500_000, 20])
def test_texts_by_words_have_the_tokenizers_own_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(word_cache, "_MOST_WORDS", most)
    monkeypatch.setattr(word_cache, "_LONGEST", 5)
    made = SubwordTokenizer.load(write_encoder(tmp_path / "bert", "bert"))
    assert never_looks_over_spaces(made)
    cache = WordCache(made)
    for _ in range(2):  # the second time from what was kept
        texts = _texts(400)
        assert cache.encode(texts[:200]) == made.encode_batch(texts[:200])
        assert cache.encode(texts[200:]) == made.encode_batch(texts[200:])


def test_threads_may_share_what_was_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_cache, "_MOST_WORDS", 20)
    monkeypatch.setattr(word_cache, "_LONGEST", 3)
    made = SubwordTokenizer.load(write_encoder(tmp_path / "bert", "bert"))
    cache, texts = WordCache(made), _texts(100)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: cache.encode(texts), range(40)))
    assert all(ids == made.encode_batch(texts) for ids in found)


def test_other_tokenizers_are_not_cut_at_spaces(tmp_path: Path) -> None:
    assert not never_looks_over_spaces(word_tokenizer(["cat"]))
    gpt = SubwordTokenizer.load(write_encoder(tmp_path / "gpt2", "gpt2"))
    assert not never_looks_over_spaces(gpt)
    striding = tokenizer()

    striding.add_special_tokens([tokenizers.AddedToken("[MASK]", lstrip=True)])
    assert not never_looks_over_spaces(SubwordTokenizer(striding))


def test_half_a_character_is_named_with_its_text() -> None:
    with pytest.raises(CorpusError, match="text 1 has half a surrogate pair"):
        WordCache(SubwordTokenizer(tokenizer())).encode(["the cat", "a \ud800 dog"])
