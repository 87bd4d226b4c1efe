from __future__ import annotations

from pathlib import Path

import pytest

from rowspace.search.probe import found_again
from rowspace.search.space import Space
from rowspace.text.passages import Passage, split_passages
from tests.search.stub import document, make_space

DOCUMENTS = [
    document("sea", "One fish. The red ship sails over deep water. Two fish."),
    document("war", "The old king burns a small town. Peace came."),
    document("tax", "Pay now. Pay later. Pay more."),  # no sentence of five words
]
PASSAGES = [passage for one in DOCUMENTS for passage in split_passages(one, 20)]
MODES = ("hybrid", "dense", "lexical")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return make_space(tmp_path_factory.mktemp("probe") / "a.space", DOCUMENTS)


def _passage(document_id: str, text: str, position: int = 0) -> Passage:
    return Passage(document_id, position, "", text, "s.txt")


def test_each_passage_is_found_by_its_own_sentence(space: Space) -> None:
    shares, n_probes = found_again(space, PASSAGES)
    assert n_probes == 2  # `tax` is passed over
    assert shares == dict.fromkeys(MODES, 1.0)


def test_a_passage_that_is_not_there_is_not_found(space: Space) -> None:
    # Its sentence is that of `sea`, which is found in its place.
    stranger = _passage("other", "The red ship sails over deep water.")
    assert found_again(space, [PASSAGES[0], stranger]) == (dict.fromkeys(MODES, 0.5), 2)
    assert found_again(space, [_passage("sea", PASSAGES[0].text, position=1)]) == (
        dict.fromkeys(MODES, 0.0),
        1,
    )


def test_only_the_first_k_hits_count(space: Space) -> None:
    # Each asks for the other's sentence: its own passage can only come second.
    swapped = [_passage("sea", PASSAGES[1].text), _passage("war", PASSAGES[0].text)]
    assert found_again(space, swapped, k=1) == (dict.fromkeys(MODES, 0.0), 2)
    assert found_again(space, swapped, k=3)[0]["dense"] == 1.0


def test_the_sentence_in_the_middle_is_asked_for(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    search_batch = Space.search_batch

    def noting(space: Space, queries: list[str], k: int, mode: str) -> object:
        asked.extend(queries)
        return search_batch(space, queries, k, mode)

    monkeypatch.setattr(Space, "search_batch", noting)
    text = "It is a first sentence. Too short. It is the middle one. It is a last sentence."
    found_again(space, [_passage("sea", text)])
    assert set(asked) == {"It is the middle one."}


def test_without_a_long_sentence_there_is_nothing_to_measure(space: Space) -> None:
    assert found_again(space, [PASSAGES[2]]) == ({}, 0)
    assert found_again(space, []) == ({}, 0)


def test_a_space_of_one_passage_measures_itself(tmp_path: Path) -> None:
    one = [document("a", "Five words make a sentence.")]
    space = make_space(tmp_path / "a.space", one)
    assert found_again(space, split_passages(one[0], 20)) == (dict.fromkeys(MODES, 1.0), 1)
