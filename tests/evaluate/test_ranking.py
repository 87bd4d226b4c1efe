"""Ranking metrics against numbers worked by hand, trec_eval and slow oracles."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

import pytest

from rowspace.evaluate.ranking import (
    METRICS,
    average_precision,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    reciprocal_rank,
)
from tests import naive_metrics

Metric = Callable[[Sequence[str], Mapping[str, int], int], float]

# The example of Järvelin & Kekäläinen's Wikipedia page: six results of grades 3, 2, 3, 0, 1, 2, and
# two more judged documents, of grades 3 and 2, that were not found.
#
#   DCG@6  = 3/1 + 2/1.585 + 3/2 + 0/2.322 + 1/2.585 + 2/2.807
#          = 3 + 1.262 + 1.5 + 0 + 0.387 + 0.712 = 6.861
#   ideal  = 3, 3, 3, 2, 2, 2
#   IDCG@6 = 3 + 1.893 + 1.5 + 0.861 + 0.774 + 0.712 = 8.740
#   nDCG@6 = 6.861 / 8.740 = 0.785
GRADED = {"d1": 3, "d2": 2, "d3": 3, "d4": 0, "d5": 1, "d6": 2, "d7": 3, "d8": 2}
GRADED_RANKING = ["d1", "d2", "d3", "d4", "d5", "d6"]

# Two relevant documents of three at ranks 2 and 4 (the fifth is unjudged):
#   P@5 = 2/5, R@5 = 2/3, RR = 1/2, AP = (1/2 + 2/4) / 3 = 1/3
BINARY = {"a": 1, "b": 0, "c": 1, "d": 1}
BINARY_RANKING = ["b", "a", "x", "c", "y"]


def _random_case(seed: int) -> tuple[list[str], dict[str, int]]:
    generator = random.Random(seed)
    documents = [f"d{i}" for i in range(40)]
    judged = generator.sample(documents, generator.randint(3, 25))
    grades = {document: generator.randint(0, 3) for document in judged}
    grades[judged[0]] = 2
    return generator.sample(documents, generator.randint(0, 35)), grades


def test_ndcg_equals_the_textbook_example() -> None:
    assert ndcg_at_k(GRADED_RANKING, GRADED, 6) == pytest.approx(0.785, abs=5e-4)


def test_gains_are_linear_in_the_grade() -> None:
    # One result of grade 1 where 3 was possible: 1/3, and not (2^1 - 1) / (2^3 - 1) = 1/7.
    assert ndcg_at_k(["low"], {"low": 1, "high": 3}, 1) == pytest.approx(1 / 3)


def test_negative_grades_count_as_zero() -> None:
    assert ndcg_at_k(["spam", "good"], {"spam": -2, "good": 1}, 2) == pytest.approx(
        1 / math.log2(3)
    )
    assert precision_at_k(["spam", "good"], {"spam": -2, "good": 1}, 2) == 0.5


def test_binary_metrics_equal_the_example_worked_by_hand() -> None:
    assert precision_at_k(BINARY_RANKING, BINARY, 5) == pytest.approx(2 / 5)
    assert recall_at_k(BINARY_RANKING, BINARY, 5) == pytest.approx(2 / 3)
    assert reciprocal_rank(BINARY_RANKING, BINARY, 5) == pytest.approx(1 / 2)
    assert average_precision(BINARY_RANKING, BINARY, 5) == pytest.approx(1 / 3)


def test_results_after_k_do_not_count() -> None:
    assert reciprocal_rank(BINARY_RANKING, BINARY, 1) == 0.0
    assert recall_at_k(BINARY_RANKING, BINARY, 3) == pytest.approx(1 / 3)
    assert average_precision(BINARY_RANKING, BINARY, 3) == pytest.approx(1 / 2 / 3)


def test_precision_divides_by_k_even_where_fewer_documents_were_found() -> None:
    assert precision_at_k(["a"], BINARY, 10) == pytest.approx(1 / 10)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_query_without_relevant_documents_has_no_score(metric: Metric) -> None:
    assert math.isnan(metric(["a", "b"], {"a": 0}, 2))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_an_empty_ranking_scores_zero(metric: Metric) -> None:
    assert metric([], {"a": 1}, 10) == 0.0


@pytest.mark.parametrize("k", [1, 3, 10, 50])
@pytest.mark.parametrize("seed", range(10))
def test_metrics_equal_the_slow_oracles(seed: int, k: int) -> None:
    ranked, grades = _random_case(seed)
    oracles = {
        "ndcg_at_k": naive_metrics.naive_ndcg,
        "recall_at_k": naive_metrics.naive_recall,
        "precision_at_k": naive_metrics.naive_precision,
        "reciprocal_rank": naive_metrics.naive_reciprocal_rank,
        "average_precision": naive_metrics.naive_average_precision,
    }
    assert {name: metric(ranked, grades, k) for name, metric in METRICS.items()} == pytest.approx(
        {name: oracle(ranked, grades, k) for name, oracle in oracles.items()}
    )


@pytest.mark.parametrize("k", [1, 5, 10])
def test_metrics_equal_trec_eval(k: int) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    cases = {f"q{seed}": _random_case(seed) for seed in range(30)}
    qrels = {query: grades for query, (_, grades) in cases.items()}
    run = {
        # trec_eval ranks by score, so the scores fall with the rank.
        query: {document: -float(rank) for rank, document in enumerate(ranked[:k])}
        for query, (ranked, _) in cases.items()
        if ranked
    }
    names = {
        f"ndcg_cut_{k}": ndcg_at_k,
        f"recall_{k}": recall_at_k,
        f"P_{k}": precision_at_k,
        f"map_cut_{k}": average_precision,
        "recip_rank": reciprocal_rank,
    }
    measured = pytrec_eval.RelevanceEvaluator(qrels, set(names)).evaluate(run)
    for query in run:
        ranked, grades = cases[query]
        for name, metric in names.items():
            assert metric(ranked, grades, k) == pytest.approx(measured[query][name]), (query, name)
