"""GloVe: word vectors fitted to log co-occurrence counts.

Pennington, Socher & Manning (2014), https://aclanthology.org/D14-1162. Differs from the paper:
everything is float32, a symmetric pair is counted once and trained both ways round, and each
piece of the counts is shuffled anew each epoch.
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

from rowspace.errors import ConfigError, FormatError, VocabularyError
from rowspace.files import remember, write_folder_atomically
from rowspace.machine import n_cores, return_free_memory
from rowspace.progress import Tracker, track
from rowspace.space.vectors import Vectors
from rowspace.static.cooccurrence import (
    CooccurrenceConfig,
    Cooccurrences,
    count_cooccurrences,
    vocabulary_digest,
)
from rowspace.static.training import _aligned_zeros, _mix
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

_PIECE = 1 << 16
_LANES = 8
_OUTPUTS = ("sum", "word", "both")


@dataclass(frozen=True, kw_only=True)
class GloVeConfig:
    """Settings of GloVe."""

    dim: int = 100
    """Length of a word's vector, and of its context vector."""
    window: int = 15
    """Words considered on each side of the center word."""
    symmetric: bool = True
    """Contexts are on both sides, else only on the left."""
    distance_weighting: bool = True
    """A context `d` words away counts 1/d, else 1."""
    x_max: float = 100.0
    """A pair that counts this much or more has weight 1; 10 for a small corpus."""
    alpha: float = 0.75
    """A pair that counts less has weight (count / x_max) ** alpha."""
    epochs: int = 15
    """Times all counts are trained on."""
    learning_rate: float = 0.05
    """AdaGrad's step size at the start."""
    output: str = "sum"
    """The vectors of a word: `sum` of its word and context vectors, `word` alone, or `both` one
    after the other, 2 * dim long."""
    min_count: int = 5
    """A word that occurs less often has no vector."""
    max_words: int | None = None
    """At most this many words, the most frequent ones."""
    tokenizer: str = "words"
    """`words`: lower-case runs of letters and digits; `whitespace`: text that is tokenised."""
    memory_mb: int = 1024
    """Memory that counting may take, in units of 2^20 bytes; the rest goes to the disk."""
    seed: int = 1
    n_threads: int | None = None
    """None takes every core. One thread gives the same bits each time; more do not."""

    def __post_init__(self) -> None:
        for name in ("dim", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.n_threads is not None and self.n_threads < 1:
            raise ConfigError(f"n_threads is {self.n_threads}; give 1 or more")
        if not 0 < self.learning_rate < 10:
            raise ConfigError(
                f"learning_rate is {self.learning_rate}; give more than 0, usually 0.05"
            )
        if not 0 < self.x_max < math.inf:
            raise ConfigError(f"x_max is {self.x_max}; give more than 0, usually 10 to 100")
        if not 0 <= self.alpha <= 10:
            raise ConfigError(f"alpha is {self.alpha}; give 0 or more, usually 0.75")
        if self.output not in _OUTPUTS:
            raise ConfigError(f"output is {self.output!r}; give one of {', '.join(_OUTPUTS)}")
        self.vocabulary_config()  # these two check their own parts
        self.cooccurrence_config()

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

    def cooccurrence_config(self) -> CooccurrenceConfig:
        """The part that says what counts as near."""
        return CooccurrenceConfig(
            window=self.window,
            symmetric=self.symmetric,
            distance_weighting=self.distance_weighting,
            memory_mb=self.memory_mb,
            seed=self.seed,
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
class GloVeEpochReport:
    """What one pass over the counts did."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over counts of 1/2 weight (prediction - log count)^2, as Stanford's program prints it.

    Each is taken before its own step, while the model learns."""
    counts_per_second: float


class GloVe:
    """Word vectors from text, or item vectors from sequences, by their co-occurrence counts.

    Parameters
    ----------
    config : GloVeConfig, optional
    **settings
        Fields of GloVeConfig, instead of `config`.

    Attributes
    ----------
    history : list of GloVeEpochReport
    word_matrix, context_matrix : (n_words, dim) float32 array or None
        Both sets of vectors, W and W̃, after `fit`.
    word_biases, context_biases : (n_words,) float32 array or None

    Examples
    --------
    >>> sentences = [["cat", "sits", "on", "mat"], ["dog", "sits", "on", "rug"]] * 50
    >>> vectors = GloVe(dim=16, min_count=1, epochs=2, n_threads=1).fit(sentences)
    >>> len(vectors), vectors.dim
    (6, 16)
    """

    def __init__(self, config: GloVeConfig | None = None, **settings: Any) -> None:
        if config is not None and settings:
            raise ConfigError("give a config or settings, not both")
        try:
            self.config = config or GloVeConfig(**settings)
        except TypeError as error:
            names = ", ".join(field.name for field in dataclasses.fields(GloVeConfig))
            raise ConfigError(f"{error}; the settings are {names}") from error
        self.history: list[GloVeEpochReport] = []
        self.word_matrix: NDArray[np.float32] | None = None
        self.context_matrix: NDArray[np.float32] | None = None
        self.word_biases: NDArray[np.float32] | None = None
        self.context_biases: NDArray[np.float32] | None = None

    def fit(
        self,
        corpus: Corpus | Path | str | Iterable[Sequence[Hashable]],
        *,
        keep_word: Callable[[str, int], bool] | None = None,
        on_epoch_end: Callable[[GloVeEpochReport, Vectors], bool | None] | None = None,
    ) -> Vectors:
        """Count and train on a corpus.

        Parameters
        ----------
        corpus : path, Corpus, or iterable of sequences
            Text whose lines are sentences, or lists of items, read once.
        keep_word : callable, optional
            Called with each frequent word and its count; False leaves the word out.
        on_epoch_end : callable, optional
            Called with a report and the vectors as they are, which training goes on to change;
            where it returns False, training stops.

        Raises
        ------
        CorpusError
            If the text cannot be read.
        VocabularyError
            If no word is frequent enough, or no word has another near it.
        """
        with tempfile.TemporaryDirectory(prefix="rowspace-") as folder:
            vocabulary, ids = self._scan(corpus, Path(folder), keep_word)
            return self.fit_ids(vocabulary, ids, on_epoch_end=on_epoch_end)

    def fit_in(self, corpus: Corpus, folder: Path) -> Vectors:
        """Count and train in a work folder, so that a run that was stopped goes on where it was.

        Parameters
        ----------
        corpus : Corpus
            The same text and settings as before, if `folder` holds a run; once its words are
            scanned it is not read again, and what was counted is not counted again.
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
        settings = {
            "method": "glove",
            "corpus": corpus.description(),
            "config": self.config.without_threads(),
        }
        if not remember(folder / "settings.json", settings):
            raise ConfigError(
                f"{folder} holds a run on another corpus or with other settings; give the same "
                "ones, or remove it"
            )
        saved = folder / "vocabulary.json"
        if saved.exists():
            vocabulary, ids = load_scan(saved)
        else:
            vocabulary, ids = self._scan(corpus, folder, None)
            save_scan(saved, vocabulary, ids)
        counts = self._counts_in(vocabulary, ids, folder)
        return self.fit_counts(vocabulary, counts, checkpoint=folder / "checkpoint")

    def fit_ids(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        *,
        on_epoch_end: Callable[[GloVeEpochReport, Vectors], bool | None] | None = None,
    ) -> Vectors:
        """Count and train on token ids that a vocabulary scan has written.

        The counts are written beside the ids while they are needed.
        """
        with tempfile.TemporaryDirectory(prefix="counts-", dir=ids.path.parent) as folder:
            counts = self._count(vocabulary, ids, Path(folder))
            return self.fit_counts(vocabulary, counts, on_epoch_end=on_epoch_end)

    def fit_counts(
        self,
        vocabulary: Vocabulary,
        counts: Cooccurrences,
        *,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 60.0,
        on_epoch_end: Callable[[GloVeEpochReport, Vectors], bool | None] | None = None,
    ) -> Vectors:
        """Train on counts that `count_cooccurrences` has written.

        Parameters
        ----------
        vocabulary : Vocabulary
        counts : Cooccurrences
        checkpoint : Path, optional
            A folder that training saves itself to every `checkpoint_seconds` and when it is
            interrupted, and goes on from if it is there.
        on_epoch_end : callable, optional
            As in `fit`.

        Raises
        ------
        FormatError
            If the checkpoint is of other settings or another vocabulary.
        ConfigError
            If training diverges.
        VocabularyError
            If no word has another near it.
        """
        if len(counts) == 0:
            raise VocabularyError(
                f"no two of the {len(vocabulary):,} words stand near each other, so there is "
                "nothing to train on; give longer sentences or lower min_count"
            )
        return_free_memory()  # the count's, which would stand beside the matrices
        training = _Training(self.config, vocabulary, counts)
        if checkpoint is not None and checkpoint.exists():
            training.restore(checkpoint)
        self.history = training.history
        with track("training", total=self.config.epochs * len(counts)) as tracker:
            try:
                while not training.is_done:
                    epoch_ended = training.run(tracker, checkpoint_seconds if checkpoint else None)
                    if epoch_ended and on_epoch_end is not None:
                        go_on = on_epoch_end(training.history[-1], training.vectors())
                        training.is_stopped = go_on is False
                    if checkpoint is not None and not training.is_done:
                        training.save(checkpoint)
            except KeyboardInterrupt:
                if checkpoint is not None:
                    training.save(checkpoint)
                raise
        self.word_matrix, self.word_biases = training.matrix(training.words, bias=0)
        self.context_matrix, self.context_biases = training.matrix(training.contexts, bias=1)
        return training.vectors()

    def _scan(
        self,
        corpus: Corpus | Path | str | Iterable[Sequence[Hashable]],
        folder: Path,
        keep_word: Callable[[str, int], bool] | None,
    ) -> tuple[Vocabulary, TokenIds]:
        config = self.config.vocabulary_config(keep_word)
        if isinstance(corpus, str | Path):
            corpus = Corpus(corpus)
        if isinstance(corpus, Corpus):
            return scan_corpus(corpus, folder, config, self.config.threads)
        return scan_sequences(corpus, folder, config)

    def _count(self, vocabulary: Vocabulary, ids: TokenIds, folder: Path) -> Cooccurrences:
        return count_cooccurrences(
            vocabulary,
            ids,
            folder / "counts.bin",
            self.config.cooccurrence_config(),
            self.config.threads,
        )

    def _counts_in(self, vocabulary: Vocabulary, ids: TokenIds, folder: Path) -> Cooccurrences:
        """The counts of the work folder, made if they are not whole there."""
        identity = {
            "vocabulary": vocabulary_digest(vocabulary),
            "n_ids": ids.n_ids,
            "config": dataclasses.asdict(self.config.cooccurrence_config()),
        }
        saved = folder / "counts.json"
        if saved.exists():
            return Cooccurrences.load(saved, folder / "counts.bin", identity)
        counts = self._count(vocabulary, ids, folder)
        counts.save(saved, identity)
        return counts


class _Training:
    """The state of one training run: words' and contexts' blocks, and how far it is."""

    def __init__(self, config: GloVeConfig, vocabulary: Vocabulary, counts: Cooccurrences) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.counts = counts
        self.row = -(-(config.dim + 2) // _LANES) * _LANES  # with a bias and a 1
        n_words = len(vocabulary)
        self.words = _aligned_zeros(n_words * 2 * self.row)
        self.contexts = _aligned_zeros(n_words * 2 * self.row)
        generator = np.random.default_rng(config.seed)
        for blocks, one in ((self.words, 1), (self.contexts, 0)):
            rows = self._rows(blocks)
            for first in range(0, n_words, 4096):
                part = rows[first : first + 4096, : config.dim + 2]
                part[:] = (generator.random(part.shape, dtype=np.float32) - 0.5) / config.dim
            rows[:, config.dim + one] = 1
        # Pieces small enough that a small corpus has many too.
        piece = min(_PIECE, max(256, len(counts) // 64))
        self.n_pieces = -(-len(counts) // piece)
        self.n_done = 0
        self.loss = 0.0
        self.seconds = 0.0
        self.history: list[GloVeEpochReport] = []
        self.is_stopped = False

    @property
    def is_done(self) -> bool:
        return self.is_stopped or self.n_done >= self.config.epochs * self.n_pieces

    def _rows(self, blocks: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_words, row) view of the vectors, without the sums of squares beside them."""
        return blocks.reshape(len(self.vocabulary), 2 * self.row)[:, : self.row]

    def matrix(
        self, blocks: NDArray[np.float32], bias: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Copies of the vectors, (n_words, dim), and of the biases, (n_words,)."""
        rows, dim = self._rows(blocks), self.config.dim
        return np.ascontiguousarray(rows[:, :dim]), rows[:, dim + bias].copy()

    def vectors(self) -> Vectors:
        """The word vectors as they are now, a copy."""
        words, contexts = (
            self._rows(blocks)[:, : self.config.dim] for blocks in (self.words, self.contexts)
        )
        if self.config.output == "sum":
            matrix = words + contexts
        elif self.config.output == "both":
            matrix = np.concatenate([words, contexts], axis=1)
        else:
            matrix = words.copy()
        return Vectors(
            self.vocabulary.words,
            matrix,
            counts=self.vocabulary.counts,
            metadata={"method": "glove", "config": dataclasses.asdict(self.config)},
        )

    def run(self, tracker: Tracker, seconds: float | None) -> bool:
        """Train to the end of the epoch, or for about `seconds`; tells whether the epoch ended.

        An interrupt lets each thread finish its piece, so that nothing is done by half.
        """
        epoch = self.n_done // self.n_pieces
        last = (epoch + 1) * self.n_pieces
        started = time.monotonic()
        deadline = started + seconds if seconds else math.inf
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
                    loss = self._train_piece(piece)
                    with lock:
                        self.n_done += 1
                        self.loss += loss
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
                        share = self.n_done / self.n_pieces
                        tracker.set(share * len(self.counts), self._note(started))
                finally:
                    stopped.set()
        finally:
            self.seconds += time.monotonic() - started
            if self.n_done == last:  # also where the interrupt met the epoch's last pieces
                self._end_epoch(epoch)
        if failures:
            raise failures[0]
        return self.n_done == last

    def _train_piece(self, number: int) -> float:
        from rowspace.static import glove_kernels as kernels

        config = self.config
        records = self.counts.read_piece(number % self.n_pieces, self.n_pieces)
        order = np.empty(len(records) // 3, dtype=np.uint32)
        kernels.shuffled(order, np.array([_mix(config.seed, number)], dtype=np.uint64))
        loss = float(
            kernels.train_records(
                self.words, self.contexts, self.row, config.dim, records,
                records.view(np.float32), order, config.x_max, config.alpha, config.learning_rate,
            )
        )  # fmt: skip
        if not math.isfinite(loss):
            raise ConfigError(
                f"the loss is {loss} in epoch {number // self.n_pieces + 1}: training diverged; "
                f"give a learning_rate below {config.learning_rate}"
            )
        return loss

    def _note(self, started: float) -> str:
        seconds = self.seconds + time.monotonic() - started
        share = (self.n_done % self.n_pieces or self.n_pieces) / self.n_pieces
        n_counts = share * len(self.counts)
        return (
            f"{n_counts / max(seconds, 1e-9) / 1e6:.2f} M counts/s, "
            f"loss {self.loss / max(n_counts, 1):.4f}"
        )

    def _end_epoch(self, epoch: int) -> None:
        self.history.append(
            GloVeEpochReport(
                epoch=epoch + 1,
                loss=self.loss / len(self.counts),
                counts_per_second=len(self.counts) / max(self.seconds, 1e-9),
            )
        )
        self.loss, self.seconds = 0.0, 0.0

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to fit; threads may differ."""
        sizes = hashlib.sha256(self.counts.group_sizes.tobytes()).hexdigest()
        return {
            "config": self.config.without_threads(),
            "vocabulary": vocabulary_digest(self.vocabulary),
            "counts": sizes,
        }

    def save(self, folder: Path) -> None:
        """Write the whole state, replacing an older one when it is safe on the disk."""
        state = {
            "identity": self._identity(),
            "n_done": self.n_done,
            "loss": self.loss,
            "seconds": self.seconds,
            "history": [dataclasses.asdict(report) for report in self.history],
        }
        with write_folder_atomically(folder) as temporary:
            (temporary / "words.f32").write_bytes(self.words.data)
            (temporary / "contexts.f32").write_bytes(self.contexts.data)
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
            for blocks, name in ((self.words, "words.f32"), (self.contexts, "contexts.f32")):
                blocks[:] = np.fromfile(folder / name, dtype=np.float32).reshape(blocks.shape)
        except FormatError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"the checkpoint {folder} is damaged ({error}); remove it to train from the start"
            ) from error
        self.n_done, self.loss = state["n_done"], state["loss"]
        self.seconds = state["seconds"]
        self.history = [GloVeEpochReport(**report) for report in state["history"]]
