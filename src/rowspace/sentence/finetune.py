"""Training a sentence embedder on pairs: contrastive, of people's scores, or of a teacher's.

Reimers & Gurevych (2019), https://arxiv.org/abs/1908.10084; Karpukhin et al. (2020),
https://arxiv.org/abs/2004.04906. What a step does depends on the seed, its number and the weights
alone, dropout included, so that a run which was stopped goes on from its last checkpoint to the
same bits, given the same number of threads on the same machine.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from rowspace.errors import TrainingError
from rowspace.files import write_atomically, write_json
from rowspace.machine import has_native_bfloat16
from rowspace.progress import Tracker, track
from rowspace.sentence.batch_loss import BatchLoss, loss_name, set_dropout
from rowspace.sentence.card import model_card
from rowspace.sentence.development import DevelopmentSet
from rowspace.sentence.finetune_config import FinetuneConfig
from rowspace.sentence.model import SentenceModel
from rowspace.sentence.pairs import Examples
from rowspace.sentence.prompts import Prompts
from rowspace.sentence.samplers import BatchConfig, BatchSampler
from rowspace.sentence.static_model import StaticModel
from rowspace.space.encoder import Encoder
from rowspace.text.runs import work_folder
from rowspace.transformer.checkpoint import load_checkpoint, model_tensors, save_checkpoint
from rowspace.transformer.interrupts import deferred_interrupts
from rowspace.transformer.lora import add_lora, merge_lora
from rowspace.transformer.schedule import learning_rate_at
from rowspace.transformer.training import mix

CHECKPOINT_SECONDS = 60.0
_CHECKPOINT, _BEST = "checkpoint", "best.safetensors"
RECORD = "training.json"
_LOOKS = 10


@dataclass
class Progress:
    """How far a run is, and how it went; as JSON can hold it."""

    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    """(steps taken, mean loss since the entry before)."""
    scores: list[tuple[int, float]] = field(default_factory=list)
    """(steps taken, score of the development set)."""
    best: float = -math.inf
    n_worse: int = 0
    """Looks at the development set since the best."""


@dataclass(frozen=True)
class FinetuneReport:
    """What a run was, and came to."""

    n_examples: int
    n_steps: int
    """Taken."""
    n_empty: int
    """Examples left out, as a text of theirs is empty."""
    n_left_out: int
    """Examples of the first epoch that found no batch without their texts in it."""
    losses: list[tuple[int, float]]
    scores: list[tuple[int, float]]
    metric: str | None
    best_step: int | None
    seconds: float


class SentenceTrainer:
    """Trains embedders with these settings.

    Parameters
    ----------
    config : FinetuneConfig, optional
    **settings
        The config's fields, where no config is given.

    Examples
    --------
    >>> from rowspace.sentence import SentenceModel, SentenceTrainer, read_pairs
    >>> trainer = SentenceTrainer(epochs=2)
    >>> report = trainer.fit(SentenceModel.load("models/minilm"), read_pairs("pairs.jsonl"),
    ...                      "mine")
    """

    def __init__(self, config: FinetuneConfig | None = None, **settings: Any) -> None:
        self.config = FinetuneConfig(**settings) if config is None else config

    def fit(
        self,
        model: SentenceModel | StaticModel,
        sources: Sequence[Examples],
        out: Path | str,
        *,
        development: DevelopmentSet | None = None,
        teacher: Encoder | None = None,
        base: str = "",
        resume: bool = False,
    ) -> FinetuneReport:
        """Train, and write a sentence-transformers folder.

        Parameters
        ----------
        model : SentenceModel or StaticModel
            Trained in place.
        sources : sequence of Examples
            Each has batches of its own.
        out : path
            A run works in a folder beside it, which is removed when all is done.
        development : DevelopmentSet, optional
            The weights that score best on it are those that are written.
        teacher : Encoder, optional
            Whose vectors the losses embedding_mse and embedding_cosine draw to.
        base : str
            What the model is called that was trained on, for the card.
        resume : bool
            Go on with the run that is there; it ends with the same weights.

        Raises
        ------
        ConfigError
            If a setting cannot be, `out` exists, or the run that is there is another.
        TrainingError
            If the loss is no number; what was saved before stays.
        KeyboardInterrupt
            After Ctrl-C, when the step is done and saved.
        """
        out = Path(out)
        with work_folder(out, resume, (_CHECKPOINT,)) as work:
            work.mkdir(parents=True, exist_ok=True)
            run = _Run(self.config, model, sources, development, teacher, work)
            run.fit()
            report = run.report()
            run.finish()
            card = model_card(report, self.config, [source.name for source in sources], base)
            model.save(out, card=card)
            write_json(out / RECORD, _record(report, self.config, base))
        shutil.rmtree(work)
        return report


def _record(report: FinetuneReport, config: FinetuneConfig, base: str) -> dict[str, Any]:
    return {
        "sentence": 1,
        "base": base,
        "config": dataclasses.asdict(config),
        "report": dataclasses.asdict(report),
    }


class _Run:
    """One run."""

    def __init__(
        self,
        config: FinetuneConfig,
        model: SentenceModel | StaticModel,
        sources: Sequence[Examples],
        development: DevelopmentSet | None,
        teacher: Encoder | None,
        work: Path,
    ) -> None:
        self.config, self.model, self.sources = config, model, list(sources)
        self.development, self.work = development, work
        self.progress = Progress()
        self._prepare_model()
        self._losses = [
            BatchLoss(
                model,
                config,
                model.config.prompts,
                source.kind,
                loss_name(config, source.kind, source.name),
                teacher,
            )
            for source in self.sources
        ]
        needs_distinct = any(loss.name == "info_nce" for loss in self._losses)
        self.sampler = BatchSampler(
            [source.keys for source in self.sources],
            BatchConfig(
                batch_size=config.batch_size,
                seed=config.seed,
                temperature=config.temperature,
                distinct_texts=needs_distinct,
            ),
        )
        self.n_left_out = self.sampler.n_left_out
        self.n_steps = config.steps or max(1, round(config.epochs * len(self.sampler)))
        self.optimizer = torch.optim.AdamW(
            _groups(model, config.weight_decay), lr=config.learning_rate
        )
        self._loss_sum = torch.zeros(())
        self._batches = iter(self.sampler)
        self._numbers = _Numbers(self.sources)

    def _prepare_model(self) -> None:
        config, model = self.config, self.model
        prompts = _prompts_of(config, model.config.prompts)
        model.set_config(dataclasses.replace(model.config, prompts=prompts), config.max_length)
        if config.dropout is not None:
            set_dropout(model, config.dropout)
        if config.lora_rank:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(config.seed)
                add_lora(model.transformer, rank=config.lora_rank, alpha=config.lora_alpha)

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to fit."""
        return {
            "config": self.config.without_machine(),
            "sources": [[source.name, len(source), source.kind] for source in self.sources],
            "n_steps": self.n_steps,
        }

    def fit(self) -> None:
        """Take the steps that are left, from the checkpoint on if there is one."""
        checkpoint = self.work / _CHECKPOINT
        if checkpoint.exists():
            self._restore(checkpoint)
        threads = torch.get_num_threads()
        torch.set_num_threads(self.config.threads)
        self.model.train()
        try:
            with (
                track("training", total=self.n_steps) as tracker,
                deferred_interrupts() as is_interrupted,
                torch.random.fork_rng(devices=[]),
            ):
                self._steps(tracker, is_interrupted, checkpoint)
        finally:
            torch.set_num_threads(threads)
            self.model.eval()

    def _steps(self, tracker: Tracker, is_interrupted: Any, checkpoint: Path) -> None:
        saved = time.monotonic()
        self._show(tracker)
        while self._look_if_due() and self.progress.step < self.n_steps:
            self._take_step()
            self._show(tracker)
            is_late = time.monotonic() - saved >= CHECKPOINT_SECONDS
            if is_interrupted() or is_late:
                self._save(checkpoint)
                saved = time.monotonic()
            if is_interrupted():
                raise KeyboardInterrupt

    def _take_step(self) -> None:
        config, progress = self.config, self.progress
        started = time.monotonic()
        rate = learning_rate_at(
            progress.step,
            self.n_steps,
            round(config.warmup * self.n_steps),
            config.learning_rate,
            0.0,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(mix(config.seed, progress.step))
        source, examples = self._numbers.examples(self._next_batch())
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss = self._losses[source].backward(examples)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.clip or math.inf)
        self._check(loss, norm)
        self.optimizer.step()
        self._loss_sum += loss.cpu()
        progress.step += 1
        progress.seconds += time.monotonic() - started
        if progress.step % self._log_every == 0 or progress.step == self.n_steps:
            n = progress.step - (progress.losses[-1][0] if progress.losses else 0)
            progress.losses.append((progress.step, float(self._loss_sum) / n))
            self._loss_sum = torch.zeros(())

    def _next_batch(self) -> Any:
        """The next one, of the next epoch where this one is done."""
        found = next(self._batches, None)
        if found is None:
            self._batches = iter(self.sampler)
            found = next(self._batches)
        return found

    def _autocast(self) -> AbstractContextManager[Any]:
        wanted = self.config.precision
        device = next(self.model.parameters()).device.type
        is_native = has_native_bfloat16() if device == "cpu" else torch.cuda.is_bf16_supported()
        if wanted == "float32" or (wanted == "auto" and not is_native):
            return nullcontext()
        return torch.autocast(device, dtype=torch.bfloat16)

    @property
    def _log_every(self) -> int:
        return max(1, min(50, self.n_steps // 20))

    def _check(self, loss: Tensor, norm: Tensor) -> None:
        for what, value in (("the loss", loss), ("the norm of the gradient", norm)):
            if not value.isfinite():
                raise TrainingError(
                    f"at step {self.progress.step + 1:,}, {what} is {float(value)}: training "
                    f"diverged; give a learning_rate below {self.config.learning_rate}, or "
                    "precision float32"
                )

    def _show(self, tracker: Tracker) -> None:
        progress = self.progress
        notes = [f"loss {progress.losses[-1][1]:.4f}"] if progress.losses else []
        if progress.scores and self.development is not None:
            notes.append(f"{self.development.metric} {progress.scores[-1][1]:.4f}")
        tracker.set(progress.step, ", ".join(notes))

    # The development set

    def _look_if_due(self) -> bool:
        """Score the development set where this step wants it; tells whether to go on."""
        if self.development is None:
            return True
        progress, patience = self.progress, self.config.patience
        every = self.config.evaluate_every or max(1, -(-self.n_steps // _LOOKS))
        is_due = progress.step % every == 0 or progress.step == self.n_steps
        if is_due and not (progress.scores and progress.scores[-1][0] == progress.step):
            self.model.eval()
            with self._autocast():
                score = self.development.score(self.model.encoder())
            self.model.train()
            progress.scores.append((progress.step, score))
            progress.n_worse += 1
            if score > progress.best:
                progress.best, progress.n_worse = score, 0
                with write_atomically(self.work / _BEST) as file:
                    file.write(save(_contiguous(model_tensors(self.model))))
        return not (patience and progress.n_worse >= patience)

    def finish(self) -> None:
        """Put back the best weights, and merge what was trained beside the others."""
        if (self.work / _BEST).exists():
            best = load_file(self.work / _BEST)
            with torch.no_grad():
                for name, tensor in model_tensors(self.model).items():
                    tensor.copy_(best[name])
        if self.config.lora_rank:
            merge_lora(self.model.transformer)

    # Checkpoints

    def _save(self, folder: Path) -> None:
        state = {
            "identity": self.identity,
            "progress": dataclasses.asdict(self.progress),
            "sampler": self.sampler.state(),
        }
        save_checkpoint(folder, self.model, self.optimizer, {"loss": self._loss_sum}, state)

    def _restore(self, folder: Path) -> None:
        tensors, state = load_checkpoint(folder, self.model, self.optimizer, self.identity)
        self._loss_sum = tensors["loss"]
        progress = json.loads(json.dumps(state["progress"]))
        progress["losses"] = [tuple(entry) for entry in progress["losses"]]
        progress["scores"] = [tuple(entry) for entry in progress["scores"]]
        self.progress = Progress(**progress)
        self.sampler.restore(state["sampler"])
        self._batches = iter(self.sampler)

    def report(self) -> FinetuneReport:
        """What it came to."""
        progress = self.progress
        best = max(progress.scores, key=lambda entry: entry[1])[0] if progress.scores else None
        return FinetuneReport(
            n_examples=sum(map(len, self.sources)),
            n_steps=progress.step,
            n_empty=sum(source.n_empty for source in self.sources),
            n_left_out=self.n_left_out,
            losses=progress.losses,
            scores=progress.scores,
            metric=None if self.development is None else self.development.metric,
            best_step=best,
            seconds=progress.seconds,
        )


class _Numbers:
    """Which source an example's number is of: they are numbered through."""

    def __init__(self, sources: Sequence[Examples]) -> None:
        self.sources = sources
        self.firsts = [sum(map(len, sources[:i])) for i in range(len(sources))]

    def examples(self, batch: Any) -> tuple[int, list[Any]]:
        """The source of a batch, and its examples."""
        source = max(i for i, first in enumerate(self.firsts) if first <= int(batch[0]))
        first = self.firsts[source]
        return source, [self.sources[source][int(number) - first] for number in batch]


def _prompts_of(config: FinetuneConfig, prompts: Prompts) -> Prompts:
    """The base's, with those of the settings in their place."""
    settings = {"query": config.query_prompt, "document": config.document_prompt}
    given = {name: prompt for name, prompt in settings.items() if prompt is not None}
    return dataclasses.replace(prompts, texts={**prompts.texts, **given})


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices shrink, biases and norms do not."""
    learns = [weight for weight in model.parameters() if weight.requires_grad]
    return [
        {"params": [w for w in learns if w.dim() > 1], "weight_decay": weight_decay},
        {"params": [w for w in learns if w.dim() <= 1], "weight_decay": 0.0},
    ]


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
