"""`rowspace eval --task sequence`: what an embedding does under a GRU and an LSTM."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rowspace.cli.options import Command, names, whole_numbers
from rowspace.cli.output import Row, aligned, emit_json, ratio
from rowspace.errors import ConfigError
from rowspace.evaluate.sequence_config import CELLS, SequenceConfig
from rowspace.evaluate.sequence_report import PAGE, SequenceReport, evaluate_sequences
from rowspace.evaluate.sequence_results import Curves
from rowspace.evaluate.sequence_tokens import open_token_vectors

_DEFAULTS = SequenceConfig()


def sequence_options(command: Command) -> Command:
    """The options of sequence models, which mean nothing to other tasks."""
    options = (
        click.option("--cells", callback=names, metavar="NAME,…",
                     help=f"Of {', '.join(CELLS)}, in sequence tasks.  [default: gru,lstm]"),
        click.option("--sizes", callback=whole_numbers, metavar="N,N…",
                     help="Labelled texts to learn from, in sequence tasks.  [default: 100,1000]"),
        click.option("--seeds", type=click.IntRange(min=1),
                     help="Models of each kind, in sequence tasks.  "
                     f"[default: {_DEFAULTS.seeds}]"),
        click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
                     help="Of sequence tasks: write the page, the results and every run as it "
                     "ends; what is there is not run again."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def check_alone(kinds: Sequence[str]) -> None:
    """Raise where other kinds are asked for beside sequence."""
    others = [kind for kind in kinds if kind != "sequence"]
    if others:
        raise ConfigError(
            f"--task sequence goes alone, and --task {others[0]} was given too; run it on its own"
        )


def check_not_given(settings: Mapping[str, Any]) -> None:
    """Raise for settings of sequence models where there are none."""
    given = [name for name, value in settings.items() if value is not None]
    if given:
        raise ConfigError(f"--{given[0]} is of sequence models; add --task sequence")


def eval_sequences(
    model: str,
    data: str,
    only: Sequence[str] | None,
    *,
    as_json: bool,
    out: Path | None,
    **settings: Any,
) -> None:
    """Run what was asked for and print it."""
    given = {name: value for name, value in settings.items() if value is not None}
    config = dataclasses.replace(_DEFAULTS, **given)
    name = Path(model).name or model
    report = evaluate_sequences(
        {name: open_token_vectors(model)}, data, only=only, config=config, out=out
    )
    if as_json:
        emit_json({"model": model, **report.as_dict()})
        return
    click.echo("\n\n".join("\n".join(part) for part in _tables(report)))
    if out is not None:
        click.echo(f"\nsee {out / PAGE}")


def _tables(report: SequenceReport) -> Iterator[list[str]]:
    for curves in report.curves:
        yield [*_curves_table(curves), *curves.notes]
    for task, values in report.next_words.items():
        rows: list[Row] = [(f"next word: {task}", "perplexity")]
        told = {name: value for name, value in values.items() if not isinstance(value, str)}
        rows += [(name, f"{value:,.1f}") for name, value in told.items()]
        refused = [f"{name}: {value}" for name, value in values.items() if isinstance(value, str)]
        yield [*aligned(rows), *refused]


def _curves_table(curves: Curves) -> list[str]:
    sizes = (f"{size:,} texts" for size in curves.sizes)
    rows: list[Row] = [(f"sequence: {curves.task}", "cell", *sizes)]
    for name in curves.names:
        for cell in curves.cells:
            points = curves.points(name, cell)
            rows.append((name, cell, *(_said(point.mean, point.high) for point in points)))
    rows.append(("most frequent label", "", *(ratio(curves.usual_accuracy) for _ in curves.sizes)))
    return aligned(rows, n_left=2)


def _said(mean: float, high: float) -> str:
    """A mean and half of its interval, where there is one."""
    return ratio(mean) if high != high else f"{ratio(mean)} ±{ratio(high - mean)}"
