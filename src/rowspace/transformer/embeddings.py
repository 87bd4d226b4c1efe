"""The lookup table that learns: a vector for each token id, and what joins it before layer one.

Bengio et al. (2003), https://www.jmlr.org/papers/v3/bengio03a.html, section 2: a token's vector is
a row of a matrix, learnt with the rest of the model. The sum of token, position and token type is
BERT's (Devlin et al. 2019, figure 2).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from rowspace.errors import ConfigError, VocabularyError
from rowspace.position import Learned, NoPosition, Position, Sinusoidal
from rowspace.space.vectors import Vectors
from rowspace.transformer.frozen import hold_frozen_rows


def check_token_ids(token_ids: Tensor, vocab_size: int) -> None:
    """See that each id has a row: one look for the smallest and the largest.

    Raises
    ------
    VocabularyError
        If an id is negative, or `vocab_size` or more, or ids are not int64 or int32.

    Examples
    --------
    >>> check_token_ids(torch.tensor([0, 99]), vocab_size=100)
    """
    if token_ids.dtype not in (torch.int64, torch.int32):
        raise VocabularyError(f"token ids are {token_ids.dtype}; give them as torch.int64")
    if token_ids.numel() == 0 or token_ids.is_meta:
        return
    smallest, largest = (int(extreme) for extreme in torch.aminmax(token_ids))
    if smallest < 0 or largest >= vocab_size:
        wrong = smallest if smallest < 0 else largest
        raise VocabularyError(
            f"token id {wrong:,} is outside a vocabulary of {vocab_size:,} (0 to "
            f"{vocab_size - 1:,}); use the tokenizer this table was made for, or extend the table"
        )


class TokenEmbedding(nn.Module):
    """A table with a row for each token id.

    Parameters
    ----------
    vocab_size : int
        Tokens that can be read and predicted.
    dim : int
        Length of a row.
    std : float
        Rows start as N(0, std²). With .02, the first loss of a model whose head is tied to the
        table is close to ln(vocab_size); with 1, torch's own, it is many times that.
    sparse : bool
        Whether reading gives a gradient of the read rows alone, for optimizers that then leave the
        others where they are; see `make_optimizer`. Of no use where the weight is tied: softmax
        gives a gradient to every row.
    padding_id : int, optional
        A token that fills texts up: its row starts as 0, and reading it teaches it nothing.
    multiple : int
        The table is made this multiple long (64 turns 50,257 rows into 50,304), which suits the
        matrix units of GPUs. No token has the rows that fill it up: they are 0, refused as ids, and
        `logits` leaves them out.
    check_ids : bool
        Whether `forward` sees that each id has a row. That is microseconds on a CPU; on a GPU it
        waits for all work before it. Turn it off (also later, as an attribute) for ids that were
        checked once with `check_token_ids`.

    Raises
    ------
    ConfigError
        If a size is below 1, or the padding id is no token.

    Examples
    --------
    >>> table = TokenEmbedding(50_257, 128, multiple=64)
    >>> table(torch.tensor([[1, 2, 3]])).shape, table.vocab_size, table.n_rows
    (torch.Size([1, 3, 128]), 50257, 50304)
    """

    frozen_ids: Tensor
    """(n_frozen,) int64: rows that no optimizer moves, lowest first."""

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        *,
        std: float = 0.02,
        sparse: bool = False,
        padding_id: int | None = None,
        multiple: int = 1,
        check_ids: bool = True,
    ) -> None:
        super().__init__()
        _check_sizes(vocab_size=vocab_size, dim=dim, multiple=multiple)
        if padding_id is not None and not 0 <= padding_id < vocab_size:
            raise ConfigError(
                f"padding_id is {padding_id}; give a token id, 0 to {vocab_size - 1:,}, or None"
            )
        self.vocab_size, self.dim, self.multiple = vocab_size, dim, multiple
        self.sparse, self.padding_id, self.check_ids = sparse, padding_id, check_ids
        self.weight = nn.Parameter(torch.empty(_round_up(vocab_size, multiple), dim))
        self.register_buffer("frozen_ids", torch.empty(0, dtype=torch.int64), persistent=False)
        self._held_weight: weakref.ref[Tensor] | None = None
        self.reset(std)

    @torch.no_grad()
    def reset(self, std: float) -> None:
        """Draw all rows anew from N(0, std²); those that no token has, and padding's, are 0."""
        nn.init.normal_(self.weight, std=std)
        self.weight[self.vocab_size :] = 0.0
        if self.padding_id is not None:
            self.weight[self.padding_id] = 0.0

    @property
    def n_rows(self) -> int:
        """Rows of the table: `vocab_size`, and those that fill it up to the multiple."""
        return self.weight.shape[0]

    def forward(self, token_ids: Tensor) -> Tensor:
        """The rows of token ids, (…) int64 to (…, D).

        Raises
        ------
        VocabularyError
            If an id has no row and `check_ids` is on.
        """
        if self.check_ids and not torch.compiler.is_compiling():
            check_token_ids(token_ids, self.vocab_size)
        if len(self.frozen_ids):
            self._hold()
        return F.embedding(token_ids, self.weight, self.padding_id, sparse=self.sparse)

    def logits(self, hidden: Tensor) -> Tensor:
        """A score for each token where the table is its own head, (…, D) to (…, vocab_size).

        Rows that no token has are scored and left out, so that they are never drawn and get no
        gradient.
        """
        if len(self.frozen_ids):
            self._hold()
        return F.linear(hidden, self.weight)[..., : self.vocab_size]

    # Frozen rows

    def freeze(self, token_ids: Iterable[int] | Tensor) -> None:
        """Keep rows where they are from now on: no optimizer moves them.

        Their gradient is taken out, and each step of a `torch.optim.Optimizer` puts them back as
        they were before it; see `rowspace.transformer.frozen`. They can still be written by hand or
        loaded. A state dict has them as `frozen_ids`.

        Raises
        ------
        VocabularyError
            If an id has no row.
        """
        ids = self._as_ids(token_ids)
        self.frozen_ids = torch.unique(torch.cat([self.frozen_ids, ids]))
        if len(self.frozen_ids):
            self._hold()

    def unfreeze(self, token_ids: Iterable[int] | Tensor | None = None) -> None:
        """Let rows learn again; all of them if no ids are given.

        Raises
        ------
        VocabularyError
            If an id has no row.
        """
        ids = self.frozen_ids if token_ids is None else self._as_ids(token_ids)
        self.frozen_ids = self.frozen_ids[~torch.isin(self.frozen_ids, ids)]

    def _as_ids(self, token_ids: Iterable[int] | Tensor) -> Tensor:
        if not isinstance(token_ids, Tensor):
            token_ids = torch.tensor(list(token_ids), dtype=torch.int64)
        check_token_ids(token_ids, self.vocab_size)
        return token_ids.flatten().to(self.weight.device, torch.int64)

    def _hold(self) -> None:
        """Watch over the weight, which is another one once it was tied, copied or loaded."""
        if not self.weight.requires_grad:
            return  # all of it stays
        if self._held_weight is None or self._held_weight() is not self.weight:
            hold_frozen_rows(self)
            self._held_weight = weakref.ref(self.weight)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_held_weight": None}  # a copy's weight has no hooks

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if len(self.frozen_ids):
            destination[prefix + "frozen_ids"] = self.frozen_ids

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *rest: Any, **named: Any
    ) -> None:
        frozen = state_dict.pop(prefix + "frozen_ids", None)
        super()._load_from_state_dict(state_dict, prefix, *rest, **named)
        if frozen is not None:
            self.freeze(frozen)

    # More tokens

    @torch.no_grad()
    def extend(
        self,
        n_new: int,
        *,
        spread: float = 1.0,
        optimizer: Optimizer | None = None,
        generator: torch.Generator | None = None,
    ) -> range:
        """Add tokens, whose rows are drawn from a Gaussian of the old rows' mean and covariance.

        A row of zeros, or one far from the others, can take probability from every old token; a
        typical one cannot (Hewitt 2021).

        The weight stays the same `Parameter`, longer, so that a head tied to it has the new rows
        too (a `Head` scores as many as its `vocab_size` says); its gradient is dropped.

        Parameters
        ----------
        n_new : int
        spread : float
            Factor of the covariance: 1 draws rows as different as the old ones; Hewitt's code takes
            1e-5, which puts all close to the mean.
        optimizer : Optimizer, optional
            Where it already stepped: what it keeps for each row gets rows too.
        generator : torch.Generator, optional
            Source of the random numbers, on the CPU.

        Returns
        -------
        range
            The new token ids.

        Raises
        ------
        ConfigError
            If fewer than 1 is asked for.

        References
        ----------
        Hewitt (2021), https://nlp.stanford.edu/~johnhew/vocab-expansion.html
        """
        _check_sizes(n_new=n_new)
        rows = draw_like(self._learnt_rows(), n_new, spread=spread, generator=generator)
        new_ids = range(self.vocab_size, self.vocab_size + n_new)
        self._lengthen(_round_up(new_ids.stop, self.multiple), optimizer)
        self.weight[new_ids.start : new_ids.stop] = rows.to(self.weight)
        self.vocab_size = new_ids.stop
        return new_ids

    def _learnt_rows(self) -> Tensor:
        rows = self.weight.detach()[: self.vocab_size]
        if self.padding_id is None:
            return rows
        return torch.cat([rows[: self.padding_id], rows[self.padding_id + 1 :]])

    def _lengthen(self, n_rows: int, optimizer: Optimizer | None) -> None:
        n_old = self.n_rows
        if n_rows <= n_old:
            return
        self.weight.grad = None
        self.weight.data = torch.cat([self.weight, self.weight.new_zeros(n_rows - n_old, self.dim)])
        if optimizer is not None:
            grow_state(optimizer, self.weight, n_old)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.vocab_size}, {self.dim}, n_rows={self.n_rows}, sparse={self.sparse}"


