"""Which model to take, by comparisons made by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rowspace.errors import ConfigError
from rowspace.evaluate.compare.latency import SEARCH_MS, latency, measure_search
from rowspace.evaluate.compare.outcome import Comparison, Entry
from rowspace.evaluate.compare.recommend import recommend
from tests.evaluate.compare.made import comparison, entry, many


def _retrieval(
    name: str,
    score: float,
    ms: float | None = None,
    disk: int = 10,
    dim: int | None = 100,
    **more: Any,
) -> Entry:
    return entry(name, {"retrieval/a": many(score)}, query_ms=ms, disk=disk, dim=dim, **more)


def _bm25(score: float, ms: float = 0.5) -> Entry:
    return _retrieval("BM25", score, ms, era="lexical", matches_words=True, dim=None)


def test_the_clearly_best_is_taken() -> None:
    found = recommend(
        comparison(_retrieval("good", 0.8, 9.0), _retrieval("bad", 0.3, 1.0), _bm25(0.4)),
        "retrieval",
    )
    assert found.name == "good"
    assert found.level == ("good",)
    said = str(found)
    assert "Take good: nDCG@10 0.800 ± 0.04" in said
    assert "Clearly better than the next, BM25" in said
    assert "BM25 alone, which needs no model, has 0.400" in said


def test_among_those_not_clearly_worse_the_cheapest_is_taken_and_said_so() -> None:
    found = recommend(
        comparison(
            _retrieval("best", 0.805, 19.0),
            _retrieval("cheap", 0.8, 2.0),
            _retrieval("bad", 0.3, 0.1),
            _bm25(0.4),
        ),
        "retrieval",
    )
    assert found.name == "cheap"
    assert found.level == ("best", "cheap")
    assert "The best, best, is not clearly better (nDCG@10 0.805" in str(found)
    assert "difference -0.005 [" in str(found)


def test_equal_times_are_decided_by_the_disk_and_unknown_costs_lose() -> None:
    same = [_retrieval("large", 0.8, 2.0, 900), _retrieval("small", 0.8, 2.0, 100)]
    assert recommend(comparison(*same), "retrieval").name == "small"
    unknown = _retrieval("unknown", 0.8)
    assert recommend(comparison(unknown, *same), "retrieval").name == "small"
    alone = recommend(comparison(unknown), "retrieval")
    assert alone.name == "unknown"
    assert "BM25 was not scored" in str(alone)


def test_a_moment_does_not_outweigh_the_disk_and_a_multiple_does() -> None:
    small = _retrieval("small", 0.8, 9.0, 90 * 10**6, dim=None)
    for ms, taken in ((8.9, "small"), (4.6, "small"), (4.4, "huge")):
        huge = _retrieval("huge", 0.8, ms, 2 * 10**9, dim=None)
        assert recommend(comparison(huge, small), "retrieval").name == taken
    # Of very fast ones a millisecond is no matter, whatever the ratio.
    quick = _retrieval("quick", 0.805, 0.1, 2 * 10**9, dim=None)
    found = recommend(
        comparison(quick, _retrieval("small", 0.8, 1.0, 10**6, dim=None)), "retrieval"
    )
    assert found.name == "small"
    assert "and larger; 0.10 ms a query, 2GB on disk" in str(found)
    slow = _retrieval("best", 0.805, 30.0, 10, dim=None)
    assert "and slower; 30.0 ms" in str(recommend(comparison(slow, small), "retrieval"))


def test_what_costs_about_the_same_is_decided_by_the_score() -> None:
    better = _retrieval("better", 0.805, 9.0, 91 * 10**6, dim=None)
    for disk, taken in ((90 * 10**6, "better"), (80 * 10**6, "other")):
        other = _retrieval("other", 0.8, 6.0, disk, dim=None)
        assert recommend(comparison(other, better), "retrieval").name == taken


def test_without_costs_the_score_decides_and_it_is_said() -> None:
    found = recommend(comparison(_retrieval("best", 0.805), _retrieval("near", 0.8)), "retrieval")
    assert found.name == "best"
    assert "Costs were not measured, so the score decides." in str(found)
    part = recommend(
        comparison(_retrieval("best", 0.805), _retrieval("known", 0.8, 1.0)), "retrieval"
    )
    assert part.name == "known"
    assert "and its costs are not known." in str(part)


def test_words_alone_are_taken_where_they_are_as_good() -> None:
    found = recommend(comparison(_retrieval("dense", 0.6, 5.0), _bm25(0.6)), "retrieval")
    assert found.name == "BM25"
    assert "matching words is enough here, and no model is needed" in str(found)
    slow = recommend(comparison(_retrieval("dense", 0.6, 5.0), _bm25(0.6, ms=50)), "retrieval")
    assert slow.name == "dense"
    assert "BM25 alone, which needs no model, is not clearly worse: 0.600" in str(slow)
    # About as fast, and nothing on the disk.
    near = recommend(comparison(_retrieval("dense", 0.6, 5.0), _bm25(0.6, ms=12)), "retrieval")
    assert near.name == "BM25"


def test_without_keywords_neither_words_nor_what_is_fused_counts() -> None:
    made = comparison(
        _retrieval("dense", 0.5, 5.0),
        _retrieval("dense + BM25", 0.9, 5.5, matches_words=True),
        _bm25(0.8),
    )
    assert recommend(made, "retrieval").name == "dense + BM25"
    found = recommend(made, "keyword-free")
    assert found.name == "dense"
    assert "BM25" not in str(found)
    none = recommend(comparison(_bm25(0.8)), "keyword-free")
    assert none.name is None
    assert "Nothing was scored on retrieval by vectors alone" in str(none)


def test_a_limit_counts_the_encoding_and_the_search_measured_or_computed() -> None:
    # Computed: 100,000 vectors of 800 numbers are 320 MB, at 8 GB/s 40 ms.
    entries = [_retrieval("wide", 0.8, 1.0, dim=800), _retrieval("narrow", 0.6, 1.0, dim=20)]
    computed = comparison(*entries)
    taken = latency(computed, computed.entries[0])
    assert taken is not None
    assert (taken.search, taken.total, taken.is_measured) == (40.0, 41.0, False)
    found = recommend(computed, "retrieval", under_ms=30)
    assert found.name == "narrow"
    assert "Too slow for 30.0 ms: wide (41.0 ms a query" in str(found)
    assert "exactly, computed)" in str(found)
    fused = comparison(_retrieval("wide + BM25", 0.8, 1.5, dim=800, matches_words=True))
    assert "(1.5 ms to encode it and match words, 40.0 ms to" in str(recommend(fused, "retrieval"))
    measured = comparison(*entries, **{SEARCH_MS: {"800": 3.0, "20": 0.5}})
    found = recommend(measured, "retrieval", under_ms=30)
    assert found.name == "wide"
    assert "(1.0 ms to encode it, 3.0 ms to search 100,000 vectors exactly, measured)" in str(found)


def test_words_that_are_too_slow_are_not_said_to_be_missing() -> None:
    made = comparison(_retrieval("dense", 0.3, 1.0), _bm25(0.8, ms=40))
    found = recommend(made, "retrieval", under_ms=20)
    assert found.name == "dense"
    assert "BM25 was not scored" not in str(found)
    assert "Too slow for 20.0 ms: BM25 (40.0 ms a query)" in str(found)
    assert "BM25 alone, which needs no model, is not among those that count here" in str(found)


def test_what_is_too_slow_and_no_better_is_said_in_few_words() -> None:
    made = comparison(_retrieval("slow", 0.3, 90.0), _retrieval("good", 0.8, 1.0))
    found = recommend(made, "retrieval", under_ms=20)
    assert "Too slow for 20.0 ms, and no better: slow." in found.sentences


def test_where_nothing_fits_the_nearest_is_told() -> None:
    made = comparison(_retrieval("slow", 0.8, 90.0), _retrieval("faster", 0.6, 40.0))
    found = recommend(made, "retrieval", under_ms=2)
    assert found.name is None
    assert "Nothing answers a query within 2.0 ms. The nearest is faster: 45.0 ms" in str(found)
    unknown = recommend(comparison(_retrieval("one", 0.8)), "retrieval", under_ms=2)
    assert unknown.name is None
    assert "was not measured" in str(unknown)


def test_a_limit_is_not_kept_by_what_was_not_measured() -> None:
    made = comparison(_retrieval("unknown", 0.9), _retrieval("known", 0.3, 1.0))
    found = recommend(made, "retrieval", under_ms=50)
    assert found.name == "known"
    assert "Not measured how long a query takes: unknown." in str(found)


def test_classification_takes_its_own_tasks_and_no_search() -> None:
    one = entry(
        "one", {"classification/x": many(0.9), "retrieval/a": many(0.1)}, query_ms=9.0, dim=800
    )
    two = entry("two", {"classification/x": many(0.5), "retrieval/a": many(0.9)}, query_ms=1.0)
    found = recommend(comparison(one, two), "classification", under_ms=10)
    assert found.name == "one"
    assert "9.0 ms a text" in str(found)
    assert "search" not in str(found)
    slow = recommend(comparison(one), "classification", under_ms=2)
    assert "Nothing encodes a text within 2.0 ms. The nearest is one: 9.0 ms a text" in str(slow)
    none = recommend(comparison(_bm25(0.5)), "classification")
    assert none.name is None
    assert "Nothing was scored on classification" in str(none)


def test_only_causal_models_write_and_what_measures_it_is_said() -> None:
    embedder = _retrieval("embedder", 0.9, 1.0)
    none = recommend(comparison(embedder), "generation")
    assert none.name is None
    assert "an embedder gives vectors" in str(none)
    gpt = [
        _retrieval(f"gpt@{how}", 0.1, 1.0, spec=f"gpt@{how}", can_generate=True)
        for how in ("mean", "lasttoken")
    ]
    one = recommend(comparison(embedder, *gpt), "generation")
    assert one.name == "gpt"
    assert "Nothing measured here tells how well it writes" in str(one)
    other = _retrieval("llama", 0.2, 1.0, can_generate=True)
    both = recommend(comparison(*gpt, other), "generation")
    assert both.name is None
    assert "here that is gpt, llama" in str(both)
    assert "tells which of them writes better" in str(both)


def test_causal_models_are_told_apart_by_next_words() -> None:
    def made(name: str, next_word: float, reading: float, **more: Any) -> Entry:
        scores = {"sequence/next": many(next_word), "sequence/films": many(reading)}
        found = entry(name, scores, **more)
        task = found.outcomes["sequence/next"]
        items = dataclasses.replace(task.items, metric="1 / perplexity")
        told = dataclasses.replace(task, metric="1 / perplexity", items=items)
        found.outcomes["sequence/next"] = told
        return found

    found = recommend(
        comparison(
            made("one", 0.1, 0.9, can_generate=True),
            made("two", 0.3, 0.2, can_generate=True),
            made("embedder", 0.9, 0.9),
        ),
        "generation",
    )
    assert found.name == "two"
    assert "Take two: perplexity 3.3 on next" in str(found)
    assert "Only causal language models were looked at" in str(found)


def test_a_limit_is_none_for_writing_whose_time_is_not_measured() -> None:
    gpt = _retrieval("gpt", 0.1, 50.0, can_generate=True)
    found = recommend(comparison(gpt), "generation", under_ms=2)
    assert (found.name, found.under_ms) == ("gpt", None)
    assert "How long writing takes is not measured, so 2.0 ms is no limit here." in str(found)


def test_tasks_that_some_lack_are_said_to_be_left_out() -> None:
    made = comparison(
        entry("one", {"retrieval/a": many(0.9), "retrieval/b": many(0.1)}, query_ms=1.0),
        entry("two", {"retrieval/a": many(0.3)}, query_ms=1.0),
    )
    found = recommend(made, "retrieval")
    assert found.name == "one"
    assert "as not all have it: retrieval/b (two lacks it)" in str(found)


def test_needs_and_limits_that_cannot_be_say_so() -> None:
    with pytest.raises(ConfigError, match="no need 'poetry'; give one of retrieval"):
        recommend(Comparison(entries=[]), "poetry")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="under_ms is 0, which nothing can keep"):
        recommend(Comparison(entries=[]), "retrieval", under_ms=0)


def test_search_is_measured_once_for_each_length() -> None:
    found = measure_search([8, 4, 8], n_vectors=500)
    assert list(found) == ["4", "8"]
    assert all(value > 0 for value in found.values())


def test_search_is_not_measured_where_the_vectors_would_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "rowspace.evaluate.compare.latency.available_memory", lambda: 2 * 500 * 4 * 6
    )
    assert list(measure_search([4, 8], n_vectors=500)) == ["4"]
