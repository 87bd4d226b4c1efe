"""`rowspace synthesize`: training pairs out of a corpus alone, or written by a language model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.output import aligned, emit_json, json_option
from rowspace.errors import ConfigError
from rowspace.sentence.endpoint import API_KEY_VARIABLE, Endpoint
from rowspace.sentence.synthesize import (
    KINDS,
    ChatConfig,
    Estimate,
    OfflineConfig,
    SynthesisReport,
    estimate,
    read_leaks,
    synthesize_offline,
)
from rowspace.sentence.synthesize import synthesize as synthesize_by_model
from rowspace.sentence.synthesize.chat_config import GROUNDED, GROUPS
from rowspace.text.corpus import Corpus

_OF_ENDPOINT = (
    "model", "languages", "temperature", "n_concurrent", "requests_per_minute", "timeout",
    "max_retries", "api_key_variable", "input_price", "output_price", "max_cost", "only_estimate",
    "resume",
)  # fmt: skip
_OF_CONNECTION = ("requests_per_minute", "timeout", "max_retries", "api_key_variable")


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    return tuple(name.strip() for name in value.split(",") if name.strip())


@click.command()
@click.argument("corpus", nargs=-1)
@click.option("--out", required=True, type=click.Path(path_type=Path),
              help="To write: JSON lines of anchor, positive, negatives and kind.")  # fmt: skip
@click.option("--n", type=click.IntRange(min=1),
              help="Pairs; without an endpoint all that can be made if not given, else "
              "1,000.")  # fmt: skip
@click.option("--kinds", callback=_names,
              help=f"With commas between: {', '.join(KINDS)}; of a model without a corpus "
              f"{', '.join(GROUPS)}. All if not given.")  # fmt: skip
@click.option("--seed", default=1, show_default=True, help="Of what is drawn by lot.")
@click.option("--negatives", "n_negatives", default=1, show_default=True,
              type=click.IntRange(min=0),
              help="At most so many a pair; a model writes one.")  # fmt: skip
@click.option("--min-words", default=12, show_default=True, help="Leave out shorter passages.")
@click.option("--max-words", default=120, show_default=True, help="Cut longer passages.")
@click.option("--not-in", multiple=True, type=click.Path(path_type=Path),
              help="Keep out the texts of a test set: a folder in BEIR's layout (its queries), "
              "jsonl, tsv, or a text a line. Can be given several times.")  # fmt: skip
@click.option("--endpoint", metavar="URL",
              help="A server in OpenAI's manner, as https://api.openai.com/v1.")  # fmt: skip
@click.option("--model", help="The model's name there.")
@click.option("--languages", default="English", show_default=True, callback=_names,
              help="With commas between; one is drawn for each example without a "
              "corpus.")  # fmt: skip
@click.option("--temperature", default=1.0, show_default=True, help="Of the model's answers.")
@click.option("--n-concurrent", default=4, show_default=True, help="Requests at the same time.")
@click.option("--requests-per-minute", type=float, help="At most so many, evenly spaced.")
@click.option("--timeout", default=120.0, show_default=True, help="Seconds for one answer.")
@click.option("--max-retries", default=6, show_default=True,
              help="Times that a request is tried again.")  # fmt: skip
@click.option("--api-key-variable", default=API_KEY_VARIABLE, show_default=True,
              help="The environment variable that has the key.")  # fmt: skip
@click.option("--input-price", type=float, help="Of a million tokens that are sent.")
@click.option("--output-price", type=float, help="Of a million tokens that are received.")
@click.option("--max-cost", type=float, help="Send nothing that may cost more in all.")
@click.option("--estimate", "only_estimate", is_flag=True,
              help="Tell requests, tokens and cost, and send nothing.")  # fmt: skip
@click.option("--resume", is_flag=True,
              help="Go on with the answers of a run before, perhaps to a larger --n.")  # fmt: skip
@corpus_options
@json_option
@click.pass_context
def synthesize(
    context: click.Context,
    /,
    corpus: tuple[str, ...],
    out: Path,
    not_in: tuple[Path, ...],
    endpoint: str | None,
    documents: str,
    encoding: str,
    errors: str,
    only_estimate: bool,
    resume: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Make training pairs: out of CORPUS alone, or with a language model behind --endpoint.

    Without an endpoint the pairs are titles, headings, sentences and keywords with the paragraphs
    they belong to. With one, a model writes queries to the passages of CORPUS, or, without a
    corpus, whole examples to tasks that it thinks up.
    """
    text = make_corpus(corpus, documents, encoding, errors) if corpus else None
    if endpoint is None:
        _check_offline(context, text)
    if out.exists() and not resume and not only_estimate:
        raise ConfigError(f"{out} exists; give another name, or remove it")
    if endpoint is None:
        assert text is not None
        leaks = read_leaks(not_in) if not_in else None
        out.parent.mkdir(parents=True, exist_ok=True)
        _print(synthesize_offline(text, out, _offline(settings), leaks), out, as_json)
        return
    config = _chat(settings, text)
    if only_estimate:
        _print_estimate(estimate(config, text), as_json)
        return
    server = Endpoint(endpoint, **{name: settings[name] for name in _OF_CONNECTION})
    leaks = read_leaks(not_in) if not_in else None
    out.parent.mkdir(parents=True, exist_ok=True)
    report = synthesize_by_model(server, out, config, text, leaks, resume=resume)
    _print(report, out, as_json)


