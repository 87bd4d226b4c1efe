"""A space: passages that are found by what they mean, by their words, or by both.

A search sees the last finished write, whole: where another process has committed since, the space
takes that version up first. Vectors are held in memory, texts are read when a hit shows them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rowspace.errors import ConfigError, FormatError, SpaceCorruptError
from rowspace.search.commit import Commit, read_commit
from rowspace.search.filters import Filter, compile_filter
from rowspace.search.health import status, verify
from rowspace.search.hit import Hit
from rowspace.search.manifest import (
    Manifest,
    ModelState,
    check_encoder,
    load_encoder,
    read_manifest,
)
from rowspace.search.model_copy import Model
from rowspace.search.models import choose_default, named, remove_model
from rowspace.search.ranking import find_hits
from rowspace.search.reembed import Change, reembed
from rowspace.search.request import Request
from rowspace.search.snapshot import Snapshot, signature_of, take_snapshot
from rowspace.search.writer import LOCK_TIMEOUT, Added, add_documents, delete_documents
from rowspace.space.encoder import Encoder, encode_queries
from rowspace.text.corpus import Document

T = TypeVar("T")


class Space:
    """Passages with vectors and words, open for searching and writing. Use `open_space`.

    It may be used from several threads, and other processes may write to it meanwhile.
    """

    def __init__(self, path: Path, manifest: Manifest, encoder: Encoder | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self._encoders: dict[str, Encoder] = {}  # by fingerprint
        self._snapshot: Snapshot | None = None
        self._lock = threading.RLock()
        if encoder is not None:
            name, model = named(path, read_commit(path), None)
            self._encoders[model.fingerprint] = check_encoder(path, name, model, encoder)

    @property
    def encoder(self) -> Encoder:
        """The encoder of the default model, loaded when first used."""
        return self.encoders[self.default_model]

    @property
    def encoders(self) -> Mapping[str, Encoder]:
        """The encoders of all models by name, each loaded when first used."""
        return _Encoders(self)

    @property
    def models(self) -> dict[str, ModelState]:
        """The models that the passages have vectors of, by name."""
        return dict(self._current().commit.models)

    @property
    def default_model(self) -> str:
        """The name of the model that searches take where none is named."""
        return self._current().commit.model

    @property
    def fields(self) -> dict[str, str]:
        """The metadata fields that a filter can use, with their types."""
        return {name: field.type for name, field in self._current().commit.fields.items()}

    # --- Searching -------------------------------------------------------------------------------

    def search(
        self,
        query: str,
        k: int = 10,
        mode: str = "hybrid",
        where: str | Filter | None = None,
        dense_weight: float | None = None,
        model: str | None = None,
    ) -> list[Hit]:
        """The k best passages for a query.

        Parameters
        ----------
        query : str
            Plain words; no character in it is an operator.
        k : int
        mode : {"hybrid", "dense", "lexical"}
            By meaning (dense), by words (lexical), or by both, fused by rank.
        where : str or Filter or None
            A filter, as in `year >= 1990 and country = "Chad"`; see `filters`. k passages that
            meet it are found where there are as many.
        dense_weight : float or None
            How much the ranking by meaning counts in a hybrid search, beside 1 for that by
            words; None takes what is set for the model.
        model : str or None
            Which of the space's models finds by meaning; None takes its default.

        Returns
        -------
        list of Hit
            Best first. Empty where nothing matches: by words, if none of them occurs; by
            meaning, if the encoder knows none of them.

        Raises
        ------
        ConfigError
            If k or the mode cannot be, or there is no such model.
        FilterError
            If the filter does not parse or names an unknown field.
        SpaceCorruptError
            If the space's files are damaged.
        """
        return self.search_batch([query], k, mode, where, dense_weight, model)[0]

    def search_batch(
        self,
        queries: Sequence[str],
        k: int = 10,
        mode: str = "hybrid",
        where: str | Filter | None = None,
        dense_weight: float | None = None,
        model: str | None = None,
    ) -> list[list[Hit]]:
        """`search` for several queries, all in one version of the space."""
        request = Request(k=k, mode=mode, where=where, dense_weight=dense_weight, model=model)
        return self.answer(queries, request)

    def answer(self, queries: Sequence[str], request: Request) -> list[list[Hit]]:
        """`search_batch` of what a `Request` asks for."""

        def find(snapshot: Snapshot) -> list[list[Hit]]:
            name, model = named(self.path, snapshot.commit, request.model)
            weight = request.dense_weight
            return find_hits(
                snapshot,
                queries,
                request,
                name,
                model.dense_weight if weight is None else weight,
                lambda: encode_queries(self._encoder_of(name, model), list(queries)),
            )

        return self._with_current(find)

    def _with_current(self, function: Callable[[Snapshot], T]) -> T:
        """What `function` makes of the last finished write."""
        while True:
            snapshot = self._current()
            try:
                return function(snapshot)
            except (SpaceCorruptError, FormatError):
                # A writer may have removed the files of this version under us: take the newer.
                if signature_of(self.path) == snapshot.signature:
                    raise

    def _encoder_of(self, name: str, model: ModelState) -> Encoder:
        with self._lock:
            if model.fingerprint not in self._encoders:
                encoder = check_encoder(self.path, name, model, load_encoder(self.path, model))
                self._encoders[model.fingerprint] = encoder
            return self._encoders[model.fingerprint]

    def _current(self) -> Snapshot:
        """The last finished write; read anew only if there was one since."""
        with self._lock:
            signature = signature_of(self.path)
            if self._snapshot is None or self._snapshot.signature != signature:
                self._snapshot = None  # frees the vectors before the new ones are read
                self._snapshot = take_snapshot(self.path)
                models = self._snapshot.commit.models.values()
                for fingerprint in self._encoders.keys() - {model.fingerprint for model in models}:
                    del self._encoders[fingerprint]
            return self._snapshot

    # --- Writing ---------------------------------------------------------------------------------

    def add(self, documents: Iterable[Document], timeout: float = LOCK_TIMEOUT) -> Added:
        """Add documents; one whose id is there already replaces it.

        All of them appear at once, to readers and after a crash, when this returns. They are
        encoded with every model of the space.

        Parameters
        ----------
        documents : iterable of Document
        timeout : float
            Seconds to wait for another process that writes.

        Raises
        ------
        CorpusError
            If two documents have one id, or a value does not fit its field's type.
        SpaceLockedError
            If another process writes for longer than `timeout`.
        SpaceError
            If the disk is full. In each case the space is as it was.
        """

        def load(snapshot: Snapshot) -> dict[str, Encoder]:
            models = snapshot.commit.models
            return {
                models[name].fingerprint: self._encoder_of(name, models[name]) for name in models
            }

        encoders = self._with_current(load)
        return add_documents(
            self.path, self.manifest, encoders, self._encoder_of, documents, timeout
        )

    def delete(
        self,
        document_ids: Iterable[str] | None = None,
        *,
        where: str | Filter | None = None,
        timeout: float = LOCK_TIMEOUT,
    ) -> int:
        """Delete documents by id, or those that meet a filter; returns how many there were.

        Raises
        ------
        ConfigError
            If both ids and a filter are given, or neither.
        SpaceLockedError
            If another process writes for longer than `timeout`.
        """
        if (document_ids is None) == (where is None):
            raise ConfigError("give document ids or a filter to delete by, one of the two")
        if isinstance(document_ids, str):
            document_ids = [document_ids]

        def predicate(commit: Commit) -> str:
            assert where is not None
            return compile_filter(where, commit.fields)

        return delete_documents(
            self.path,
            self.manifest,
            document_ids,
            None if where is None else predicate,
            timeout,
        )

    # --- Models ----------------------------------------------------------------------------------

    def add_model(
        self,
        name: str,
        model: Model,
        *,
        dense_weight: float | None = None,
        resume: bool = False,
        timeout: float = LOCK_TIMEOUT,
    ) -> ModelState:
        """Encode every passage with another encoder, whose vectors stand beside those there are.

        Searching goes on meanwhile, and so does adding, but for the moment in which the store is
        written anew.

        Parameters
        ----------
        name : str
            What the model is called: letters, digits, `.`, `-` and `_`.
        model : path, str or Encoder
            A sentence encoder, its folder or its name on a hub; or word vectors, of which SIF
            makes vectors of passages. The space keeps a copy.
        dense_weight : float or None
            How much its ranking counts in a hybrid search; if not given, 0.2 with word vectors
            and 0.5 with a sentence encoder.
        resume : bool
            Go on where an earlier call with the same arguments was stopped.
        timeout : float
            Seconds to wait, at the end, for another process that writes.

        Returns
        -------
        ModelState

        Raises
        ------
        ConfigError
            If the name or the weight cannot be.
        SpaceError
            If there is a model of that name or with that encoder already, an unfinished one
            without `resume`, or the disk is full.
        FormatError
            If there is no such model.
        SpaceLockedError
            If another process does the same, or writes for longer than `timeout`.
        """
        change = Change(model=model, name=name, dense_weight=dense_weight)
        return reembed(self.path, self.manifest, change, resume, timeout)

    def reembed(
        self,
        model: Model,
        *,
        name: str | None = None,
        dense_weight: float | None = None,
        resume: bool = False,
        timeout: float = LOCK_TIMEOUT,
    ) -> ModelState:
        """Encode every passage with another encoder, in place of the default model.

        As `add_model`; the old vectors and the old encoder are removed when the new ones are
        whole.

        Parameters
        ----------
        name : str or None
            What it is called; as the one that it replaces if not given.
        """
        change = Change(model=model, name=name, in_place=True, dense_weight=dense_weight)
        return reembed(self.path, self.manifest, change, resume, timeout)

    def remove_model(self, name: str, *, timeout: float = LOCK_TIMEOUT) -> None:
        """Remove a model, its vectors and its folder.

        Raises
        ------
        ConfigError
            If there is no such model.
        SpaceError
            If it is the default.
        """
        remove_model(self.path, self.manifest, name, timeout)

    def choose_default(self, name: str, *, timeout: float = LOCK_TIMEOUT) -> None:
        """Make a model the one that searches take where none is named.

        Raises
        ------
        ConfigError
            If there is no such model.
        """
        choose_default(self.path, name, timeout)

    # --- Looking after ---------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What the space holds and in which state it is."""
        return status(self._current(), self.manifest)

    def verify(self) -> list[str]:
        """Check every byte of every file, and that passages and vectors are whole.

        Returns
        -------
        list of str
            What is wrong, one line each; empty if all is well.
        """
        return verify(self.path)


class _Encoders(Mapping[str, Encoder]):
    """The encoders of a space's models by name."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def __getitem__(self, name: str) -> Encoder:
        def load(snapshot: Snapshot) -> Encoder:
            return self._space._encoder_of(name, snapshot.commit.models[name])

        return self._space._with_current(load)

    def __iter__(self) -> Iterator[str]:
        return iter(self._space.models)

    def __len__(self) -> int:
        return len(self._space.models)


def open_space(path: Path | str, encoder: Encoder | None = None) -> Space:
    """Open a space to search or change it.

    Every file's size is checked, and the content of the small ones; `Space.verify` checks all.

    Parameters
    ----------
    path : path
        The space's folder.
    encoder : Encoder or None
        Used in place of loading that of the default model; it must be the one that made its
        vectors.

    Raises
    ------
    SpaceError
        If there is no space at `path`, or its build is not finished.
    SpaceVersionError
        If a newer Rowspace wrote it.
    SpaceCorruptError
        If its files are damaged; the message names the file.
    """
    path = Path(path)
    space = Space(path, read_manifest(path), encoder)
    space._current()
    return space
