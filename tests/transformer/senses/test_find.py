from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from rowspace.errors import ConfigError, CorpusError, VocabularyError
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.load_encoder import load_encoder
from rowspace.transformer.occurrences import find_word
from rowspace.transformer.senses import Example, find_senses
from tests.data import shared_data
from tests.minilm import minilm_folder
from tests.transformer.senses.meadow import MONEY, RIVER, sentences, write_model

TEXT = sentences(RIVER, 30) + sentences(MONEY, 20)
TRUTH = [0] * 30 + [1] * 20


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ContextualEncoder:
    return load_encoder(write_model(tmp_path_factory.mktemp("meadow")))


def example(sense: str, sentence: str) -> Example:
    return Example(sense, sentence, find_word(sentence, "bank")[0])


def test_senses_and_their_number_are_found(encoder: ContextualEncoder) -> None:
    found = find_senses(encoder, "bank", TEXT)
    assert adjusted_rand_score(TRUTH, found.assignments) == 1
    assert [sense.size for sense in found.senses] == [30, 20]
    assert [sense.share for sense in found.senses] == [0.6, 0.4]
    assert found.found.sentences == TEXT


def test_a_word_of_one_topic_has_one_sense(encoder: ContextualEncoder) -> None:
    found = find_senses(encoder, "bank", sentences(RIVER, 60))
    assert len(found) == 1
    assert found.separation is not None
    assert len(found.separation.clustering.tried) == 7
    assert found.senses[0].around == []
    assert found.classify(found.vectors).tolist() == [0] * 60


@pytest.mark.parametrize("method", ["ward", "average", "kmeans"])
def test_the_number_of_senses_can_be_given(encoder: ContextualEncoder, method: str) -> None:
    found = find_senses(encoder, "bank", TEXT, n_senses=2, method=method)
    assert adjusted_rand_score(TRUTH, found.assignments) == 1
    assert len(find_senses(encoder, "bank", TEXT, n_senses=1)) == 1
    assert len(find_senses(encoder, "bank", TEXT, n_senses=5, method=method)) == 5


def test_other_vectors_are_classified(encoder: ContextualEncoder) -> None:
    found = find_senses(encoder, "bank", TEXT)
    np.testing.assert_array_equal(found.classify(found.vectors), found.assignments)
    others = sentences(MONEY, 25, seed=9)[20:] + sentences(RIVER, 35, seed=9)[30:]
    vectors = encoder.contextual(others, "bank").vectors
    assert found.classify(7 * vectors).tolist() == [1] * 5 + [0] * 5
    with pytest.raises(
        ConfigError, match=r"vectors of 32 numbers, and these are of shape \(3, 4\)"
    ):
        found.classify(np.ones((3, 4)))


def test_what_is_shown_of_a_sense_is_of_its_topic(encoder: ContextualEncoder) -> None:
    river, money = find_senses(encoder, "bank", TEXT).senses
    for sense, topic in ((river, RIVER), (money, MONEY)):
        assert {word for word, _ in sense.near} <= set(topic)
        assert {word for word, _ in sense.around} <= set(topic)
        assert sense.near
        assert len(set(sense.typical)) == 5
    assert all(row < 30 for row in river.typical)
    assert all(row >= 30 for row in money.typical)


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("by", ["mean", "nearest"])
def test_examples_give_each_occurrence_its_sense(encoder: ContextualEncoder, by: str) -> None:
    shown = sentences(MONEY, 2, seed=4) + sentences(RIVER, 3, seed=4)
    names = ["money"] * 2 + ["river"] * 3
    examples = [example(name, text) for name, text in zip(names, shown, strict=True)]
    found = find_senses(encoder, "bank", TEXT, examples=examples, by=by)  # type: ignore[arg-type]
    known = [unit(vector) for vector in encoder.contextual(shown, "bank").vectors]
    for row, text in enumerate(TEXT):
        vector = unit(encoder.contextual([text], "bank").vectors[0])
        if by == "mean":
            nearness = [vector @ unit(sum(known[:2]) / 2), vector @ unit(sum(known[2:]) / 3)]
        else:
            nearness = [max(vector @ v for v in known[:2]), max(vector @ v for v in known[2:])]
        assert found.assignments[row] == np.argmax(nearness)
        assert found.margins[row] == pytest.approx(abs(nearness[0] - nearness[1]), abs=1e-5)
    assert [sense.name for sense in found.senses] == ["money", "river"]
    assert [sense.size for sense in found.senses] == [20, 30]
    assert found.doubtful(3) == np.argsort(found.margins)[:3].tolist()
    np.testing.assert_array_equal(found.classify(found.vectors), found.assignments)


def test_a_sense_that_never_occurs_is_empty(encoder: ContextualEncoder) -> None:
    examples = [example("river", TEXT[0]), example("money", TEXT[-1])]
    found = find_senses(encoder, "bank", TEXT[:10], examples=examples)
    assert [sense.size for sense in found.senses] == [10, 0]
    assert found.senses[1].typical == []
    assert found.senses[1].near == []


