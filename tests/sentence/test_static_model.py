from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from model2vec import StaticModel as Model2Vec
from sentence_transformers import SentenceTransformer

from rowspace import load_encoder
from rowspace.errors import ConfigError, FormatError
from rowspace.sentence import (
    SentenceConfig,
    SentenceTrainer,
    StaticModel,
    read_pairs,
)
from rowspace.sentence.dense import Dense
from rowspace.sentence.trainable import load_trainable
from rowspace.sentence.word_tokenizer import with_words, word_tokenizer
from rowspace.space.vectors import Vectors
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.sentence.small_static import TEXTS, WORDS, table, tokenizer

_SHORT = [text for text in TEXTS if len(text) < 100]


def _model(**settings: object) -> StaticModel:
    return StaticModel(table(), SubwordTokenizer(tokenizer()), **settings)  # type: ignore[arg-type]


def test_a_model_gives_what_it_saves(tmp_path: Path) -> None:
    model = _model()
    given = model(model.read(_SHORT)).detach().numpy()
    model.save(tmp_path / "m")
    np.testing.assert_allclose(
        given, Model2Vec.from_pretrained(tmp_path / "m").encode(_SHORT), atol=1e-5
    )
    np.testing.assert_allclose(given, load_encoder(tmp_path / "m").encode(_SHORT), atol=1e-5)
    np.testing.assert_allclose(given, model.encoder().encode(_SHORT), atol=1e-5)
    again = StaticModel.load(tmp_path / "m", max_length=3)
    assert again.config.max_length == 3
    assert torch.equal(again.table.weight, model.table.weight)


def test_gradients_reach_the_rows_of_the_texts_tokens_alone() -> None:
    model = _model(config=SentenceConfig())
    model(model.read(["cat sat", "zebra"])).sum().backward()
    gradient = model.table.weight.grad
    assert gradient is not None
    expected = torch.zeros(len(WORDS), 8)
    expected[[WORDS.index("cat"), WORDS.index("sat")]] = 0.5  # of a mean of two
    assert torch.equal(gradient, expected)


def test_the_encoder_shares_the_table() -> None:
    model = _model()
    encoder = model.encoder()
    before = encoder.encode("cat")
    with torch.no_grad():
        model.table.weight += 1
    assert not np.allclose(encoder.encode("cat"), before)


def test_word_vectors_become_an_embedder_of_texts(tmp_path: Path) -> None:
    keys = ["Cat", "cat", "naïve", "東", "don't", "new_york"]
    matrix = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    model = StaticModel.from_vectors(Vectors(keys, matrix))
    model.save(tmp_path / "m")
    encoder = load_encoder(tmp_path / "m")
    found = encoder.encode(
        ["CAT!", "the nai\u0308ve cat", "東京", "in New_York", "dog"], normalize=False
    )
    cat, naive, east, york = matrix[[0, 2, 3, 5]]
    expected = [cat, (cat + naive) / 2, east, york, np.zeros(4)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    peer = SentenceTransformer(str(tmp_path / "m"), device="cpu")
    np.testing.assert_allclose(  # the unknown token's vector is zero, which changes no direction
        peer.encode(["the nai\u0308ve cat"]), encoder.encode(["the naïve cat"]), atol=1e-5
    )


def test_word_vectors_fill_a_tokenizers_rows() -> None:
    vectors = Vectors(["cat", "sat", "zebra"], np.eye(3, dtype=np.float32))
    model = StaticModel.from_vectors(vectors, SubwordTokenizer(tokenizer()))
    rows = model.table.weight.detach().numpy()
    assert rows[WORDS.index("cat")].tolist() == [1, 0, 0]
    assert np.count_nonzero(rows) == 2
    with pytest.raises(ConfigError, match="no token of the tokenizer is a key"):
        StaticModel.from_vectors(Vectors(["zebra"], np.eye(1, dtype=np.float32)), model.tokenizer)


def test_words_added_to_wordpiece_are_one_token_and_others_stay() -> None:
    before = SubwordTokenizer(tokenizer())
    assert before.encode("dogs running") == [4, 8, 9, 10]
    after = with_words(before, ["dogs", "zebra"])
    assert after.encode("dogs running zebras") == [12, 9, 10, 13, 8]
    with pytest.raises(ConfigError, match="no WordPiece"):
        with_words(word_tokenizer(["cat"]), ["dog"])


def test_the_trainer_trains_a_static_embedder(tmp_path: Path) -> None:
    _model().save(tmp_path / "base")
    pairs = [("cat", "dogs"), ("mat", "running"), ("sat", "the ."), ("on", "dog")]
    lines = [json.dumps({"anchor": one, "positive": other}) for one, other in pairs]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines * 8))
    model = load_trainable(tmp_path / "base")
    assert isinstance(model, StaticModel)
    sources = read_pairs(tmp_path / "pairs.jsonl")
    trainer = SentenceTrainer(batch_size=4, epochs=5, learning_rate=0.05, n_threads=1)
    trainer.fit(model, sources, tmp_path / "out")

    def margin(folder: Path) -> float:
        """By how much each pair is nearer than others, at least."""
        encoder = load_encoder(folder)
        one, other = (encoder.encode([pair[i] for pair in pairs]) for i in (0, 1))
        cosines = one @ other.T
        others = np.where(np.eye(len(pairs), dtype=bool), -1, cosines).max(axis=1)
        return float((np.diag(cosines) - others).min())

    assert margin(tmp_path / "base") < 0
    assert margin(tmp_path / "out") > 0.1
    with pytest.raises(ConfigError, match="trained whole"):
        SentenceTrainer(lora_rank=4).fit(model, sources, tmp_path / "more")


def test_what_cannot_be_trained_is_an_error(tmp_path: Path) -> None:
    dense = SentenceConfig(dense=(Dense(np.eye(8, dtype=np.float32)),))
    with pytest.raises(ConfigError, match="layers after the mean"):
        _model(config=dense)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(FormatError, match="is no static embedder"):
        StaticModel.load(tmp_path)
