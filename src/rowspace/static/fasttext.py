"""fastText: word vectors made of character n-grams, for words that were never seen too.

Bojanowski, Grave, Joulin & Mikolov (2017), https://aclanthology.org/Q17-1010
Differs from the official program: centers that follow each other share their negatives; only
n-grams that the vocabulary has get a row, so an unknown word's others count as zeros and not as
noise; the sigmoid is not a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.space import fasttext_files
from rowspace.space.history import load_history, save_history
from rowspace.space.vectors import Vectors
from rowspace.static.sampling import keep_thresholds
from rowspace.static.trainer import Trainer
from rowspace.static.training import Floats, Start, Training, TrainingConfig
from rowspace.static.word2vec import target_tables
from rowspace.text.ngrams import check_ngrams, subword_buckets
from rowspace.text.phrases import Phrases
from rowspace.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from rowspace.space.subword import SubwordVectors
    from rowspace.static.huffman import Tree

_MOST_CENTERS = 8
_WORDS_A_CENTER = 512


@dataclass(frozen=True, kw_only=True)
class FastTextConfig(TrainingConfig):
    """Settings of fastText; the defaults are the official program's where it has the setting."""

    min_learning_rate: float = 0.0
    """Step size at the end."""
    noise_exponent: float = 0.5
    """Noise words are drawn in proportion to count ** noise_exponent."""
    shuffle: bool = True
    """Read the pieces of the text in a random order, each epoch another, else in the text's own.
    The official program's threads read it from several places at once, which mixes it too."""
    cbow_gradient: str = "classic"
    """`classic`, as fastText: each row takes the whole gradient of the mean; `corrected` divides
    it as the mean does. For skip-gram's n-grams as for CBOW's contexts."""
    minn: int = 3
    """Shortest character n-gram."""
    maxn: int = 6
    """Longest character n-gram; 0 for whole words only."""
    bucket: int = 2_000_000
    """N-grams that share a hash modulo this share a row."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ngrams(self.minn, self.maxn, self.bucket)


class FastText(Trainer):
    """Word vectors from text, with vectors for words that the text does not have.

    Parameters
    ----------
    config : FastTextConfig, optional
    **settings
        Fields of FastTextConfig, instead of `config`.

    Examples
    --------
    >>> sentences = [["small", "cats", "sit"], ["small", "dogs", "sit"]] * 50
    >>> vectors = FastText(dim=16, min_count=1, epochs=2, n_threads=1).fit(sentences)
    >>> "cat" in vectors, vectors["cat"].shape
    (False, (16,))
    """

    config: FastTextConfig
    config_class = FastTextConfig
    method_name = "fasttext"

    def _method(self, vocabulary: Vocabulary, frozen: NDArray[np.bool_]) -> _Method:
        return _Method(self.config, vocabulary, self.tree, frozen)

    def _vectors(self, training: Training, rows: Floats, output: Floats | None) -> Vectors:
        from rowspace.space.subword import SubwordVectors

        method = training.method
        assert isinstance(method, _Method)
        return SubwordVectors(
            training.vocabulary.words,
            rows,
            minn=self.config.minn,
            maxn=self.config.maxn,
            bucket=self.config.bucket,
            bucket_rows=method.bucket_rows,
            counts=training.vocabulary.counts,
            metadata=self._metadata(),
            output=output,
        )

    def save(self, path: Path | str) -> None:
        """Write the model as a fastText `.bin` file, which `load` and the official program read.

        It has no room for phrases: those stand beside it, in `<path>.phrases.json`.

        Raises
        ------
        ConfigError
            If the suffix is not `.bin`.
        """
        if Path(path).suffix.lower() != ".bin":
            raise ConfigError(
                f"a fastText model is a .bin file, and {str(path)!r} is not; add .bin"
            )
        self._trained().save(path, format="fasttext")
        if self.phrases is not None:
            self.phrases.save(_phrases_beside(Path(path)))
        else:
            _phrases_beside(Path(path)).unlink(missing_ok=True)
        save_history(self.snapshots, path)

    @classmethod
    def load(cls, path: Path | str, **settings: Any) -> Self:
        """Read a `.bin` file, of Rowspace or the official program, to `update` it.

        Parameters
        ----------
        path : path
        **settings
            Settings to change, such as `epochs`; those that the file does not hold, such as the
            tokenizer, are the defaults.

        Raises
        ------
        FormatError
            If it is not such a file, it is damaged, or it was trained with hierarchical softmax.
        ConfigError
            If a setting cannot work.
        """
        vectors = fasttext_files.read_bin(Path(path))
        known = fasttext_files.FastTextSettings(**vectors.metadata["fasttext"])
        if known.loss != 2 or known.model == 3:
            raise FormatError(
                f"{path} was not trained on words with negative sampling, so training cannot go "
                "on; its vectors can be loaded with rowspace.load"
            )
        read = {
            "architecture": "cbow" if known.model == 1 else "skipgram",
            "dim": known.dim,
            "window": known.ws,
            "n_negative": known.neg,
            "epochs": known.epoch,
            "min_count": known.min_count,
            "subsample": known.t,
            "minn": vectors.minn,
            "maxn": vectors.maxn,
            "bucket": vectors.bucket,
        }
        trainer = cls(**{**read, **settings})
        fixed = {name: read[name] for name in ("dim", "minn", "maxn", "bucket")}
        if changed := [name for name, value in fixed.items() if value != settings.get(name, value)]:
            raise ConfigError(
                f"the model has {changed[0]} {fixed[changed[0]]}, which cannot change"
            )
        trainer.vectors, trainer.context_matrix = vectors, vectors.output
        trainer.snapshots = load_history(path)
        if _phrases_beside(Path(path)).exists():
            if trainer.config.phrases_config() is not None:
                raise ConfigError(
                    "the model's phrases cannot change; leave the phrase settings out"
                )
            trainer.phrases = Phrases.load(_phrases_beside(Path(path)))
        return trainer

    def _start_rows(self, vocabulary: Vocabulary, before: NDArray[np.int64]) -> Start:
        vectors: SubwordVectors = self._trained()  # type: ignore[assignment]
        known = np.flatnonzero(before >= 0)
        new, old = _Subwords(self.config, vocabulary), vectors.bucket_rows
        if old is None:
            old = np.arange(self.config.bucket, dtype=np.int32)
        both = np.flatnonzero((new.bucket_rows >= 0) & (old >= 0))
        rows = np.concatenate(
            [vectors.rows[before[known]], vectors.rows[len(vectors) + old[both].astype(np.int64)]]
        )
        to = np.concatenate([known, len(vocabulary) + new.bucket_rows[both].astype(np.int64)])
        return Start(rows, to, rows[:0], known[:0])


def _phrases_beside(model: Path) -> Path:
    return model.with_name(model.name + ".phrases.json")


class _Subwords:
    """Which rows each word is made of; n-grams are numbered by how often training meets them."""

    def __init__(self, config: FastTextConfig, vocabulary: Vocabulary) -> None:
        n_words = len(vocabulary)
        ends, buckets = subword_buckets(vocabulary.words, config.minn, config.maxn, config.bucket)
        self.bucket_rows = np.full(config.bucket, -1, dtype=np.int32)
        # The n-grams that training meets most come first, so that they lie together in memory.
        tokens = np.repeat(vocabulary.counts, np.diff(ends))
        used, place = np.unique(buckets, return_inverse=True)
        met = np.bincount(place, tokens, len(used)) if len(used) else np.empty(0)
        used = used[np.argsort(-met, kind="stable")]
        self.bucket_rows[used] = np.arange(len(used), dtype=np.int32)
        self.n_rows = n_words + len(used)
        self.ends = ends + np.arange(n_words + 1)
        self.rows = np.empty(self.ends[-1], dtype=np.int32)
        own = self.ends[:-1]
        self.rows[own] = np.arange(n_words, dtype=np.int32)
        is_ngram = np.ones(len(self.rows), dtype=bool)
        is_ngram[own] = False
        self.rows[is_ngram] = n_words + self.bucket_rows[buckets]


class _Method:
    """How fastText trains a piece of text."""

    def __init__(
        self,
        config: FastTextConfig,
        vocabulary: Vocabulary,
        tree: Tree | None,
        frozen: NDArray[np.bool_],
    ) -> None:
        self.config = config
        subwords = _Subwords(config, vocabulary)
        self.ends, self.rows = subwords.ends, subwords.rows
        self.bucket_rows = subwords.bucket_rows
        self.n_in = subwords.n_rows
        self.n_out = len(vocabulary) if tree is None else tree.n_nodes
        self.keep = keep_thresholds(vocabulary.counts, config.subsample)
        self.targets = target_tables(vocabulary, config, tree)
        self.frozen = self._frozen_rows(frozen)
        self.n_shared = self._n_shared()
        # Centers in one step meet the same words now and then, and move them as often as they do:
        # with few words so often that training diverges.
        self.n_centers = max(1, min(_MOST_CENTERS, len(vocabulary) // _WORDS_A_CENTER))

    def _n_shared(self) -> int:
        """Noise words that centers share: about as many as one of them should meet."""
        from rowspace.static.subword_kernels import NEGATIVES_AT_ONCE

        config = self.config
        n_contexts = config.window + 1 if config.dynamic_window else 2 * config.window
        n_predicted = 1 if config.architecture == "cbow" else n_contexts
        n_times = max(1, round(config.n_negative * n_predicted / NEGATIVES_AT_ONCE))
        return n_times * NEGATIVES_AT_ONCE

    def _frozen_rows(self, words: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Rows that a frozen word is made of: all of them stay, or its vector would move."""
        if not words.any():
            return np.empty(0, dtype=bool)
        rows = np.zeros(self.n_in, dtype=bool)
        for word in np.flatnonzero(words):
            rows[self.rows[self.ends[word] : self.ends[word + 1]]] = True
        return rows

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
        """See `training.Method`."""
        from rowspace.static import subword_kernels

        config = self.config
        is_cbow, corrected = config.architecture == "cbow", config.cbow_gradient == "corrected"
        exact, rate = config.sigmoid == "exact", np.float32(learning_rate)
        missing_out = self.n_out * row
        if config.loss == "hierarchical_softmax":
            result = subword_kernels.train_subword_tree_piece(
                w_in, w_out, row, missing_out, self.frozen, tokens, begin, end, self.keep,
                *self.targets[1:], self.ends, self.rows, config.window, config.dynamic_window,
                is_cbow, corrected, exact, rate, state,
            )  # fmt: skip
        else:
            result = subword_kernels.train_subword_piece(
                w_in, w_out, row, missing_out, self.frozen, tokens, begin, end, self.keep,
                self.targets[0], self.ends, self.rows, config.window, config.dynamic_window,
                config.n_negative, self.n_shared, self.n_centers, is_cbow, corrected, exact, rate,
                state,
            )  # fmt: skip
        loss, n_predictions = result
        return loss, n_predictions

    def word_vectors(self, rows: Floats, words: NDArray[np.int64]) -> Floats:
        """See `training.Method`: the mean of a word's rows."""
        from rowspace.space.subword_kernels import mean_rows

        lengths = self.ends[words + 1] - self.ends[words]
        ends = np.concatenate([[0], np.cumsum(lengths)])
        first = np.repeat(self.ends[words] - ends[:-1], lengths)
        places = self.rows[first + np.arange(ends[-1])].astype(np.int64)
        vectors = np.empty((len(words), rows.shape[1]), dtype=np.float32)
        mean_rows(rows, ends, places, vectors)
        return vectors
