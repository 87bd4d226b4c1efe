"""Words as vectors for sequence models: of tables, and of transformers in their texts."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from pathlib import Path

from rowspace.evaluate.sequence_tokens import (
    ContextualTokens,
    WordTokens,
    open_token_vectors,
)
from rowspace.space.vectors import Vectors
from rowspace.transformer.load_encoder import load_encoder
from tests.minilm import minilm_folder
from tests.transformer.small_encoders import write_encoder

TEXTS = [["She", "robbed", "the", "bank"], [], ["a", "river", "bank", "in", "spring"]]


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> ContextualTokens:
    return ContextualTokens(load_encoder(write_encoder(tmp_path_factory.mktemp("gpt2"), "gpt2")))


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory: pytest.TempPathFactory) -> ContextualTokens:
    return ContextualTokens(load_encoder(write_encoder(tmp_path_factory.mktemp("bert"), "bert")))


def test_words_are_looked_up_in_lower_case_then_as_they_stand() -> None:
    vectors = Vectors(["the", "Paris", "paris"], np.eye(3, dtype=np.float32))
    found = WordTokens(vectors).read([["The", "Paris"], ["nowhere"], []])
    assert found[0].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert found[1].tolist() == [[0, 0, 0]]
    assert found[2].shape == (0, 3)


def test_a_transformers_words_are_those_of_its_encoder(both_ways: ContextualTokens) -> None:
    found = both_ways.read(TEXTS)
    assert [len(rows) for rows in found] == [4, 0, 5]
    for words, rows in zip(TEXTS, found, strict=True):
        if words:
            of_words = both_ways.encoder.contextual([" ".join(words)]).vectors
            np.testing.assert_allclose(rows, of_words, atol=1e-5)


def test_a_later_word_changes_no_earlier_state_of_a_causal_model(causal: ContextualTokens) -> None:
    assert not causal.looks_ahead
    first = causal.read([["the", "river", "bank", "of", "spring"]])[0]
    other = causal.read([["the", "river", "bank", "robbed", "café"]])[0]
    np.testing.assert_allclose(first[:3], other[:3], atol=1e-5)
    assert np.abs(first[3:] - other[3:]).max() > 0.01


def test_what_a_causal_model_reads_of_a_long_text_is_its_beginning(
    causal: ContextualTokens,
) -> None:
    short, long = ["bank", "river"] * 3, ["bank", "river"] * 200
    of_short, of_long = causal.read([short, long])
    np.testing.assert_allclose(of_short, of_long[:6], atol=1e-5)
    assert not of_long[-1].any()


def test_a_model_that_reads_both_ways_is_found_out(both_ways: ContextualTokens) -> None:
    assert both_ways.looks_ahead
    long = both_ways.read([["bank", "river"] * 200])[0]
    assert long.any(axis=1).all()  # in windows


def test_models_are_opened_by_their_kind(tmp_path: Path) -> None:
    Vectors(["bank"], np.ones((1, 2), dtype=np.float32)).save(tmp_path / "words")
    assert isinstance(open_token_vectors(tmp_path / "words"), WordTokens)
    assert isinstance(open_token_vectors(write_encoder(tmp_path / "b", "bert")), ContextualTokens)


@pytest.mark.slow
def test_a_sentence_encoders_words_are_its_transformers() -> None:
    reader = open_token_vectors(minilm_folder())
    assert reader.looks_ahead and reader.dim == 384
    of_bank = [rows[3] for rows in reader.read([TEXTS[0], ["a", "muddy", "river", "bank"]])]
    cosine = of_bank[0] @ of_bank[1] / np.prod([np.linalg.norm(row) for row in of_bank])
    assert cosine < 0.9  # one word, two senses
