"""word2vec: skip-gram and CBOW with negative sampling, on text or any sequences.

Mikolov et al. (2013a), https://arxiv.org/abs/1301.3781, and (2013b),
https://arxiv.org/abs/1310.4546. Differs from the paper: the contexts of one center word share
their negatives (Ji et al. 2016), the sigmoid is not a table, and confident mistakes still train.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import remember, write_folder_atomically
from rowspace.machine import n_cores, return_free_memory
from rowspace.progress import Tracker, track
from rowspace.space.vectors import Vectors
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import (
    TokenIds,
    Vocabulary,
    VocabularyConfig,
    load_scan,
    save_scan,
    scan_corpus,
    scan_sequences,
)

_PIECE = 1 << 14
_ROW_FLOATS = 16
_PACKED_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class Word2VecConfig:
    """Settings of word2vec."""

    architecture: str = "skipgram"
    """`skipgram` predicts the center from each context word, `cbow` from all of them together."""
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
    cbow_mean: bool = True
    """Average the context rows in CBOW, else sum them."""
    cbow_gradient: str = "corrected"
    """`corrected` divides the gradient as the average does (İrsoy et al. 2020); `classic`, like
    word2vec.c and gensim, does not."""
    sigmoid: str = "polynomial"
    """`polynomial` (error under 2e-7) or `exact`, which is slower."""
    tokenizer: str = "words"
    """`words`: lower-case runs of letters and digits; `whitespace`: text that is tokenised."""
    seed: int = 1
    n_threads: int | None = None
    """None takes every core. One thread gives the same bits each time; more do not."""

    def __post_init__(self) -> None:
        _check_choice("architecture", self.architecture, ("skipgram", "cbow"))
        _check_choice("cbow_gradient", self.cbow_gradient, ("corrected", "classic"))
        _check_choice("sigmoid", self.sigmoid, ("polynomial", "exact"))
        for name in ("dim", "window", "n_negative", "epochs"):
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


@dataclass(frozen=True)
class EpochReport:
    """What one pass over the corpus did."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over predictions of -log σ(true) - Σ log σ(-noise); at first (n_negative + 1) ln 2.

    Each is taken before its own step, while the model learns; so it may rise a little at the end,
    when the small steps no longer follow the passage at hand."""
    words_per_second: float
    learning_rate: float
    """At the epoch's end."""


