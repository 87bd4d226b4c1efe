"""Sequence models over the rows of a table: GRU, LSTM, and the mean that knows no order.

Every row that a model reads is in a table: of a static embedding a row a word, of a contextual one
a row a word in its text. So all kinds of embeddings go through the same code. Weights and dropout
are drawn by a generator that is passed in, so that models can be trained beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rowspace.evaluate.sequence_config import Cell

PADDING = 0
"""The table's row of zeros, which is never trained."""
_CLIP = 5.0
"""The longest gradient, of all weights but the table's."""


class Rows(nn.Module):
    """The table.

    Parameters
    ----------
    table : (n_rows, dim) float32 tensor
        Its first row is zeros. Not copied where it is frozen.
    is_trained : bool
        Whether rows change with the model.
    """

    def __init__(self, table: Tensor, *, is_trained: bool) -> None:
        super().__init__()
        self.is_trained = is_trained
        if is_trained:
            self.weight = nn.Parameter(table.clone())
        else:
            self.register_buffer("weight", table, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T, D) of (B, T) ids; the padding's row gets no gradient."""
        return nn.functional.embedding(
            ids, self.weight, padding_idx=PADDING, sparse=self.is_trained
        )


class SequenceModel(nn.Module):
    """The states of a recurrent cell after each word; of torch's own GRU or LSTM.

    Parameters
    ----------
    rows : Rows
    cell : {"gru", "lstm"}
    hidden : int
        Length of a state.
    generator : torch.Generator
        Of the weights, uniform in ±1/√hidden as torch has them, and of dropout.
    dropout : float
        Share of a word's vector that is hidden in training.
    """

    def __init__(
        self,
        rows: Rows,
        cell: Cell,
        hidden: int,
        generator: torch.Generator,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        kind = nn.GRU if cell == "gru" else nn.LSTM
        dim = rows.weight.shape[1]
        self.rows, self.generator, self.dropout = rows, generator, dropout
        self.cell = kind(dim, hidden, batch_first=True, device="meta").to_empty(device="cpu")
        draw_uniform(self.cell, hidden, generator)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T, H) states of (B, T) ids; those on padding mean nothing."""
        vectors = dropped(self.rows(ids), self.dropout, self.generator, is_training=self.training)
        states: Tensor = self.cell(vectors)[0]
        return states

    def summary(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """(B, H): the largest value of each number of the states, as Conneau et al. (2017) take it.

        From some hundred texts it learns more than the last state does, through which what begins
        a text has to come far (https://aclanthology.org/D17-1070).
        """
        is_padding = torch.arange(ids.shape[1])[None] >= lengths[:, None]  # (B, T)
        states = self.forward(ids).masked_fill(is_padding[:, :, None], -torch.inf)
        return states.amax(dim=1)


class MeanModel(nn.Module):
    """The mean of the words' vectors; as `SequenceModel.summary` has it."""

    def __init__(self, rows: Rows, generator: torch.Generator, dropout: float = 0.0) -> None:
        super().__init__()
        self.rows, self.generator, self.dropout = rows, generator, dropout

    def summary(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """(B, D): padding adds zeros to the sum."""
        vectors = dropped(self.rows(ids), self.dropout, self.generator, is_training=self.training)
        return vectors.sum(dim=1) / lengths[:, None]


class Adam:
    """Adam (Kingma & Ba 2015); of a table that is trained, on the rows that a step has read.

    Parameters
    ----------
    model : nn.Module
        With its table at `rows.weight`, however deep.
    learning_rate : float
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        named = list(model.named_parameters())
        tables = [weight for name, weight in named if name.endswith("rows.weight")]
        self.others = [weight for name, weight in named if not name.endswith("rows.weight")]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(self.others, lr=learning_rate)
        ]
        if tables:
            self.optimizers.append(torch.optim.SparseAdam(tables, lr=learning_rate))

    def step(self, loss: Tensor) -> None:
        """Make the loss smaller."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.others, _CLIP)
        for optimizer in self.optimizers:
            optimizer.step()


class Classifier(nn.Module):
    """A linear layer on what a model makes of a text.

    Parameters
    ----------
    rows : Rows
    cell : {"gru", "lstm", "mean"}
    hidden : int
        Length of a state; of "mean" the rows' own counts.
    n_labels : int
    generator : torch.Generator
    dropout : float
    """

    def __init__(
        self,
        rows: Rows,
        cell: Cell,
        hidden: int,
        n_labels: int,
        generator: torch.Generator,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.model: SequenceModel | MeanModel
        if cell == "mean":
            self.model, width = MeanModel(rows, generator, dropout), rows.weight.shape[1]
        else:
            self.model, width = SequenceModel(rows, cell, hidden, generator, dropout), hidden
        self.head = nn.Linear(width, n_labels, device="meta").to_empty(device="cpu")
        draw_uniform(self.head, width, generator)
        self.generator, self.dropout = generator, dropout

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """(B, n_labels) logits of (B, T) ids and (B,) lengths."""
        summary = self.model.summary(ids, lengths)
        logits: Tensor = self.head(
            dropped(summary, self.dropout, self.generator, is_training=self.training)
        )
        return logits


def draw_uniform(module: nn.Module, width: int, generator: torch.Generator) -> None:
    """Draw all parameters of a module in ±1/√width."""
    bound = width**-0.5
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)


def dropped(
    values: Tensor, share: float, generator: torch.Generator, *, is_training: bool
) -> Tensor:
    """Some of the values at 0 in training and the others larger (Srivastava et al. 2014)."""
    if not is_training or not share:
        return values
    kept = torch.empty_like(values).bernoulli_(1 - share, generator=generator)
    return values * kept / (1 - share)


def padded(ids: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """Texts of several lengths as one (B, T) tensor, padding behind the shorter ones.

    An empty text is one word of padding.

    Returns
    -------
    ids : (B, T) int64 tensor
    lengths : (B,) int64 tensor
        Each 1 or more.
    """
    lengths = torch.tensor([max(1, len(row)) for row in ids])
    found = np.full((len(ids), int(lengths.max())), PADDING, dtype=np.int64)
    for i, row in enumerate(ids):
        found[i, : len(row)] = row
    return torch.from_numpy(found), lengths
