"""GloVe: word vectors fitted to log co-occurrence counts.

Pennington, Socher & Manning (2014), https://aclanthology.org/D14-1162. Differs from the paper:
everything is float32, a symmetric pair is counted once and trained both ways round, and the order
of the counts is random only as far as the cache allows: see docs/decisions/glove.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, VocabularyError
from rowspace.space.history import save_history
from rowspace.space.vectors import Vectors
from rowspace.static.cooccurrence import (
    CooccurrenceConfig,
    Cooccurrences,
    check_memory,
)
from rowspace.static.fitting import CHECKPOINT, Fitter
from rowspace.static.phrasing import PhraseSettings
from rowspace.static.run import (
    Floats,
    Run,
    RunConfig,
    aligned_zeros,
    diverged,
    random_state,
    vocabulary_digest,
)
from rowspace.text.vocabulary import TokenIds, Vocabulary

OUTPUTS = ("sum", "word", "both")

_LANES = 8
_TILE_FLOATS = 1 << 18  # 1 MiB, about what a core has of second-level cache
_LEAST_TILES = 16  # in random order, where all words would fit in one


@dataclass(frozen=True, kw_only=True)
class GloVeConfig(PhraseSettings, RunConfig):
    """Settings of GloVe; the defaults are those of the authors' program, with its x_max."""

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
        self.check("dim")
        self.cooccurrence_config()  # checks its own part
        check_memory(self.memory_mb)
        if not 0 < self.learning_rate < 10:
            raise ConfigError(
                f"learning_rate is {self.learning_rate}; give more than 0, usually 0.05"
            )
        if not 0 < self.x_max < math.inf:
            raise ConfigError(f"x_max is {self.x_max}; give more than 0, usually 10 to 100")
        if not 0 <= self.alpha <= 10:
            raise ConfigError(f"alpha is {self.alpha}; give 0 to 10, usually 0.75")
        if self.output not in OUTPUTS:
            raise ConfigError(f"output is {self.output!r}; give one of {', '.join(OUTPUTS)}")

    def cooccurrence_config(self) -> CooccurrenceConfig:
        """The part that says what counts as near."""
        return CooccurrenceConfig(
            window=self.window,
            symmetric=self.symmetric,
            distance_weighting=self.distance_weighting,
        )

    def without_threads(self) -> dict[str, Any]:
        """What decides the result: neither the number of threads nor the memory."""
        settings = super().without_threads()
        del settings["memory_mb"]
        return settings


@dataclass(frozen=True)
class GloVeEpochReport:
    """What one pass over the counts did."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over pairs, each way round, of 1/2 weight (prediction - log count)^2, as the authors'
    program prints it.

    Each is taken before its own step, while the model learns."""
    pairs_per_second: float
    """Steps, so that a pair trained both ways round is two."""


OnEpochEnd: TypeAlias = "Callable[[GloVeEpochReport, Vectors], bool | None] | None"


class GloVe(Fitter[GloVeConfig, GloVeEpochReport]):
    """Word vectors from text, or item vectors from sequences, by their co-occurrence counts.

    Parameters
    ----------
    config : GloVeConfig, optional
    **settings
        Fields of GloVeConfig, instead of `config`.

    Attributes
    ----------
    history : list of GloVeEpochReport
    vectors : Vectors or None
        After `fit`.
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

    config_class = GloVeConfig
    method_name = "glove"

    def __init__(self, config: GloVeConfig | None = None, **settings: Any) -> None:
        super().__init__(config, **settings)
        self.vectors: Vectors | None = None
        self.word_matrix: Floats | None = None
        self.context_matrix: Floats | None = None
        self.word_biases: Floats | None = None
        self.context_biases: Floats | None = None

    def fit_ids(
        self, vocabulary: Vocabulary, ids: TokenIds, *, on_epoch_end: OnEpochEnd = None
    ) -> Vectors:
        """Count and train on token ids that a vocabulary scan has written.

        The counts are written beside the ids while they are needed.

        Raises
        ------
        ConfigError
            If `memory_mb` is too little, or training diverges.
        VocabularyError
            If no word has another near it.
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
        on_epoch_end: OnEpochEnd = None,
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
        training = GloVeTraining(self.config, vocabulary, counts)
        self.history = training.history

        def after_epoch(report: GloVeEpochReport, run: GloVeTraining) -> bool | None:
            assert on_epoch_end is not None
            return on_epoch_end(report, self._vectors(run))

        training.fit(checkpoint, checkpoint_seconds, after_epoch if on_epoch_end else None)
        self.snapshots = training.snapshots
        self.word_matrix, self.context_matrix = training.matrices()
        self.word_biases, self.context_biases = training.biases()
        self.vectors = self._vectors(training)
        return self.vectors

    def save(self, path: Path | str) -> None:
        """Write the vectors, with their counts and settings, to the folder `path`.

        `rowspace.load` reads it; `vectors.save` writes other formats.

        Raises
        ------
        ConfigError
            If nothing is trained yet.
        """
        if self.vectors is None:
            raise ConfigError("nothing is trained yet; call fit first")
        self.vectors.save(path, format="rowspace")
        save_history(self.snapshots, path)

    def _fit_scanned(self, vocabulary: Vocabulary, ids: TokenIds, folder: Path) -> Vectors:
        """Count, unless that is done, and train from the checkpoint on."""
        identity = {
            "vocabulary": vocabulary_digest(vocabulary),
            "n_ids": ids.n_ids,
            "config": dataclasses.asdict(self.config.cooccurrence_config()),
        }
        saved = folder / "counts.json"
        if saved.exists():
            counts = Cooccurrences.load(saved, folder / "counts.bin", identity)
        else:
            counts = self._count(vocabulary, ids, folder)
            counts.save(saved, identity)
        return self.fit_counts(vocabulary, counts, checkpoint=folder / CHECKPOINT)

    def _count(self, vocabulary: Vocabulary, ids: TokenIds, folder: Path) -> Cooccurrences:
        return self.engine.count(
            vocabulary,
            ids,
            folder / "counts.bin",
            self.config.cooccurrence_config(),
            self.config.memory_mb,
            self.config.threads,
        )

    def _vectors(self, training: GloVeTraining) -> Vectors:
        vocabulary = training.vocabulary
        return Vectors(
            vocabulary.words, training.word_vectors(), vocabulary.counts, self._metadata()
        )


