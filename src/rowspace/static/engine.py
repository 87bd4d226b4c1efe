"""Who does the heavy steps of training: this process, or what spreads them (`scale.training`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from rowspace.static.cooccurrence import CooccurrenceConfig, Cooccurrences, count_cooccurrences
from rowspace.static.training import Method, Start, Training, TrainingConfig
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import TokenIds, Vocabulary, VocabularyConfig, scan_corpus


class Engine(Protocol):
    """The steps whose time grows with the text."""

    def scan(
        self,
        corpus: Corpus,
        folder: Path,
        config: VocabularyConfig,
        n_threads: int,
        *,
        keep_rare: bool,
    ) -> tuple[Vocabulary, TokenIds]:
        """See `scan_corpus`."""

    def count(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        path: Path,
        config: CooccurrenceConfig,
        memory_mb: int,
        n_threads: int,
    ) -> Cooccurrences:
        """See `count_cooccurrences`."""

    def training(
        self,
        config: TrainingConfig,
        vocabulary: Vocabulary,
        ids: TokenIds,
        method: Method,
        start: Start | None,
    ) -> Training:
        """A run of word2vec or fastText."""

    def about(self) -> dict[str, Any]:
        """What the metadata of the vectors says of it."""


class ThisProcess:
    """The threads of this process."""

    def scan(
        self,
        corpus: Corpus,
        folder: Path,
        config: VocabularyConfig,
        n_threads: int,
        *,
        keep_rare: bool,
    ) -> tuple[Vocabulary, TokenIds]:
        """See `Engine`."""
        return scan_corpus(corpus, folder, config, n_threads, keep_rare=keep_rare)

    def count(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        path: Path,
        config: CooccurrenceConfig,
        memory_mb: int,
        n_threads: int,
    ) -> Cooccurrences:
        """See `Engine`."""
        return count_cooccurrences(vocabulary, ids, path, config, memory_mb, n_threads)

    def training(
        self,
        config: TrainingConfig,
        vocabulary: Vocabulary,
        ids: TokenIds,
        method: Method,
        start: Start | None,
    ) -> Training:
        """See `Engine`."""
        return Training(config, vocabulary, ids, method, start)

    def about(self) -> dict[str, Any]:
        """See `Engine`."""
        return {}
