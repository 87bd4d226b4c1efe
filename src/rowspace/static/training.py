"""What word2vec and fastText share: settings, and a training run over token ids.

A run reads the corpus in pieces, each with its own learning rate and its own random numbers: see
`run.Run`. What happens inside a piece is the method's: see `Method`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.static.phrasing import PhraseSettings
from rowspace.static.run import Floats as Floats
from rowspace.static.run import Run, RunConfig, aligned_zeros, random_state, vocabulary_digest
from rowspace.text.vocabulary import TokenIds, Vocabulary

_PIECE = 1 << 14
_ROW_FLOATS = 16
_PACKED_ROWS = 4096
_CHOICES = {
    "architecture": ("skipgram", "cbow"),
    "loss": ("negative_sampling", "hierarchical_softmax"),
    "cbow_gradient": ("corrected", "classic"),
    "sigmoid": ("polynomial", "exact"),
}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(PhraseSettings, RunConfig):
    """Settings that word2vec and fastText have in common."""

    architecture: str = "skipgram"
    """`skipgram` predicts from each context word, `cbow` from all of them together."""
    loss: str = "negative_sampling"
    """`negative_sampling`, or `hierarchical_softmax` over a Huffman tree, which has no noise."""
    dim: int = 100
    """Length of a vector."""
    window: int = 5
    """Words considered on each side of the center word."""
    n_negative: int = 5
    """Noise words drawn for each center word."""
    epochs: int = 5
    """Times the whole corpus is read."""
    learning_rate: float = 0.05
    """Step size at the start; it falls linearly."""
    min_learning_rate: float = 1e-4
    """Step size at the end."""
    min_count: int = 5
    """A word that occurs less often has no vector."""
    max_words: int | None = None
    """At most this many words, the most frequent ones."""
    subsample: float = 1e-4
    """Share of the text above which a word is thinned out; 0 keeps every token."""
    noise_exponent: float = 0.75
    """Noise words are drawn in proportion to count ** noise_exponent."""
    dynamic_window: bool = True
    """Draw each window's reach from 1..window, so that near words count more."""
    cbow_gradient: str = "corrected"
    """`corrected` divides the gradient as the average does (İrsoy et al. 2020); `classic`, like
    word2vec.c, gensim and fastText, does not."""
    sigmoid: str = "polynomial"
    """`polynomial` (error under 2e-7) or `exact`, which is slower."""
    tokenizer: str = "words"
    """`words`: lower-case runs of letters and digits; `whitespace`: text that is tokenised."""
    shuffle: bool = False
    """Read the pieces of the text (16,384 words) in a random order, each epoch another. Else, as
    word2vec.c and gensim, in the text's own, and what comes first counts most, being learned in the
    largest steps."""
    held_out: float = 0.0
    """Share of the text to measure the loss on and not to train on; 0 measures none."""
    patience: int = 1
    """Stop when the held-out loss has not fallen for so many epochs, and return the best."""
    seed: int = 1
    n_threads: int | None = None
    """None takes every core. One thread gives the same bits each time; more do not."""

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ConfigError(f"{name} is {value!r}; give one of {', '.join(choices)}")
        self.check("dim", "window", "n_negative", "patience")
        if not 0 < self.learning_rate < 10:
            raise ConfigError(
                f"learning_rate is {self.learning_rate}; give more than 0, usually 0.025 to 0.1"
            )
        if not 0 <= self.min_learning_rate <= self.learning_rate:
            raise ConfigError(
                f"min_learning_rate is {self.min_learning_rate}; give 0 or more, and at most the "
                f"learning_rate of {self.learning_rate}"
            )
        if not 0 <= self.subsample < math.inf:
            raise ConfigError(f"subsample is {self.subsample}; give 0 (off) or more")
        if not abs(self.noise_exponent) <= 10:
            raise ConfigError(
                f"noise_exponent is {self.noise_exponent}; give a number, usually 0 to 1"
            )
        if not 0 <= self.held_out <= 0.5:
            raise ConfigError(f"held_out is {self.held_out}; give a share from 0 (none) to 0.5")


@dataclass(frozen=True)
class EpochReport:
    """What one pass over the corpus did."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over predictions of -log σ(true) - Σ log σ(-noise), at first (n_negative + 1) ln 2; with
    hierarchical softmax of -log of the word's likelihood, at first its path's length times ln 2.

    Each is taken before its own step, while the model learns; so it may rise a little at the end,
    when the small steps no longer follow the passage at hand."""
    words_per_second: float
    learning_rate: float
    """At the epoch's end."""
    held_out_loss: float | None = None
    """The loss on the text held out, after the epoch; None where none is."""


