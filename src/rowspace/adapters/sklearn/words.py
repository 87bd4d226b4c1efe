"""Word vectors learnt from the texts that a pipeline is fitted with."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from rowspace.adapters.sklearn.texts import OfTexts, as_texts
from rowspace.space.vectors import Vectors
from rowspace.static.sif import SIFEncoder
from rowspace.static.word2vec import Word2Vec
from rowspace.text.tokenizer import words


class Word2VecEmbedder(OfTexts):
    """Trains word2vec on the texts of `fit`, and averages words into vectors of texts (SIF).

    Mikolov et al. (2013), https://arxiv.org/abs/1310.4546; Arora, Liang & Ma (2017),
    https://openreview.net/forum?id=SyK00v5xx. Only what `fit` is given is learnt from, so a
    cross-validation measures it fairly.

    Parameters
    ----------
    dim, window, min_count, epochs : int
        See `Word2VecConfig`.
    smoothing : float
        Of SIF: smaller values silence frequent words more.
    n_components : int
        Common directions of the texts that are removed.
    settings : dict, optional
        Fields of `Word2VecConfig` besides, as {"architecture": "cbow"}.
    random_state : int, RandomState or None
    n_threads : int
        With one, equal texts and an equal `random_state` give equal vectors; more are faster and
        race on purpose.

    Attributes
    ----------
    vectors_ : Vectors
        Of the words.
    encoder_ : SIFEncoder
    """

    def __init__(
        self,
        dim: int = 100,
        *,
        window: int = 5,
        min_count: int = 5,
        epochs: int = 5,
        smoothing: float = 1e-3,
        n_components: int = 1,
        settings: dict[str, Any] | None = None,
        random_state: Any = None,
        n_threads: int = 1,
    ) -> None:
        self.dim = dim
        self.window = window
        self.min_count = min_count
        self.epochs = epochs
        self.smoothing = smoothing
        self.n_components = n_components
        self.settings = settings
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Learn the vectors of the texts' words.

        Raises
        ------
        CorpusError
            If X is no list of texts.
        VocabularyError
            If no word occurs `min_count` times.
        ConfigError
            If a setting cannot be.
        """
        texts = as_texts(X)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        settings = {
            "dim": self.dim,
            "window": self.window,
            "min_count": self.min_count,
            "epochs": self.epochs,
            "seed": seed,
            "n_threads": self.n_threads,
        }
        trainer = Word2Vec(**settings | (self.settings or {}))
        self.vectors_: Vectors = trainer.fit([words(text) for text in texts])
        self.encoder_ = SIFEncoder.from_vectors(
            self.vectors_, texts, smoothing=self.smoothing, n_components=self.n_components
        )
        self._n_features_out = self.encoder_.dim
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Vectors of texts, of unit length: (n_texts, dim) float32.

        A zero row where a text has no known word.
        """
        check_is_fitted(self)
        return self.encoder_.encode(as_texts(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.n_threads != 1
        return tags
