"""The steps of pretraining: batch, gradients, optimizer, and now and then a look at the loss.

What a step does depends on the seed, its number and the weights alone, dropout included, so that a
run which was stopped anywhere goes on from its last checkpoint and ends with the same bits, given
the same number of threads and processes on the same machine. Of several processes the first alone
measures the held-out loss and writes checkpoints; all read them.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rowspace.errors import TrainingError
from rowspace.progress import Tracker, track
from rowspace.transformer.checkpoint import load_checkpoint, save_checkpoint
from rowspace.transformer.distributed import ALONE, World
from rowspace.transformer.gradients import Gradients
from rowspace.transformer.held_out import TOKENS_WHILE_TRAINING, HeldOutText
from rowspace.transformer.interrupts import deferred_interrupts
from rowspace.transformer.objectives import Model, StepBatches
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.rows import RowRecord
from rowspace.transformer.schedule import learning_rate_at

CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class Entry:
    """The mean loss of the steps since the entry before."""

    step: int
    """Steps taken when it was noted."""
    loss: float
    """Nats per predicted token."""
    learning_rate: float
    """Of the last of them."""
    gradient_norm: float
    """Of the last of them, before it was clipped."""
    tokens_per_second: float


@dataclass(frozen=True)
class HeldOut:
    """The loss on text that nothing was learnt from."""

    step: int
    loss: float
    """Nats per predicted token."""

    @property
    def perplexity(self) -> float:
        """exp(loss): among how many equally likely tokens the loss would be a guess."""
        return math.exp(min(self.loss, 700.0))


@dataclass(frozen=True)
class Parts:
    """What a run is put together from."""

    model: Model
    gradients: Gradients
    optimizer: torch.optim.Optimizer
    batches: StepBatches
    held_out: HeldOutText | None
    record: RowRecord | None = None
    """Of the table of tokens."""
    sample: Callable[[], str] | None = None
    """What is shown of the model at each held-out loss, where someone looks."""


class Run:
    """One run of `n_steps`: how far it is, and how well it does.

    Parameters
    ----------
    config : PretrainConfig
    parts : Parts
    n_steps : int
    identity : dict
        What must be equal for a checkpoint to fit.
    precision : torch.dtype
        bfloat16 multiplies matrices in it; the weights stay float32.
    world : World
        The processes that take the steps together.
    """

    def __init__(
        self,
        config: PretrainConfig,
        parts: Parts,
        n_steps: int,
        identity: dict[str, Any],
        precision: torch.dtype = torch.float32,
        world: World = ALONE,
    ) -> None:
        self.config, self.parts, self.n_steps = config, parts, n_steps
        self.precision, self.world = precision, world
        self.identity = {**identity, "n_steps": n_steps, "precision": str(precision)}
        self.step = 0
        self.history: list[Entry] = []
        self.held_out: list[HeldOut] = []
        self.seconds = 0.0
        self._rates = [float(group["lr"]) for group in parts.optimizer.param_groups]
        self._device = parts.model.head.weight.device
        self._loss = torch.zeros((), device=self._device)  # summed since the last entry
        self._norm = torch.zeros((), device=self._device)
        self._noted = (0, time.monotonic())  # step and time of the last entry

    def fit(self, checkpoint: Path | None = None) -> None:
        """Take the steps that are left, from the checkpoint on if there is one.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, when the step is done and saved.
        TrainingError
            If the loss, the gradient or a weight is no longer a number.
        ClusterError
            If a process ended, does not see the checkpoint, or was given something else.
        """
        if checkpoint is not None and self.world.from_first(checkpoint.exists()):
            self.world.check_seen(checkpoint)
            self.restore(checkpoint)
        self._check_alike()
        checks: Any = torch.sparse.check_sparse_tensor_invariants
        with (
            checks(checks.is_enabled()),  # left open, torch warns of its optimizers' sparse tensors
            track("training", total=self.n_steps) as tracker,
            deferred_interrupts() as is_interrupted,
            torch.random.fork_rng(devices=_devices(self._device), device_type=self._device.type),
        ):
            saved = time.monotonic()
            self._noted = (self.step, saved)
            self._show(tracker)
            self._evaluate_if_due(tracker, is_interrupted)
            while not self.world.agreed(is_interrupted()):
                if self.step == self.n_steps:
                    return
                self._take_step(tracker)
                if checkpoint is not None and self._is_save_due(saved) and not is_interrupted():
                    self._save_if_first(checkpoint)
                    saved = time.monotonic()
                self._evaluate_if_due(tracker, is_interrupted)
            if checkpoint is not None:
                self._save_if_first(checkpoint)
                self.world.wait()  # torchrun ends all as soon as one has ended
            raise KeyboardInterrupt

    def _check_alike(self) -> None:
        known = [self.identity, self.config.without_machine(), self.step]
        weights = self.parts.model.parameters()
        self.world.check_alike("settings, text and checkpoint", known, weights)

    # One step

    def _take_step(self, tracker: Tracker) -> None:
        config, optimizer, started = self.config, self.parts.optimizer, time.monotonic()
        rate = learning_rate_at(
            self.step,
            self.n_steps,
            config.warmup,
            config.learning_rate,
            config.lowest_learning_rate,
        )
        for group, full in zip(optimizer.param_groups, self._rates, strict=True):
            group["lr"] = full * (rate / config.learning_rate)
        if config.dropout:
            torch.manual_seed(self._seed_of_step())
        token_ids, targets = (
            part.to(self._device) for part in self.parts.batches.batch_at(self.step)
        )
        self._loss += self.parts.gradients.gradients(token_ids, targets)
        self._norm = self.parts.gradients.clip(config.clip or math.inf)
        optimizer.step()
        self.step += 1
        if self.step % config.log_every == 0 or self.step == self.n_steps:
            self._note_entry(rate)
            self._show(tracker)
        self.seconds += time.monotonic() - started

    def _seed_of_step(self) -> int:
        """Of what is dropped: in each process something else, as other texts are there."""
        seed = mix(self.config.seed, self.step)
        return mix(seed, self.world.rank) if self.world.rank else seed

    def _note_entry(self, rate: float) -> None:
        """Read the loss, which waits for the device; so this is not done at each step."""
        n_steps = (self.step - 1) % self.config.log_every + 1
        loss = float(self._loss) / n_steps
        if not math.isfinite(loss):
            raise self.diverged("the loss", loss)
        step, then = self._noted
        self._noted = (self.step, time.monotonic())
        speed = (self.step - step) * self.config.tokens_per_step / (self._noted[1] - then)
        self.history.append(Entry(self.step, loss, rate, float(self._norm), speed))
        self._loss = torch.zeros((), device=self._device)

    def diverged(self, what: str, value: float) -> TrainingError:
        """The error of something that is no number any more."""
        return TrainingError(
            f"at step {self.step:,}, {what} is {value}: training diverged; give a learning_rate "
            f"below {self.config.learning_rate}, or a longer warmup"
        )

    def _show(self, tracker: Tracker) -> None:
        note = ""
        if self.history:
            last = self.history[-1]
            note = f"loss {last.loss:.3f}, {last.tokens_per_second / 1e3:.1f} k tokens/s"
        if self.held_out:
            held_out = self.held_out[-1]
            note += f", held out {held_out.loss:.3f} (perplexity {held_out.perplexity:,.1f})"
        tracker.set(self.step, note.removeprefix(", "))

    def _evaluate_if_due(self, tracker: Tracker, is_interrupted: Callable[[], bool]) -> None:
        """Measure the held-out loss where this step wants it, in the first process."""
        every = self.config.evaluate_every
        is_due = self.step == self.n_steps or bool(every and self.step % every == 0)
        is_done = bool(self.held_out) and self.held_out[-1].step == self.step
        if self.parts.held_out is None or not is_due or is_done or not self.world.is_first:
            return
        started = time.monotonic()
        self.parts.model.eval()
        loss = self.parts.held_out.loss(self.parts.model, TOKENS_WHILE_TRAINING, is_interrupted)
        if loss is not None and not math.isfinite(loss):
            raise self.diverged("the held-out loss", loss)
        if tracker.is_shown and self.parts.sample is not None:
            tracker.say(f"step {self.step:,}: {self.parts.sample()}")
        self.parts.model.train()
        if loss is None:
            return
        self.held_out.append(HeldOut(self.step, loss))
        self._noted = (self._noted[0], self._noted[1] + time.monotonic() - started)
        self._show(tracker)

    # Checkpoints

    def _save_if_first(self, folder: Path) -> None:
        if self.world.is_first:
            self.save(folder)

    def _is_save_due(self, saved: float) -> bool:
        if self.step == self.n_steps:
            return True
        every = self.config.checkpoint_every
        if every is not None:
            return self.step % every == 0
        return time.monotonic() - saved >= CHECKPOINT_SECONDS

    def save(self, folder: Path) -> None:
        """Write the whole state, replacing an older one when it is safe on the disk.

        Raises
        ------
        TrainingError
            If it would be that of a model that is lost. Nothing is written then.
        """
        self._check_numbers()
        state = {
            "identity": self.identity,
            "step": self.step,
            "seconds": self.seconds,
            "n_passes": 0 if self.parts.record is None else self.parts.record.n_passes,
            "history": [dataclasses.asdict(entry) for entry in self.history],
            "held_out": [dataclasses.asdict(entry) for entry in self.held_out],
        }
        tensors = {"loss": self._loss, **record_tensors(self.parts.record)}
        save_checkpoint(folder, self.parts.model, self.parts.optimizer, tensors, state)

    @torch.no_grad()
    def _check_numbers(self) -> None:
        """See that the loss and the gradient are numbers, and the weights that came of them."""
        for what, value in (("the loss", self._loss), ("the norm of the gradient", self._norm)):
            if not value.isfinite():
                raise self.diverged(what, float(value))
        for name, weight in self.parts.model.named_parameters():
            if not (is_number := weight.isfinite()).all():
                raise self.diverged(f"a number of {name}", float(weight[~is_number][0]))
        self._check_next_loss()

    def _check_next_loss(self) -> None:
        """Weights may be numbers and too large for a loss: look at a part of the next batch."""
        model, n = self.parts.model, self.config.batch_size // self.config.accumulation
        token_ids, targets = self.parts.batches.batch_at(self.step)
        was_training = model.training
        model.eval()
        loss = model.loss(token_ids[:n].to(self._device), targets[:n].to(self._device))
        model.train(was_training)
        if not loss.isfinite():
            raise self.diverged("the loss after the update", float(loss))

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        FormatError
            If it is damaged, or of another run.
        """
        tensors, state = load_checkpoint(
            folder, self.parts.model, self.parts.optimizer, self.identity
        )
        self.step, self.seconds = state["step"], state["seconds"]
        self.history[:] = [Entry(**entry) for entry in state["history"]]
        self.held_out[:] = [HeldOut(**entry) for entry in state["held_out"]]
        self._loss.copy_(tensors["loss"])
        for name, tensor in record_tensors(self.parts.record).items():
            tensor.copy_(tensors[name])
        if self.parts.record is not None:
            self.parts.record.n_passes = state["n_passes"]


def mix(seed: int, number: int) -> int:
    """A seed for one step out of the run's (splitmix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + (number + 1) * 0xD1B54A32D192ED03) % 2**64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return (x ^ x >> 31) % 2**63


def _devices(device: torch.device) -> list[int]:
    """Those whose random numbers are put back besides the processor's."""
    return [] if device.type == "cpu" else [device.index or 0]


def record_tensors(record: RowRecord | None) -> dict[str, Tensor]:
    """What a record has counted, by name; its start is that of the run."""
    if record is None:
        return {}
    return {
        f"rows.{way}.{name}": tensor
        for way in ("read", "output", "total")
        for name, tensor in vars(getattr(record, way)).items()
    }
