"""Gradients of a loss on a large batch, in the memory of a small one.

Gao et al. (2021), https://aclanthology.org/2021.repl4nlp-1.31: embed every chunk without a graph,
take the loss's gradient with respect to the embeddings, then embed each chunk again, with the same
dropout, and carry that gradient on into the model. It costs one more forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from rowspace.errors import ConfigError

Chunk = TypeVar("Chunk")


def grad_cache(
    encode: Callable[[Chunk], Tensor],
    chunks: Sequence[Chunk],
    loss: Callable[[Tensor], Tensor],
) -> Tensor:
    """Add a loss's gradients to the parameters, with a graph of one chunk at a time.

    Parameters
    ----------
    encode : chunk -> (n, D) float
        With gradients; a chunk's embeddings must not depend on other chunks.
    chunks : sequence
    loss : (N, D) float -> () float
        Of the embeddings of all chunks, in order. It may have parameters itself.

    Returns
    -------
    () float
        The loss, without a graph: `backward` has been done.

    Raises
    ------
    ConfigError
        If there is no chunk.

    Examples
    --------
    >>> weight = torch.ones(2, 2, requires_grad=True)
    >>> x = torch.eye(2)
    >>> grad_cache(lambda rows: x[rows] @ weight, [[0], [1]], lambda e: e.square().sum()).item()
    4.0
    >>> weight.grad.tolist()
    [[2.0, 2.0], [2.0, 2.0]]
    """
    if not chunks:
        raise ConfigError("there is no chunk to embed; give one or more")
    if len(chunks) == 1:  # nothing to save
        return _backward(loss(encode(chunks[0])))
    states, parts = [], []
    with torch.no_grad():
        for chunk in chunks:
            states.append(_RandomState())
            parts.append(encode(chunk))
    torch.clear_autocast_cache()  # it holds weights that were cast without a graph
    embeddings = torch.cat(parts).requires_grad_()  # (N, D)
    value = _backward(loss(embeddings))
    if embeddings.grad is None:
        raise ConfigError("the loss does not depend on the embeddings; give one that does")
    gradients = torch.split(embeddings.grad, [len(part) for part in parts])
    for chunk, state, gradient in zip(chunks, states, gradients, strict=True):
        with state.restored():
            again = encode(chunk)
        torch.autograd.backward(again, gradient)  # that of the dot product of both
    return value


def _backward(value: Tensor) -> Tensor:
    torch.autograd.backward(value)
    return value.detach()


class _RandomState:
    """The state of torch's random numbers, on the CPU and every CUDA device."""

    def __init__(self) -> None:
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    @contextmanager
    def restored(self) -> Iterator[None]:
        """As it was, while the block runs."""
        with torch.random.fork_rng(range(len(self._cuda))):
            torch.set_rng_state(self._cpu)
            if self._cuda:
                torch.cuda.set_rng_state_all(self._cuda)
            yield
