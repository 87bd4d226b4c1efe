"""One model of the extrapolation experiment: it is trained, then read at every length.

RoPE is measured again with each scaling, first as it was trained and then after training has gone
on for a little at a longer length (Chen et al. 2023, https://arxiv.org/abs/2306.15595; Peng et al.
2023, https://arxiv.org/abs/2309.00071).
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from rowspace.evaluate.extrapolation_config import UNSCALED, ExtrapolationConfig
from rowspace.evaluate.window_loss import (
    PlaceLosses,
    disjoint_windows,
    place_buckets,
    place_losses,
    sliding_windows,
)
from rowspace.position import NTK, DynamicNTK, Linear, RoPE, Scaling, YaRN
from rowspace.transformer.gradients import make_gradients
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.objectives import NextToken
from rowspace.transformer.pretrain import device_of, new_model, optimizer_for, precision_of
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.training import Parts, Run


@dataclass(frozen=True)
class Text:
    """What models are trained and measured on."""

    tokenizer: SubwordTokenizer
    train: NDArray[Any]
    """(n_tokens,) ids"""
    held_out: NDArray[Any]
    """(n_measured + 1,) ids, of which all but the first are told at each length."""

    @property
    def n_measured(self) -> int:
        """Held-out tokens that are told."""
        return len(self.held_out) - 1


@dataclass(frozen=True)
class Measured:
    """How well one model, read in one way, tells the held-out text."""

    method: str
    """The position, and the scaling: "rope + yarn"."""
    is_tuned: bool
    """Whether training went on at a longer length."""
    losses: dict[int, float | None]
    """Nats per token at each length of window; None where the model refuses it."""
    sliding: float
    """Nats per token where each is told from a nearly full window of the training length."""
    places: list[tuple[int, int, float]]
    """(first, last + 1, nats per token) at places of the longest window that it reads."""

    @property
    def refused_beyond(self) -> int | None:
        """The longest text it reads, where there is a limit."""
        if None not in self.losses.values():
            return None
        return max(length for length, loss in self.losses.items() if loss is not None)


def run_model(
    config: ExtrapolationConfig, text: Text, position: str, seed: int, folder: Path
) -> list[Measured]:
    """Train one model and measure it in every way there is for it.

    Parameters
    ----------
    config : ExtrapolationConfig
    text : Text
    position : str
    seed : int
    folder : Path
        For checkpoints: what was interrupted goes on from there.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; training is saved.
    """
    model = train_model(config.training(position, seed), text, folder / "trained")
    measure = _Measurement(config, text)
    found = [measure.plain(model, position)]
    if position == "rope":
        found += [measure.scaled(model, scaling, found[0]) for scaling in config.scalings]
        if config.tuned_steps:
            for scaling in config.finetune_scalings:
                tuned = _tuned(config, text, model, scaling, seed, folder / f"tuned-{scaling}")
                found.append(measure.tuned(tuned, scaling))
    return found


def train_model(
    config: PretrainConfig, text: Text, checkpoint: Path, model: LanguageModel | None = None
) -> LanguageModel:
    """Train a new model, or one that is given, from its checkpoint on if there is one.

    Data order and steps follow from the config alone, and so are the same for all positions.
    """
    device, objective = device_of(config.device), NextToken()
    if model is None:
        model = cast(LanguageModel, new_model(objective, config, text.tokenizer).to(device))
    batches = objective.make_batches(
        text.train, text.tokenizer, config, config.max_length, "random"
    )
    precision = precision_of(config, device)
    gradients, _ = make_gradients(model, config, precision, record=False)
    parts = Parts(model, gradients, optimizer_for(model, config), batches, None)
    identity = {"tokens": len(text.train), "tokenizer": text.tokenizer.fingerprint}
    run = Run(config, parts, config.n_steps(len(text.train)), identity, precision)
    with contextlib.closing(gradients):
        run.fit(checkpoint)
    return model.eval()


def _tuned(
    config: ExtrapolationConfig,
    text: Text,
    model: LanguageModel,
    scaling: str,
    seed: int,
    checkpoint: Path,
) -> LanguageModel:
    """A copy of the model whose training has gone on with a scaling."""
    factor = max(1.0, config.tuned_length / config.train_length)
    model = copy.deepcopy(model).train()
    model.transformer.embeddings.position = _rope(config, model, scaling, factor)
    return train_model(config.finetuning("rope", seed), text, checkpoint, model)


def make_scaling(config: ExtrapolationConfig, name: str, factor: float) -> Scaling | None:
    """A scaling for texts `factor` times as long as those of training."""
    length = config.train_length
    scalings: dict[str, Callable[[], Scaling | None]] = {
        UNSCALED: lambda: None,
        "linear": lambda: Linear(factor),
        "ntk": lambda: NTK(factor),
        "dynamic": lambda: DynamicNTK(config.dynamic_factor, length),
        "yarn": lambda: YaRN(
            factor, length, beta_fast=config.beta_fast, beta_slow=config.beta_slow
        ),
    }
    return scalings[name]()


def _rope(config: ExtrapolationConfig, model: LanguageModel, scaling: str, factor: float) -> RoPE:
    return RoPE(
        model.config.width_of_heads,
        base=config.base,
        scaling=make_scaling(config, scaling, factor),
    )


@dataclass(frozen=True)
class _Measurement:
    """The ways to read the held-out text."""

    config: ExtrapolationConfig
    text: Text

    def plain(self, model: LanguageModel, position: str) -> Measured:
        """As it was trained."""
        limit = model.transformer.position.max_length
        lengths = [n for n in self.config.lengths if limit is None or n <= limit]
        read = {length: self._read(model, length) for length in lengths}
        return self._measured(position, read, self._slide(model))

    def scaled(self, model: LanguageModel, scaling: str, plain: Measured) -> Measured:
        """At each length with the factor that takes it there; at that of training as `plain`."""
        shortest = self.config.train_length
        read = {}
        for length in self.config.lengths[1:]:
            with _with_position(model, _rope(self.config, model, scaling, length / shortest)):
                read[length] = self._read(model, length)
        found = self._measured(f"rope + {scaling}", read, plain.sliding)
        losses = {**found.losses, shortest: plain.losses[shortest]}
        return dataclasses.replace(found, losses=losses, places=found.places or plain.places)

    def tuned(self, model: LanguageModel, scaling: str) -> Measured:
        """With the one factor that training went on with."""
        name = "rope" if scaling == UNSCALED else f"rope + {scaling}"
        return dataclasses.replace(self.plain(model, name), is_tuned=True)

    def _measured(self, method: str, read: dict[int, PlaceLosses], sliding: float) -> Measured:
        places = []
        if read:
            longest = max(read)
            places = [
                (first, stop, read[longest].between(first, stop))
                for first, stop in place_buckets(longest)
            ]
        losses = {n: read[n].loss if n in read else None for n in self.config.lengths}
        return Measured(method, False, losses, sliding, places)

    def _read(self, model: LanguageModel, length: int) -> PlaceLosses:
        windows = disjoint_windows(self.text.n_measured, length)
        return place_losses(model, self.text.held_out, windows)

    def _slide(self, model: LanguageModel) -> float:
        windows = sliding_windows(
            self.text.n_measured, self.config.train_length, self.config.sliding_stride
        )
        return place_losses(model, self.text.held_out, windows).loss


@contextlib.contextmanager
def _with_position(model: LanguageModel, position: RoPE) -> Iterator[None]:
    """Let the model use another position for a while."""
    embeddings = model.transformer.embeddings
    own = embeddings.position
    embeddings.position = position
    try:
        yield
    finally:
        embeddings.position = own


def measured_to_json(measured: Measured) -> dict[str, Any]:
    """As JSON can hold it."""
    return dataclasses.asdict(measured)


def measured_from_json(record: dict[str, Any]) -> Measured:
    """What `measured_to_json` gave."""
    losses = {int(length): loss for length, loss in record["losses"].items()}
    places = [(first, last, loss) for first, last, loss in record["places"]]
    return Measured(**{**record, "losses": losses, "places": places})