class Word2Vec:
    """Word vectors from text, or item vectors from sequences.

    Parameters
    ----------
    config : Word2VecConfig, optional
    **settings
        Fields of Word2VecConfig, instead of `config`.

    Attributes
    ----------
    history : list of EpochReport
    context_matrix : (n_words, dim) float32 array
        The output matrix, w_out, after `fit`.

    Examples
    --------
    >>> sentences = [["cat", "sits", "on", "mat"], ["dog", "sits", "on", "rug"]] * 50
    >>> vectors = Word2Vec(dim=16, min_count=1, epochs=2, n_threads=1).fit(sentences)
    >>> len(vectors), vectors.dim
    (6, 16)
    """

    def __init__(self, config: Word2VecConfig | None = None, **settings: Any) -> None:
        if config is not None and settings:
            raise ConfigError("give a config or settings, not both")
        try:
            self.config = config or Word2VecConfig(**settings)
        except TypeError as error:
            names = ", ".join(field.name for field in dataclasses.fields(Word2VecConfig))
            raise ConfigError(f"{error}; the settings are {names}") from error
        self.history: list[EpochReport] = []
        self.context_matrix: NDArray[np.float32] | None = None

    def fit(
        self,
        corpus: Corpus | Path | str | Iterable[Sequence[Hashable]],
        *,
        keep_word: Callable[[str, int], bool] | None = None,
        on_epoch_end: Callable[[EpochReport, Vectors], None] | None = None,
    ) -> Vectors:
        """Train on a corpus.

        Parameters
        ----------
        corpus : path, Corpus, or iterable of sequences
            Text whose lines are sentences, or lists of items (item2vec), read once.
        keep_word : callable, optional
            Called with each frequent word and its count; False leaves the word out.
        on_epoch_end : callable, optional
            Called with a report and the vectors as they are, which training goes on to change.

        Raises
        ------
        CorpusError
            If the text cannot be read.
        VocabularyError
            If no word is frequent enough.
        """
        vocabulary_config = self.config.vocabulary_config(keep_word)
        with tempfile.TemporaryDirectory(prefix="rowspace-") as folder:
            if isinstance(corpus, str | Path):
                corpus = Corpus(corpus)
            if isinstance(corpus, Corpus):
                vocabulary, ids = scan_corpus(
                    corpus, Path(folder), vocabulary_config, self.config.threads
                )
            else:
                vocabulary, ids = scan_sequences(corpus, Path(folder), vocabulary_config)
            return self.fit_ids(vocabulary, ids, on_epoch_end=on_epoch_end)

    def fit_in(self, corpus: Corpus, folder: Path) -> Vectors:
        """Train on text in a work folder, so that a run that was stopped goes on where it was.

        Parameters
        ----------
        corpus : Corpus
            The same text and settings as before, if `folder` holds a run; once its words are
            counted it is not read again.
        folder : Path
            Made if missing, and left behind: remove it when the vectors are saved.

        Raises
        ------
        CorpusError, VocabularyError, FormatError
            As `fit` and `fit_ids`.
        ConfigError
            If the run in `folder` is of another corpus or other settings.
        """
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"corpus": corpus.description(), "config": _without_threads(self.config)}
        if not remember(folder / "settings.json", settings):
            raise ConfigError(
                f"{folder} holds a run on another corpus or with other settings; give the same "
                "ones, or remove it"
            )
        scan = folder / "vocabulary.json"
        if scan.exists():
            vocabulary, ids = load_scan(scan)
        else:
            vocabulary, ids = scan_corpus(
                corpus, folder, self.config.vocabulary_config(), self.config.threads
            )
            save_scan(scan, vocabulary, ids)
        return self.fit_ids(vocabulary, ids, checkpoint=folder / "checkpoint")

    def fit_ids(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        *,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 60.0,
        on_epoch_end: Callable[[EpochReport, Vectors], None] | None = None,
    ) -> Vectors:
        """Train on token ids that a vocabulary scan has written.

        Parameters
        ----------
        vocabulary : Vocabulary
        ids : TokenIds
        checkpoint : Path, optional
            A folder that training saves itself to every `checkpoint_seconds` and when it is
            interrupted, and goes on from if it is there.
        on_epoch_end : callable, optional
            As in `fit`.

        Raises
        ------
        FormatError
            If the checkpoint is of other settings or another vocabulary.
        """
        return_free_memory()  # the scan's, which would stand beside the matrices
        training = _Training(self.config, vocabulary, ids)
        if checkpoint is not None and checkpoint.exists():
            training.restore(checkpoint)
        self.history = training.history
        with track("training", total=self.config.epochs * ids.n_ids) as tracker:
            try:
                while not training.is_done:
                    epoch_ended = training.run(tracker, checkpoint_seconds if checkpoint else None)
                    if epoch_ended and on_epoch_end is not None:
                        on_epoch_end(training.history[-1], training.vectors())
                    if checkpoint is not None and not training.is_done:
                        training.save(checkpoint)
            except KeyboardInterrupt:
                if checkpoint is not None:
                    training.save(checkpoint)
                raise
        self.context_matrix = training.release(training.w_out)
        return training.vectors(training.release(training.w_in))