class Method(Protocol):
    """How one piece of text trains two matrices."""

    @property
    def n_in(self) -> int:
        """Rows of the input matrix that are trained."""

    @property
    def n_out(self) -> int:
        """Rows of the output matrix that are trained."""

    def train(
        self,
        w_in: Floats,
        w_out: Floats,
        row: int,
        tokens: NDArray[np.int32],
        begin: int,
        end: int,
        learning_rate: float,
        state: NDArray[np.uint64],
    ) -> tuple[float, int]:
        """Train on the centers of tokens[begin:end]: sum of the losses, number of predictions.

        w_in is ((n_in + 2) * row,) float32: behind the rows that train, a row of zeros and one that
        takes what would be written to a frozen row; w_out ((n_out + 1) * row,), with one of zeros.
        """

    def word_vectors(self, rows: Floats, words: NDArray[np.int64]) -> Floats:
        """(n, row) copies of the vectors of `words`, from the input matrix, (n_in + 2, row)."""


@dataclass(frozen=True)
class Start:
    """Rows to begin with instead of random ones: row `to[i]` is `rows[i]`."""

    in_rows: Floats
    in_to: NDArray[np.int64]
    out_rows: Floats
    out_to: NDArray[np.int64]


OnEpochEnd = Callable[[EpochReport, "Training"], bool | None]


