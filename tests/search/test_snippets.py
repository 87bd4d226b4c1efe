from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import ConfigError
from rowspace.search.hit import Hit
from rowspace.search.snippets import QueryWords
from tests.search.stub import document, make_space


def _hit(text: str, query: str, language: str | None = "english", others: list[str] = []) -> Hit:  # noqa: B006
    words = QueryWords(query, language, [text, *others])
    return Hit("d", "d#0", text, "", "", {}, 1.0, query_words=words)


def _marked(hit: Hit) -> list[str]:
    return [hit.text[start:end] for start, end in hit.highlights]


def test_words_with_a_stem_of_the_query_are_highlighted() -> None:
    hit = _hit("Flowing water flows; the FLÖW of flowers.", "the flow")
    assert _marked(hit) == ["Flowing", "flows", "FLÖW"]
    assert hit.highlights[0] == (0, 7)


def test_text_without_the_words_has_no_highlights_and_a_snippet_from_its_beginning() -> None:
    hit = _hit("alpha beta gamma " * 40, "nowhere")
    assert hit.highlights == ()
    assert hit.snippet(20) == "alpha beta gamma…"
    assert _hit("some text", "").highlights == ()
    assert _hit("", "some").snippet() == ""
    assert Hit("d", "d#0", "a  b", "", "", {}, 1.0).snippet() == "a b"


def test_chinese_and_texts_of_no_language_are_highlighted() -> None:
    hit = _hit("彼は機械学習の研究を東京で学習した。", "学習の研究")
    assert _marked(hit) == ["学習の研究", "学習"]
    long = "あ" * 500 + "学習" + "い" * 500
    snippet = _hit(long, "学習").snippet(50)
    assert "学習" in snippet
    assert len(snippet) == 52
    assert (snippet[0], snippet[-1]) == ("…", "…")
    assert _marked(_hit("run running", "running", language=None)) == ["running"]


def test_stop_words_of_a_language_are_those_of_the_text_index(tmp_path: Path) -> None:
    text = "Die Häuser der Stadt sind in den Bergen, und das Haus ist alt."
    assert _marked(_hit(text, "das Haus in der Stadt", "german")) == ["Häuser", "Stadt", "Haus"]
    french = _hit("Le lac de la ville et les lacs.", "les lacs de la région", "french")
    assert _marked(french) == ["lac", "lacs"]
    for language, stop_word in [("german", "das"), ("french", "de"), ("russian", "не")]:
        space = make_space(
            tmp_path / language, [document("a", f"{stop_word} word")], language=language
        )
        assert space.search(stop_word, mode="lexical") == []
        hit = space.search(f"{stop_word} word", mode="lexical")[0]
        assert _marked(hit) == ["word"]
    assert _marked(_hit("学習する", "学習", "german")) == ["学習"]
    assert _hit("der die das", "der die das", "german").highlights == ()


def test_a_snippet_is_a_window_of_whole_words_with_most_of_the_distinct_words() -> None:
    text = "heat heat heat " + "x " * 100 + "cold heat water " + "y " * 100 + "cold cold"
    hit = _hit(text, "heat of cold water")
    snippet = hit.snippet(40)
    assert "cold heat water" in snippet
    assert snippet.startswith("…x")
    assert snippet.endswith("y…")
    assert len(snippet) <= 42


def test_rare_words_count_for_more() -> None:
    others = ["common word"] * 9
    text = "common word " + "x " * 100 + "zebra alone"
    query = "common zebra"
    assert "zebra" in _hit(text, query, others=others).snippet(30)


def test_any_snippet_is_whole_words_of_the_text_and_no_longer() -> None:
    rng = np.random.default_rng(0)
    words = ["heat", "cold", "flow-rate", "x", "wing's", "longer", "(water)"]
    for _ in range(200):
        chosen = rng.choice(words, rng.integers(1, 60)).tolist()
        n = int(rng.integers(40, 90))  # from where on a quarter holds any of the words
        hit = _hit(" ".join(chosen), "heat flow water")
        snippet, spans = hit.snippet_and_highlights(n)
        shown = snippet.removeprefix("…").removesuffix("…")
        assert len(shown) <= n
        cut = shown.split(" ")
        runs = [chosen[i : i + len(cut)] for i in range(len(chosen))]
        assert cut in runs
        assert [snippet[a:b] for a, b in spans] == [
            word
            for word in ("".join(c if c.isalpha() or c == "'" else " " for c in shown)).split()
            if word in ("heat", "flow", "water")
        ]
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_the_window_weighs_at_least_as_much_as_any_other_of_whole_words() -> None:
    rng = np.random.default_rng(1)
    words = ["heat", "cold", "water", "xx", "yyyy", "zz"]
    asked = {"heat", "cold", "water"}
    for _ in range(100):
        chosen = rng.choice(words, 40, p=[0.05, 0.05, 0.05, 0.35, 0.25, 0.25]).tolist()
        best = 0
        for first in range(40):
            for last in range(first, 40):
                part = chosen[first : last + 1]
                if len(" ".join(part)) <= 30:
                    best = max(best, len(asked & set(part)))
        snippet = _hit(" ".join(chosen), "heat cold water").snippet(30)
        assert len(asked & set(snippet.strip("…").split())) == best


def test_white_space_is_single_in_a_snippet_and_highlights_move_along() -> None:
    hit = _hit("one\n\n  two\tthree  heat", "heat two")
    text, spans = hit.snippet_and_highlights()
    assert text == "one two three heat"
    assert [text[a:b] for a, b in spans] == ["two", "heat"]


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="n_characters is 0; give 1 or more"):
        _hit("text", "text").snippet(0)


def test_hits_of_a_search_know_the_words_of_their_query(tmp_path: Path) -> None:
    documents = [document("heat", "Heat flows from hot to cold."), document("b", "Other text.")]
    hits = make_space(tmp_path / "a.space", documents).search("flowing heat")
    assert [hit.text[a:b] for hit in hits[:1] for a, b in hit.highlights] == ["Heat", "flows"]
    whole = hits[0].as_dict()
    assert whole["highlights"] == [[0, 4], [5, 10]]
    assert whole["snippet"] == "Heat flows from hot to cold."
    assert whole["more"] == []
    again = pickle.loads(pickle.dumps(hits[0]))
    assert again == hits[0]
    assert again.highlights == hits[0].highlights
