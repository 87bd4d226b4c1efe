"""What every static method trains by: a run over numbered pieces, which can stop and go on.

Each piece is trained by one thread with its own random numbers, so that a run can stop after any
piece, save itself, and go on there. What a piece is, and how it trains, is the method's own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_folder_atomically
from rowspace.machine import MOST_THREADS, n_cores, return_free_memory
from rowspace.progress import Tracker, track
from rowspace.space.history import History
from rowspace.static.recording import Recorder
from rowspace.text.phrases import PhrasesConfig
from rowspace.text.vocabulary import Vocabulary, VocabularyConfig

Floats = NDArray[np.float32]


class RunConfig:
    """What the settings of every static method can do; each is a dataclass with these, and more."""

    epochs: int
    learning_rate: float
    min_count: int
    max_words: int | None
    tokenizer: str
    seed: int
    n_threads: int | None

    def check(self, *counts: str) -> None:
        """Check the settings that every method has, and that these fields are 1 or more."""
        for name in (*counts, "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.n_threads is not None and self.n_threads < 1:
            raise ConfigError(f"n_threads is {self.n_threads}; give 1 or more")
        if self.threads > MOST_THREADS:
            raise ConfigError(f"n_threads is {self.n_threads:,}; give {MOST_THREADS:,} or less")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; give 0 or more, less than 2**63")
        self.vocabulary_config()  # these check their own parts
        self.phrases_config()

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

    def phrases_config(self) -> PhrasesConfig | None:
        """The part that finds phrases; None where there are to be none."""
        return None

    @property
    def threads(self) -> int:
        """Number of threads to use here."""
        return self.n_threads or n_cores()

    def without_threads(self) -> dict[str, Any]:
        """What decides the result: the settings by name, but for the number of threads."""
        settings = self.as_dict()
        del settings["n_threads"]
        return settings

    def as_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return dataclasses.asdict(cast(Any, self))


Config = TypeVar("Config", bound=RunConfig)
Report = TypeVar("Report", bound=Any)  # a dataclass with at least `loss`


class Run(ABC, Generic[Config, Report]):
    """The state of one training run: how far it is, and how well it does.

    Parameters
    ----------
    config : RunConfig
    n_pieces : int
        Of one epoch.
    piece : float
        Units in a piece, for the speed that is shown: words, say.
    """

    report_class: type[Report]
    unit = "words"
    vocabulary: Vocabulary

    def __init__(self, config: Config, n_pieces: int, piece: float) -> None:
        self.config = config
        self.n_pieces = n_pieces
        self.piece_units = piece
        self.n_done = 0
        self.loss = 0.0
        self.n_predictions = 0
        self.seconds = 0.0
        self.history: list[Report] = []
        self.n_followed = 0
        """Epochs after which `after_epoch` has run: one less where that was interrupted."""
        self.is_stopped = False
        self.recorder: Recorder | None = None
        self.snapshots: History | None = None
        """How the words came to their places, when training has ended."""

    @property
    def is_done(self) -> bool:
        """Whether no epoch is left, or training stopped early."""
        return self.is_stopped or self.n_done >= self.config.epochs * self.n_pieces

    @abstractmethod
    def train_piece(self, number: int) -> tuple[float, int]:
        """Train on the `number`-th piece of all epochs: (sum of the losses, how many)."""

    @abstractmethod
    def report(self, epoch: int, loss: float) -> Report:
        """What the epoch that ended did, from its mean loss and `self.seconds`."""

    @abstractmethod
    def word_vectors(self, rows: NDArray[np.int64]) -> Floats:
        """(n, dim) copies of the vectors of some words as they are now."""

    @abstractmethod
    def arrays(self) -> dict[str, Floats]:
        """All that was learned, by the name of its file in a checkpoint."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to fit; threads may differ."""

    def fit(
        self,
        checkpoint: Path | None,
        checkpoint_seconds: float,
        on_epoch_end: Callable[[Report, Any], bool | None] | None,
    ) -> None:
        """Train to the end, from the checkpoint on if there is one."""
        return_free_memory()  # the scan's, which would stand beside the matrices
        self._start_recording()
        if checkpoint is not None and checkpoint.exists():
            self.restore(checkpoint)
        total = self.config.epochs * self.n_pieces * self.piece_units
        with track("training", total=total) as tracker:
            try:
                while self._follow_up(on_epoch_end):
                    self.run(tracker, checkpoint_seconds if checkpoint else None)
                    if checkpoint is not None and not self.is_done:
                        self.save(checkpoint)
            except KeyboardInterrupt:
                if checkpoint is not None:
                    self.save(checkpoint)
                raise
        n_kept = self.settle()
        if self.recorder is not None:
            self.snapshots = self.recorder.finish(n_kept, self.rate(n_kept))

    def _start_recording(self) -> None:
        self.recorder = Recorder(
            self.vocabulary, self.word_vectors, self.config.epochs, self.n_pieces,
            self.piece_units, self.unit,
        )  # fmt: skip
        self.recorder.add(0, self.rate(0))

    def rate(self, n_done: int) -> float:
        """The learning rate after so many pieces."""
        return self.config.learning_rate

    def settle(self) -> int:
        """Take the state that is to be kept; tells after how many pieces it was reached."""
        return self.n_done

    def _follow_up(self, on_epoch_end: Callable[[Report, Any], bool | None] | None) -> bool:
        """Do what follows the epoch that ended last, if it is not done; tells whether to go on."""
        if self.n_followed < len(self.history):
            self.after_epoch(on_epoch_end)
            self.n_followed = len(self.history)
        return not self.is_done

    def after_epoch(self, on_epoch_end: Callable[[Report, Any], bool | None] | None) -> None:
        """See whether to stop."""
        if on_epoch_end is not None and on_epoch_end(self.history[-1], self) is False:
            self.is_stopped = True

    def run(self, tracker: Tracker, seconds: float | None) -> bool:
        """Train to the end of the epoch, or for about `seconds`; tells whether the epoch ended.

        An interrupt lets each thread finish its piece, so that nothing is done by half.
        """
        epoch = self.n_done // self.n_pieces
        last = (epoch + 1) * self.n_pieces
        started = time.monotonic()
        deadline = started + seconds if seconds else float("inf")
        lock = threading.Lock()
        next_piece = self.n_done

        def work(_: int, stopped: threading.Event) -> None:
            nonlocal next_piece
            while not stopped.is_set():
                with lock:
                    if next_piece == last:
                        return
                    piece = next_piece
                    next_piece += 1
                loss, n_predictions = self.train_piece(piece)
                with lock:
                    self._count(1, loss, n_predictions)
                if time.monotonic() >= deadline:  # after a piece, so that any time gets on
                    return

        try:
            work_in_threads(
                work,
                self.config.threads,
                lambda: tracker.set(self.n_done * self.piece_units, self._note(started, epoch)),
            )
        finally:
            self.seconds += time.monotonic() - started
            if self.n_done == last:  # also where the interrupt met the epoch's last pieces
                self._end_epoch(epoch)
        return self.n_done == last

    def _count(self, n_pieces: int, loss: float, n_predictions: int) -> None:
        """Note that so many pieces are done."""
        self.n_done += n_pieces
        self.loss += loss
        self.n_predictions += n_predictions
        if self.recorder is not None:
            self.recorder.follow(self.n_done, loss, n_predictions, self.rate, n_pieces)

    def _note(self, started: float, epoch: int) -> str:
        seconds = self.seconds + time.monotonic() - started
        done_in_epoch = self.n_done - epoch * self.n_pieces
        speed = done_in_epoch * self.piece_units / max(seconds, 1e-9)
        loss = self.loss / max(self.n_predictions, 1)
        return f"{speed / 1e6:.2f} M {self.unit}/s, loss {loss:.4g}"

    def _end_epoch(self, epoch: int) -> None:
        loss = self.loss / max(self.n_predictions, 1)
        self.history.append(self.report(epoch + 1, loss))
        if not math.isfinite(loss):
            raise diverged(epoch, loss, self.config.learning_rate)
        self.loss, self.n_predictions, self.seconds = 0.0, 0, 0.0

    # Checkpoints

    def save(self, folder: Path) -> None:
        """Write the whole state, replacing an older one when it is safe on the disk."""
        state = self.state()
        with write_folder_atomically(folder) as temporary:
            for name, rows in self.arrays().items():
                (temporary / name).write_bytes(rows.data)
            if self.recorder is not None:
                self.recorder.save(temporary)
            (temporary / "state.json").write_text(json.dumps(state))

    def state(self) -> dict[str, Any]:
        """All of the state but the arrays."""
        return {
            "identity": self.identity(),
            "n_done": self.n_done,
            "loss": self.loss,
            "n_predictions": self.n_predictions,
            "seconds": self.seconds,
            "n_followed": self.n_followed,
            "history": [dataclasses.asdict(report) for report in self.history],
            "recorder": None if self.recorder is None else self.recorder.state(),
        }

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        try:
            state = json.loads((folder / "state.json").read_text())
            if state["identity"] != json.loads(json.dumps(self.identity())):
                raise FormatError(
                    f"the checkpoint {folder} is of other settings or text; "
                    "use the same, or remove it to train from the start"
                )
            self.take_state(state)
            for name, rows in self.arrays().items():
                rows[:] = np.fromfile(folder / name, dtype=np.float32).reshape(rows.shape)
            self._restore_recording(folder, state.get("recorder"))
        except FormatError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"the checkpoint {folder} is damaged ({error}); remove it to train from the start"
            ) from error

    def _restore_recording(self, folder: Path, state: dict[str, Any] | None) -> None:
        if state is None:  # of a Rowspace that kept no history: one without a beginning is none
            self.recorder = None
        elif self.recorder is not None:
            self.recorder.restore(folder, state)

    def take_state(self, state: dict[str, Any]) -> None:
        """Set what `state` told, before the arrays are read."""
        self.n_done = state["n_done"]
        self.loss, self.n_predictions = state["loss"], state["n_predictions"]
        self.seconds = state["seconds"]
        self.n_followed = state["n_followed"]
        self.history[:] = [self.report_class(**report) for report in state["history"]]