def _check_offline(context: click.Context, text: Corpus | None) -> None:
    if text is None:
        raise ConfigError("give a CORPUS, an --endpoint with a --model, or both")
    for name in _OF_ENDPOINT:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = "--estimate" if name == "only_estimate" else "--" + name.replace("_", "-")
            raise ConfigError(f"{option} is for a language model; give its --endpoint too")


def _offline(settings: dict[str, Any]) -> OfflineConfig:
    kinds = KINDS if settings["kinds"] is None else settings["kinds"]
    return OfflineConfig(**_those(OfflineConfig, settings) | {"kinds": kinds})


def _chat(settings: dict[str, Any], text: Corpus | None) -> ChatConfig:
    if not settings["model"]:
        raise ConfigError("an endpoint has several models; give the name of one by --model")
    kinds = GROUPS if text is None else (GROUNDED,)
    chosen = {"kinds": settings["kinds"] or kinds, "n": settings["n"] or ChatConfig.n}
    return ChatConfig(**_those(ChatConfig, settings) | chosen)


def _those(config: type[Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that a config has."""
    names = {field.name for field in dataclasses.fields(config)}
    return {name: value for name, value in settings.items() if name in names}


def _print_estimate(expected: Estimate, as_json: bool) -> None:
    if as_json:
        emit_json(dataclasses.asdict(expected))
        return
    click.echo(
        f"{expected.n_requests:,} requests, about {expected.input_tokens:,} tokens in and "
        f"{expected.output_tokens:,} out"
    )
    if expected.cost is None:
        click.echo("give --input-price and --output-price, of a million tokens, for the cost")
    else:
        click.echo(f"about {expected.cost:,.2f} in the currency of the prices")


def _print(report: SynthesisReport, out: Path, as_json: bool) -> None:
    for note in report.notes:
        click.echo(f"rowspace: warning: {note}", err=True)
    if as_json:
        emit_json({"out": str(out), **report.record()})
        return
    counts = [(kind, f"{count:,}") for kind, count in report.by_kind.items() if count]
    _echo(counts)
    if report.rejected:
        click.echo("rejected:")
        _echo([(f"  {reason}", f"{count:,}") for reason, count in report.rejected.items()])
    if report.n_answers:
        cost = "" if report.cost is None else f", cost {report.cost:,.2f}"
        click.echo(
            f"{report.n_answers:,} answers ({report.n_asked:,} requests now), "
            f"{report.input_tokens:,} tokens in, {report.output_tokens:,} out{cost}"
        )
    click.echo(f"{report.n_written:,} pairs in {out}, {report.n_with_negatives:,} with negatives")


def _echo(rows: Sequence[tuple[str, str]]) -> None:
    for line in aligned(rows):
        click.echo(line)
