"""`rowspace train sentence`: a sentence embedder from pairs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowspace.cli.options import field_options
from rowspace.cli.output import emit_json, json_option
from rowspace.extras import require_torch
from rowspace.sentence.finetune_config import LOSSES, PRECISIONS, SIMILARITIES, FinetuneConfig
from rowspace.space.plots import duration
from rowspace.text.runs import free_work_folder

if TYPE_CHECKING:
    from rowspace.sentence.finetune import FinetuneReport
    from rowspace.transformer.distributed import World

_CHOICES = {"loss": LOSSES, "precision": PRECISIONS, "margin_similarity": SIMILARITIES}
_HELP = {
    "loss": "auto is by what a file holds: info_nce for pairs and triplets, cosent for scored "
    "pairs, margin_mse where a teacher's scores are.",
    "scale": "What cosines are multiplied with: 1 / temperature.",
    "symmetric": "Look for each positive's anchor too.",
    "false_negative_margin": "Leave out negatives within this share of the positive's cosine.",
    "n_negatives": "Hard negatives taken of an example, at most.",
    "margin_similarity": "What margin_mse compares with the teacher's margins; dot for scores "
    "of any size, as a cross-encoder's.",
    "teacher_temperature": "What a teacher's margins are divided by.",
    "matryoshka": "Leading lengths that are trained besides the whole vector, as 256,128,64.",
    "max_length": "Tokens of a text; the base's own if not given.",
    "query_prompt": "Before anchors, in training and afterwards.",
    "document_prompt": "Before positives and negatives, in training and afterwards.",
    "batch_size": "Examples of a step, whose positives are each other's negatives.",
    "chunk_size": "Texts that go through the model at once.",
    "grad_cache": "Large batches in the memory of one chunk, for one more forward pass.",
    "steps": "Steps to train for; by --epochs if not given.",
    "epochs": "Times to go through the examples.",
    "learning_rate": "Highest step size.",
    "warmup": "Share of the steps in which the step size rises.",
    "weight_decay": "How much AdamW shrinks matrices; a static embedder's table does not shrink.",
    "clip": "Greatest norm of a gradient; 0 for any.",
    "dropout": "Share dropped in training; the base's own if not given, and 0.05 beside LoRA's "
    "matrices.",
    "lora_rank": "Train small matrices of this rank beside the base's, merged in the end; 0 trains "
    "all weights.",
    "lora_alpha": "What LoRA's matrices are multiplied with, times their rank.",
    "temperature": "Of several files: batches in proportion to size^(1/temperature).",
    "precision": "What matrices are multiplied in; auto is bfloat16 where that is native.",
    "evaluate_every": "Steps between two looks at --dev; 0 for ten in all.",
    "patience": "Stop after so many looks at --dev without a better one; 0 never stops early.",
    "seed": "Seed of the random numbers.",
    "n_threads": "Threads; every core if not given. The same number gives the same result.",
    "device": "cpu, cuda, …; cuda where there is one if not given.",
}


@click.command()
@click.argument("pairs", nargs=-1, required=True)
@click.option("--base", required=True, help="What is trained on: a folder, or a name on the hub.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="To write.")
@click.option("--dev", type=click.Path(path_type=Path),
              help="Pairs, or a folder in BEIR's layout, that tell the best weights.")  # fmt: skip
@click.option("--dev-split", default="dev", show_default=True,
              help="Which judgements of a --dev folder.")  # fmt: skip
@click.option("--split", default="train", show_default=True,
              help="Which judgements of PAIRS that are folders in BEIR's layout.")  # fmt: skip
@click.option("--teacher", help="An embedder whose vectors embedding_mse and embedding_cosine "
              "draw to.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@field_options(dataclasses.fields(FinetuneConfig), _HELP, _CHOICES, {})
@json_option
def sentence(
    pairs: tuple[str, ...],
    base: str,
    out: Path,
    dev: Path | None,
    dev_split: str,
    split: str,
    teacher: str | None,
    resume: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a sentence embedder on PAIRS, files of .jsonl or .tsv, or folders in BEIR's layout.

    A line of .jsonl has "anchor" and "positive", and perhaps "negatives" or "score". By
    `torchrun --nproc-per-node 2 -m rowspace train sentence …` several processes share each batch.
    """
    require_torch("training")
    from rowspace.transformer.distributed import joined

    with joined() as world:
        config = FinetuneConfig(**settings)
        if world.is_first:
            free_work_folder(out, resume)  # before anything is read
        report = _train(
            config, pairs, base, out, dev, (dev_split, split), teacher, resume=resume, world=world
        )
    if not world.is_first:
        return
    if as_json:
        emit_json({"out": str(out), **dataclasses.asdict(report)})
    else:
        _tell(report, out)


def _train(
    config: FinetuneConfig,
    pairs: tuple[str, ...],
    base: str,
    out: Path,
    dev: Path | None,
    splits: tuple[str, str],
    teacher: str | None,
    *,
    resume: bool,
    world: World,
) -> FinetuneReport:
    from rowspace.sentence.development import DevelopmentSet
    from rowspace.sentence.finetune import SentenceTrainer
    from rowspace.sentence.loading import load_encoder
    from rowspace.sentence.pairs import read_pairs
    from rowspace.sentence.trainable import load_trainable

    dev_split, split = splits
    sources = read_pairs(pairs, split)
    return SentenceTrainer(config, world=world).fit(
        load_trainable(base, max_length=config.max_length, device=config.device),
        sources,
        out,
        development=None if dev is None else DevelopmentSet.read(dev, dev_split),
        teacher=None if teacher is None else load_encoder(teacher),
        base=base,
        resume=resume,
    )


def _tell(report: FinetuneReport, out: Path) -> None:
    line = f"{report.n_examples:,} examples, {report.n_steps:,} steps in {duration(report.seconds)}"
    if report.n_empty:
        line += f"; {report.n_empty:,} with an empty text were left out"
    if report.n_left_out:
        line += f"; {report.n_left_out:,} found no batch without their texts in it"
    click.echo(line)
    if report.n_truncated:
        click.echo(
            f"rowspace: warning: {report.n_truncated:,} times the end of a text was not read, as "
            "it is longer than the model reads (--max-length)",
            err=True,
        )
    if report.losses:
        click.echo(f"loss: {report.losses[0][1]:.4f} at first, {report.losses[-1][1]:.4f} at last")
    if report.scores:
        best = max(score for _, score in report.scores)
        click.echo(
            f"dev {report.metric}: {report.scores[0][1]:.4f} before, {best:.4f} at step "
            f"{report.best_step:,}, whose weights are kept"
        )
    click.echo(f"the model is in {out}; sentence-transformers reads it too")
    click.echo(f"try: rowspace encode {out} TEXTS --out vectors.npy")
