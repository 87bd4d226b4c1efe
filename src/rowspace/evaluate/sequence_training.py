"""One classifier of sequences: trained until it no longer gets better on held-out texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rowspace.errors import TrainingError
from rowspace.evaluate.sequence_config import Cell, SequenceConfig
from rowspace.evaluate.sequence_inputs import Inputs
from rowspace.evaluate.sequence_models import Adam, Classifier, Rows, padded
from rowspace.evaluate.sequence_task import Examples

_LEAST_STEPS = 10
_TEXTS_AT_ONCE = 128


@dataclass(frozen=True)
class Fit:
    """A trained classifier and how it got there."""

    model: Classifier
    held_out_loss: float
    """Of the weights that were kept, in nats."""
    epoch: int
    """Whose weights were kept, from 1."""
    learning_rate: float


def fit_classifier(
    inputs: Inputs,
    train: Examples,
    held_out: Examples,
    n_labels: int,
    cell: Cell,
    config: SequenceConfig,
    seed: int,
) -> Fit:
    """Train a classifier with each learning rate, and keep that with the lowest held-out loss.

    Parameters
    ----------
    inputs : Inputs
    train, held_out : Examples
        What is learnt from, and what tells when to stop.
    n_labels : int
    cell : {"gru", "lstm", "mean"}
    config : SequenceConfig
    seed : int
        Of weights, order and dropout.

    Raises
    ------
    TrainingError
        If the loss is no number.
    """
    fits = [
        _fit(inputs, train, held_out, n_labels, cell, config, seed, rate)
        for rate in config.learning_rates
    ]
    return min(fits, key=lambda fit: fit.held_out_loss)


def predict(model: Classifier, inputs: Inputs, texts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the label that each text gets."""
    model.eval()
    found = np.zeros(len(texts), dtype=np.int64)
    with torch.inference_mode():
        for rows in _by_length(inputs, texts):
            found[rows] = model(*_read(inputs, texts[rows])).argmax(dim=1).numpy()
    return found


def _fit(
    inputs: Inputs,
    train: Examples,
    held_out: Examples,
    n_labels: int,
    cell: Cell,
    config: SequenceConfig,
    seed: int,
    learning_rate: float,
) -> Fit:
    generator = torch.Generator().manual_seed(seed)
    rows = Rows(torch.from_numpy(inputs.table), is_trained=inputs.is_trained)
    model = Classifier(rows, cell, config.hidden, n_labels, generator, config.dropout)
    adam = Adam(model, learning_rate)
    best, kept, kept_epoch = float("inf"), _weights(model), 0
    for epoch in range(1, config.epochs + 1):
        _train_epoch(model, adam, inputs, train, config.batch_size, generator)
        loss = held_out_loss(model, inputs, held_out)
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} after {epoch} epochs at a learning rate of {learning_rate:g}; "
                "give a lower one"
            )
        if loss < best:
            best, kept, kept_epoch = loss, _weights(model), epoch
        elif epoch - kept_epoch >= config.patience:
            break
    model.load_state_dict(kept)
    return Fit(model, best, kept_epoch, learning_rate)


def _train_epoch(
    model: Classifier,
    adam: Adam,
    inputs: Inputs,
    train: Examples,
    batch_size: int,
    generator: torch.Generator,
) -> None:
    model.train()
    order = torch.randperm(len(train), generator=generator).numpy()
    size = max(1, min(batch_size, len(train) // _LEAST_STEPS))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        logits = model(*_read(inputs, train.texts[rows]))
        adam.step(nn.functional.cross_entropy(logits, torch.from_numpy(train.labels[rows])))


def held_out_loss(model: Classifier, inputs: Inputs, held_out: Examples) -> float:
    """Mean loss of some texts, in nats."""
    model.eval()
    total = 0.0
    with torch.inference_mode():
        for rows in _by_length(inputs, held_out.texts):
            logits = model(*_read(inputs, held_out.texts[rows]))
            labels = torch.from_numpy(held_out.labels[rows])
            total += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
    return total / len(held_out)


def _read(inputs: Inputs, texts: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    return padded([inputs.ids[text] for text in texts])


def _by_length(inputs: Inputs, texts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Which texts to read together: those of like length, so that there is little padding."""
    order = np.argsort([len(inputs.ids[text]) for text in texts], kind="stable")
    for start in range(0, len(order), _TEXTS_AT_ONCE):
        yield order[start : start + _TEXTS_AT_ONCE]


def _weights(model: Classifier) -> dict[str, Tensor]:
    """A copy of all that is trained."""
    return {name: weight.clone() for name, weight in model.state_dict().items()}
