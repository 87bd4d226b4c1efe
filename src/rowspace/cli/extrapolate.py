"""`rowspace extrapolate`: which methods of position read on beyond the length of training."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.options import run_options
from rowspace.cli.output import emit_json
from rowspace.errors import ConfigError
from rowspace.extras import missing_torch

if TYPE_CHECKING:
    from rowspace.evaluate.extrapolation import Finished

_POSITIONS = "none,learned,sinusoidal,rope,xpos,alibi,t5"


def _names(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _lengths(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    found = []
    for part in value.split(","):
        if not part.strip().lstrip("-").isdecimal():
            raise ConfigError(
                f"--eval-lengths has {part.strip()!r}, which is no number; give whole numbers "
                "with commas between, as 128,256,512"
            )
        found.append(int(part))
    return tuple(found)


@click.command()
@run_options
@click.option(
    "--positions",
    default=_POSITIONS,
    show_default=True,
    callback=_names,
    help="Methods, with commas between.",
)
@click.option("--train-length", default=128, show_default=True, help="Tokens of a training text.")
@click.option(
    "--eval-lengths",
    default="128,256,512,1024,2048",
    show_default=True,
    callback=_lengths,
    help="Tokens of a window to read at once, with commas between.",
)
@click.option("--seeds", default=3, show_default=True, help="Models of each method.")
@click.option("--steps", default=1200, show_default=True, help="Steps of training.")
@click.option("--batch-size", default=16, show_default=True, help="Texts of one step.")
@click.option("--learning-rate", default=4e-3, show_default=True, help="Highest step size.")
@click.option("--vocab-size", default=1024, show_default=True, help="Tokens of the tokenizer.")
@click.option("--dim", default=64, show_default=True, help="Length of a token's vector.")
@click.option("--n-layers", default=4, show_default=True, help="Layers.")
@click.option("--n-heads", default=4, show_default=True, help="Heads of attention.")
@click.option("--head-dim", default=32, show_default=True, help="Width of a head.")
@click.option(
    "--scalings",
    default="linear,ntk,dynamic,yarn",
    show_default=True,
    callback=_names,
    help="Of RoPE as it was trained.",
)
@click.option(
    "--finetune-scalings",
    default="yarn,linear,none",
    show_default=True,
    callback=_names,
    help="Of RoPE whose training goes on at a longer length.",
)
@click.option(
    "--finetune-share", default=0.1, show_default=True, help="Steps of that, as a share of --steps."
)
@click.option(
    "--finetune-length", type=int, help="Tokens of a text in that; the longest window if not given."
)
@click.option("--base", default=10_000.0, show_default=True, help="Of RoPE's and xPos's angles.")
@click.option("--beta-fast", default=8.0, show_default=True, help="YaRN: turns that need no help.")
@click.option("--beta-slow", default=0.5, show_default=True, help="YaRN: turns that need it all.")
@click.option("--eval-tokens", default=65_536, show_default=True, help="Tokens told, at most.")
@click.option(
    "--stride", type=int, help="Of sliding windows; a quarter of --train-length if not given."
)
@click.option("--held-out", default=0.05, show_default=True, help="Share of the text to tell.")
@click.option(
    "--precision",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "float32", "bfloat16"]),
    help="What matrices are multiplied in while training.",
)
@click.option("--n-threads", type=int, help="Threads; every core if not given.")
@click.option("--device", help="cpu, cuda, …; cuda where there is one if not given.")
@corpus_options
def extrapolate(
    corpus: tuple[str, ...],
    out: Path,
    resume: bool,
    documents: str,
    encoding: str,
    errors: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train models on CORPUS at one length, and see which of them read longer texts.

    Writes a page, results.json and the numbers of each model into --out.
    """
    for package in ("torch", "tokenizers"):
        if importlib.util.find_spec(package) is None:
            raise missing_torch("rowspace extrapolate")
    from rowspace.evaluate.extrapolation import PAGE
    from rowspace.evaluate.extrapolation import extrapolate as run
    from rowspace.evaluate.extrapolation_config import ExtrapolationConfig
    from rowspace.evaluate.extrapolation_results import table_lines

    config = ExtrapolationConfig(**settings)
    text = make_corpus(corpus, documents, encoding, errors)
    results = run(text, out, config, resume=resume, on_finished=tell_finished)
    if as_json:
        emit_json({"out": str(out), **results.as_dict()})
        return
    for line in table_lines(results):
        click.echo(line)
    click.echo(f"\nsee {out / PAGE}")


def tell_finished(finished: Finished) -> None:
    """One line on stderr about a model."""
    plain = finished.measured[0]
    read = {n: loss for n, loss in plain.losses.items() if loss is not None}
    said = ", ".join(f"{math.exp(loss):,.1f} at {length:,}" for length, loss in read.items())
    click.echo(
        f"{finished.position}, seed {finished.seed}: perplexity {said} ({finished.seconds:.0f} s)",
        err=True,
    )