class GloVeTraining(Run[GloVeConfig, GloVeEpochReport]):
    """The state of one training run: the words' blocks, and how far it is."""

    report_class = GloVeEpochReport
    unit = "pairs"

    def __init__(self, config: GloVeConfig, vocabulary: Vocabulary, counts: Cooccurrences) -> None:
        super().__init__(config, counts.n_pieces, len(counts) / counts.n_pieces)
        self.vocabulary = vocabulary
        self.counts = counts
        self.row = -(-(config.dim + 2) // _LANES) * _LANES  # with a bias and a 1
        self.blocks = aligned_zeros(len(vocabulary) * 4 * self.row)
        self.tile = max(1, min(_TILE_FLOATS // (4 * self.row), len(vocabulary) // _LEAST_TILES))
        self._initialise()

    def _initialise(self) -> None:
        """Vectors and biases uniform in ±0.5 / dim, as in the authors' program."""
        dim, generator = self.config.dim, np.random.default_rng(self.config.seed)
        rows = self._rows()
        for first in range(0, len(rows), 4096):
            for row, one in ((0, dim + 1), (2, dim)):
                part = rows[first : first + 4096, row]
                shape = (len(part), dim + 2)
                part[:, : dim + 2] = (generator.random(shape, dtype=np.float32) - 0.5) / dim
                part[:, one] = 1

    def _rows(self) -> Floats:
        """(n_words, 4, row) view: vectors, their sums, context vectors, their sums."""
        return self.blocks.reshape(len(self.vocabulary), 4, self.row)

    def views(self) -> tuple[Floats, Floats]:
        """The vectors and the context vectors as training changes them, (n_words, dim) each."""
        rows = self._rows()
        return rows[:, 0, : self.config.dim], rows[:, 2, : self.config.dim]

    def word_vectors(self, rows: NDArray[np.int64] | slice = slice(None)) -> Floats:
        """See `Run`; of all words by default."""
        words, contexts = (part[rows] for part in self.views())
        if self.config.output == "sum":
            return words + contexts
        if self.config.output == "both":
            return np.concatenate([words, contexts], axis=1)
        return words.copy()

    def matrices(self) -> tuple[Floats, Floats]:
        """Copies of the vectors and of the context vectors, (n_words, dim) each."""
        words, contexts = self.views()
        return words.copy(), contexts.copy()

    def biases(self) -> tuple[Floats, Floats]:
        """Copies of the biases of both, (n_words,) each."""
        rows = self._rows()
        return rows[:, 0, self.config.dim].copy(), rows[:, 2, self.config.dim + 1].copy()

    def train_piece(self, number: int) -> tuple[float, int]:
        """See `Run`."""
        from rowspace.static import glove_kernels as kernels

        config = self.config
        records = self.counts.read_piece(number % self.n_pieces)
        order = np.empty(len(records) // 3, dtype=np.uint32)
        state = random_state(config.seed, number)
        kernels.order_by_tiles(records, len(self.vocabulary), self.tile, order, state)
        loss, n_steps = kernels.train_records(
            self.blocks, self.row, config.dim, records, records.view(np.float32), order,
            self.counts.symmetric, config.x_max, config.alpha, config.learning_rate,
        )  # fmt: skip
        if not math.isfinite(loss):  # now, not at the epoch's end, which may be hours away
            raise diverged(number // self.n_pieces, loss, config.learning_rate)
        return loss, n_steps

    def report(self, epoch: int, loss: float) -> GloVeEpochReport:
        """See `Run`."""
        return GloVeEpochReport(epoch, loss, self.n_predictions / max(self.seconds, 1e-9))

    def arrays(self) -> dict[str, Floats]:
        """See `Run`."""
        return {"blocks.f32": self.blocks}

    def identity(self) -> dict[str, Any]:
        """See `Run`."""
        ends = json.dumps(self.counts.ends.tolist()).encode()
        return {
            "config": self.config.without_threads(),
            "vocabulary": vocabulary_digest(self.vocabulary),
            "counts": hashlib.sha256(ends).hexdigest(),
        }
