"""A run of the training of a sentence embedder: its steps, looks and checkpoints.

What a step does depends on the seed, its number and the weights alone, dropout included, so that a
run which was stopped goes on from its last checkpoint to the same bits, given the same number of
threads on the same machine.

Several processes take each step together (`gathering`). What they know is the same in all; the
first alone looks at the development set and writes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.optim.optimizer import Optimizer

from rowspace.errors import (
    ConfigError,
    CorpusError,
    EvaluationError,
    TrainingError,
)
from rowspace.files import write_atomically
from rowspace.machine import has_native_bfloat16
from rowspace.progress import Tracker, track
from rowspace.sentence.batch_loss import BatchLoss, loss_name, set_dropout
from rowspace.sentence.development import DevelopmentSet
from rowspace.sentence.example import Example
from rowspace.sentence.finetune_config import FinetuneConfig
from rowspace.sentence.gathering import sum_gradients
from rowspace.sentence.model import SentenceModel
from rowspace.sentence.pairs import Examples
from rowspace.sentence.prompts import Prompts
from rowspace.sentence.samplers import BatchConfig, BatchSampler, Numbers
from rowspace.sentence.static_model import StaticModel
from rowspace.space.encoder import Encoder
from rowspace.transformer.checkpoint import load_checkpoint, model_tensors, save_checkpoint
from rowspace.transformer.distributed import ALONE, World
from rowspace.transformer.gradients import clip_gradients
from rowspace.transformer.interrupts import deferred_interrupts
from rowspace.transformer.lora import add_lora, merge_lora
from rowspace.transformer.optimizers import make_optimizer
from rowspace.transformer.schedule import learning_rate_at
from rowspace.transformer.training import mix

CHECKPOINT = "checkpoint"
CHECKPOINT_SECONDS = 60.0
_BEST = "best-{}.safetensors"
_LOOKS = 10
_LORA_DROPOUT = 0.05


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
    best_step: int | None = None
    n_truncated: int = 0
    """Texts whose end was not read; counted again each time that a text comes."""
    n_worse: int = 0
    """Looks at the development set since the best."""

    def note_score(self, score: float) -> bool:
        """Take down a score; tells whether it is the best so far."""
        self.scores.append((self.step, score))
        if score > self.best:
            self.best, self.best_step, self.n_worse = score, self.step, 0
            return True
        self.n_worse += 1
        return False


class Run:
    """One run; as `SentenceTrainer.fit`, in the folder `work`."""

    def __init__(
        self,
        config: FinetuneConfig,
        model: SentenceModel | StaticModel,
        sources: Sequence[Examples],
        development: DevelopmentSet | None,
        teacher: Encoder | None,
        work: Path,
        world: World = ALONE,
    ) -> None:
        self.world = world
        self.config, self.model, self.sources = config, model, list(sources)
        self.development, self.teacher, self.work = development, teacher, work
        self.progress = Progress()
        prompts = _prompts_of(config, model.config.prompts)
        model.set_config(dataclasses.replace(model.config, prompts=prompts), config.max_length)
        names = [loss_name(config, source.kind, source.name) for source in self.sources]
        losses = {
            name: BatchLoss(model, config, prompts, name, teacher, self._autocast, world)
            for name in dict.fromkeys(names)
        }
        if teacher is not None and not any(name.startswith("embedding_") for name in names):
            raise ConfigError(
                f"a teacher is given, and the loss {names[0]} asks none; give embedding_mse or "
                "embedding_cosine as the loss, or no teacher"
            )
        self.losses = names
        self._losses = [losses[name] for name in names]
        self._sampler = _sampler(self.sources, config, distinct_texts="info_nce" in losses)
        self.n_left_out = self._sampler.n_left_out
        self.n_steps = config.steps or max(1, round(config.epochs * len(self._sampler)))
        self._batches = _endless(self._sampler)
        _prepare(model, config)
        self._optimizer = _optimizer(model, config)
        self._loss_sum = torch.zeros((), dtype=torch.float64)

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to fit."""
        model, development, teacher = self.model, self.development, self.teacher
        return {
            "config": self.config.without_machine(),
            "sources": [[source.name, len(source), source.kind] for source in self.sources],
            "texts": [_digest(source.keys.keys.tobytes()) for source in self.sources],
            "development": None if development is None else development.fingerprint,
            "teacher": None if teacher is None else teacher.fingerprint,
            "reading": [model.tokenizer.fingerprint, model.config.max_length],
            "prompts": model.config.prompts.as_dict(),
            "n_steps": self.n_steps,
        }

    def fit(self) -> None:
        """Take the steps that are left, from the checkpoint on if there is one.

        The model then has the best weights, and what was trained beside them is merged.
        """
        world, weights = self.world, list(self.model.parameters())
        world.check_alike("settings, examples and model", self.identity, weights)
        self._warn_of_few_chunks()
        checkpoint = self.work / CHECKPOINT
        if world.from_first(checkpoint.exists()):
            world.check_seen(checkpoint)
            self._restore(checkpoint)
            world.check_alike("checkpoint", dataclasses.asdict(self.progress), weights)
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
        self._finish()

    def _steps(
        self, tracker: Tracker, is_interrupted: Callable[[], bool], checkpoint: Path
    ) -> None:
        saved = time.monotonic()
        self._show(tracker)
        while self._look_if_due() and self.progress.step < self.n_steps:
            self._take_step()
            self._show(tracker)
            is_stopped = self.world.agreed(is_interrupted())
            if is_stopped or time.monotonic() - saved >= CHECKPOINT_SECONDS:
                self._save(checkpoint)
                saved = time.monotonic()
            if is_stopped:
                self.world.wait()  # until it is saved
                raise KeyboardInterrupt
        self._note_loss()

    def _take_step(self) -> None:
        config, progress = self.config, self.progress
        started = time.monotonic()
        self._set_rate()
        torch.manual_seed(mix(config.seed, progress.step))
        source, examples = self._examples(next(self._batches))
        self._optimizer.zero_grad(set_to_none=True)
        n_before = self.model.n_truncated
        loss = self._losses[source].backward(examples)
        n_truncated = torch.tensor(self.model.n_truncated - n_before)
        progress.n_truncated += int(self.world.sum(n_truncated))
        sum_gradients(self.model, self.world)
        norm = clip_gradients(self.model, config.clip or math.inf)
        self._check("the loss", loss)
        self._check("the norm of the gradient", norm)
        self._optimizer.step()
        self._loss_sum += loss.cpu()
        progress.step += 1
        progress.seconds += time.monotonic() - started
        if progress.step % max(1, min(50, self.n_steps // 20)) == 0:
            self._note_loss()

    def _set_rate(self) -> None:
        n = self.n_steps
        warmup = round(self.config.warmup * n)
        # the step after the last one would have 0
        rate = learning_rate_at(self.progress.step, n + 1, warmup, self.config.learning_rate, 0.0)
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def _note_loss(self) -> None:
        progress = self.progress
        n = progress.step - (progress.losses[-1][0] if progress.losses else 0)
        if n:
            progress.losses.append((progress.step, float(self._loss_sum) / n))
            self._loss_sum.zero_()

    def _examples(self, batch: Numbers) -> tuple[int, list[Example]]:
        """The source of a batch, and its examples: they are numbered through all sources."""
        ends = np.cumsum([len(source) for source in self.sources])
        source = int(np.searchsorted(ends, batch[0], side="right"))
        first = int(ends[source]) - len(self.sources[source])
        return source, [self.sources[source][int(number) - first] for number in batch]

    def _autocast(self) -> AbstractContextManager[Any]:
        wanted = self.config.precision
        device = next(self.model.parameters()).device.type
        if wanted == "float32" or (wanted == "auto" and not _is_native(device)):
            return nullcontext()
        return torch.autocast(device, dtype=torch.bfloat16)

    def _show(self, tracker: Tracker) -> None:
        progress = self.progress
        notes = [f"loss {progress.losses[-1][1]:.4f}"] if progress.losses else []
        if progress.scores and self.development is not None:
            notes.append(f"{self.development.metric} {progress.scores[-1][1]:.4f}")
        tracker.set(progress.step, ", ".join(notes))

    # What is lost is neither saved nor gone on with

    def _check(self, what: str, value: Tensor) -> None:
        if not value.isfinite():
            raise self._lost(f"at step {self.progress.step + 1:,}, {what} is {float(value)}")

    def _check_weights(self) -> None:
        for name, tensor in model_tensors(self.model).items():
            if not tensor.isfinite().all():
                raise self._lost(
                    f"after step {self.progress.step:,}, the weight {name} has numbers that are "
                    "not finite"
                )

    def _lost(self, what: str) -> TrainingError:
        if not self.progress.step:
            return TrainingError(f"{what}; the model is damaged: give another base")
        return TrainingError(
            f"{what}: training diverged; give a learning_rate below {self.config.learning_rate}"
        )

    # The development set

    def _look_if_due(self) -> bool:
        """Score the development set where this step wants it; tells whether to go on."""
        if self.development is None:
            return True
        progress, patience = self.progress, self.config.patience
        every = self.config.evaluate_every or max(1, -(-self.n_steps // _LOOKS))
        is_due = progress.step % every == 0 or progress.step == self.n_steps
        is_done = bool(progress.scores) and progress.scores[-1][0] == progress.step
        if is_due and not is_done:
            score = self._score(self.development) if self.world.is_first else math.nan
            if progress.note_score(self.world.from_first(score)):
                self._keep_best()
        return not (patience and progress.n_worse >= patience)

    def _keep_best(self) -> None:
        self._check_weights()
        if self.world.is_first:
            with write_atomically(self._best_file()) as file:
                tensors = model_tensors(self.model).items()
                file.write(save({name: tensor.detach().contiguous() for name, tensor in tensors}))

    def _score(self, development: DevelopmentSet) -> float:
        self.model.eval()
        try:
            with self._autocast():
                return development.score(self.model.encoder())
        except (EvaluationError, CorpusError) as error:  # a vector that is not finite
            raise self._lost(f"after step {self.progress.step:,}, {error}") from error
        finally:
            self.model.train()

    def _best_file(self) -> Path:
        return self.work / _BEST.format(self.progress.best_step)

    def _finish(self) -> None:
        """Put back the best weights, and merge what was trained beside the others."""
        self.world.wait()  # until the best are written
        if self.progress.best_step is not None:
            self.world.check_seen(self._best_file())
            best = load_file(self._best_file())
            with torch.no_grad():
                for name, tensor in model_tensors(self.model).items():
                    tensor.copy_(best[name])
        if self.config.lora_rank:
            merge_lora(self.model.transformer)
        self._check_weights()
        with torch.no_grad():
            vector = self.model(self.model.read([self.sources[0][0].anchor]))
        if not vector.isfinite().all():  # finite weights may be too large to multiply
            raise self._lost(f"after step {self.progress.step:,}, vectors are not finite")

    # Checkpoints

    def _save(self, folder: Path) -> None:
        if not self.world.is_first:
            return
        self._check_weights()
        state = {
            "identity": self.identity,
            "progress": dataclasses.asdict(self.progress),
            "sampler": self._sampler.state(),
        }
        save_checkpoint(folder, self.model, self._optimizer, {"loss": self._loss_sum}, state)
        for path in self.work.glob(_BEST.format("*")):
            if path != self._best_file():  # the checkpoint before may have wanted it
                path.unlink()

    def _warn_of_few_chunks(self) -> None:
        """Tell of processes that will have nothing to do."""
        config, n = self.config, self.world.size
        n_chunks = -(-2 * config.batch_size // config.chunk_size)
        if n_chunks < n:
            warnings.warn(
                f"a batch of {config.batch_size} examples in chunks of {config.chunk_size} texts "
                f"is too little for {n} processes, of which some have nothing to do; give a "
                f"chunk_size of {max(1, 2 * config.batch_size // n)} or less",
                stacklevel=2,
            )

    def _restore(self, folder: Path) -> None:
        tensors, state = load_checkpoint(folder, self.model, self._optimizer, self.identity)
        self._loss_sum = tensors["loss"]
        self.progress = Progress(**state["progress"])
        self.progress.losses = [(step, loss) for step, loss in self.progress.losses]
        self.progress.scores = [(step, score) for step, score in self.progress.scores]
        self._sampler.restore(state["sampler"])


def _sampler(
    sources: Sequence[Examples], config: FinetuneConfig, *, distinct_texts: bool
) -> BatchSampler:
    sampler = BatchSampler(
        [source.keys for source in sources],
        BatchConfig(
            batch_size=config.batch_size,
            seed=config.seed,
            temperature=config.temperature,
            distinct_texts=distinct_texts,
        ),
    )
    if not len(sampler):
        n = sum(map(len, sources))
        raise ConfigError(
            f"a batch is two examples without a text in common, and {n:,} make none; give more"
        )
    return sampler


def _endless(sampler: BatchSampler) -> Iterator[Numbers]:
    """Batches of epoch after epoch, from where the sampler is when the first is asked for."""
    while True:
        yield from sampler


def _prepare(model: SentenceModel | StaticModel, config: FinetuneConfig) -> None:
    """Let a model drop and learn as the settings want."""
    if config.dropout is not None:
        set_dropout(model, config.dropout)
    if config.lora_rank:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            add_lora(
                model.transformer,
                rank=config.lora_rank,
                alpha=config.lora_alpha,
                dropout=_LORA_DROPOUT if config.dropout is None else config.dropout,
            )


def _optimizer(model: SentenceModel | StaticModel, config: FinetuneConfig) -> Optimizer:
    """AdamW; of a table only the rows that a step reads, which are a few of perhaps a million."""
    if isinstance(model, StaticModel):
        model.table.sparse = True
        return make_optimizer(model, "sparse-adam", lr=config.learning_rate)
    return make_optimizer(model, lr=config.learning_rate, weight_decay=config.weight_decay)


def _is_native(device: str) -> bool:
    """Whether a device multiplies bfloat16 faster than float32."""
    if device == "cpu":
        return has_native_bfloat16()
    return device == "cuda" and torch.cuda.is_bf16_supported()


def _prompts_of(config: FinetuneConfig, prompts: Prompts) -> Prompts:
    """The base's, with those of the settings in their place."""
    settings = {"query": config.query_prompt, "document": config.document_prompt}
    given = {name: prompt for name, prompt in settings.items() if prompt is not None}
    return dataclasses.replace(prompts, texts={**prompts.texts, **given})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
