"""`rowspace extrapolate`: which methods of position read on beyond the length of training."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.options import field_options, run_options
from rowspace.cli.output import emit_json
from rowspace.evaluate.extrapolation_config import ExtrapolationConfig
from rowspace.extras import require_torch
from rowspace.transformer.pretrain_config import PRECISIONS

if TYPE_CHECKING:
    from rowspace.evaluate.extrapolation import Finished

_CHOICES = {"precision": PRECISIONS}
_HELP = {
    "positions": "Methods, with commas between.",
    "train_length": "Tokens of a training text.",
    "eval_lengths": "Tokens of a window to read at once, with commas between.",
    "seeds": "Models of each method.",
    "eval_tokens": "Tokens told, at most.",
    "stride": "Of sliding windows; a quarter of --train-length if not given.",
    "scalings": "Of RoPE as it was trained.",
    "finetune_scalings": "Of RoPE whose training goes on at a longer length.",
    "finetune_share": "Steps of that, as a share of --steps.",
    "finetune_length": "Tokens of a text in that; the longest window if not given.",
    "base": "Of RoPE's and xPos's angles.",
    "beta_fast": "YaRN: turns that need no help.",
    "beta_slow": "YaRN: turns that need it all.",
    "dim": "Length of a token's vector.",
    "n_layers": "Layers.",
    "n_heads": "Heads of attention.",
    "head_dim": "Width of a head.",
    "vocab_size": "Tokens of the tokenizer.",
    "batch_size": "Texts of one step.",
    "steps": "Steps of training.",
    "learning_rate": "Highest step size.",
    "held_out": "Share of the text to tell.",
    "precision": "What matrices are multiplied in while training.",
    "n_threads": "Threads; every core if not given.",
    "device": "cpu, cuda, …; cuda where there is one if not given.",
}
_FIELDS = [field for field in dataclasses.fields(ExtrapolationConfig) if field.name in _HELP]


@click.command()
@run_options
@field_options(_FIELDS, _HELP, _CHOICES, {})
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
    require_torch("rowspace extrapolate")
    from rowspace.evaluate.extrapolation import PAGE
    from rowspace.evaluate.extrapolation import extrapolate as run
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
