"""`rowspace tune`: the weight of meaning in a hybrid search, by judged queries."""

from __future__ import annotations

from pathlib import Path

import click

from rowspace.cli.output import aligned, emit_json, json_option, ratio
from rowspace.cli.search import space_argument
from rowspace.errors import ConfigError, EvaluationError
from rowspace.search.space import open_space
from rowspace.search.tuning import WEIGHTS, Tuned, tune_dense_weight
from rowspace.text import beir


@click.command()
@space_argument
@click.argument("judged", type=click.Path(path_type=Path))
@click.option("--split", default="test", show_default=True, help="Which file of JUDGED/qrels.")
@click.option(
    "--weights",
    default=",".join(f"{weight:g}" for weight in WEIGHTS),
    show_default=True,
    help="What to try, with commas between; the space's own is tried too.",
)
@click.option("-k", default=10, show_default=True, help="How many documents count.")
@click.option(
    "--folds", default=5, show_default=True, help="Parts of the queries, each held out once."
)
@click.option("--save", is_flag=True, help="Let SPACE keep the best weight.")
@json_option
def tune(
    path: str,
    judged: Path,
    split: str,
    weights: str,
    k: int,
    folds: int,
    save: bool,
    as_json: bool,
) -> None:
    """Find how much meaning is to count in hybrid searches of SPACE, by queries that are judged.

    JUDGED is a folder in BEIR's layout: queries.jsonl and qrels/SPLIT.tsv, whose document ids are
    those of SPACE.
    """
    space = open_space(path)
    tuned = tune_dense_weight(
        space,
        dict(beir.read_queries(judged, EvaluationError)),
        beir.read_qrels(beir.qrels_file(judged, split, EvaluationError), EvaluationError),
        weights=_numbers(weights),
        k=k,
        n_folds=folds,
    )
    if save:
        space.set_dense_weight(tuned.best)
    if as_json:
        emit_json(tuned.as_dict() | {"saved": save})
    else:
        _print(tuned, path, save)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ConfigError(
            f"--weights has {text!r}; give numbers with commas between, as 0.2,0.5,1"
        ) from None


def _print(tuned: Tuned, path: str, saved: bool) -> None:
    rows = [("weight", f"nDCG@{tuned.k}", "")]
    for weight, score in zip(tuned.weights, tuned.ndcg, strict=True):
        notes = [
            note
            for note, is_it in (("best", tuned.best), ("the space's", tuned.current))
            if weight == is_it
        ]
        rows.append((f"{weight:g}", ratio(score), ", ".join(notes)))
    for line in aligned([row[:2] for row in rows], n_left=0):
        click.echo(f"{line}  {rows.pop(0)[2]}".rstrip())
    click.echo(
        f"held out: {ratio(tuned.held_out)}, each of {tuned.n_folds} parts of "
        f"{tuned.n_queries:,} queries at the weight that is best for the others"
    )
    if tuned.n_unknown:
        click.echo(f"{tuned.n_unknown:,} relevant documents are not in {path}", err=True)
    if saved:
        click.echo(f"{path} now takes {tuned.best:g}")
