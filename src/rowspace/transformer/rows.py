"""Which rows of a table learn, how often and how much: a record kept while a model trains.

A row gets gradient where its token is read and, with a head tied to the table (Press & Wolf 2017,
https://aclanthology.org/E17-2025), where its token is predicted or could have been: softmax gives
every row some. Mixing the two hides that rare tokens are hardly ever read, so they are told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from rowspace.errors import ConfigError
from rowspace.transformer.distributed import ALONE, World
from rowspace.transformer.embeddings import TokenEmbedding
from rowspace.transformer.frozen import drop_rows

_ROUNDING = 64 * torch.finfo(torch.float32).eps


class Received:
    """What each row received so far, by one way."""

    def __init__(self, n_rows: int, device: torch.device) -> None:
        self.n_updates = torch.zeros(n_rows, dtype=torch.int64, device=device)
        """(n_rows,) int64: backward passes that gave the row a gradient other than 0."""
        self.norms = torch.zeros(n_rows, device=device)
        """(n_rows,) float32: the lengths of these gradients, summed."""
        self.last_pass = torch.full((n_rows,), -1, device=device)
        """(n_rows,) int64: the last such pass, counted from 0; -1 where there was none."""

    def add(self, rows: Tensor | slice, norms: Tensor, n_pass: int) -> None:
        """Add the gradients of one pass: each row at most once."""
        self.n_updates[rows] += norms > 0
        self.norms[rows] += norms
        self.last_pass[rows] = torch.where(norms > 0, n_pass, self.last_pass[rows])

    def grow(self, n_rows: int) -> None:
        """Give rows added since then a place."""
        more = Received(n_rows - len(self.norms), self.norms.device)
        for name, values in vars(self).items():
            setattr(self, name, torch.cat([values, getattr(more, name)]))


class RowRecord:
    """A record of the gradient that each row of a table gets, until `close`.

    A backward pass counts as one update, also where several make up one step of the optimizer.
    Padding and frozen rows get nothing. It costs a pass over the table's gradient, and a copy of
    the table as it was at the start.

    Parameters
    ----------
    table : TokenEmbedding

    Raises
    ------
    ConfigError
        If the table's weight wants no gradient.

    Examples
    --------
    >>> table = TokenEmbedding(5, 2)
    >>> with RowRecord(table) as record:
    ...     table(torch.tensor([1, 1, 3])).sum().backward()
    >>> record.read.n_updates.tolist(), record.output.n_updates.tolist()
    ([0, 1, 0, 1, 0], [0, 0, 0, 0, 0])
    >>> record.read.norms[1].item() == 2 * record.read.norms[3].item()  # read twice
    True
    """

    read: Received
    """By being read."""
    output: Received
    """By any other use of the weight, which is as the head where it is tied."""
    total: Received
    """The sum of both gradients, which is what the optimizer sees."""

    def __init__(self, table: TokenEmbedding) -> None:
        if not table.weight.requires_grad:
            raise ConfigError(
                "the table's weight has requires_grad=False, so no row gets a gradient to record; "
                "set it to True, or keep single rows in place by freeze"
            )
        self.table = table
        self.n_passes = 0
        """Backward passes so far."""
        self.start = table.weight.detach().clone()
        """(n_rows, dim): the table when the record began."""
        device = table.weight.device
        self.read, self.output, self.total = (Received(table.n_rows, device) for _ in range(3))
        self._pending: list[list[tuple[Tensor, Tensor]]] = []
        self._watched: Tensor | None = None
        self._handles: list[RemovableHandle] = []
        self._world = ALONE
        self._listen(table)
        self._watch()

    def close(self) -> None:
        """Record no more."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> RowRecord:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def moved(self) -> Tensor:
        """How far each row is from where it was at the start, (n_rows,) float32."""
        self._fit()
        distance = self.table.weight.detach().float() - self.start.float()
        return _lengths(distance)

    def listen_to(self, copies: Iterable[TokenEmbedding], world: World = ALONE) -> None:
        """Take in what copies of the table read, whose gradients are added up in the table's own.

        No hook of the table sees a backward pass of its copies: call `end_pass` after each.

        Parameters
        ----------
        copies : iterable of TokenEmbedding
        world : World
            Of other processes, what their copies read is taken in too, by all.
        """
        self._world = world
        for table in copies:
            self._listen(table)

    def end_pass(self, *, is_only_read: bool = False) -> None:
        """End a pass of copies, the sum of whose gradients is the table's.

        Parameters
        ----------
        is_only_read : bool
            Whether the weight has no use but reading. All gradient is by reading then, also where
            the copies' numbers are too short for their sums to tell.
        """
        assert self.table.weight.grad is not None
        self._add_pass(self.table.weight.grad, is_only_read=is_only_read)

    # What the hooks do. Gradients of reads come first in a backward pass, the weight's comes last.

    def _watch(self) -> None:
        if self._watched is not self.table.weight:  # another one, once it was tied or loaded
            self._watched = self.table.weight
            handle = self.table.weight.register_hook(self._on_gradient)  # type: ignore[no-untyped-call]
            self._handles.append(handle)

    def _listen(self, table: TokenEmbedding) -> None:
        pending: list[tuple[Tensor, Tensor]] = []  # its own, so that threads keep an order
        self._pending.append(pending)

        def on_read(_: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if not output.requires_grad:
                return
            if table is self.table:
                self._watch()
            ids = inputs[0].flatten()  # (N,)

            def keep(gradient: Tensor) -> None:
                pending.append((ids, gradient.reshape(len(ids), -1)))  # (N, D)

            output.register_hook(keep)  # type: ignore[no-untyped-call]

        self._handles.append(table.register_forward_hook(on_read))

    def _on_gradient(self, gradient: Tensor) -> None:
        self._add_pass(gradient)

    @torch.no_grad()
    def _add_pass(self, gradient: Tensor, *, is_only_read: bool = False) -> None:
        self._fit()
        rows, by_reading, sizes = self._take_pending(gradient)  # (k,), (k, D), (k,)
        read_norms = _lengths(by_reading)
        self.read.add(rows, read_norms, self.n_passes)
        if is_only_read or gradient.is_sparse:  # which it is where the weight is not tied
            self.total.add(rows, read_norms, self.n_passes)
        else:
            gradient = drop_rows(gradient, self.table.frozen_ids)
            norms = _lengths(gradient)  # (n_rows,)
            self.total.add(slice(None), norms, self.n_passes)
            rest = _lengths(gradient[rows] - by_reading)
            # What is left of summing in another order is no gradient.
            norms[rows] = rest.masked_fill(rest <= _ROUNDING * sizes, 0.0)
            self.output.add(slice(None), norms, self.n_passes)
        self.n_passes += 1

    def _take_pending(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The rows that were read, the gradient of each, and the summed lengths of its parts."""
        nothing = torch.zeros(0, self.table.dim, device=like.device)
        pending = [(self.table.frozen_ids[:0], nothing)]
        for reads in self._pending:
            pending += reads
            reads.clear()
        ids = self._world.rows(torch.cat([ids for ids, _ in pending]))
        gradients = torch.cat([gradient.to(like.dtype) for _, gradient in pending])
        gradients = self._world.rows(gradients)
        learns = ~torch.isin(ids, self.table.frozen_ids)
        if self.table.padding_id is not None:
            learns &= ids != self.table.padding_id
        gradients = gradients[learns]
        rows, places = torch.unique(ids[learns], return_inverse=True)
        sums = gradients.new_zeros(len(rows), self.table.dim).index_add_(0, places, gradients)
        sizes = sums.new_zeros(len(rows), dtype=torch.float32)
        return rows, sums, sizes.index_add_(0, places, _lengths(gradients))

    def _fit(self) -> None:
        n_old = len(self.start)
        if self.table.n_rows > n_old:
            self.start = torch.cat([self.start, self.table.weight.detach()[n_old:]])
            for received in (self.read, self.output, self.total):
                received.grow(self.table.n_rows)


def _lengths(gradients: Tensor) -> Tensor:
    exact = torch.promote_types(gradients.dtype, torch.float32)
    lengths: Tensor = torch.linalg.vector_norm(gradients, dim=1, dtype=exact)
    return lengths.float()


@dataclass(frozen=True)
class FrequencyBand:
    """Rows of tokens that are about equally frequent, and what they received on average."""

    lowest: int
    """Count of the rarest token that belongs here."""
    highest: int | None
    """Of the most frequent; None where there is no limit."""
    n_rows: int
    reads: float
    """Updates of a row by being read."""
    norm_per_read: float
    """Length of the gradient of one such update; NaN where there was none."""
    norm_read: float
    """Lengths of these gradients, summed over training, of a row."""
    outputs: float
    """Updates of a row by its weight being used otherwise: the head it is tied to."""
    norm_per_output: float
    norm_output: float
    moved: float
    """Distance of a row from where it was at the start."""


def by_frequency(
    record: RowRecord, counts: ArrayLike | Tensor, edges: Sequence[int] = (0, 1, 10, 100, 1000)
) -> list[FrequencyBand]:
    """What rows received, by how often their token occurs in the text.

    Parameters
    ----------
    record : RowRecord
    counts : (vocab_size,) int array
        Occurrences of each token.
    edges : sequence of int
        The lowest count of each band, rising; a band ends before the next one begins.

    Returns
    -------
    list of FrequencyBand
        Those that have rows, the rarest first.

    Raises
    ------
    ConfigError
        If there is not one count a token, or the edges do not rise.

    Examples
    --------
    >>> table = TokenEmbedding(4, 2)
    >>> with RowRecord(table) as record:
    ...     table(torch.tensor([0, 0, 1])).sum().backward()
    >>> bands = by_frequency(record, [2, 1, 0, 0], edges=[0, 1])
    >>> [(band.lowest, band.n_rows, band.reads) for band in bands]
    [(0, 2, 0.0), (1, 2, 1.0)]
    """
    vocab_size = record.table.vocab_size
    frequency = torch.as_tensor(np.asarray(counts)).to(record.start.device)
    if frequency.shape != (vocab_size,):
        raise ConfigError(
            f"counts have shape {tuple(frequency.shape)} for {vocab_size:,} tokens; "
            "give one count a token"
        )
    if not edges or list(edges) != sorted(set(edges)):
        raise ConfigError(f"edges are {list(edges)}; give at least one, each above the one before")
    moved = record.moved()
    bands = []
    for lowest, end in zip(edges, [*edges[1:], None], strict=True):
        inside = frequency >= lowest if end is None else (frequency >= lowest) & (frequency < end)
        rows = inside.nonzero()[:, 0]
        if len(rows):
            bands.append(_band(record, rows, moved, lowest, None if end is None else end - 1))
    return bands


def _band(
    record: RowRecord, rows: Tensor, moved: Tensor, lowest: int, highest: int | None
) -> FrequencyBand:
    reads, norm_per_read, norm_read = _means(record.read, rows)
    outputs, norm_per_output, norm_output = _means(record.output, rows)
    return FrequencyBand(
        lowest=lowest,
        highest=highest,
        n_rows=len(rows),
        reads=reads,
        norm_per_read=norm_per_read,
        norm_read=norm_read,
        outputs=outputs,
        norm_per_output=norm_per_output,
        norm_output=norm_output,
        moved=float(moved[rows].mean()),
    )


def _means(received: Received, rows: Tensor) -> tuple[float, float, float]:
    """Updates of a row, length of one update's gradient, and of all of a row's together."""
    n_updates, norms = int(received.n_updates[rows].sum()), float(received.norms[rows].sum())
    return (
        n_updates / len(rows),
        norms / n_updates if n_updates else float("nan"),
        norms / len(rows),
    )