class Training(Run[TrainingConfig, EpochReport]):
    """The state of one training run: two matrices and how far it is."""

    report_class = EpochReport

    def __init__(
        self,
        config: TrainingConfig,
        vocabulary: Vocabulary,
        ids: TokenIds,
        method: Method,
        start: Start | None = None,
    ) -> None:
        # Pieces small enough that the learning rate falls in many steps on a small corpus too.
        self.piece = min(_PIECE, max(256, ids.n_ids // 64))
        self.ids = ids
        self.held_out, self.trained = self._split_pieces(config.held_out)
        super().__init__(config, len(self.trained), self.piece)
        self.vocabulary = vocabulary
        self.method = method
        self.row = -(-config.dim // _ROW_FLOATS) * _ROW_FLOATS
        self.w_in = aligned_zeros((method.n_in + 2) * self.row)
        self.w_out = aligned_zeros((method.n_out + 1) * self.row)
        initialise(self._padded_in[: method.n_in, : config.dim], config)
        if start is not None:
            self._padded_in[start.in_to, : config.dim] = start.in_rows
            padded_out = self.w_out.reshape(-1, self.row)
            padded_out[start.out_to, : config.dim] = start.out_rows
        self.best: tuple[Floats, Floats] | None = None

    @property
    def _padded_in(self) -> Floats:
        return self.w_in.reshape(-1, self.row)

    def _split_pieces(self, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of the pieces held out, spread over the text, and of those trained on."""
        pieces = np.arange(-(-self.ids.n_ids // self.piece))
        n_held_out = math.ceil(share * len(pieces))
        if n_held_out and n_held_out == len(pieces):
            raise ConfigError(
                f"held_out leaves nothing of {self.ids.n_ids:,} tokens to train on; give more text"
            )
        places = (np.arange(n_held_out) + 0.5) * len(pieces) / max(1, n_held_out)
        return pieces[places.astype(np.int64)], np.delete(pieces, places.astype(np.int64))

    def settle(self) -> int:
        """Take the best matrices."""
        if self.best is None:
            return self.n_done
        self.w_in, self.w_out = self.best
        return (self._best_epoch() + 1) * self.n_pieces

    def after_epoch(self, on_epoch_end: OnEpochEnd | None) -> None:
        """Measure the text held out, keep the best, and see whether to stop."""
        if len(self.held_out):
            loss = self.held_out_loss()
            self.history[-1] = dataclasses.replace(self.history[-1], held_out_loss=loss)
            best, last = self._best_epoch(), len(self.history) - 1
            if best == last:
                self.best = None if self.is_done else (self.w_in.copy(), self.w_out.copy())
            self.is_stopped = last - best >= self.config.patience
        super().after_epoch(on_epoch_end)

    def _best_epoch(self) -> int:
        """The one, from 0, whose held-out loss is the lowest."""
        losses = [
            math.inf if report.held_out_loss is None else report.held_out_loss
            for report in self.history
        ]
        return losses.index(min(losses))

    def word_vectors(self, rows: NDArray[np.int64]) -> Floats:
        """See `Run`."""
        return self.method.word_vectors(self._padded_in, rows)[:, : self.config.dim]

    def matrix(self, rows: Floats, n_rows: int) -> Floats:
        """(n_rows, dim) copy of one of the two matrices."""
        return np.ascontiguousarray(rows.reshape(-1, self.row)[:n_rows, : self.config.dim])

    def release(self, rows: Floats, n_rows: int) -> Floats:
        """As `matrix`, but in the memory of `rows`, which is of no use afterwards."""
        padded = rows.reshape(-1, self.row)
        packed = rows[: n_rows * self.config.dim].reshape(n_rows, self.config.dim)
        for first in range(0, n_rows, _PACKED_ROWS):  # what is read lies behind
            part = slice(first, min(first + _PACKED_ROWS, n_rows))
            packed[part] = padded[part, : self.config.dim].copy()
        return packed

    def train_piece(self, number: int) -> tuple[float, int]:
        """Train on the `number`-th piece of all epochs."""
        epoch, place = divmod(number, self.n_pieces)
        if self.config.shuffle:
            place = _order(self.config.seed, epoch, self.n_pieces)[place]
        place = int(self.trained[place])
        return self._step(place, number, self.rate(number))

    def held_out_loss(self) -> float:
        """The mean loss on the text held out: the same windows and noise each time, no learning."""
        with ThreadPoolExecutor(self.config.threads) as pool:
            losses = pool.map(lambda place: self._step(place, -2 - place, 0.0), self.held_out)
            loss, n_predictions = map(sum, zip(*losses, strict=True))
        return float(loss / max(n_predictions, 1))

    def _step(self, place: int, random: int, learning_rate: float) -> tuple[float, int]:
        begin = int(place) * self.piece
        end = min(begin + self.piece, self.ids.n_ids)
        margin = 10 * self.config.window  # a window that reaches into the next piece sees its words
        first, last = max(0, begin - margin), min(self.ids.n_ids, end + margin)
        state = random_state(self.config.seed, int(random))
        tokens = self.ids.read(first, last)
        return self.method.train(
            self.w_in, self.w_out, self.row, tokens, begin - first, end - first, learning_rate,
            state,
        )  # fmt: skip

    def rate(self, n_done: int) -> float:
        """See `Run`: it falls linearly."""
        share_left = 1 - n_done / (self.config.epochs * self.n_pieces)
        low, high = self.config.min_learning_rate, self.config.learning_rate
        return max(low, high * share_left)

    def report(self, epoch: int, loss: float) -> EpochReport:
        """See `Run`."""
        # After an update, counts are also of text that is not read here.
        n_tokens = min(int(self.vocabulary.counts.sum()), self.ids.n_ids)
        return EpochReport(
            epoch=epoch,
            loss=loss,
            words_per_second=n_tokens / max(self.seconds, 1e-9),
            learning_rate=self.rate(self.n_done),
        )

    def identity(self) -> dict[str, Any]:
        """See `Run`."""
        return {
            "config": self.config.without_threads(),
            "vocabulary": vocabulary_digest(self.vocabulary),
            "n_ids": self.ids.n_ids,
        }

    def state(self) -> dict[str, Any]:
        """See `Run`."""
        return {**super().state(), "has_best": self.best is not None}

    def take_state(self, state: dict[str, Any]) -> None:
        """See `Run`."""
        super().take_state(state)
        if state["has_best"]:
            self.best = (np.empty_like(self.w_in), np.empty_like(self.w_out))

    def arrays(self) -> dict[str, Floats]:
        """See `Run`."""
        arrays = {"w_in.f32": self.w_in, "w_out.f32": self.w_out}
        if self.best is not None:
            arrays |= {"best_in.f32": self.best[0], "best_out.f32": self.best[1]}
        return arrays


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, n_pieces: int) -> NDArray[np.int64]:
    """A random order of the pieces, for one epoch."""
    return np.random.default_rng([seed, epoch]).permutation(n_pieces)


def initialise(matrix: Floats, config: TrainingConfig) -> None:
    """Uniform in ±0.5 / dim, as in word2vec.c; the output matrix starts as zeros."""
    generator = np.random.default_rng(config.seed)
    for first in range(0, len(matrix), 4096):
        block = matrix[first : first + 4096]
        block[:] = (generator.random(block.shape, dtype=np.float32) - 0.5) / config.dim
