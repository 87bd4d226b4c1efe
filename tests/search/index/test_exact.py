from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.search.index import ExactIndex
from rowspace.search.index import exact as index_module


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 70), st.booleans())
def test_exact_index_is_brute_force(seed: int, n: int, k: int, filtered: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 3, (n, 3)).astype(np.float32)  # many zeros and ties
    queries = rng.integers(-2, 3, (4, 3)).astype(np.float32)
    allowed = rng.random(n) < 0.5 if filtered else np.ones(n, bool)
    scores, positions = ExactIndex(rows.copy()).search(queries, k, allowed if filtered else None)
    for query, found, at in zip(queries, scores, positions, strict=True):
        expected = []
        for i in range(n):
            norm = np.linalg.norm(rows[i].astype(float)) * np.linalg.norm(query.astype(float))
            if allowed[i] and norm:
                expected.append((rows[i].astype(float) @ query / norm, i))
        n_found = int((at >= 0).sum())
        assert n_found == min(k, len(expected))
        best = sorted((score for score, _ in expected), reverse=True)[:k]
        assert found[:n_found] == pytest.approx(best, abs=1e-6)
        truth = {i: score for score, i in expected}
        assert found[:n_found] == pytest.approx([truth[i] for i in at[:n_found]], abs=1e-6)
        assert len(set(at[:n_found])) == n_found
        assert np.all(found[n_found:] == -np.inf)
        assert np.all(at[n_found:] == -1)


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((1000, 8)).astype(np.float32)
    queries = rng.standard_normal((5, 8)).astype(np.float32)
    allowed = rng.random(1000) < 0.3
    whole = ExactIndex(rows.copy()).search(queries, 20, allowed)
    monkeypatch.setattr(index_module, "GATHERED_BYTES", 1000)
    monkeypatch.setattr(index_module, "FEW", 1.0)
    blocks = ExactIndex(rows.copy()).search(queries, 20, allowed)
    assert np.array_equal(whole[1], blocks[1])
    assert np.allclose(whole[0], blocks[0], atol=1e-6)


def test_equal_rows_come_in_order() -> None:
    rows = np.ones((10, 2), np.float32)
    assert ExactIndex(rows).search(np.ones((1, 2), np.float32), 4)[1].tolist() == [[0, 1, 2, 3]]


def test_tiny_and_huge_vectors_keep_their_direction() -> None:
    rows = np.array([[1e-38, 0], [3e38, 3e38], [1e-45, 0]], np.float32)
    scores, positions = ExactIndex(rows).search(np.array([[2e38, 0]], np.float32), 3)
    assert sorted(positions[0].tolist()) == [0, 1, 2]
    assert scores[0] == pytest.approx([1, 1, 2**-0.5], abs=1e-6)


def test_an_index_without_rows_finds_nothing() -> None:
    index = ExactIndex(np.zeros((0, 3), np.float32))
    assert index.search(np.ones((2, 3), np.float32), 2)[1].tolist() == [[-1, -1], [-1, -1]]
