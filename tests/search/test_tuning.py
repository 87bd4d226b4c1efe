from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from rowspace.errors import ConfigError, EvaluationError
from rowspace.search.space import Space, open_space
from rowspace.search.tuning import WEIGHTS, cross_validated, tune_dense_weight
from tests.search.stub import document, make_space

WORDS = [f"w{i}" for i in range(40)]
WHEN = (0.0, 0.3, 1.0, 4.0)


@pytest.fixture
def space(tmp_path: Path) -> Space:
    rng = np.random.default_rng(0)
    documents = [
        document(str(i), " ".join(rng.choice(WORDS, rng.integers(5, 50))) + ".") for i in range(60)
    ]
    return make_space(tmp_path / "a.space", documents, dense_weight=0.5)


def _judged(n: int = 12) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    rng = np.random.default_rng(1)
    queries = {f"q{i}": " ".join(rng.choice(WORDS, 3)) for i in range(n)}
    grades = {
        query: {str(one): int(rng.integers(0, 3)) for one in rng.choice(60, 8, replace=False)}
        for query in queries
    }
    return queries | {"unjudged": "w1"}, grades


def test_each_weight_is_scored_as_trec_eval_scores_a_search_at_it(space: Space) -> None:
    queries, grades = _judged()
    tuned = tune_dense_weight(space, queries, grades, weights=WHEN)
    assert tuned.weights == (0.0, 0.3, 0.5, 1.0, 4.0)
    evaluator = pytrec_eval.RelevanceEvaluator(grades, {"ndcg_cut.10"})
    for weight, ours in zip(tuned.weights, tuned.ndcg, strict=True):
        run = {}
        for query in grades:
            hits = space.search(queries[query], k=10, dense_weight=weight, group=True)
            run[query] = {hit.document_id: float(-rank) for rank, hit in enumerate(hits)}
        theirs = [one["ndcg_cut_10"] for one in evaluator.evaluate(run).values()]
        assert ours == pytest.approx(np.mean(theirs), abs=1e-9)
    assert tuned.best == tuned.weights[int(np.argmax(tuned.ndcg))]
    assert tuned.n_queries == 12
    assert (tuned.current, tuned.n_unknown, tuned.k) == (0.5, 0, 10)


def test_held_out_queries_have_no_part_in_the_choice() -> None:
    rng = np.random.default_rng(2)
    table = rng.random((23, 4))
    distances = np.array([1.0, 0.0, 2.0, 3.0])
    scores = cross_validated(table, distances, 5, seed=3)
    changed = table.copy()
    changed[7] = [0.0, 0.0, 0.0, 9.0]  # however a query scores, its own weight stays
    again = cross_validated(changed, distances, 5, seed=3)
    chosen = int(np.flatnonzero(table[7] == scores[7])[0])
    assert again[7] == changed[7, chosen]
    alone = cross_validated(table, distances, 23, seed=0)  # leave one out
    for row in range(23):
        others = np.delete(table, row, axis=0).mean(axis=0)
        assert alone[row] == table[row, int(np.argmax(others))]


def test_chance_alone_does_not_look_good_where_held_out() -> None:
    rng = np.random.default_rng(4)
    tables = [rng.random((20, 11)) for _ in range(200)]
    best = np.mean([table.mean(axis=0).max() for table in tables])
    held_out = np.mean([cross_validated(table, np.zeros(11), 5, 0).mean() for table in tables])
    assert best > 0.58
    assert held_out == pytest.approx(0.5, abs=0.01)


def test_of_equal_weights_that_nearest_to_the_spaces_is_taken(space: Space) -> None:
    queries = {"a": "zzx", "b": "zzy"}  # the encoder knows neither: no weight matters
    space.add([document("x", "zzx"), document("y", "zzy")])
    grades = {"a": {"x": 1}, "b": {"y": 1}}
    tuned = tune_dense_weight(space, queries, grades)
    assert (tuned.best, tuned.held_out) == (0.5, 1.0)
    assert tuned.weights == WEIGHTS


def test_what_cannot_be_tuned_is_refused(space: Space) -> None:
    queries, grades = _judged()
    with pytest.raises(EvaluationError, match="1 of 1 queries have a relevant document"):
        tune_dense_weight(space, {"q0": "w1"}, grades)
    with pytest.raises(EvaluationError, match="none of the 2 documents judged relevant is in"):
        tune_dense_weight(space, {"a": "w1", "b": "w2"}, {"a": {"no": 1}, "b": {"none": 1}})
    with pytest.raises(ConfigError, match="n_folds is 1"):
        tune_dense_weight(space, queries, grades, n_folds=1)
    with pytest.raises(ConfigError, match="dense_weight is -1"):
        tune_dense_weight(space, queries, grades, weights=[-1])
    grades["q0"] |= {"gone": 2}
    assert tune_dense_weight(space, queries, grades).n_unknown == 1


def test_a_weight_that_is_set_stays_and_can_be_taken_back(space: Space) -> None:
    def scores(**options: float) -> list[float]:
        return [hit.score for hit in space.search("w1 w2 w3", **options)]  # type: ignore[arg-type]

    before = scores()
    assert before == scores(dense_weight=0.5)
    space.set_dense_weight(2)
    other = open_space(space.path)
    assert (space.dense_weight, other.dense_weight) == (2, 2)
    assert scores() == scores(dense_weight=2) != before
    space.add([document("more", "w1")])
    space.delete("more")
    assert open_space(space.path).dense_weight == 2
    assert space.verify() == []
    assert space.status()["dense_weight"] == 2
    space.set_dense_weight(None)
    assert open_space(space.path).dense_weight == 0.5
    assert scores() == before
    for weight in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=r"dense_weight is .*; give 0 or more"):
            space.set_dense_weight(weight)
