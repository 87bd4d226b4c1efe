"""What word2vec and fastText share: settings, and a training run over token ids.

A run reads the corpus in pieces, each trained by one thread with its own learning rate and its own
random numbers, so that it can stop after any piece and go on there. What happens inside a piece is
the method's: see `Method`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_folder_atomically
from rowspace.machine import n_cores, return_free_memory
from rowspace.progress import Tracker, track
from rowspace.text.vocabulary import TokenIds, Vocabulary, VocabularyConfig

Floats = NDArray[np.float32]

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
class TrainingConfig:
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
        for name in ("dim", "window", "n_negative", "epochs", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.n_threads is not None and self.n_threads < 1:
            raise ConfigError(f"n_threads is {self.n_threads}; give 1 or more")
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
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; give 0 or more")
        self.vocabulary_config()  # checks its own part

    def vocabulary_config(
        self, keep_word: Callable[[str, int], bool] | None = None
    ) -> VocabularyConfig:
        """The part that chooses the words."""
        return VocabularyConfig(
            min_count=self.min_count,
            max_words=self.max_words,
            tokenizer=self.tokenizer,
            keep_word=keep_word,
        )

    @property
    def threads(self) -> int:
        """Number of threads to use here."""
        return self.n_threads or n_cores()

    def without_threads(self) -> dict[str, Any]:
        """What decides the result: the settings by name, but for the number of threads."""
        settings = dataclasses.asdict(self)
        del settings["n_threads"]
        return settings


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


@dataclass(frozen=True)
class Start:
    """Rows to begin with instead of random ones: row `to[i]` is `rows[i]`."""

    in_rows: Floats
    in_to: NDArray[np.int64]
    out_rows: Floats
    out_to: NDArray[np.int64]


OnEpochEnd = Callable[[EpochReport, "Training"], bool | None]


class Training:
    """The state of one training run: two matrices and how far it is."""

    def __init__(
        self,
        config: TrainingConfig,
        vocabulary: Vocabulary,
        ids: TokenIds,
        method: Method,
        start: Start | None = None,
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.ids = ids
        self.method = method
        self.row = -(-config.dim // _ROW_FLOATS) * _ROW_FLOATS
        self.w_in = _aligned_zeros((method.n_in + 2) * self.row)
        self.w_out = _aligned_zeros((method.n_out + 1) * self.row)
        initialise(self._padded_in[: method.n_in, : config.dim], config)
        if start is not None:
            self._padded_in[start.in_to, : config.dim] = start.in_rows
            padded_out = self.w_out.reshape(-1, self.row)
            padded_out[start.out_to, : config.dim] = start.out_rows
        # Pieces small enough that the learning rate falls in many steps on a small corpus too.
        self.piece = min(_PIECE, max(256, self.ids.n_ids // 64))
        self.held_out, self.trained = self._split_pieces()
        self.n_pieces = len(self.trained)
        self.n_done = 0
        self.loss = 0.0
        self.n_predictions = 0
        self.seconds = 0.0
        self.history: list[EpochReport] = []
        self.best: tuple[Floats, Floats] | None = None
        self.is_stopped = False

    @property
    def _padded_in(self) -> Floats:
        return self.w_in.reshape(-1, self.row)

    def _split_pieces(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of the pieces held out, spread over the text, and of those trained on."""
        pieces = np.arange(-(-self.ids.n_ids // self.piece))
        n_held_out = math.ceil(self.config.held_out * len(pieces))
        if n_held_out and n_held_out == len(pieces):
            raise ConfigError(
                f"held_out leaves nothing of {self.ids.n_ids:,} tokens to train on; give more text"
            )
        places = (np.arange(n_held_out) + 0.5) * len(pieces) / max(1, n_held_out)
        return pieces[places.astype(np.int64)], np.delete(pieces, places.astype(np.int64))

    @property
    def is_done(self) -> bool:
        """Whether no epoch is left, or training stopped early."""
        return self.is_stopped or self.n_done >= self.config.epochs * self.n_pieces

    def fit(
        self,
        checkpoint: Path | None,
        checkpoint_seconds: float,
        on_epoch_end: OnEpochEnd | None,
    ) -> None:
        """Train to the end, from the checkpoint on if there is one."""
        return_free_memory()  # the scan's, which would stand beside the matrices
        if checkpoint is not None and checkpoint.exists():
            self.restore(checkpoint)
        with track("training", total=self.config.epochs * self.n_pieces * self.piece) as tracker:
            try:
                while not self.is_done:
                    if self.run(tracker, checkpoint_seconds if checkpoint else None):
                        self._after_epoch(on_epoch_end)
                    if checkpoint is not None and not self.is_done:
                        self.save(checkpoint)
            except KeyboardInterrupt:
                if checkpoint is not None:
                    self.save(checkpoint)
                raise
        if self.best is not None:
            self.w_in, self.w_out = self.best

    def _after_epoch(self, on_epoch_end: OnEpochEnd | None) -> None:
        """Measure the text held out, keep the best, and see whether to stop."""
        if len(self.held_out):
            loss = self.held_out_loss()
            self.history[-1] = dataclasses.replace(self.history[-1], held_out_loss=loss)
            losses = [
                math.inf if report.held_out_loss is None else report.held_out_loss
                for report in self.history
            ]
            best = losses.index(min(losses))
            if best == len(losses) - 1:
                self.best = None if self.is_done else (self.w_in.copy(), self.w_out.copy())
            self.is_stopped = len(losses) - 1 - best >= self.config.patience
        if on_epoch_end is not None and on_epoch_end(self.history[-1], self) is False:
            self.is_stopped = True

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

    def run(self, tracker: Tracker, seconds: float | None) -> bool:
        """Train to the end of the epoch, or for about `seconds`; tells whether the epoch ended.

        An interrupt lets each thread finish its piece, so that nothing is done by half.
        """
        epoch = self.n_done // self.n_pieces
        last = (epoch + 1) * self.n_pieces
        started = time.monotonic()
        deadline = started + seconds if seconds else float("inf")
        lock = threading.Lock()
        failures: list[BaseException] = []
        stopped = threading.Event()
        next_piece = self.n_done

        def work() -> None:
            nonlocal next_piece
            try:
                while not stopped.is_set():
                    with lock:
                        if next_piece == last:
                            return
                        piece = next_piece
                        next_piece += 1
                    loss, n_predictions = self.train_piece(piece)
                    with lock:
                        self.n_done += 1
                        self.loss += loss
                        self.n_predictions += n_predictions
                    if time.monotonic() >= deadline:  # after a piece, so that any time gets on
                        return
            except BaseException as error:
                failures.append(error)
                stopped.set()

        try:
            # Waits for futures, since Thread.join(timeout), interrupted, takes a running thread
            # for a finished one (https://github.com/python/cpython/issues/90882).
            with ThreadPoolExecutor(self.config.threads) as pool:
                try:
                    futures = [pool.submit(work) for _ in range(self.config.threads)]
                    while wait(futures, timeout=0.1).not_done:
                        tracker.set(self.n_done * self.piece, self._note(started))
                finally:
                    stopped.set()
        finally:
            self.seconds += time.monotonic() - started
            if self.n_done == last:  # also where the interrupt met the epoch's last pieces
                self._end_epoch(epoch)
        if failures:
            raise failures[0]
        return self.n_done == last

    def train_piece(self, number: int) -> tuple[float, int]:
        """Train on the `number`-th piece of all epochs."""
        place = int(self.trained[number % self.n_pieces])
        return self._step(place, number, self._learning_rate(number))

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
        state = np.array([_mix(self.config.seed, int(random))], dtype=np.uint64)
        tokens = self.ids.read(first, last)
        return self.method.train(
            self.w_in, self.w_out, self.row, tokens, begin - first, end - first, learning_rate,
            state,
        )  # fmt: skip

    def _learning_rate(self, n_done: int) -> float:
        share_left = 1 - n_done / (self.config.epochs * self.n_pieces)
        low, high = self.config.min_learning_rate, self.config.learning_rate
        return max(low, high * share_left)

    def _note(self, started: float) -> str:
        seconds = self.seconds + time.monotonic() - started
        done_in_epoch = self.n_done % self.n_pieces or self.n_pieces
        speed = done_in_epoch * self.piece / max(seconds, 1e-9)
        loss = self.loss / max(self.n_predictions, 1)
        return f"{speed / 1e6:.2f} M words/s, loss {loss:.3f}"

    def _end_epoch(self, epoch: int) -> None:
        n_tokens = int(self.vocabulary.counts.sum())
        self.history.append(
            EpochReport(
                epoch=epoch + 1,
                loss=self.loss / max(self.n_predictions, 1),
                words_per_second=n_tokens / max(self.seconds, 1e-9),
                learning_rate=self._learning_rate(self.n_done),
            )
        )
        if not math.isfinite(self.history[-1].loss):
            raise ConfigError(
                f"the loss of epoch {epoch + 1} is {self.history[-1].loss}: training diverged; "
                f"give a learning_rate below {self.config.learning_rate}"
            )
        self.loss, self.n_predictions, self.seconds = 0.0, 0, 0.0

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to fit; threads may differ."""
        words = "\0".join(self.vocabulary.words).encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(words + self.vocabulary.counts.tobytes()).hexdigest()
        return {
            "config": self.config.without_threads(),
            "vocabulary": digest,
            "n_ids": self.ids.n_ids,
        }

    def save(self, folder: Path) -> None:
        """Write the whole state, replacing an older one when it is safe on the disk."""
        state = {
            "identity": self._identity(),
            "n_done": self.n_done,
            "loss": self.loss,
            "n_predictions": self.n_predictions,
            "seconds": self.seconds,
            "history": [dataclasses.asdict(report) for report in self.history],
            "has_best": self.best is not None,
        }
        with write_folder_atomically(folder) as temporary:
            for name, rows in self._arrays().items():
                (temporary / name).write_bytes(rows.data)
            (temporary / "state.json").write_text(json.dumps(state))

    def _arrays(self) -> dict[str, Floats]:
        arrays = {"w_in.f32": self.w_in, "w_out.f32": self.w_out}
        if self.best is not None:
            arrays |= {"best_in.f32": self.best[0], "best_out.f32": self.best[1]}
        return arrays

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        try:
            state = json.loads((folder / "state.json").read_text())
            if state["identity"] != self._identity():
                raise FormatError(
                    f"the checkpoint {folder} is of other settings or text; "
                    "use the same, or remove it to train from the start"
                )
            if state["has_best"]:
                self.best = (np.empty_like(self.w_in), np.empty_like(self.w_out))
            for name, rows in self._arrays().items():
                rows[:] = np.fromfile(folder / name, dtype=np.float32).reshape(rows.shape)
        except FormatError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"the checkpoint {folder} is damaged ({error}); remove it to train from the start"
            ) from error
        self.n_done = state["n_done"]
        self.loss, self.n_predictions = state["loss"], state["n_predictions"]
        self.seconds = state["seconds"]
        self.history = [EpochReport(**report) for report in state["history"]]


def initialise(matrix: Floats, config: TrainingConfig) -> None:
    """Uniform in ±0.5 / dim, as in word2vec.c; the output matrix starts as zeros."""
    generator = np.random.default_rng(config.seed)
    for first in range(0, len(matrix), 4096):
        block = matrix[first : first + 4096]
        block[:] = (generator.random(block.shape, dtype=np.float32) - 0.5) / config.dim


def _aligned_zeros(size: int) -> Floats:
    """Zeros that start at a cache line, so that no load of a row straddles two."""
    raw = np.zeros(size * 4 + 64, dtype=np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size * 4].view(np.float32)


def _mix(seed: int, number: int) -> int:
    """A random generator's state for one piece (splitmix64), never zero."""
    x = (seed * 0x9E3779B97F4A7C15 + (number + 1) * 0xD1B54A32D192ED03) % 2**64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return (x ^ x >> 31) or 1