def draw_like(
    rows: Tensor, n_new: int, *, spread: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """Draw from N(mean, spread · covariance) of `rows`, (n, D), to (n_new, D) float64 on the CPU.

    The covariance is divided by n and may be singular, as it is with fewer rows than dimensions.
    """
    rows = rows.cpu().double()
    mean = rows.mean(dim=0)
    centred = rows - mean
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(rows))  # (D,), (D, D)
    noise = torch.randn(n_new, rows.shape[1], dtype=torch.float64, generator=generator)
    drawn: Tensor = mean + (noise * (spread * variances.clamp(min=0)).sqrt()) @ axes.T
    return drawn


def grow_state(optimizer: Optimizer, weight: Tensor, n_old: int) -> None:
    """Give rows added to a weight of `n_old` what the optimizer keeps for each: zeros."""
    state = optimizer.state.get(weight, {})
    for name, value in state.items():
        if isinstance(value, Tensor) and value.dim() and value.shape[0] == n_old:
            more = value.new_zeros(weight.shape[0] - n_old, *value.shape[1:])
            state[name] = torch.cat([value, more])


class TransformerEmbeddings(nn.Module):
    """What enters a transformer's first layer: token, position and token type, summed.

    Parameters
    ----------
    vocab_size, embed_dim : int
        Of the token table.
    max_seq_len : int
        Rows of a learned position's table.
    dropout : float
        Share of the numbers dropped in training.
    position : str or Position
        "learned", "sinusoidal", "none"; or a method, also one that works in attention and adds
        nothing here.
    layer_norm : bool
        Whether a LayerNorm follows the sum (BERT).
    n_token_types : int
        Rows of the table of token types (BERT's two sentences); 0 for none.
    padding_id : int, optional
        As `TokenEmbedding` takes it.
    eps : float
        Of the LayerNorm.
    scale : float
        Factor of the token's vector; √dim in Vaswani et al. (2017), section 3.4.
    std : float
        Of the rows at the start.
    sparse, multiple :
        As `TokenEmbedding` takes them.

    Raises
    ------
    ConfigError
        If a size is below 1, or the position's name needs to know attention's heads.

    Examples
    --------
    >>> embeddings = TransformerEmbeddings(vocab_size=50_257, embed_dim=128, max_seq_len=256)
    >>> count_parameters(embeddings).total
    6465664
    """

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        max_seq_len: int,
        dropout: float = 0.1,
        *,
        position: str | Position = "learned",
        layer_norm: bool = False,
        n_token_types: int = 0,
        padding_id: int | None = None,
        eps: float = 1e-5,
        scale: float = 1.0,
        std: float = 0.02,
        sparse: bool = False,
        multiple: int = 1,
    ) -> None:
        super().__init__()
        _check_sizes(max_seq_len=max_seq_len)
        self.token = TokenEmbedding(
            vocab_size, embed_dim, std=std, sparse=sparse, padding_id=padding_id, multiple=multiple
        )
        self.position = (
            _position_named(position, embed_dim, max_seq_len)
            if isinstance(position, str)
            else position
        )
        self.token_type = (
            TokenEmbedding(n_token_types, embed_dim, std=std) if n_token_types else None
        )
        self.norm = nn.LayerNorm(embed_dim, eps=eps) if layer_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.scale = scale

    def forward(
        self,
        token_ids: Tensor,
        positions: Tensor | None = None,
        token_types: Tensor | None = None,
    ) -> Tensor:
        """Token ids to vectors, (B, T) to (B, T, D).

        Parameters
        ----------
        token_ids : (B, T) int64 tensor
        positions : (T,) or (B, T) int64 tensor, optional
            Where each token stands; 0 to T - 1 if not given.
        token_types : (B, T) int64 tensor, optional
            0 of all if not given.

        Raises
        ------
        VocabularyError
            If a token id or a token type has no row.
        ConfigError
            If there are token types and no table of them, or more positions than the method has.
        """
        if positions is None:
            positions = torch.arange(token_ids.shape[-1], device=token_ids.device)
        x = self.token(token_ids)  # (B, T, D)
        if self.scale != 1.0:
            x = x * self.scale
        x = self.position.embed(x, positions)
        if token_types is not None or self.token_type is not None:
            x = x + self._types_of(token_ids, token_types)
        return self.dropout(self.norm(x))  # type: ignore[no-any-return]

    def _types_of(self, token_ids: Tensor, token_types: Tensor | None) -> Tensor:
        if self.token_type is None:
            raise ConfigError("there are token types and no table of them; set n_token_types")
        types = torch.zeros_like(token_ids) if token_types is None else token_types
        return self.token_type(types)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of a model; one that is used twice counts once."""

    total: int
    embedding: int
    """Of tables that are looked into: tokens, token types, positions."""

    @property
    def without_embeddings(self) -> int:
        """What scaling laws count (Kaplan et al. 2020, section 2.1)."""
        return self.total - self.embedding


def count_parameters(module: nn.Module) -> ParameterCount:
    """Count the parameters of a model, tied ones once.

    A head that is tied to the table counts as the table; one of its own is no embedding.

    Examples
    --------
    >>> count_parameters(torch.nn.Sequential(TokenEmbedding(10, 4), torch.nn.Linear(4, 2)))
    ParameterCount(total=50, embedding=40)
    """
    total = sum(parameter.numel() for parameter in module.parameters())
    tables = {
        parameter
        for part in module.modules()
        if isinstance(part, TokenEmbedding | nn.Embedding | Position)
        for parameter in part.parameters()
    }
    return ParameterCount(total, sum(parameter.numel() for parameter in tables))


def to_vectors(embedding: TokenEmbedding, keys: Sequence[str]) -> Vectors:
    """The table's rows as `Vectors`, for neighbours, analogies and geometry.

    Parameters
    ----------
    embedding : TokenEmbedding
    keys : sequence of str
        The token of each id, `vocab_size` of them, all different.

    Returns
    -------
    Vectors
        A copy, (vocab_size, dim) float32.

    Raises
    ------
    ConfigError
        If there are more or fewer keys than tokens, or one occurs twice.

    Examples
    --------
    >>> to_vectors(TokenEmbedding(3, 8), ["cat", "dog", "car"])
    Vectors(3 keys, dim 8)
    """
    rows = embedding.weight.detach()[: embedding.vocab_size]
    return Vectors(keys, rows.to("cpu", torch.float32, copy=True).numpy())


def _position_named(name: str, dim: int, max_length: int) -> Position:
    if name == "learned":
        return Learned(max_length, dim)
    if name == "sinusoidal":
        return Sinusoidal(dim)
    if name == "none":
        return NoPosition()
    raise ConfigError(
        f"position is {name!r}; give learned, sinusoidal or none, or, for a method that works in "
        "attention, what rowspace.position.make_position makes"
    )


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name} is {size}; give 1 or more")


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
