"""What word2vec and fastText offer beyond fitting: go on with more text, save and load."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_atomically, write_json
from rowspace.space import folder as vectors_folder
from rowspace.space.history import load_history, save_history
from rowspace.space.vectors import Vectors
from rowspace.static.fitting import CHECKPOINT, VOCABULARY, AnyCorpus, Fitter, KeepWord
from rowspace.static.huffman import Tree, huffman_tree, join_trees
from rowspace.static.training import EpochReport, Floats, Method, Start, Training, TrainingConfig
from rowspace.text.corpus import Corpus
from rowspace.text.phrases import Phrases
from rowspace.text.vocabulary import (
    TokenIds,
    UpdateReport,
    Vocabulary,
    VocabularyConfig,
    load_scan,
    save_scan,
    update_vocabulary,
)

OnEpochEnd: TypeAlias = "Callable[[EpochReport, Vectors], bool | None] | None"

OUTPUT = "training.safetensors"
SETTINGS = "training.json"


class Trainer(Fitter[TrainingConfig, EpochReport]):
    """A method that learns vectors from token ids. See Word2Vec and FastText.

    Attributes
    ----------
    vectors : Vectors or None
        After `fit`, `update` or `load`.
    context_matrix : (n_words, dim) float32 array or None
        The output matrix: a row a word, or a row an inner node with hierarchical softmax.
    history : list of EpochReport
    update_report : UpdateReport or None
        What the last `update` did to the vocabulary.
    """

    config_class: ClassVar[type[TrainingConfig]]

    def __init__(self, config: TrainingConfig | None = None, **settings: Any) -> None:
        super().__init__(config, **settings)
        self.vectors: Vectors | None = None
        self.context_matrix: Floats | None = None
        self.tree: Tree | None = None
        self.update_report: UpdateReport | None = None

    def fit_ids(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        *,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 60.0,
        on_epoch_end: OnEpochEnd = None,
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
        if self.config.loss == "hierarchical_softmax":
            self.tree = huffman_tree(vocabulary.counts)
        return self._train(
            vocabulary, ids, None, np.empty(0, bool), checkpoint, checkpoint_seconds, on_epoch_end
        )

    def _fit_scanned(self, vocabulary: Vocabulary, ids: TokenIds, folder: Path) -> Vectors:
        return self.fit_ids(vocabulary, ids, checkpoint=folder / CHECKPOINT)

    # More text

    def update(
        self,
        corpus: AnyCorpus,
        *,
        freeze: bool | Iterable[str] = False,
        keep_word: KeepWord = None,
        on_epoch_end: OnEpochEnd = None,
    ) -> Vectors:
        """Go on with new text: known words move on, new ones are added.

        Counts are merged; a new word needs `min_count` occurrences in the new text. Only the new
        text is trained on, `epochs` times from `learning_rate` down; mix in some of the old where
        old words should not drift, or freeze them. `update_report` tells what was added. The
        phrases that were joined in the first text are joined in this one; no new ones are found.
        With hierarchical softmax the old tree stays, and a second one for the new words joins it.

        Parameters
        ----------
        corpus : path, Corpus, or iterable of sequences
        freeze : bool or iterable of str
            True: no vector of before moves; or the words whose vectors shall not. Their output
            rows do move, as the new words' vectors need them to.
        keep_word, on_epoch_end
            As in `fit`.

        Raises
        ------
        ConfigError
            If nothing was trained or loaded, or vectors without counts were loaded.
        VocabularyError
            If a word to freeze is unknown.
        """
        with tempfile.TemporaryDirectory(prefix="rowspace-") as folder:
            vocabulary, ids, report = self._scan_update(corpus, Path(folder), keep_word)
            return self._update(vocabulary, ids, report, freeze, None, on_epoch_end)

    def update_in(
        self, corpus: Corpus, folder: Path, *, freeze: bool | Iterable[str] = False
    ) -> Vectors:
        """`update` in a work folder, so that a run that was stopped goes on: see `fit_in`."""
        names = freeze if isinstance(freeze, bool) else sorted(freeze)
        self._remember(folder, corpus, {"start": _digest(self._trained()), "freeze": names})
        saved, told = folder / VOCABULARY, folder / "update.json"
        if saved.exists() and told.exists():
            vocabulary, ids = load_scan(saved)
            report = UpdateReport(**json.loads(told.read_text()))
        else:
            vocabulary, ids, report = self._scan_update(corpus, folder, None)
            write_json(told, dataclasses.asdict(report))
            save_scan(saved, vocabulary, ids)
        return self._update(vocabulary, ids, report, names, folder / CHECKPOINT, None)

    def _scan_update(
        self, corpus: AnyCorpus, folder: Path, keep_word: KeepWord
    ) -> tuple[Vocabulary, TokenIds, UpdateReport]:
        vectors = self._trained()
        if vectors.counts is None:
            raise ConfigError(
                "these vectors have no counts to merge new ones with; use vectors that Rowspace "
                "saved as a folder or fastText .bin"
            )
        if self.phrases is None and self.config.phrases_config() is not None:
            raise ConfigError(
                "the model was trained without phrases, and its words cannot be joined now; leave "
                "the phrase settings out, or train anew"
            )
        every_word = VocabularyConfig(min_count=1, tokenizer=self.config.tokenizer)
        new, ids = self._scan(corpus, folder, every_word)
        if self.phrases is not None:
            new, ids = self.phrases.join(new, ids, every_word)
        config = self.config.vocabulary_config(keep_word)
        return update_vocabulary(vectors.index_to_key, vectors.counts, new, ids, config)

    def _update(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        report: UpdateReport,
        freeze: bool | Iterable[str],
        checkpoint: Path | None,
        on_epoch_end: OnEpochEnd,
    ) -> Vectors:
        vectors = self._trained()
        known = vectors.key_to_index
        before = np.array([known.get(word, -1) for word in vocabulary.words], dtype=np.int64)
        if isinstance(freeze, bool):
            frozen = before >= 0 if freeze else np.empty(0, dtype=bool)
        else:
            rows = {vectors.get_index(word) for word in freeze}
            frozen = np.isin(before, list(rows))
        out_to = np.flatnonzero(before >= 0)
        out_from = before[out_to]
        if self.config.loss == "hierarchical_softmax":
            self.tree = self._joined_tree(vocabulary, before)
            out_from = out_to = np.arange(
                0 if self.context_matrix is None else len(self.context_matrix)
            )
        out_rows = (
            np.zeros((0, self.config.dim), np.float32)
            if self.context_matrix is None
            else self.context_matrix[out_from]
        )
        start = self._start_rows(vocabulary, before)
        start = dataclasses.replace(start, out_rows=out_rows, out_to=out_to[: len(out_rows)])
        self.update_report = report
        return self._train(vocabulary, ids, start, frozen, checkpoint, 60.0, on_epoch_end)

    def _joined_tree(self, vocabulary: Vocabulary, before: NDArray[np.int64]) -> Tree:
        assert self.tree is not None
        old = self.tree
        added = np.flatnonzero(before < 0)
        place = before.copy()
        if len(added):
            place[added] = len(old.ends) - 1 + np.arange(len(added))
            old = join_trees(old, huffman_tree(vocabulary.counts[added]))
        return old.take(place)

    def _trained(self) -> Vectors:
        if self.vectors is None:
            raise ConfigError("nothing is trained yet; call fit or load first")
        return self.vectors

    # Files

    def save(self, path: Path | str) -> None:
        """Write all that `load` and `update` need to the folder `path`: 2 matrices and settings.

        `rowspace.load` reads the vectors of it. `vectors.save` writes those alone.
        """
        from safetensors.numpy import save as to_bytes

        path = Path(path)
        vectors = self._trained()
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, NDArray[Any]] = {}
        if self.context_matrix is not None:
            arrays["context"] = np.ascontiguousarray(self.context_matrix)
        if self.tree is not None:
            arrays |= {
                "tree_ends": self.tree.ends,
                "tree_nodes": self.tree.nodes,
                "tree_labels": self.tree.labels,
            }
        vectors_folder.write(vectors, path)
        with write_atomically(path / OUTPUT) as file:
            file.write(to_bytes(arrays, {"digest": _digest(vectors)}))
        write_json(
            path / SETTINGS,
            {"method": self.method_name, "config": dataclasses.asdict(self.config)},
        )
        save_history(self.snapshots, path)

    @classmethod
    def load(cls, path: Path | str, **settings: Any) -> Self:
        """Read what `save` wrote, to `update` it.

        Parameters
        ----------
        path : path
            A folder.
        **settings
            Settings to change, such as `epochs` or `learning_rate`.

        Raises
        ------
        FormatError
            If it is not such a folder, or it is damaged.
        ConfigError
            If a setting cannot work, or cannot change (the dimension).
        """
        path = Path(path)
        vectors = vectors_folder.read(vectors_folder.find(path), None, False)
        try:
            saved = json.loads((path / SETTINGS).read_text())
            if saved["method"] != cls.method_name:
                raise FormatError(f"{path} holds a {saved['method']} model, not {cls.method_name}")
            config: dict[str, Any] = saved["config"]
        except FileNotFoundError as error:
            raise FormatError(
                f"{path} has vectors, but no {SETTINGS}, so training cannot go on; save the "
                "trainer, not only its vectors"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{path / SETTINGS} is damaged ({error})") from error
        trainer = cls(**{**config, **settings})
        if trainer.config.dim != vectors.dim or trainer.config.loss != config["loss"]:
            raise ConfigError(
                f"the model has dim {vectors.dim} and loss {config['loss']}, which cannot change"
            )
        if trainer.config.phrases_config() != cls(**config).config.phrases_config():
            raise ConfigError("the model's phrases cannot change; leave the phrase settings out")
        if "phrases" in vectors.metadata:
            trainer.phrases = Phrases.from_record(vectors.metadata["phrases"])
        trainer.vectors = vectors
        trainer.snapshots = load_history(path)
        trainer._load_output(path / OUTPUT)
        return trainer

    def _load_output(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                digest = (file.metadata() or {}).get("digest")
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise FormatError(f"{path} is missing or damaged ({error}); save it again") from error
        if digest != _digest(self._trained()):
            raise FormatError(
                f"{path} and the vectors beside it were not saved together; save the model again"
            )
        self.context_matrix = arrays.get("context")
        if "tree_ends" in arrays:
            n_nodes = 0 if self.context_matrix is None else len(self.context_matrix)
            self.tree = Tree(
                arrays["tree_ends"], arrays["tree_nodes"], arrays["tree_labels"], n_nodes
            )

    # The parts

    def _train(
        self,
        vocabulary: Vocabulary,
        ids: TokenIds,
        start: Start | None,
        frozen: NDArray[np.bool_],
        checkpoint: Path | None,
        checkpoint_seconds: float,
        on_epoch_end: OnEpochEnd,
    ) -> Vectors:
        method = self._method(vocabulary, frozen)
        training = self.engine.training(self.config, vocabulary, ids, method, start)
        self.history = training.history

        def after_epoch(report: EpochReport, run: Training) -> bool | None:
            assert on_epoch_end is not None
            return on_epoch_end(report, self._vectors(run, run.matrix(run.w_in, method.n_in), None))

        training.fit(checkpoint, checkpoint_seconds, after_epoch if on_epoch_end else None)
        self.history, self.snapshots = training.history, training.snapshots
        self.context_matrix = training.release(training.w_out, method.n_out)
        rows = training.release(training.w_in, method.n_in)
        self.vectors = self._vectors(training, rows, self.context_matrix)
        return self.vectors

    @abstractmethod
    def _method(self, vocabulary: Vocabulary, frozen: NDArray[np.bool_]) -> Method:
        """What trains a piece. `frozen`: (n_words,), words that keep their vectors; or empty."""

    @abstractmethod
    def _vectors(self, training: Training, rows: Floats, output: Floats | None) -> Vectors:
        """The vectors of the input matrix, (n_in, dim)."""

    @abstractmethod
    def _start_rows(self, vocabulary: Vocabulary, before: NDArray[np.int64]) -> Start:
        """Input rows that go on; `before` has each word's row of before, or -1."""


def _digest(vectors: Vectors) -> str:
    """Tells one set of trained vectors from another."""
    digest = hashlib.sha256("\0".join(vectors.index_to_key).encode("utf-8", "surrogatepass"))
    digest.update(np.ascontiguousarray(vectors.matrix).data)
    return digest.hexdigest()
