"""What every static method does with a corpus: scan its words, then learn vectors from ids."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias

from rowspace.errors import ConfigError
from rowspace.space.history import History
from rowspace.space.vectors import Vectors
from rowspace.static.engine import Engine, ThisProcess
from rowspace.static.phrasing import settings_of
from rowspace.static.run import Config, Report, RunConfig
from rowspace.text.corpus import Corpus
from rowspace.text.phrases import Phrases, join_phrases
from rowspace.text.runs import remember_run
from rowspace.text.vocabulary import (
    TokenIds,
    Vocabulary,
    VocabularyConfig,
    load_scan,
    save_scan,
    scan_sequences,
)

AnyCorpus: TypeAlias = "Corpus | Path | str | Iterable[Sequence[Hashable]]"
KeepWord: TypeAlias = "Callable[[str, int], bool] | None"

VOCABULARY = "vocabulary.json"
CHECKPOINT = "checkpoint"
PHRASES = "phrases.json"


class Fitter(ABC, Generic[Config, Report]):
    """A method that learns vectors from a corpus.

    Attributes
    ----------
    config : RunConfig
    history : list
        A report of each epoch.
    phrases : Phrases or None
        What was joined in the text, where the settings say so; also in the vectors' metadata.
    snapshots : History or None
        How frequent words came to their places, which `save` writes too.
    engine : Engine
        Who does the heavy steps: this process, unless `scale.training.RayEngine` is given.
    """

    config_class: ClassVar[type[RunConfig]]
    method_name: ClassVar[str]

    def __init__(self, config: Config | None = None, **settings: Any) -> None:
        if config is not None and settings:
            raise ConfigError("give a config or settings, not both")
        try:
            self.config: Config = config or self.config_class(**settings)  # type: ignore[assignment]
        except TypeError as error:
            names = ", ".join(field.name for field in settings_of(self.config_class))
            raise ConfigError(f"{error}; the settings are {names}") from error
        self.history: list[Report] = []
        self.phrases: Phrases | None = None
        self.snapshots: History | None = None
        self.engine: Engine = ThisProcess()

    def fit(
        self,
        corpus: AnyCorpus,
        *,
        keep_word: KeepWord = None,
        on_epoch_end: Callable[[Report, Vectors], bool | None] | None = None,
    ) -> Vectors:
        """Train on a corpus.

        Parameters
        ----------
        corpus : path, Corpus, or iterable of sequences
            Text whose lines are sentences, or lists of items (item2vec), read once.
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
            If no word is frequent enough.
        """
        with tempfile.TemporaryDirectory(prefix="rowspace-") as folder:
            vocabulary, ids = self._scan_and_join(corpus, Path(folder), keep_word)
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
        self._remember(folder, corpus, {})
        saved = folder / VOCABULARY
        if saved.exists():
            vocabulary, ids = load_scan(saved)
            joined = self.config.phrases_config() is not None
            self.phrases = Phrases.load(folder / PHRASES) if joined else None
        else:
            vocabulary, ids = self._scan_and_join(corpus, folder, None)
            save_scan(saved, vocabulary, ids)
        return self._fit_scanned(vocabulary, ids, folder)

    @abstractmethod
    def fit_ids(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        *,
        on_epoch_end: Callable[[Report, Vectors], bool | None] | None = None,
    ) -> Vectors:
        """Train on token ids that a vocabulary scan has written."""

    @abstractmethod
    def _fit_scanned(self, vocabulary: Vocabulary, ids: TokenIds, folder: Path) -> Vectors:
        """Train in the work folder, from where it was."""

    @abstractmethod
    def save(self, path: Path | str) -> None:
        """Write the trained model to `path`."""

    def _scan_and_join(
        self, corpus: AnyCorpus, folder: Path, keep_word: KeepWord
    ) -> tuple[Vocabulary, TokenIds]:
        """Scan the corpus, find phrases if there are to be any, and join them."""
        words, config = self.config.vocabulary_config(keep_word), self.config.phrases_config()
        if config is None:
            self.phrases = None
            return self._scan(corpus, folder, words)
        frequent = VocabularyConfig(min_count=words.min_count, tokenizer=words.tokenizer)
        vocabulary, ids = self._scan(corpus, folder, frequent, keep_rare=True)
        vocabulary, ids, self.phrases = join_phrases(
            vocabulary, ids, config, words, self.config.threads
        )
        self.phrases.save(folder / PHRASES)
        return vocabulary, ids

    def _scan(
        self, corpus: AnyCorpus, folder: Path, words: VocabularyConfig, *, keep_rare: bool = False
    ) -> tuple[Vocabulary, TokenIds]:
        if isinstance(corpus, str | Path):
            corpus = Corpus(corpus)
        if isinstance(corpus, Corpus):
            threads = self.config.threads
            return self.engine.scan(corpus, folder, words, threads, keep_rare=keep_rare)
        return scan_sequences(corpus, folder, words, keep_rare=keep_rare)

    def _remember(self, folder: Path, corpus: Corpus, more: dict[str, Any]) -> None:
        remember_run(folder, corpus, self.config.without_threads(), more, read=VOCABULARY)

    def _metadata(self) -> dict[str, Any]:
        metadata = {"method": self.method_name, "config": self.config.as_dict()}
        metadata |= self.engine.about()
        if self.phrases is not None:
            metadata["phrases"] = self.phrases.record()
        return metadata
