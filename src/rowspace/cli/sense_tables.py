"""What `rowspace eval` prints of sense tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rowspace.cli.output import Row, aligned, plain, ratio
from rowspace.evaluate.sense import CLASSIFIERS, Classifier, SenseResult
from rowspace.evaluate.tasks import Report


def sense_tables(report: Report) -> Iterator[list[str]]:
    """A table of each collection, encoder and classifier; one of Word-in-Context; notes."""
    for encoder, results in report.senses.items():
        for family, of_family in by_family(results).items():
            for classifier in CLASSIFIERS:
                yield _sense_table(f"{family}, {encoder}, {classifier}", of_family, classifier)
    if report.wic:
        yield _wic_table(report)
    notes = [
        note
        for encoder, results in report.senses.items()
        for result in results.values()
        for note in _notes(encoder, result)
    ]
    if notes:
        yield list(dict.fromkeys(notes))


def by_family(results: Mapping[str, SenseResult]) -> dict[str, list[SenseResult]]:
    """The results by collection: "coarsewsd20" of "coarsewsd20/bank"."""
    families: dict[str, list[SenseResult]] = {}
    for name, result in results.items():
        families.setdefault(name.split("/")[0], []).append(result)
    return families


def sense_json(results: Mapping[str, SenseResult]) -> dict[str, Any]:
    """The results of one encoder by task, for programs."""
    return {name: _result_json(result) for name, result in results.items()}


def _result_json(result: SenseResult) -> dict[str, Any]:
    scores = {
        classifier: [plain(dataclasses.asdict(score)) for score in of_classifier]
        for classifier, of_classifier in result.scores.items()
    }
    return {**dataclasses.asdict(result), "scores": scores}


def _sense_table(title: str, results: Sequence[SenseResult], classifier: Classifier) -> list[str]:
    scores = [result.scores[classifier] for result in results]
    counts = [f"{score.n_examples} a sense" for score in scores[0]]
    rows: list[Row] = [
        (f"senses: {title}", "senses", "scored", "most frequent", *counts, "accuracy"),
        *(_sense_row(result, classifier) for result in results),
    ]
    if len(results) > 1:
        usual = float(np.mean([result.most_frequent_f1 for result in results]))
        of_counts = np.mean([[score.macro_f1 for score in of_word] for of_word in scores], axis=0)
        accuracy = float(np.mean([of_word[-1].accuracy for of_word in scores]))
        numbers = (ratio(value).ljust(_CELL) for value in of_counts)
        rows.append(("mean of words", "", "", ratio(usual), *numbers, ratio(accuracy)))
    return aligned(rows)


_CELL = len("0.123 ± 0.123")


def _sense_row(result: SenseResult, classifier: Classifier) -> Row:
    scores = result.scores[classifier]
    return (
        result.task.split("/")[-1],
        f"{len(result.n_test):,}",
        f"{sum(result.n_test.values()):,}",
        ratio(result.most_frequent_f1),
        *(f"{ratio(score.macro_f1)} ± {ratio(score.macro_f1_std)}" for score in scores),
        ratio(scores[-1].accuracy),
    )


def _wic_table(report: Report) -> list[str]:
    title = "word in context, cross-validated"
    rows: list[Row] = [(title, "accuracy", "± folds", "most frequent", "pairs")]
    rows += [
        (
            f"{name.split('/')[-1]}, {encoder}",
            ratio(r.accuracy),
            ratio(r.accuracy_std),
            ratio(r.most_frequent_accuracy),
            f"{r.n_pairs:,}",
        )
        for encoder, results in report.wic.items()
        for name, r in results.items()
    ]
    return aligned(rows)


def _notes(encoder: str, result: SenseResult) -> Iterator[str]:
    """What a reader must know to trust a row."""
    n_examples = max(score.n_examples for score in result.scores[CLASSIFIERS[0]])
    rare = result.rare_senses(n_examples)
    if rare:
        counts = ", ".join(f"{sense} {result.n_train.get(sense, 0)}" for sense in rare)
        yield f"{result.task}: senses with fewer than {n_examples} examples, all taken: {counts}"
    if result.n_without_vector:
        yield (
            f"{result.task}, {encoder}: occurrences without a vector, given the most frequent "
            f"sense: {result.n_without_vector:,}"
        )
