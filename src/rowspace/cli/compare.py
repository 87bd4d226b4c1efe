"""`rowspace compare`: models of any era on one set of tasks, with what each costs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click

from rowspace.cli.compare_rows import add_hybrid_costs, hybrid_row, lexical_row
from rowspace.cli.compare_tables import comparison_tables
from rowspace.cli.options import names
from rowspace.cli.output import emit_json, json_option
from rowspace.errors import EvaluationError
from rowspace.evaluate.compare.cache import Cache, folder
from rowspace.evaluate.compare.contender import Contender, Scorer
from rowspace.evaluate.compare.costs import measure_costs
from rowspace.evaluate.compare.latency import SEARCH_MS, measure_search
from rowspace.evaluate.compare.models import open_contenders
from rowspace.evaluate.compare.outcome import Comparison, Costs, NotScored
from rowspace.evaluate.compare.recommend import NEEDS, Need, Recommendation, recommend
from rowspace.evaluate.compare.run import compare as run
from rowspace.evaluate.compare.saving import as_dict, write_comparison
from rowspace.evaluate.compare.spec import parse_spec
from rowspace.evaluate.compare.tasks import find_scorers
from rowspace.evaluate.compare.texts import Texts, sample_texts
from rowspace.evaluate.tasks import Kind
from rowspace.machine import describe

PAGE = "compare.html"

EPILOG = """\b
A MODEL is written [NAME=]MODEL[@READING].
  NAME      what it is called in the tables; else the end of its path
  MODEL     word vectors (a folder, a space, .bin, .vec, .txt), a transformer, an embedder
            (sentence-transformers, model2vec), a name on the Hugging Face hub, or
            http://HOST/v1#MODEL for a server that speaks OpenAI's protocol
  READING   how a text's vector is read
              of word vectors: sif (weighted mean, the default), mean
              of a transformer: cls, lasttoken, mean, max, …; with +whiten or +abtt behind it,
              fitted without labels on texts of DATA
A transformer without a reading has several rows: lasttoken (causal) or cls (masked), mean,
mean+whiten. For retrieval there are also BM25, which needs no model, and each embedder fused with
it. DATA is laid out as `rowspace eval --help` says.

\b
Scores and costs are kept in $XDG_CACHE_HOME/rowspace/compare (~/.cache): after an interrupt the
same command goes on where it was, and one more model takes the time of that model alone.

\b
Examples
  rowspace compare wiki.words GPT=wiki.lm all-MiniLM-L6-v2 --data DATA --out report
  rowspace compare wiki.words wiki.mlm@mean+whiten --data DATA --only scifact,stsb
  rowspace compare wiki.words all-MiniLM-L6-v2 --data DATA --need retrieval --under-ms 5
"""


@click.command(epilog=EPILOG)
@click.argument("models", nargs=-1, required=True, metavar="MODEL…")
@click.option(
    "--data", required=True, envvar="ROWSPACE_DATA", show_envvar=True, help="Folder of task files."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Write {PAGE} and comparison.json into this folder.",
    metavar="FOLDER",
)
@click.option(
    "--task",
    "kinds",
    multiple=True,
    type=click.Choice(get_args(Kind)),
    help="Only this kind; may be repeated.",
)
@click.option("--only", callback=names, help="Only the tasks of these names.", metavar="NAME,…")
@click.option(
    "--need",
    "needs",
    multiple=True,
    type=click.Choice(NEEDS),
    help="Say which model to take for this; may be repeated.",
)
@click.option(
    "--under-ms",
    type=click.FloatRange(min=0, min_open=True),
    help="A query may take so long: encoding it, and searching 100,000 vectors.",
    metavar="N",
)
@click.option("--no-costs", is_flag=True, help="Do not measure speed and memory.")
@click.option("--no-cache", is_flag=True, help="Score all anew, and keep nothing.")
@json_option
def compare(
    models: tuple[str, ...],
    data: str,
    out: Path | None,
    kinds: tuple[Kind, ...],
    only: tuple[str, ...] | None,
    needs: tuple[Need, ...],
    under_ms: float | None,
    no_costs: bool,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Compare MODELs of any era on the same tasks: how good, how sure, at what cost."""
    # The models first: that one is not there is told at once.
    sample = functools.cache(lambda: sample_texts(data))
    contenders = open_contenders(models, lambda: sample().documents, keeps_remote=not no_cache)
    scorers, skipped = find_scorers(data, kinds or None, only)
    texts = sample()
    comparison = run_all(
        contenders,
        scorers,
        skipped,
        texts=None if no_costs or not texts.documents else texts,
        cache=None if no_cache else Cache(folder()),
        settings={"data": Path(data).name, "models": list(models)},
    )
    if not any(entry.outcomes for entry in comparison.entries):
        raise EvaluationError(f"no task of {data} could be scored ({_reasons(comparison)})")
    asked = needs or (NEEDS if under_ms is not None else ())
    advice = [recommend(comparison, need, under_ms) for need in asked]
    if out is not None:
        _write(comparison, out, under_ms)
    if as_json:
        found = {"recommendations": [dataclasses.asdict(one) for one in advice]}
        emit_json({**as_dict(comparison), **found})
        return
    _print(comparison, advice)
    if out is not None:
        click.echo(f"\nsee {out / PAGE}")


def run_all(
    contenders: Sequence[Contender],
    scorers: list[Scorer],
    skipped: list[NotScored],
    *,
    texts: Texts | None,
    cache: Cache | None,
    settings: dict[str, Any],
) -> Comparison:
    """Score the models, BM25 and what is fused with it; costs on `texts`, if there are any."""

    def cost(model: Contender) -> Costs:
        assert texts is not None
        return measure_costs(model, texts.documents, texts.queries)

    machine = None if texts is None else describe()
    # Speed is that of these texts: others may be longer.
    measured_by = "" if texts is None else f"{machine}, {texts.digest}"
    comparison = run(
        contenders,
        scorers,
        cache=cache,
        together=lambda model: parse_spec(model.spec).model,
        beside=lambda model: hybrid_row(scorers, model),
        references=lexical_row(scorers, machine),
        cost=None if texts is None else cost,
        machine=measured_by,
        skipped=skipped,
        settings=settings,
    )
    add_hybrid_costs(comparison)
    known = [entry.costs.dim for entry in comparison.entries if entry.costs is not None]
    dims = [dim for dim in known if dim is not None]
    if dims and any(scorer.kind == "retrieval" for scorer in scorers):
        comparison.settings[SEARCH_MS] = measure_search(dims)
    return comparison


def _reasons(comparison: Comparison) -> str:
    found = [one for entry in comparison.entries for one in entry.not_scored]
    found += comparison.skipped
    return "; ".join(dict.fromkeys(f"{one.task}: {one.reason}" for one in found))


def _write(comparison: Comparison, out: Path, under_ms: float | None) -> None:
    from datetime import UTC, datetime

    from rowspace.evaluate.compare.page import render_page
    from rowspace.space.pages import write_page

    page = render_page(out.name, comparison, datetime.now(UTC), under_ms)
    write_comparison(comparison, out)
    write_page(out / PAGE, page)


def _print(comparison: Comparison, advice: list[Recommendation]) -> None:
    parts = ["\n".join(lines) for lines in comparison_tables(comparison)]
    for one in advice:
        limit = "" if one.under_ms is None else f" under {one.under_ms:g} ms"
        parts.append(f"for {one.need}{limit}:\n  " + "\n  ".join(one.sentences))
    click.echo("\n\n".join(parts))
