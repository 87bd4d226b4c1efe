from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from langchain_core.vectorstores.utils import maximal_marginal_relevance as their_mmr

from rowspace.errors import ConfigError
from rowspace.search.diversity import maximal_marginal_relevance
from rowspace.search.space import Space
from tests.naive import naive_mmr
from tests.search.stub import HashEncoder, document, make_space


@pytest.mark.parametrize("diversity", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_it_chooses_as_the_plain_definition(diversity: float) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30, 5)).astype(np.float32)
    vectors[7] = 0
    vectors[8] = 3 * vectors[2]
    relevance = np.sort(rng.random(30))[::-1].copy()
    chosen = maximal_marginal_relevance(relevance, vectors, 12, diversity)
    assert chosen == naive_mmr(relevance.tolist(), vectors.astype(np.float64), 12, diversity)


@pytest.mark.parametrize("diversity", [0.1, 0.5, 0.7])
def test_it_chooses_as_langchain_by_cosine(diversity: float) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((25, 6)).astype(np.float32)
    query = rng.standard_normal(6).astype(np.float32)
    cosines = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    theirs = their_mmr(query, list(vectors), lambda_mult=1 - diversity, k=8)
    ours = maximal_marginal_relevance(cosines.astype(np.float64), vectors, 8, diversity)
    assert ours == theirs


def test_all_are_chosen_where_fewer_are_there() -> None:
    assert maximal_marginal_relevance(np.array([1.0]), np.ones((1, 2), np.float32), 5, 0.5) == [0]
    assert maximal_marginal_relevance(np.zeros(0), np.ones((0, 2), np.float32), 5, 0.5) == []


@pytest.fixture
def space(tmp_path: Path) -> Space:
    documents = [document(f"twin{i}", "wing flow wing flow") for i in range(20)]
    documents += [document("shock", "wing flow shock"), document("heat", "wing heat cold cold")]
    return make_space(tmp_path / "a.space", documents)


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_diverse_hits_are_no_twins(space: Space, mode: str) -> None:
    plain = [hit.document_id for hit in space.search("wing flow", k=3, mode=mode)]
    assert all(found.startswith("twin") for found in plain)
    hits = space.search("wing flow", k=3, mode=mode, diversity=0.9)
    assert hits[0].document_id == plain[0]
    assert {hit.document_id for hit in hits[1:]} == {"shock", "heat"}


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_a_search_chooses_by_the_definition_from_its_candidates(tmp_path: Path, mode: str) -> None:
    rng = np.random.default_rng(2)
    words = [f"w{i}" for i in range(30)]
    documents = [document(str(i), " ".join(rng.choice(words, 8))) for i in range(40)]
    space = make_space(tmp_path / "a.space", documents)
    pool = space.search("w1 w2 w3", k=40, mode=mode)
    vectors = HashEncoder().encode([f"\n{hit.text}" for hit in pool]).astype(np.float64)
    scale = 1.0 if mode == "dense" else pool[0].score
    expected = naive_mmr([hit.score / scale for hit in pool], vectors, 6, 0.5)
    hits = space.search("w1 w2 w3", k=6, mode=mode, diversity=0.5)
    assert [hit.document_id for hit in hits] == [pool[i].document_id for i in expected]
    assert [hit.document_id for hit in hits] != [hit.document_id for hit in pool[:6]]
    scores = {hit.document_id: hit.score for hit in pool}
    assert all(hit.score == pytest.approx(scores[hit.document_id]) for hit in hits)


def test_a_diversity_out_of_range_is_refused(space: Space) -> None:
    with pytest.raises(ConfigError, match=r"diversity is 1\.5; give 0 \(off\) to 1"):
        space.search("wing", diversity=1.5)
    with pytest.raises(ConfigError, match="diversity is nan"):
        space.search("wing", diversity=float("nan"))
    with pytest.raises(ConfigError, match="diversity is -1"):
        maximal_marginal_relevance(np.ones(1), np.ones((1, 1), np.float32), 1, -1)
