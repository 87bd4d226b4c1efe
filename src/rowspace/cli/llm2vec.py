"""`rowspace llm2vec`: a decoder made a sentence embedder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.options import field_options, run_options
from rowspace.cli.output import emit_json
from rowspace.extras import require_torch
from rowspace.sentence.llm2vec_config import CONTRASTIVE, LLM2VecConfig
from rowspace.space.plots import duration
from rowspace.transformer.pretrain_config import PRECISIONS

if TYPE_CHECKING:
    from rowspace.sentence.llm2vec import LLM2VecReport

_CHOICES = {"contrastive": CONTRASTIVE, "precision": PRECISIONS}
_HELP = {
    "contrastive": "The last step: a text against itself, --pairs, or none.",
    "mntp_steps": "Steps of masked next-token prediction; 0 leaves it out.",
    "mntp_batch_size": "Texts of one of these steps.",
    "mntp_length": "Tokens of one text in it, and of what the embedder reads; the model's own "
    "where that is less.",
    "mntp_learning_rate": "Its step size at the start; more for a small model.",
    "mask_share": "Share of the tokens to be told.",
    "mask_token": "Stands where a token is hidden.",
    "held_out": "Share of the corpus kept aside to measure the loss on; 0 for none.",
    "contrastive_steps": "1,000; by --epochs for supervised.",
    "epochs": "Times to go through the pairs.",
    "contrastive_batch_size": "128; 64 for supervised.",
    "contrastive_length": "Tokens of one text in it: 128; 512 for supervised.",
    "contrastive_learning_rate": "Its step size: 3e-5; 2e-4 for supervised.",
    "dropout": "Share dropped in the contrastive step: .3; the model's own for supervised.",
    "scale": "What cosines are multiplied by.",
    "rank": "Of LoRA; 0 trains all weights, which a small model can do.",
    "alpha": "Of LoRA.",
    "accumulation": "Parts that a step of masked prediction goes through, to save memory.",
    "precision": "What matrices are multiplied in; auto is bfloat16 where that is native.",
    "seed": "Seed of the random numbers.",
    "n_threads": "Threads; every core if not given.",
    "device": "cpu, cuda, …; cuda where there is one if not given.",
}


@click.command()
@click.argument("model")
@run_options
@click.option(
    "--pairs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Pairs to learn from in the last step, as .jsonl or .tsv; makes it supervised.",
)
@field_options(dataclasses.fields(LLM2VecConfig), _HELP, _CHOICES, {})
@corpus_options
def llm2vec(
    model: str,
    corpus: tuple[str, ...],
    out: Path,
    resume: bool,
    pairs: tuple[Path, ...],
    documents: str,
    encoding: str,
    errors: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Make a sentence embedder of a language model by text alone (LLM2Vec).

    MODEL is the folder of a causal one, as `rowspace train lm` makes, or its name on the hub. It is
    made to see all of a text, learns by masked next-token prediction on CORPUS, then by contrast.
    --out gets a folder for each step, which `rowspace encode` reads.
    """
    require_torch("LLM2Vec")
    from rowspace.sentence.llm2vec import llm2vec as run

    source = click.get_current_context().get_parameter_source("contrastive")
    if pairs and source is click.core.ParameterSource.DEFAULT:
        settings["contrastive"] = "supervised"
    text = make_corpus(corpus, documents, encoding, errors)
    report = run(model, text, out, LLM2VecConfig(**settings), pairs=pairs, resume=resume)
    if as_json:
        emit_json(_as_dict(report))
    else:
        _tell(report)


def _as_dict(report: LLM2VecReport) -> dict[str, Any]:
    return {
        "out": str(report.out),
        "steps": report.steps,
        "done_before": report.done_before,
        "mntp": None if report.mntp is None else report.mntp.as_dict(),
    }


def _tell(report: LLM2VecReport) -> None:
    for step in report.steps:
        click.echo(f"{step}: {'done before' if step in report.done_before else 'done'}")
        if step == "mntp" and report.mntp is not None:
            _tell_mntp(report)
    click.echo(f"the embedder is in {report.out}")
    click.echo(f"try: rowspace encode {report.out} TEXTS --out vectors.npy")


def _tell_mntp(report: LLM2VecReport) -> None:
    mntp = report.mntp
    assert mntp is not None
    click.echo(
        f"  {mntp.trained.n_trained:,} of {mntp.trained.n_parameters:,} parameters learned, "
        f"{mntp.n_steps:,} steps in {duration(mntp.seconds)}, with {mntp.mask_token} for a hidden "
        "token"
    )
    if mntp.held_out:
        first, last = mntp.held_out[0].loss, mntp.held_out[-1].loss
        click.echo(f"  held-out loss: {first:.4f} before, {last:.4f} after")
