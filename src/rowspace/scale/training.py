"""Word vectors over a cluster: counted by all its workers, and word2vec trained by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError
from rowspace.scale.averaging import AveragedTraining
from rowspace.scale.cluster import Cluster, ClusterConfig, connected
from rowspace.scale.cooccurrence import count_pairs
from rowspace.scale.counting import count_words
from rowspace.space.vectors import Vectors
from rowspace.static.averaging import AveragingConfig
from rowspace.static.cooccurrence import CooccurrenceConfig, Cooccurrences
from rowspace.static.fitting import Fitter
from rowspace.static.training import Method, Start, Training, TrainingConfig
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import TokenIds, Vocabulary, VocabularyConfig

METHODS = ("word2vec", "glove")


def fit_on_ray(
    trainer: Fitter[Any, Any],
    corpus: Corpus,
    folder: Path,
    cluster: ClusterConfig | None = None,
    averaging: AveragingConfig | None = None,
    *,
    tell: Callable[[str], None] = lambda line: None,
) -> Vectors:
    """`trainer.fit_in` with the workers of a Ray cluster.

    The vocabulary, the token ids and GloVe's counts are those of one process, to the byte. GloVe's
    vectors are trained by this process. word2vec's are trained by all workers and averaged: see
    `static.averaging`.

    Parameters
    ----------
    trainer : Word2Vec or GloVe
    corpus : Corpus
        Files that every machine sees under the same path.
    folder : Path
        The work folder, which every machine sees too. What was done in it goes on, whether by a
        cluster or by one process.
    cluster : ClusterConfig, optional
    averaging : AveragingConfig, optional
        Of word2vec.
    tell : callable
        Gets a line about the cluster when it is joined.

    Raises
    ------
    ConfigError
        If the method, or phrases, cannot be done on a cluster.
    ClusterError
        If there is no cluster, a machine does not see the files, or workers die again and again.
    RowspaceError
        As `trainer.fit_in`.
    """
    if trainer.method_name not in METHODS:
        raise ConfigError(
            f"{trainer.method_name} is trained by one process; leave --engine out, or train "
            f"{' or '.join(METHODS)}"
        )
    if trainer.config.phrases_config() is not None:
        raise ConfigError(
            "phrases are found by one process; write the text with `rowspace phrases`, then train "
            "on that with --tokenizer whitespace and --engine ray"
        )
    with connected(cluster) as joined:
        tell(joined.describe())
        trainer.engine = RayEngine(joined, averaging or AveragingConfig())
        return trainer.fit_in(corpus, folder)


class RayEngine:
    """Does the heavy steps with the workers of a cluster: see `static.engine.Engine`."""

    def __init__(self, cluster: Cluster, averaging: AveragingConfig) -> None:
        self.cluster = cluster
        self.averaging = averaging
        self.is_averaged = False

    def scan(
        self,
        corpus: Corpus,
        folder: Path,
        config: VocabularyConfig,
        n_threads: int,
        *,
        keep_rare: bool,
    ) -> tuple[Vocabulary, TokenIds]:
        """Count words: see `counting`."""
        assert not keep_rare, "phrases are refused"
        return count_words(self.cluster, corpus, folder, config)

    def count(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        path: Path,
        config: CooccurrenceConfig,
        memory_mb: int,
        n_threads: int,
    ) -> Cooccurrences:
        """Count pairs: see `cooccurrence`."""
        return count_pairs(self.cluster, vocabulary, ids, path, config, memory_mb)

    def training(
        self,
        config: TrainingConfig,
        vocabulary: Vocabulary,
        ids: TokenIds,
        method: Method,
        start: Start | None,
    ) -> Training:
        """Train by averaging: see `averaging`."""
        self.is_averaged = True
        return AveragedTraining(
            self.cluster, self.averaging, config, vocabulary, ids, method, start
        )

    def about(self) -> dict[str, Any]:
        """How the vectors were averaged."""
        if not self.is_averaged:
            return {}
        return {"averaging": {"workers": self.cluster.workers, **asdict(self.averaging)}}
