"""The next-word model: rows of words, a recurrent cell, a score for each word of the vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rowspace.errors import TrainingError
from rowspace.evaluate.next_word import (
    NextWordConfig,
    NextWordResult,
    NextWordTask,
    check_sees_no_answer,
)
from rowspace.evaluate.sequence import TokenVectors
from rowspace.evaluate.sequence_inputs import Inputs, Kind, contextual_inputs, word_table
from rowspace.evaluate.sequence_models import (
    Adam,
    Rows,
    SequenceModel,
    draw_uniform,
    dropped,
    padded,
)
from rowspace.progress import track

_TEXTS_AT_ONCE = 64
_NO_TARGET = -100


class NextWordModel(nn.Module):
    """A score for each word of a vocabulary after each word of a text.

    Parameters
    ----------
    rows : Rows
    n_words : int
        Of the vocabulary.
    config : NextWordConfig
    generator : torch.Generator
    """

    def __init__(
        self, rows: Rows, n_words: int, config: NextWordConfig, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.model = SequenceModel(rows, config.cell, config.hidden, generator, config.dropout)
        self.head = nn.Linear(config.hidden, n_words, device="meta").to_empty(device="cpu")
        draw_uniform(self.head, config.hidden, generator)
        self.generator, self.dropout = generator, config.dropout

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T, n_words) logits of (B, T) rows."""
        states = dropped(self.model(ids), self.dropout, self.generator, is_training=self.training)
        logits: Tensor = self.head(states)
        return logits


def next_word(
    reader: TokenVectors, task: NextWordTask, config: NextWordConfig, kind: Kind | None = None
) -> NextWordResult:
    """Train a next-word model on what a reader reads, and measure it.

    Parameters
    ----------
    reader : TokenVectors
    task : NextWordTask
    config : NextWordConfig
    kind : str, optional
        Of a table: "random", "random, frozen", "frozen" (if not given) or "fine-tuned".

    Raises
    ------
    EvaluationError
        If a word's vector knows the words after it.
    TrainingError
        If the loss is no number.
    """
    return train_next_word(next_word_inputs(reader, task, config, kind), task, config)


def next_word_inputs(
    reader: TokenVectors, task: NextWordTask, config: NextWordConfig, kind: Kind | None = None
) -> Inputs:
    """What a next-word model reads of the texts; arguments and errors as `next_word`'s."""
    check_sees_no_answer(reader)
    # A text's last word is only told, not read: its vector is left out.
    texts = [text[:-1] for text in task.texts]
    if reader.is_contextual:
        return contextual_inputs(reader, texts, task.n_train)
    return word_table(reader, texts, task.n_train).inputs(kind or "frozen", config.seed)


def measure(
    model: NextWordModel, inputs: Inputs, task: NextWordTask, texts: range
) -> NextWordResult:
    """The surprises of a model at the words of some texts."""
    model.eval()
    losses, counts = np.zeros(len(texts)), np.zeros(len(texts), dtype=np.int64)
    with torch.inference_mode():
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = texts[start : start + _TEXTS_AT_ONCE]
            of_words = _surprises(model, inputs, task, part)  # (B, T), 0 on padding
            rows = slice(start, start + len(part))
            losses[rows] = of_words.double().sum(dim=1).numpy()
            counts[rows] = [len(task.ids[text]) - 1 for text in part]
    return NextWordResult(losses, counts, 0)


def train_next_word(inputs: Inputs, task: NextWordTask, config: NextWordConfig) -> NextWordResult:
    """Train a next-word model on what was read, and measure it."""
    generator = torch.Generator().manual_seed(config.seed)
    rows = Rows(torch.from_numpy(inputs.table), is_trained=inputs.is_trained)
    model = NextWordModel(rows, len(task.vocabulary), config, generator)
    adam = Adam(model, config.learning_rate)
    held_out = range(task.n_train, task.n_train + task.n_held_out)
    best, kept, kept_epoch = float("inf"), model.state_dict(), 0
    steps = -(-task.n_train // config.batch_size)
    with track("training a next-word model", total=config.epochs * steps) as tracker:
        for epoch in range(1, config.epochs + 1):
            model.train()
            for part in _batches(task.n_train, config.batch_size, generator):
                of_words = _surprises(model, inputs, task, part)
                adam.step(of_words.sum() / sum(len(task.ids[text]) - 1 for text in part))
                tracker.advance()
            loss = float(np.log(measure(model, inputs, task, held_out).perplexity))
            if not np.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss} after {epoch} epochs at a learning rate of "
                    f"{config.learning_rate:g}; give a lower one"
                )
            if loss >= best:
                break
            best, kept_epoch = loss, epoch
            kept = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.load_state_dict(kept)
    measured = range(held_out.stop, len(task.texts))
    return replace(measure(model, inputs, task, measured), epoch=kept_epoch)


def _surprises(
    model: NextWordModel, inputs: Inputs, task: NextWordTask, texts: range | NDArray[np.int64]
) -> Tensor:
    """(B, T) in nats, of each word after the one that stands there; 0 on padding."""
    ids, _ = padded([inputs.ids[text] for text in texts])
    targets = torch.full(ids.shape, _NO_TARGET)
    for row, text in enumerate(texts):
        wanted = torch.from_numpy(task.ids[text][1:])
        targets[row, : len(wanted)] = wanted
    return nn.functional.cross_entropy(
        model(ids).transpose(1, 2), targets, reduction="none", ignore_index=_NO_TARGET
    )


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[NDArray[np.int64]]:
    order = torch.randperm(n, generator=generator).numpy()
    for start in range(0, n, size):
        yield order[start : start + size]
