from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import ConfigError
from rowspace.search.hit import Hit
from rowspace.search.retrieval import Retrieved, estimate_tokens, fit
from rowspace.search.space import Space, open_space
from rowspace.text.corpus import Document
from rowspace.text.passages import split_passages
from tests.minilm import minilm_folder
from tests.search.stub import HashEncoder, document, make_space

SENTENCES = [f"Sentence number {i} tells of the wing and of w{i}." for i in range(40)]


def _words(text: str) -> int:
    return len(text.split())


def _hits(document_: Document, max_words: int = 20) -> list[Hit]:
    return [
        Hit(
            passage.document_id,
            f"{passage.document_id}#{passage.position}",
            passage.text,
            passage.title,
            passage.source,
            {},
            1 / (1 + passage.position),
            position=passage.position,
        )
        for passage in split_passages(document_, max_words)
    ]


ROOT = Path(__file__).resolve().parents[2]
LONG = _hits(document("long", " ".join(SENTENCES[:12]), "Wings"))
OTHER = _hits(document("other", " ".join(SENTENCES[20:24]), source="b.txt"))


def test_the_block_is_numbered_passages_with_their_sources() -> None:
    found = fit("wing", [OTHER[0], LONG[0]], 1000, _words)
    assert found.text == f"[1] other (b.txt)\n{OTHER[0].text}\n\n[2] Wings (s.txt)\n{LONG[0].text}"
    assert found.n_tokens == _words(found.text)
    first, second = found.passages
    assert (first.number, first.document_id, first.title, first.source) == (1, "other", "", "b.txt")
    assert (second.passage_ids, second.score) == (("long#0",), 1.0)
    assert str(found) == found.text
    assert found.as_dict()["passages"][1]["number"] == 2


def test_passages_that_follow_each_other_are_joined_in_reading_order() -> None:
    found = fit("wing", [LONG[3], OTHER[1], LONG[1], LONG[2], LONG[5]], 1000, _words)
    assert [one.passage_ids for one in found.passages] == [
        ("long#1", "long#2", "long#3"),
        ("other#1",),
        ("long#5",),
    ]
    assert found.passages[0].text == "\n".join(hit.text for hit in LONG[1:4])
    assert found.passages[0].score == LONG[1].score


def test_what_overlaps_stands_there_once() -> None:
    first = Hit("d", "d#0", "One two three. Four five six.", "", "", {}, 1.0, position=0)
    second = Hit("d", "d#1", "Four five six. Seven.", "", "", {}, 0.5, position=1)
    found = fit("q", [second, first], 100, _words)
    assert found.passages[0].text == "One two three. Four five six. Seven."


@pytest.mark.parametrize("max_tokens", range(1, 140))
def test_the_whole_block_never_has_more_tokens_than_there_is_room(max_tokens: int) -> None:
    hits = [LONG[3], OTHER[1], LONG[1], LONG[2], OTHER[0], LONG[5]]
    found = fit("wing", hits, max_tokens, _words)
    assert found.n_tokens == _words(found.text) <= max_tokens
    whole = fit("wing", hits, 10_000, _words)
    if found.text != whole.text:
        assert found.n_tokens > max_tokens - 24  # a sentence and the longest heading
    for one in found.passages:
        is_alone = one.is_cut and len(found.passages) == 1  # then after a word, if need be
        assert re.search(r"w\d+\.$", one.text) or is_alone
        assert one.is_cut == (one.text != "\n".join(_text_of(one.passage_ids)))
    assert sum(one.is_cut for one in found.passages) <= 1
    taken = {passage_id for one in found.passages for passage_id in one.passage_ids}
    assert taken == {hit.passage_id for hit in hits[: len(taken)]}


def _text_of(passage_ids: tuple[str, ...]) -> list[str]:
    texts = {hit.passage_id: hit.text for hit in [*LONG, *OTHER]}
    return [texts[passage_id] for passage_id in passage_ids]


def test_a_cut_passage_is_not_joined_with_what_comes_after_its_missing_end() -> None:
    hits = [LONG[2], LONG[1]]
    whole = fit("wing", hits, 1000, _words)
    cut = fit("wing", hits, whole.n_tokens - 4, _words)
    assert [one.passage_ids for one in cut.passages] == [("long#2",), ("long#1",)]
    assert [one.is_cut for one in cut.passages] == [False, True]
    assert LONG[1].text.startswith(cut.passages[1].text)


def test_where_no_sentence_fits_the_best_passage_is_cut_after_a_word() -> None:
    first_sentence = LONG[0].text.split(".")[0]
    n_heading = _words(fit("wing", LONG[:1], 1000, _words).text) - _words(LONG[0].text)
    found = fit("wing", LONG, n_heading + 2, _words)
    assert found.n_tokens == n_heading + 2
    assert found.passages[0].text == " ".join(first_sentence.split()[:2])
    assert found.passages[0].is_cut


def test_where_nothing_fits_or_is_found_the_block_is_empty() -> None:
    assert fit("wing", LONG, 3, _words) == Retrieved("wing", "", (), 0, len(LONG))
    assert fit("wing", [], 100, _words) == Retrieved("wing", "", (), 0)
    with pytest.raises(ConfigError, match="max_tokens is 0; give 1 or more"):
        fit("wing", LONG, 0, _words)


@pytest.fixture
def space(tmp_path: Path) -> Space:
    documents = [
        document("wing", " ".join(SENTENCES[:8]), "Wings", year=1958),
        document("heat", "Heat flows from hot to cold.", "Heat", year=1850),
    ]
    return make_space(tmp_path / "a.space", documents)


def test_a_space_retrieves_as_it_searches(space: Space) -> None:
    found = space.retrieve("heat", k=1, where="year < 1900", mode="lexical", count_tokens=_words)
    assert found.text == "[1] Heat (s.txt)\nHeat flows from hot to cold."
    assert found.query == "heat"
    assert space.retrieve("wing", k=3, max_tokens=60).n_tokens <= 60
    assert space.retrieve("nowhere", mode="lexical").text == ""


class CountsTokens(HashEncoder):
    def count_tokens(self, text: str) -> int:
        return 10 * len(text.split())


def test_the_encoders_tokenizer_counts_where_it_has_one(space: Space) -> None:
    counting = open_space(space.path, CountsTokens())
    found = counting.retrieve("heat", k=1, mode="lexical")
    assert found.n_tokens == 10 * _words(found.text)
    assert space.retrieve("heat", k=1, mode="lexical").n_tokens == estimate_tokens(found.text)


@pytest.mark.slow
def test_the_estimate_is_hardly_ever_below_what_a_tokenizer_counts() -> None:
    from rowspace.sentence.loading import load_encoder
    from rowspace.text.corpus import Corpus

    encoder = load_encoder(str(minilm_folder()))
    ratios = []
    for one in list(Corpus(ROOT / "examples" / "factbook"))[:60]:
        for passage in split_passages(one):
            ids = encoder.embedding.tokenizer.encode(passage.text)
            assert encoder.count_tokens(passage.text) == len(ids)
            ratios.append(estimate_tokens(passage.text) / len(ids))
    assert np.quantile(ratios, 0.01) >= 1  # below are lists of abbreviations
    assert min(ratios) > 0.9
    assert np.mean(ratios) < 2
