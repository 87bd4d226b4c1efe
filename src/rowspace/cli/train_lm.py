"""`rowspace train lm` and `mlm`: language models from text."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.options import field_options, run_options
from rowspace.cli.output import emit_json
from rowspace.cli.vectors import printable
from rowspace.extras import require_torch
from rowspace.space.plots import duration
from rowspace.transformer.pretrain_config import PRECISIONS, PretrainConfig

if TYPE_CHECKING:
    from rowspace.transformer.objectives import Objective, Sample
    from rowspace.transformer.pretrained import PretrainReport

Command = TypeVar("Command", bound=Callable[..., Any])

_OF_MASKED = ("mask_share", "whole_words", "mask_sample")
_CHOICES = {"precision": PRECISIONS, "norm": ("rms", "layer")}
_HELP = {
    "tokenizer": "Learned from the text: bpe, wordpiece or characters; or the path of one, as "
    "GPT-2's folder, BERT's vocab.txt, a tokenizer.json.",
    "vocab_size": "Tokens of a tokenizer that is learned.",
    "start_vectors": "Word vectors, of --dim, that the rows of tokens start from where they know "
    "the word: what `rowspace train word2vec` made, or a file.",
    "dim": "Length of a token's vector.",
    "n_layers": "Layers.",
    "n_heads": "Heads of attention.",
    "n_kv_heads": "Heads of keys and values, each for several of queries; as n-heads if not given.",
    "head_dim": "Width of a head; --dim over --n-heads if not given.",
    "hidden_dim": "Inner width of the feed-forward part; by --dim if not given.",
    "max_length": "Tokens of one text in training.",
    "position": "How the model knows which token stands where: learned, sinusoidal, rope, "
    "rope-interleaved, xpos, alibi, t5 or none.",
    "base": "Of RoPE's angles; 10,000 if not given.",
    "scaling": "How RoPE is stretched to longer texts: linear, dynamic, yarn or ntk.",
    "scaling_factor": "By how much it is stretched.",
    "norm": "RMSNorm or LayerNorm.",
    "activation": "Of the feed-forward part: swiglu, gelu, gelu-tanh or relu.",
    "bias": "Whether linear layers have a bias.",
    "is_tied": "Score tokens with the embedding's own matrix.",
    "sparse": "Sparse gradients of the token table, which leave rows that are not read where they "
    "are; with --no-is-tied, and sparse-adam, say.",
    "dropout": "Share dropped in training; 0.1 or 0.2 for a small text read many times.",
    "mask_share": "Share of the tokens to be told.",
    "whole_words": "Hide all tokens of a word, or none.",
    "mask_sample": "Hide tokens more frequent than this less often, as word2vec's --sample; 1e-4 "
    "makes a model that knows topics better.",
    "batch_size": "Texts of one step.",
    "accumulation": "Parts that a step's texts are gone through in, to save memory; the step is "
    "the same.",
    "steps": "Steps to train for; 2,000 if neither this nor --epochs is given.",
    "epochs": "Times to go through the text.",
    "optimizer": "adamw, sgd, adagrad, sparse-adam or rowwise-adagrad.",
    "learning_rate": "Highest step size.",
    "min_learning_rate": "Step size at the end; a tenth of the highest if not given.",
    "warmup": "Steps in which the step size rises.",
    "beta2": "How long AdamW remembers squared gradients.",
    "weight_decay": "How much AdamW shrinks matrices.",
    "clip": "Greatest norm of a gradient; 0 for any.",
    "precision": "What matrices are multiplied in; auto is bfloat16 where that is native.",
    "held_out": "Share of the text kept aside to measure the loss on; 0 for none.",
    "row_record": "Record which rows of the token table learn, and how much.",
    "log_every": "Steps between two noted losses.",
    "evaluate_every": "Steps between two held-out losses; 0 for one at the end.",
    "checkpoint_every": "Steps between two checkpoints; about once a minute if not given.",
    "seed": "Seed of the random numbers.",
    "n_threads": "Threads; every core if not given. The same number gives the same result.",
    "device": "cpu, cuda, …; cuda where there is one if not given.",
}


def _model_options(*left_out: str) -> Callable[[Command], Command]:
    fields = [field for field in dataclasses.fields(PretrainConfig) if field.name not in left_out]
    return field_options(fields, _HELP, _CHOICES, {})


@click.command()
@run_options
@_model_options(*_OF_MASKED)
@corpus_options
def lm(**options: Any) -> None:
    """Train a causal language model (GPT) on CORPUS: each token predicts the next."""
    require_torch("a language model")
    from rowspace.transformer.objectives import NextToken

    _run(NextToken(), **options)


@click.command()
@run_options
@_model_options()
@corpus_options
def mlm(**options: Any) -> None:
    """Train a masked language model (BERT) on CORPUS: hidden tokens are told by all others."""
    require_torch("a language model")
    from rowspace.transformer.objectives import HiddenTokens

    _run(HiddenTokens(), **options)


def _run(
    objective: Objective,
    *,
    corpus: tuple[str, ...],
    out: Path,
    resume: bool,
    documents: str,
    encoding: str,
    errors: str,
    as_json: bool,
    **settings: Any,
) -> None:
    from rowspace.transformer.distributed import joined
    from rowspace.transformer.pretrain import LanguageModelTrainer

    with joined() as world:
        text = make_corpus(corpus, documents, encoding, errors)
        trainer = LanguageModelTrainer(objective=objective, world=world, **settings)
        report = trainer.fit(text, out, resume=resume).report
        if not world.is_first:
            return
        if as_json:
            emit_json({"out": str(out), **report.as_dict()})
        else:
            _tell(report, out)


def _tell(report: PretrainReport, out: Path) -> None:
    from rowspace.transformer.pretrain_page import band_lines

    click.echo(
        f"text: {report.train.tokens:,} tokens to train on, {report.held_out_text.tokens:,} held "
        f"out; {report.vocab_size:,} different ones"
    )
    click.echo(
        f"model: {report.n_parameters:,} parameters, of which "
        f"{report.n_embedding_parameters:,} in the embedding"
    )
    together = f" by {report.n_processes} processes" if report.n_processes > 1 else ""
    click.echo(
        f"training: {report.n_steps:,} steps, {report.n_tokens_seen:,} tokens in "
        f"{duration(report.seconds)}, {report.tokens_per_second:,.0f} tokens/s in "
        f"{report.precision}{together}"
    )
    click.echo(_loss_line(report))
    if report.rows:
        click.echo("what rows of the token table received, by how frequent their tokens are:")
        for row in band_lines(report.rows):
            click.echo("  " + row)
    for sample in report.samples:
        _tell_sample(sample, report.objective)
    click.echo(f"the model is in {out}; see {out / 'report.html'}")
    token = report.neighbors[0].key if report.neighbors else "TOKEN"
    click.echo(f"try: rowspace neighbors {out} {shlex.quote(token)}")


def _loss_line(report: PretrainReport) -> str:
    line = f"loss: {report.history[-1].loss:.4f}"
    result = report.result
    if result is None:
        return line
    line += f", held out {result.loss:.4f}: perplexity {result.perplexity:,.2f} per token"
    if result.word_perplexity is not None and result.bits_per_byte is not None:
        line += (
            f", {result.word_perplexity:,.4g} per word, {result.bits_per_byte:.3f} bits per byte"
        )
    return line


def _tell_sample(sample: Sample, objective: str) -> None:
    if objective == "lm":
        click.echo(f"sample: {_shown(sample.given)} […] {_shown(sample.made)}")
        return
    click.echo(f"hidden: {_shown(sample.given)}")
    click.echo(f"filled: {_shown(sample.made)}")


def _shown(text: str) -> str:
    """In one line, and without what a terminal would obey."""
    return printable(" ".join(text.split()))
