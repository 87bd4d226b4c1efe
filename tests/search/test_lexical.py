"""Our BM25 against bm25s, an independent implementation, on the same words."""

from __future__ import annotations

from pathlib import Path

import bm25s
import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.search.space import Space
from rowspace.text.corpus import Document
from tests.search.stub import document, make_space

WORDS = [f"w{i}" for i in range(400)]


def _documents(n: int, seed: int, start: int = 0) -> list[Document]:
    """One passage each, words by Zipf's law."""
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, 401)
    return [
        document(
            str(start + i),
            " ".join(rng.choice(WORDS, rng.integers(1, 21), p=chances / chances.sum())),
            n=start + i,
        )
        for i in range(n)
    ]


def _bm25s(documents: list[Document], query: list[str]) -> NDArray[np.float32]:
    model = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    model.index([d.text.split() for d in documents], show_progress=False)
    scores: NDArray[np.float32] = model.get_scores([w for w in query if w in model.vocab_dict])
    return scores


def _check(space: Space, documents: list[Document], where: str | None = None, n: int = -1) -> None:
    for query in (["w0"], ["w1", "w7", "w50"], ["w399", "w2", "nowhere"], WORDS[100:140]):
        truth = {
            d.document_id: score
            for d, score in zip(documents, _bm25s(documents, query), strict=True)
            if score > 0 and (where is None or d.metadata["n"] < n)
        }
        hits = space.search(" ".join(query), k=10_000, mode="lexical", where=where)
        assert {h.document_id: pytest.approx(h.score, rel=1e-4) for h in hits} == truth
        assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def test_scores_are_bm25_after_every_change(tmp_path: Path) -> None:
    documents = _documents(300, seed=1)
    space = make_space(tmp_path / "a.space", documents, language=None)
    _check(space, documents)
    _check(space, documents, where="n < 100", n=100)
    new = _documents(80, seed=2, start=300)
    space.add(new[:50])
    space.add(new[50:])
    _check(space, documents + new)
    replaced = _documents(40, seed=3)
    space.add(replaced)
    space.delete(str(i) for i in range(200, 260))
    there = replaced + documents[40:200] + documents[260:] + new
    _check(space, there)
    _check(space, there, where="n < 100", n=100)


def test_a_word_repeated_in_a_query_counts_each_time(tmp_path: Path) -> None:
    documents = _documents(50, seed=1)
    space = make_space(tmp_path / "a.space", documents, language=None)
    truth = _bm25s(documents, ["w3", "w5", "w3", "w3"])
    hits = space.search("w3 w5 w3 w3", k=100, mode="lexical")
    assert {h.document_id: pytest.approx(h.score, rel=1e-4) for h in hits} == {
        d.document_id: score for d, score in zip(documents, truth, strict=True) if score > 0
    }


def test_many_small_additions_stay_bm25_and_bounded(tmp_path: Path) -> None:
    documents = _documents(60, seed=4)
    space = make_space(tmp_path / "a.space", documents[:20], language=None)
    for one in documents[20:]:
        space.add([one])
    _check(space, documents)
    state = space.status()
    assert state["fragments"] <= 33
    assert state["bytes"] < 8_000_000
    assert space.verify() == []
