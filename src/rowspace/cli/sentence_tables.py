"""How `rowspace eval` prints what came out on pairs of sentences."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rowspace.cli.output import Row, aligned, plain, ratio
from rowspace.evaluate.pair_classification import PairResult
from rowspace.evaluate.sts import STSResult
from rowspace.evaluate.tasks import Report


def sentence_tables(report: Report) -> Iterator[list[str]]:
    """A table for each encoder, then what a reader must know."""
    for encoder, scored in report.sts.items():
        yield _sts_table(encoder, scored)
    for encoder, labelled in report.pairs.items():
        yield _pair_table(encoder, labelled)
    notes = [
        note
        for results in (report.sts, report.pairs)
        for encoder, by_task in results.items()
        for task, result in by_task.items()
        for note in _notes(f"{task}, {encoder}", result)
    ]
    if notes:
        yield notes


def sentence_json(report: Report) -> dict[str, Any]:
    """The same numbers for programs, under "sts" and "pairs"."""
    return {
        "sts": {
            encoder: {name: _sts_json(result) for name, result in results.items()}
            for encoder, results in report.sts.items()
        },
        "pairs": {
            encoder: {name: _pair_json(result) for name, result in results.items()}
            for encoder, results in report.pairs.items()
        },
    }


def _sts_table(encoder: str, results: Mapping[str, STSResult]) -> list[str]:
    rows: list[Row] = [(f"sentence similarity: {encoder}", "spearman", "pearson", "pairs")]
    for name, result in results.items():
        rows.append(_sts_row(name, result))
        if result.parts:
            means = (ratio(result.mean_spearman), ratio(result.mean_pearson))
            rows.append(("  mean of files", *means, ""))
            rows += [_sts_row(f"  {part}", of_part) for part, of_part in result.parts.items()]
    return aligned(rows)


def _sts_row(name: str, result: STSResult) -> Row:
    return name, ratio(result.spearman), ratio(result.pearson), f"{result.n_pairs:,}"


def _pair_table(encoder: str, results: Mapping[str, PairResult]) -> list[str]:
    title = f"sentence pairs: {encoder}"
    rows: list[Row] = [(title, "average precision", "best accuracy", "labelled 1", "pairs")]
    rows += [
        (
            name,
            ratio(result.average_precision),
            ratio(result.best_accuracy),
            f"{result.n_positive:,}",
            f"{result.n_pairs:,}",
        )
        for name, result in results.items()
    ]
    return aligned(rows)


def _notes(about: str, result: STSResult | PairResult) -> Iterator[str]:
    if result.n_zero:
        yield f"{about}: pairs with a text without a vector, counted with cosine 0: {result.n_zero}"
    for note in result.notes:
        yield f"{about}: {note}"


def _sts_json(result: STSResult) -> dict[str, Any]:
    fields = {
        **_fields(result),
        "mean_spearman": result.mean_spearman,
        "mean_pearson": result.mean_pearson,
    }
    parts = {name: plain(_fields(part)) for name, part in result.parts.items()}
    return {**plain(fields), "parts": parts}


def _fields(result: STSResult) -> dict[str, Any]:
    fields = dataclasses.asdict(result)
    del fields["parts"]
    return fields


def _pair_json(result: PairResult) -> dict[str, Any]:
    fields = dataclasses.asdict(result)
    is_none = result.threshold == float("inf")  # which JSON does not have
    return {**fields, "threshold": None if is_none else result.threshold}
