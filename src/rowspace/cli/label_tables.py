"""How `rowspace eval` prints what came out on labelled texts and categories of words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rowspace.cli.output import Row, aligned, plain, ratio
from rowspace.evaluate.classification import ClassificationResult
from rowspace.evaluate.clustering import ClusteringResult
from rowspace.evaluate.tasks import Report


def label_tables(report: Report) -> Iterator[list[str]]:
    """A table for each encoder, then what a reader must know."""
    for encoder, told in report.classification.items():
        yield _classification_table(encoder, told)
    for encoder, found in report.clustering.items():
        yield _clustering_table(encoder, found)
    notes = [
        note
        for results in (report.classification, report.clustering)
        for encoder, by_task in results.items()
        for task, result in by_task.items()
        for note in _notes(task, encoder, result)
    ]
    if notes:
        yield list(dict.fromkeys(notes))  # most hold for every encoder and both kinds


def label_json(report: Report) -> dict[str, Any]:
    """The same numbers for programs, under "classification" and "clustering"."""
    parts: dict[str, Mapping[str, Mapping[str, Any]]] = {
        "classification": report.classification,
        "clustering": report.clustering,
    }
    return {
        kind: {
            encoder: {name: plain(dataclasses.asdict(result)) for name, result in results.items()}
            for encoder, results in by_encoder.items()
        }
        for kind, by_encoder in parts.items()
    }


def _classification_table(encoder: str, results: Mapping[str, ClassificationResult]) -> list[str]:
    names = ("accuracy", "macro-F1", "most frequent", "labels", "learned from", "scored")
    rows: list[Row] = [(f"classification: {encoder}", *names)]
    rows += [
        (
            name,
            *(ratio(x) for x in (r.accuracy, r.macro_f1, r.most_frequent_accuracy)),
            *(f"{n:,}" for n in (r.n_labels, r.n_train, r.n_test)),
        )
        for name, r in results.items()
    ]
    return aligned(rows)


def _clustering_table(encoder: str, results: Mapping[str, ClusteringResult]) -> list[str]:
    rows: list[Row] = [(f"clustering: {encoder}", "V-measure", "purity", "clusters", "scored")]
    rows += [
        (name, ratio(r.v_measure), ratio(r.purity), f"{r.n_clusters:,}", f"{r.n_items:,}")
        for name, r in results.items()
    ]
    return aligned(rows)


def _notes(
    task: str, encoder: str, result: ClassificationResult | ClusteringResult
) -> Iterator[str]:
    if isinstance(result, ClassificationResult):
        n, what = result.n_zero, "test texts without a vector, all given one label"
    else:
        n, what = result.n_without_vector, "without a vector, in no cluster"
    if n:
        yield f"{task}, {encoder}: {what}: {n:,}"
    yield from (f"{task}: {note}" for note in result.notes)