class _Training:
    """The state of one training run: two matrices and how far it is."""

    def __init__(self, config: Word2VecConfig, vocabulary: Vocabulary, ids: TokenIds) -> None:
        from rowspace.static.sampling import keep_thresholds, noise_table

        self.config = config
        self.vocabulary = vocabulary
        self.ids = ids
        self.row = -(-config.dim // _ROW_FLOATS) * _ROW_FLOATS
        self.n_words = len(vocabulary)
        self.keep = keep_thresholds(vocabulary.counts, config.subsample)
        self.noise = noise_table(vocabulary.counts, config.noise_exponent)
        self.w_in = _aligned_zeros((self.n_words + 1) * self.row)
        self.w_out = _aligned_zeros((self.n_words + 1) * self.row)
        _initialise(self.w_in.reshape(-1, self.row)[: self.n_words, : config.dim], config)
        # Pieces small enough that the learning rate falls in many steps on a small corpus too.
        self.piece = min(_PIECE, max(256, self.ids.n_ids // 64))
        self.n_pieces = -(-self.ids.n_ids // self.piece)
        self.n_done = 0
        self.loss = 0.0
        self.n_predictions = 0
        self.seconds = 0.0
        self.history: list[EpochReport] = []

    @property
    def is_done(self) -> bool:
        return self.n_done >= self.config.epochs * self.n_pieces

    def matrix(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_words, dim) copy of one of the two matrices."""
        padded = rows.reshape(-1, self.row)
        return np.ascontiguousarray(padded[: self.n_words, : self.config.dim])

    def release(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `matrix`, but in the memory of `rows`, which is of no use afterwards."""
        padded = rows.reshape(-1, self.row)
        packed = rows[: self.n_words * self.config.dim].reshape(self.n_words, self.config.dim)
        for first in range(0, self.n_words, _PACKED_ROWS):  # what is read lies behind
            part = slice(first, first + _PACKED_ROWS)
            packed[part] = padded[: self.n_words][part, : self.config.dim].copy()
        return packed

    def vectors(self, matrix: NDArray[np.float32] | None = None) -> Vectors:
        """The word vectors as they are now, a copy unless `matrix` is what `release` gave."""
        return Vectors(
            self.vocabulary.words,
            self.matrix(self.w_in) if matrix is None else matrix,
            counts=self.vocabulary.counts,
            metadata={"method": "word2vec", "config": dataclasses.asdict(self.config)},
        )

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
                    loss, n_predictions = self._train_piece(piece)
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

    def _train_piece(self, number: int) -> tuple[float, int]:
        from rowspace.static import kernels

        config = self.config
        begin = number % self.n_pieces * self.piece
        end = min(begin + self.piece, self.ids.n_ids)
        margin = 10 * config.window  # a window that reaches into the next piece sees its words
        first, last = max(0, begin - margin), min(self.ids.n_ids, end + margin)
        state = np.array([_mix(config.seed, number)], dtype=np.uint64)
        loss, n_predictions = kernels.train_piece(
            self.w_in, self.w_out, self.row, self.n_words,
            self.ids.read(first, last), begin - first, end - first, self.keep, self.noise,
            config.window, config.dynamic_window, config.n_negative,
            config.architecture == "cbow", config.cbow_mean, config.cbow_gradient == "classic",
            config.sigmoid == "exact", np.float32(self._learning_rate(number)), state,
        )  # fmt: skip
        return loss, n_predictions

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
        self.loss, self.n_predictions, self.seconds = 0.0, 0, 0.0

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to fit; threads may differ."""
        config = _without_threads(self.config)
        words = "\0".join(self.vocabulary.words).encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(words + self.vocabulary.counts.tobytes()).hexdigest()
        return {"config": config, "vocabulary": digest, "n_ids": self.ids.n_ids}

    def save(self, folder: Path) -> None:
        """Write the whole state, replacing an older one when it is safe on the disk."""
        state = {
            "identity": self._identity(),
            "n_done": self.n_done,
            "loss": self.loss,
            "n_predictions": self.n_predictions,
            "seconds": self.seconds,
            "history": [dataclasses.asdict(report) for report in self.history],
        }
        with write_folder_atomically(folder) as temporary:
            (temporary / "w_in.f32").write_bytes(self.w_in.data)
            (temporary / "w_out.f32").write_bytes(self.w_out.data)
            (temporary / "state.json").write_text(json.dumps(state))

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        try:
            state = json.loads((folder / "state.json").read_text())
            if state["identity"] != self._identity():
                raise FormatError(
                    f"the checkpoint {folder} is of other settings or text; "
                    "use the same, or remove it to train from the start"
                )
            for rows, name in ((self.w_in, "w_in.f32"), (self.w_out, "w_out.f32")):
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


def initial_vectors(vocabulary: Vocabulary, config: Word2VecConfig) -> Vectors:
    """The word vectors before training: what `before` is to `fit`'s `after`."""
    matrix = np.empty((len(vocabulary), config.dim), dtype=np.float32)
    _initialise(matrix, config)
    return Vectors(vocabulary.words, matrix, counts=vocabulary.counts)


def _initialise(matrix: NDArray[np.float32], config: Word2VecConfig) -> None:
    """Uniform in ±0.5 / dim, as in word2vec.c; the output matrix starts as zeros."""
    generator = np.random.default_rng(config.seed)
    for first in range(0, len(matrix), 4096):
        block = matrix[first : first + 4096]
        block[:] = (generator.random(block.shape, dtype=np.float32) - 0.5) / config.dim


def _without_threads(config: Word2VecConfig) -> dict[str, Any]:
    settings = dataclasses.asdict(config)
    del settings["n_threads"]
    return settings


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} is {value!r}; give one of {', '.join(choices)}")


def _aligned_zeros(size: int) -> NDArray[np.float32]:
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