def diverged(epoch: int, loss: float, learning_rate: float) -> ConfigError:
    """The error of a loss that is not a number, in the epoch counted from 0."""
    return ConfigError(
        f"the loss of epoch {epoch + 1} is {loss}: training diverged; "
        f"give a learning_rate below {learning_rate}"
    )


def work_in_threads(
    work: Callable[[int, threading.Event], None], n_threads: int, tell: Callable[[], None]
) -> None:
    """Run work(0, stopped) to work(n_threads - 1, stopped) at once, and `tell` now and then.

    Where one fails, or an interrupt comes, `stopped` is set, all are waited for, and the error is
    raised.
    """
    stopped = threading.Event()
    failures: list[BaseException] = []

    def guarded(thread: int) -> None:
        try:
            work(thread, stopped)
        except BaseException as error:
            failures.append(error)
            stopped.set()

    # Waits for futures, since Thread.join(timeout), interrupted, takes a running thread for a
    # finished one (https://github.com/python/cpython/issues/90882).
    futures: list[Future[None]] = []
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            futures = [pool.submit(guarded, thread) for thread in range(n_threads)]
            while wait(futures, timeout=0.1).not_done:
                tell()
        finally:
            stopped.set()
            _wait_through_interrupts(futures)
    if failures:
        raise failures[0]


def _wait_through_interrupts(futures: list[Future[None]]) -> None:
    """Wait until no thread works any more, or what is saved would be half of something."""
    while True:
        try:
            wait(futures)
            return
        except KeyboardInterrupt:
            continue


def vocabulary_digest(vocabulary: Vocabulary) -> str:
    """Tells one vocabulary from another: SHA-256 of words and counts."""
    words = "\0".join(vocabulary.words).encode("utf-8", "surrogatepass")
    return hashlib.sha256(words + vocabulary.counts.tobytes()).hexdigest()


def aligned_zeros(size: int) -> Floats:
    """Zeros that start at a cache line, so that no load of a row straddles two."""
    raw = np.zeros(size * 4 + 64, dtype=np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size * 4].view(np.float32)


def random_state(seed: int, number: int) -> NDArray[np.uint64]:
    """(1,) array: the state of a kernel's random numbers for one piece."""
    return np.array([mix(seed, number)], dtype=np.uint64)


def mix(seed: int, number: int) -> int:
    """A random generator's state for one piece (splitmix64), never zero."""
    x = (seed * 0x9E3779B97F4A7C15 + (number + 1) * 0xD1B54A32D192ED03) % 2**64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return (x ^ x >> 31) or 1
