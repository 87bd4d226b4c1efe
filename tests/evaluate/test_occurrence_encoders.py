"""Vectors of words in their sentences, by word vectors and by a transformer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.evaluate.occurrence_encoders import (
    NeighborOccurrences,
    StaticOccurrences,
    TransformerOccurrences,
    character_span,
)
from rowspace.evaluate.sense import SenseSettings, evaluate_senses
from rowspace.evaluate.sense_data import read_coarse_wsd
from rowspace.space.vectors import Vectors
from tests.data import shared_data
from tests.minilm import minilm_folder

KEYS = ["the", "bank", "river", "Paris"]


@pytest.fixture
def vectors() -> Vectors:
    matrix = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    return Vectors(KEYS, matrix, counts=np.array([1000, 100, 10, 1]))


def _unit(vector: NDArray[np.floating]) -> NDArray[np.floating]:
    return vector / np.linalg.norm(vector)


def test_a_word_has_its_own_vector_in_every_sentence(vectors: Vectors) -> None:
    found = StaticOccurrences(vectors).occurrences(
        [["The", "bank"], ["Bank", "river"], ["a", "Paris"], ["nowhere"]], [1, 0, 1, 0]
    )
    expected = [vectors["bank"], vectors["bank"], vectors["Paris"], np.zeros(5)]
    assert (found == np.array(expected, dtype=np.float32)).all()


def test_neighbors_are_weighted_unit_vectors_without_the_word(vectors: Vectors) -> None:
    found = NeighborOccurrences(vectors, window=None).occurrences(
        [["The", "xyzzy", "bank", "River", "bank"], ["bank", "xyzzy"]], [2, 0]
    )
    weights = {
        key: 1e-3 / (1e-3 + count / 1111) for key, count in zip(KEYS, (1000, 100, 10), strict=False)
    }
    around = sum(weights[key] * _unit(vectors[key]) for key in ("the", "river", "bank"))
    assert found[0] == pytest.approx(_unit(np.asarray(around)), abs=1e-6)
    assert not found[1].any()  # no neighbour is known


def test_neighbors_beyond_the_window_do_not_count(vectors: Vectors) -> None:
    encoder = NeighborOccurrences(vectors, window=1)
    far = encoder.occurrences([["river", "the", "bank", "Paris", "river"]], [2])
    near = NeighborOccurrences(vectors, window=None).occurrences([["the", "bank", "Paris"]], [1])
    assert far == pytest.approx(near)


def test_a_window_of_nothing_is_refused(vectors: Vectors) -> None:
    with pytest.raises(ConfigError, match="window is 0"):
        NeighborOccurrences(vectors, window=0)


def test_a_span_is_where_the_token_stands_in_the_text() -> None:
    tokens = ["a", "", "river", "bank"]
    start, end = character_span(tokens, 3)
    assert " ".join(tokens)[start:end] == "bank"


def test_a_transformer_gives_the_state_of_the_word_it_was_asked_for() -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    from rowspace.transformer.load_encoder import load_encoder

    folder = minilm_folder()
    encoder = load_encoder(folder)
    sentences = [["the", "bank", "by", "the", "bank"], ["a", "bank"]]
    alone = TransformerOccurrences(encoder, layers=(2, 4), sentence_weight=0)
    found = alone.occurrences(sentences, [4, 1])
    peer = transformers.AutoModel.from_pretrained(folder, output_hidden_states=True)
    tokenizer = encoder.tokenizer.read([" ".join(tokens) for tokens in sentences])
    means = []
    for row, (tokenized, place) in enumerate(zip(tokenizer, (5, 2), strict=True)):
        ids = [*tokenized.before, *tokenized.ids, *tokenized.after]
        with torch.no_grad():
            states = peer(torch.tensor([ids])).hidden_states
        expected = (states[2][0, place] + states[4][0, place]) / 2
        assert found[row] == pytest.approx(expected.numpy(), abs=1e-4)
        means.append(_unit(states[-1][0].mean(dim=0).numpy()))
    mixed = TransformerOccurrences(encoder, layers=(2, 4), sentence_weight=0.5)
    for row, vector in enumerate(mixed.occurrences(sentences, [4, 1])):
        assert vector == pytest.approx(_unit(found[row]) + 0.5 * means[row], abs=1e-4)
    hidden = TransformerOccurrences(encoder, layers=-1, hidden=True, sentence_weight=0)
    bank, river = (hidden.occurrences([["the", word, "was", "wet"]], [1]) for word in ("bank", "x"))
    assert bank == pytest.approx(river, abs=1e-5)  # what was hidden does not tell


def test_settings_that_cannot_work_are_refused() -> None:
    encoder = object()
    with pytest.raises(ConfigError, match="sentence_weight is -1"):
        TransformerOccurrences(encoder, sentence_weight=-1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sentence_weight 0"):
        TransformerOccurrences(encoder, mix="concat")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="mix is 'none'"):
        TransformerOccurrences(encoder, mix="none", sentence_weight=0)  # type: ignore[arg-type]


@pytest.mark.slow
def test_minilm_tells_the_senses_of_crane() -> None:
    pytest.importorskip("torch")
    from rowspace.transformer.load_encoder import load_encoder

    folder = shared_data("context", "coarsewsd20")
    task = read_coarse_wsd(folder / "crane.train.tsv", folder / "crane.test.tsv", "crane")
    encoder = TransformerOccurrences(load_encoder(minilm_folder()))
    result = evaluate_senses(encoder, task, SenseSettings(n_examples=(10,)))
    assert result.scores["centroid"][0].macro_f1 > 0.9
    assert result.most_frequent_f1 < 0.4
