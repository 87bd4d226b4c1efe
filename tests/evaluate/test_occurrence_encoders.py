"""Vectors of words in their sentences, by word vectors and by a transformer."""

from __future__ import annotations

from pathlib import Path

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
from rowspace.evaluate.sense_data import Occurrence, SenseTask, read_coarse_wsd
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
        expected = (_unit(states[2][0, place].numpy()) + _unit(states[4][0, place].numpy())) / 2
        assert found[row] == pytest.approx(expected, abs=1e-5)
        means.append(_unit(states[-1][0].mean(dim=0).numpy()))
    mixed = TransformerOccurrences(encoder, layers=(2, 4), sentence_weight=0.5)
    for row, vector in enumerate(mixed.occurrences(sentences, [4, 1])):
        assert vector == pytest.approx(_unit(found[row]) + 0.5 * means[row], abs=1e-4)


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random BERT."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.transformer.small_encoders import write_encoder

    return write_encoder(tmp_path_factory.mktemp("models") / "bert", "bert")


@pytest.mark.parametrize("sentence_weight", [0.0, 0.5, 2.0])
def test_what_was_hidden_does_not_tell(small_folder: Path, sentence_weight: float) -> None:
    from rowspace.transformer.load_encoder import load_encoder

    encoder = load_encoder(small_folder)

    def read(word: str, *, hidden: bool) -> NDArray[np.float32]:
        made = TransformerOccurrences(encoder, hidden=hidden, sentence_weight=sentence_weight)
        return made.occurrences([["the", word, "robbed", "hedges"]], [1])

    assert read("bank", hidden=True) == pytest.approx(read("wordlessness", hidden=True), abs=1e-5)
    assert read("bank", hidden=False) != pytest.approx(read("spring", hidden=False), abs=1e-2)


def test_a_hidden_word_has_the_sentence_without_it(small_folder: Path) -> None:
    from rowspace.transformer.load_encoder import load_encoder

    encoder = load_encoder(small_folder)
    tokens = ["the", "bank", "robbed", "the", "bank"]
    alone, both = (
        TransformerOccurrences(encoder, hidden=True, sentence_weight=weight).occurrences(
            [tokens], [4]
        )[0]
        for weight in (0, 0.5)
    )
    without = encoder.encode(["the bank robbed the"])[0]
    assert both == pytest.approx(_unit(alone) + 0.5 * _unit(without), abs=1e-5)


@pytest.mark.parametrize("sentence_weight", [0.0, 0.5])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_word_that_cannot_be_read_has_a_zero_row_and_loses_no_other(
    small_folder: Path, hidden: bool, sentence_weight: float
) -> None:
    from rowspace.transformer.load_encoder import load_encoder

    encoder = TransformerOccurrences(
        load_encoder(small_folder, max_length=8), hidden=hidden, sentence_weight=sentence_weight
    )
    sentences = [["river", "bank"], ["a", "\u200b"], ["bank" * 5, "loan"], ["a", "bank", "is"]]
    found = encoder.occurrences(sentences, [1, 1, 0, 1])
    assert found.dtype == np.float32
    assert found.any(axis=1).tolist() == [True, False, False, True]
    alone = encoder.occurrences(sentences[3:], [1])
    assert found[3] == pytest.approx(alone[0], abs=1e-5)
    assert not encoder.occurrences(sentences[1:2], [1]).any()


def test_words_that_could_not_be_read_are_counted(small_folder: Path) -> None:
    from rowspace.transformer.load_encoder import load_encoder

    train = tuple(Occurrence((word, "bank"), 1, word) for word in ("river", "spring"))
    task = SenseTask(
        name="bank", train=train, test=(*train, Occurrence(("a", "\u200b"), 1, "river"))
    )
    result = evaluate_senses(TransformerOccurrences(load_encoder(small_folder)), task)
    assert result.n_without_vector == 1
    assert sum(result.n_test.values()) == 3


def test_settings_that_cannot_work_are_refused() -> None:
    encoder = object()
    with pytest.raises(ConfigError, match="sentence_weight is -1"):
        TransformerOccurrences(encoder, sentence_weight=-1)  # type: ignore[arg-type]


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