def test_a_vector_is_that_of_the_layers_asked_for(encoder: ContextualEncoder) -> None:
    found = find_senses(encoder, "bank", TEXT, layers=[0, 1])
    expected = encoder.contextual(TEXT, "bank", layers=[0, 1]).vectors
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
    assert found.layers == (0, 1)


def test_occurrences_of_one_sentence_have_their_own_vectors(encoder: ContextualEncoder) -> None:
    text = ["the bank and the bank", "the boat bank"]
    found = find_senses(encoder, "bank", text)
    expected = encoder.contextual(text, "bank").vectors
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
    assert found.found.spans == [(4, 8), (17, 21), (9, 13)]


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9])
def test_a_few_occurrences_are_enough_to_be_shown(encoder: ContextualEncoder, n: int) -> None:
    found = find_senses(encoder, "bank", TEXT[:n])
    assert sum(sense.size for sense in found.senses) == n


def test_equal_vectors_are_one_sense(encoder: ContextualEncoder) -> None:
    text = [f"the {word} bank" for word in RIVER]  # layer 0 knows the word and its place alone
    for n_senses in (None, 3):
        found = find_senses(encoder, "bank", text, layers=0, n_senses=n_senses)
        assert len(found) == 1


def test_a_sample_is_the_same_for_the_same_seed(encoder: ContextualEncoder) -> None:
    one, same, other = (
        find_senses(encoder, "bank", TEXT, max_occurrences=12, seed=seed) for seed in (3, 3, 4)
    )
    assert one.found.n_occurrences == 50
    assert len(one.vectors) == 12
    assert one.found.sentences == same.found.sentences != other.found.sentences
    np.testing.assert_array_equal(one.assignments, same.assignments)


def test_what_cannot_be_is_said(encoder: ContextualEncoder) -> None:
    one = [example("river", TEXT[0])]
    with pytest.raises(
        VocabularyError, match=r"'bnak' does not occur in the 50 sentences .*'bank'"
    ):
        find_senses(encoder, "bnak", TEXT)
    with pytest.raises(ConfigError, match="'bank' occurs 50 times, which cannot be parted into 51"):
        find_senses(encoder, "bank", TEXT, n_senses=51)
    with pytest.raises(ConfigError, match="there is no layer 5"):
        find_senses(encoder, "bank", TEXT, layers=5)
    with pytest.raises(ConfigError, match="leave n_senses out"):
        find_senses(encoder, "bank", TEXT, n_senses=2, examples=one)
    with pytest.raises(ConfigError, match="there is no example"):
        find_senses(encoder, "bank", TEXT, examples=[])
    with pytest.raises(ConfigError, match="by is 'best'"):
        find_senses(encoder, "bank", TEXT, examples=one, by="best")  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match="no sentence to read"):
        find_senses(encoder, "bank", [])


def coarse(word: str, n: int) -> tuple[list[str], list[str]]:
    """Sentences of CoarseWSD-20, and the sense of each."""
    path = shared_data("context", "coarsewsd20", f"{word}.test.tsv")
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    senses = {text: sense for sense, _, text in rows if find_word(text, word)}
    return list(senses)[:n], list(senses.values())[:n]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "is_number_given"), [("seal", True), ("square", True), ("apple", False)]
)
def test_senses_of_minilm_agree_with_people(word: str, is_number_given: bool) -> None:
    encoder = load_encoder(minilm_folder())
    text, truth = coarse(word, 120)
    n_senses = len(set(truth)) if is_number_given else None
    found = find_senses(encoder, word, text, n_senses=n_senses)
    gold = dict(zip(text, truth, strict=True))
    labels = [gold[sentence] for sentence in found.found.sentences]
    # Chance gives 0, whatever the sizes of the groups.
    assert adjusted_rand_score(labels, found.assignments) > 0.3


@pytest.mark.slow
def test_examples_beat_the_most_frequent_sense() -> None:
    encoder = load_encoder(minilm_folder())
    text, truth = coarse("crane", 150)
    examples = [
        Example(sense, sentence, find_word(sentence, "crane")[0])
        for wanted in set(truth)
        for sense, sentence in [p for p in zip(truth, text, strict=True) if p[0] == wanted][:5]
    ]
    rest = [sentence for sentence in text if sentence not in {e.sentence for e in examples}]
    found = find_senses(encoder, "crane", rest, examples=examples)
    gold = dict(zip(text, truth, strict=True))
    names = [sense.name for sense in found.senses]
    right = [
        names[sense] == gold[sentence]
        for sense, sentence in zip(found.assignments, found.found.sentences, strict=True)
    ]
    majority = max(truth.count(sense) for sense in set(truth)) / len(truth)
    assert np.mean(right) > majority + 0.2
