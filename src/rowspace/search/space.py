"""A space: passages that are found by what they mean, by their words, or by both.

A search sees the last finished write, whole: where another process has committed since, the space
takes that version up first. Vectors are held in memory, texts are read when a hit shows them.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from rowspace.errors import (
    ConfigError,
    FormatError,
    RowspaceError,
    SpaceCorruptError,
    SpaceError,
    SpaceLockedError,
)
from rowspace.search.arrow import as_reader, model_of_table, read_passages, table_passages
from rowspace.search.commit import Commit, model_named, newest_commit, read_commit
from rowspace.search.export import ExportConfig, Exported, export_passages
from rowspace.search.filters import Given, compile_filter
from rowspace.search.health import status, verify
from rowspace.search.hit import Hit
from rowspace.search.index.cached import IndexRecord
from rowspace.search.index.config import IndexConfig
from rowspace.search.index.upkeep import (
    index_in_files,
    keep_rows_up,
    kind_for,
    measure_in_store,
    remove_index,
    settings_of,
)
from rowspace.search.manifest import Manifest, check_encoder, load_encoder, read_manifest
from rowspace.search.milvus.record import refuse_to_write
from rowspace.search.model_copy import Model
from rowspace.search.model_state import ModelState
from rowspace.search.models import choose_default, remove_model
from rowspace.search.ranking import find_hits, rank_documents
from rowspace.search.reembed import Change, reembed
from rowspace.search.remote.fetching import fetch_model
from rowspace.search.remote.folder import locate, must_be_here
from rowspace.search.repair import Repaired, repair
from rowspace.search.request import Request
from rowspace.search.rerank import Reranker, rerank_all
from rowspace.search.retrieval import CountTokens, Retrieved, fit, token_counter
from rowspace.search.snapshot import Snapshot, signature_of, take_snapshot
from rowspace.search.store import Row, disk_errors
from rowspace.search.writer import (
    LOCK_TIMEOUT,
    Added,
    add_documents,
    add_passages,
    compact_space,
    delete_documents,
    index_in_store,
    set_dense_weight,
)
from rowspace.space.encoder import Encoder, encode_queries
from rowspace.text.corpus import Document
from rowspace.text.tables import holds_passages, table_documents

if TYPE_CHECKING:
    from rowspace.search.milvus.export import ExportedRows

_logger = logging.getLogger("rowspace")

T = TypeVar("T")
LoadEncoder = Callable[[Path, ModelState], Encoder]


class Space:
    """Passages with vectors and words, open for searching and writing. Use `open_space`.

    It may be used from several threads, and other processes may write to it meanwhile. A process
    that was forked from this one must open it anew.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        encoder: Encoder | None = None,
        load: LoadEncoder = load_encoder,
    ) -> None:
        self.path = path
        self.manifest = manifest
        self._load = load
        self._encoders: dict[str, Encoder] = {}  # by fingerprint
        self._snapshot: Snapshot | None = None
        self.through: Callable[[str, Encoder], Encoder] = lambda name, encoder: encoder
        """Gives what searches and additions ask for vectors, of a model's name and encoder: that
        itself, or what is in front of it where several threads share it."""
        self._lock = threading.RLock()
        self._process = os.getpid()
        if encoder is not None:
            name, model = model_named(path, read_commit(path), None)
            self._encoders[model.fingerprint] = check_encoder(path, name, model, encoder)

    @property
    def encoder(self) -> Encoder:
        """The encoder of the default model, loaded when first used."""
        return self._in_one_version(lambda snapshot: self._encoder_in(snapshot, None))

    @property
    def encoders(self) -> Mapping[str, Encoder]:
        """The encoders of all models by name, each loaded when first used."""
        return _Encoders(self)

    @property
    def models(self) -> dict[str, ModelState]:
        """The models that the passages have vectors of, by name."""
        return dict(self._current().commit.models)

    @property
    def model_names(self) -> list[str]:
        """The names of its models, the default first."""
        commit = self._current().commit
        return [commit.model, *(name for name in commit.models if name != commit.model)]

    @property
    def default_model(self) -> str:
        """The name of the model that searches take where none is named."""
        return self._current().commit.model

    @property
    def dense_weight(self) -> float:
        """How much the default model's ranking counts in a hybrid search, beside 1 for words."""
        commit = self._current().commit
        return commit.models[commit.model].weight

    @property
    def fields(self) -> dict[str, str]:
        """The metadata fields that a filter can use, with their types."""
        return {name: field.type for name, field in self._current().commit.fields.items()}

    @property
    def snapshot(self) -> Snapshot:
        """The last finished write, for those who look at all passages of one version."""
        return self._current()

    # --- Searching -------------------------------------------------------------------------------

    def search(
        self,
        query: str,
        k: int = 10,
        mode: str = "hybrid",
        where: Given | None = None,
        dense_weight: float | None = None,
        diversity: float = 0.0,
        group: bool = False,
        rerank: Reranker | None = None,
        rerank_depth: int = 50,
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
        where : str or Filter or sequence of these, or None
            A filter, as in `year >= 1990 and country = "Chad"`; see `filters`. k passages that
            meet it are found where there are as many. All of a sequence must hold, and each is
            parsed by itself: `where=['tenant = "a"', what_a_user_typed]` never shows another
            tenant's passages.
        dense_weight : float or None
            How much the ranking by meaning counts in a hybrid search, beside 1 for that by
            words; None takes what is set for the model.
        diversity : float
            How much hits are to differ from each other, 0 (not looked at) to 1: maximal marginal
            relevance with λ = 1 - diversity, see `diversity`. Hits are in the order they are
            chosen, which need not be that of their scores.
        group : bool
            Find k documents and not passages: each hit is the best passage of its document, and
            has the others that were found in `more`.
        rerank : CrossEncoder or other Reranker, or None
            Judges the best hits anew, each by its title and text, and gives their order and
            `rerank_score`; see `load_cross_encoder`. Not together with `diversity`.
        rerank_depth : int
            How many hits it judges, at least k. Each costs as much as encoding a passage.
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
            If k, the mode, the weight, the diversity or the depth cannot be, or there is no such
            model.
        FilterError
            If the filter does not parse or names an unknown field.
        SpaceCorruptError
            If the space's files are damaged.
        """
        return self.search_batch(
            [query], k, mode, where, dense_weight, diversity, group, rerank, rerank_depth, model
        )[0]

    def search_batch(
        self,
        queries: Sequence[str],
        k: int = 10,
        mode: str = "hybrid",
        where: Given | None = None,
        dense_weight: float | None = None,
        diversity: float = 0.0,
        group: bool = False,
        rerank: Reranker | None = None,
        rerank_depth: int = 50,
        model: str | None = None,
    ) -> list[list[Hit]]:
        """`search` for several queries, all in one version of the space."""
        request = Request(
            k=k,
            mode=mode,
            where=where,
            dense_weight=dense_weight,
            diversity=diversity,
            group=group,
            rerank=rerank,
            rerank_depth=rerank_depth,
            model=model,
        )
        return self.answer(queries, request)

    def retrieve(
        self,
        query: str,
        k: int = 10,
        max_tokens: int = 2000,
        mode: str = "hybrid",
        where: Given | None = None,
        dense_weight: float | None = None,
        diversity: float = 0.0,
        count_tokens: CountTokens | None = None,
        rerank: Reranker | None = None,
        rerank_depth: int = 50,
        model: str | None = None,
    ) -> Retrieved:
        """Passages with numbered citations for a prompt that has room for `max_tokens`.

        Passages of one document that follow each other are joined. The last one is cut at the end
        of a sentence if it does not fit whole, or left out.

        Parameters
        ----------
        query : str
        k : int
            Passages to take, at most.
        max_tokens : int
            Of the whole block, with citations and separators.
        mode, where, dense_weight, diversity, rerank, rerank_depth, model
            As in `search`.
        count_tokens : callable or None
            Text to its number of tokens, by the language model's own tokenizer at best. None
            takes the sentence encoder's; with word vectors, `retrieval.estimate_tokens`, which
            counts more rather than fewer.

        Returns
        -------
        Retrieved
            `text` for the prompt, `passages` with title, source and ids, `n_tokens`.

        Examples
        --------
        ::

            found = space.retrieve("Which lakes shrink?", max_tokens=500)
            prompt = found.text + "Answer from these, with their numbers: which lakes shrink?"
        """
        hits = self.search(
            query,
            k,
            mode,
            where,
            dense_weight,
            diversity,
            rerank=rerank,
            rerank_depth=rerank_depth,
            model=model,
        )
        return fit(query, hits, max_tokens, count_tokens or token_counter(self.encoder))

    def answer(self, queries: Sequence[str], request: Request) -> list[list[Hit]]:
        """`search_batch` of what a `Request` asks for."""
        if request.rerank is not None:
            found = self.answer(queries, request.candidates)
            return rerank_all(request.rerank, queries, found, request.k)

        def hits(snapshot: Snapshot) -> list[list[Hit]]:
            weight = request.dense_weight
            _, model = model_named(self.path, snapshot.commit, request.model)
            return find_hits(
                snapshot,
                queries,
                request,
                model.weight if weight is None else weight,
                self.manifest.language,
                lambda: encode_queries(self._asked_in(snapshot, request.model), list(queries)),
            )

        return self._in_one_version(hits)

    def passages_of(self, document_id: str) -> list[Row]:
        """The passages of a document, in its order; none if it is not there."""
        return self._in_one_version(lambda snapshot: snapshot.store.passages_of(document_id))

    def rank_documents(
        self, queries: Sequence[str], request: Request, weights: Sequence[float]
    ) -> list[list[list[str]]]:
        """Each query's k best document ids at each of several weights of meaning.

        Both engines are asked once a query. A document ranks as its best passage does.
        """

        def rankings(snapshot: Snapshot) -> list[list[list[str]]]:
            return rank_documents(
                snapshot,
                queries,
                request,
                weights,
                lambda: encode_queries(self._asked_in(snapshot, request.model), list(queries)),
            )

        return self._in_one_version(rankings)

    def count_missing(self, document_ids: Collection[str]) -> int:
        """How many of the documents are not in the space."""
        ids = sorted(document_ids)
        return self._in_one_version(lambda snapshot: len(ids) - snapshot.store.count_documents(ids))

    def _in_one_version(self, ask: Callable[[Snapshot], T]) -> T:
        """What the last finished write answers."""
        while True:
            snapshot = self._current()
            try:
                return ask(snapshot)
            except (SpaceCorruptError, FormatError):
                # A writer may have removed the files of this version under us: take the newer.
                if signature_of(self.path) == snapshot.signature:
                    raise

    def _encoder_in(self, snapshot: Snapshot, name: str | None) -> Encoder:
        """The encoder of a model, the default one where none is named."""
        return self._encoder_of(*model_named(self.path, snapshot.commit, name))

    def _asked_in(self, snapshot: Snapshot, name: str | None) -> Encoder:
        """What is asked for the vectors of a model, the default one where none is named."""
        return self._asked(*model_named(self.path, snapshot.commit, name))

    def _asked(self, name: str, model: ModelState) -> Encoder:
        return self.through(name, self._encoder_of(name, model))

    def _encoder_of(self, name: str, model: ModelState) -> Encoder:
        with self._lock:
            if model.fingerprint not in self._encoders:
                fetch_model(self.path, model)
                encoder = check_encoder(self.path, name, model, self._load(self.path, model))
                self._encoders[model.fingerprint] = encoder
            return self._encoders[model.fingerprint]

    def _encoders_but(self, given: ModelState | None) -> dict[str, Encoder]:
        """The encoders of all models but one, by fingerprint."""

        def load(snapshot: Snapshot) -> dict[str, Encoder]:
            models = snapshot.commit.models.items()
            wanted = {name: model for name, model in models if model != given}
            return {model.fingerprint: self._asked(name, model) for name, model in wanted.items()}

        return self._in_one_version(load)

    def _current(self) -> Snapshot:
        """The last finished write; read anew only if there was one since."""
        self._check_process()
        with self._lock:
            signature = signature_of(self.path)
            if self._snapshot is None or self._snapshot.signature != signature:
                before, self._snapshot = self._snapshot, None
                # Frees the vectors before the new ones are read.
                indexes = {} if before is None else before.forget()
                self._snapshot = take_snapshot(self.path, indexes)
                models = self._snapshot.commit.models.values()
                for fingerprint in self._encoders.keys() - {model.fingerprint for model in models}:
                    del self._encoders[fingerprint]
            return self._snapshot

    def _check_process(self) -> None:
        """LanceDB's threads do not survive a fork: what was opened before it would hang."""
        if os.getpid() != self._process:
            raise SpaceError(
                f"{self.path} was opened before this process was forked; open it anew here, or "
                "start processes by multiprocessing's 'spawn'"
            )

    # --- Writing ---------------------------------------------------------------------------------

    def _check_writable(self) -> None:
        """See that the rows are here before anything is encoded."""
        self._check_process()
        commit = newest_commit(self.path)
        if commit is not None and commit.milvus is not None:
            raise refuse_to_write(self.path, commit.milvus)

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
        self._check_writable()
        encoders = self._encoders_but(None)
        added = add_documents(self.path, self.manifest, encoders, self._asked, documents, timeout)
        self._keep_index()
        return added

    def add_arrow(
        self, table: Any, *, fingerprint: str | None = None, timeout: float = LOCK_TIMEOUT
    ) -> Added:
        """Add the rows of an Arrow table; a document whose id is there already is replaced.

        Parameters
        ----------
        table : pyarrow.Table, pyarrow.RecordBatchReader, or a data frame with an Arrow stream
            Columns `document_id`, `text`, and optionally `title` and `source`; every other one
            is metadata, in which nulls are missing. A row is a document, which is cut into
            passages. With `vector`, or with `passage_id` and `position`, a row is a passage and
            stays as it is; those of one document follow each other. Vectors are taken as given.
        fingerprint : str or None
            Of the encoder that made the vectors; it must be that of one of this space's models.
            What `to_arrow` gives brings its own.
        timeout : float
            Seconds to wait for another process that writes.

        Raises
        ------
        CorpusError
            If a column is missing or holds what it cannot, two documents have one id, or a value
            does not fit its field's type.
        ConfigError
            If the vectors are of another encoder, or of an unknown one.
        SpaceLockedError
            If another process writes for longer than `timeout`.
        SpaceError
            If the disk is full. In each case the space is as it was.
        """
        reader = as_reader(table)
        models = self.models
        model = model_of_table(reader.schema, models.values(), fingerprint)
        if not holds_passages(reader.schema):
            return self.add(table_documents(reader), timeout)
        self._check_writable()
        added = add_passages(
            self.path,
            self.manifest,
            self._encoders_but(model),
            self._asked,
            table_passages(reader, 0 if model is None else model.dim),
            None if model is None else model.fingerprint,
            timeout,
        )
        self._keep_index()
        return added

    def delete(
        self,
        document_ids: Iterable[str] | None = None,
        *,
        where: Given | None = None,
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

        self._check_writable()
        n_deleted = delete_documents(
            self.path,
            self.manifest,
            document_ids,
            None if where is None else predicate,
            timeout,
        )
        self._keep_index()
        return n_deleted

    def set_dense_weight(
        self, weight: float | None, timeout: float = LOCK_TIMEOUT, model: str | None = None
    ) -> None:
        """Let meaning count so much in hybrid searches that say nothing else; kept in the space.

        Parameters
        ----------
        weight : float or None
            0 or more, beside 1 for words; None for what the model came with.
            `tuning.tune_dense_weight` finds the best one for judged queries.
        timeout : float
            Seconds to wait for another process that writes.

        Raises
        ------
        ConfigError
            If the weight is negative.
        SpaceLockedError
            If another process writes for longer than `timeout`.
        """
        set_dense_weight(self.path, weight, timeout, model)

    def index(
        self,
        config: IndexConfig | None = None,
        timeout: float = LOCK_TIMEOUT,
        model: str | None = None,
    ) -> IndexRecord | None:
        """Make the index of the vectors, and measure what share of the nearest it finds.

        It is made beside readers and writers, and goes on where an earlier call was stopped.
        Where an index of these settings is there, what is new is added to it.

        Parameters
        ----------
        config : IndexConfig or None
            None takes the settings of the index that is there, or the defaults.
        timeout : float
            Seconds to wait for another process that writes, where the index is Lance's own.

        Returns
        -------
        IndexRecord or None
            Its kind, effort and measured recall; None where all vectors are compared in memory,
            which needs no index.

        Raises
        ------
        SpaceLockedError
            If another process is making it.
        SpaceError
            If the disk is full. The index there was stays.
        """
        self._check_writable()
        name, _ = model_named(self.path, self._current().commit, model)
        with disk_errors(self.path, "write the index"):
            record = self._index(name, config, timeout)
        with self._lock:
            self._snapshot = None
        return record

    def _index(self, model: str, config: IndexConfig | None, timeout: float) -> IndexRecord | None:
        vectors = self._current().vectors(model)
        encoder = self.encoders[model]
        given = config or settings_of(vectors)
        kind = kind_for(vectors, given)
        if kind == "lance":
            started = time.monotonic()
            index_in_store(self.path, vectors.column, drop=False, timeout=timeout)
            seconds = time.monotonic() - started
            return self._in_one_version(
                lambda now: measure_in_store(now.vectors(model), encoder, given, seconds)
            )
        record = None
        if kind is None:
            remove_index(vectors)
        else:
            record = self._in_one_version(
                lambda now: index_in_files(now.vectors(model), encoder, kind, given)
            )
        if self._in_one_version(lambda now: now.local_store.has_vector_index(vectors.column)):
            index_in_store(self.path, vectors.column, drop=True, timeout=timeout)
        return record

    def _keep_index(self) -> None:
        """After a write: index if it is due. What goes wrong here undoes nothing."""
        try:
            for model in self.models:
                self._keep_index_of(model)
        except SpaceLockedError:
            pass  # whoever makes it will do
        except RowspaceError as error:
            _logger.warning("what was written is kept, but the index could not be made: %s", error)

    def _keep_index_of(self, model: str) -> None:
        with disk_errors(self.path, "write the index"):
            due = self._in_one_version(lambda now: keep_rows_up(now.vectors(model)))
        if due is not None:
            _logger.info("%s: making the index, since %s", self.path, due)
            self.index(model=model)

    # --- Handing on ------------------------------------------------------------------------------

    def to_arrow(
        self,
        columns: Sequence[str] | None = None,
        where: Given | None = None,
        model: str | None = None,
    ) -> pa.RecordBatchReader:
        """The passages as an Arrow table, streamed, all of one version of the space.

        Parameters
        ----------
        columns : sequence of str or None
            Some of `document_id`, `passage_id`, `position`, `title`, `text`, `source`, the
            metadata fields by their names, `metadata` (JSON of what no field's column holds as it
            was), and `vector` (float32, of any length, as the encoder gave it). None gives all.
        where : str or Filter or sequence of these, or None
            Only the passages that meet a filter.
        model : str or None
            Whose vectors; None takes the default's.

        Returns
        -------
        pyarrow.RecordBatchReader
            Its schema's metadata names the encoder, which `add_arrow` looks at. Reading on raises
            SpaceError if another process compacted the space meanwhile.

        Raises
        ------
        ConfigError
            If there is no such column.
        FilterError
            If the filter does not parse or names an unknown field.
        """
        return read_passages(self._current(), model, columns, where)

    def export(
        self,
        path: Path | str,
        *,
        where: Given | None = None,
        model: str | None = None,
        config: ExportConfig | None = None,
        **settings: Any,
    ) -> Exported:
        """Write the passages to a file for other programs, all of one version of the space.

        Parameters
        ----------
        path : path
            Its suffix tells the format: .parquet and .arrow are tables as of `to_arrow`; .faiss
            and .hnsw are indexes of FAISS and hnswlib. An index numbers the passages, and which
            they are is in a file beside it, with `.ids.jsonl` after its name.
        where : str or Filter or sequence of these, or None
            Only the passages that meet a filter.
        model : str or None
            Whose vectors; None takes the default's.
        config : ExportConfig, optional
        **settings
            Fields of ExportConfig, instead of `config`.

        Raises
        ------
        ConfigError
            If the suffix is not known, or a setting does not go with the format.
        FilterError
            If the filter does not parse or names an unknown field.
        SpaceError
            If there is no such passage, or the file cannot be written.
        MissingExtraError
            If hnswlib is wanted and not installed.
        """
        if config is None:
            config = ExportConfig(**settings)
        elif settings:
            raise ConfigError("give a config or settings, not both")
        return export_passages(self._current, model, Path(path), where, config)

    def export_to_milvus(
        self,
        path: Path | str,
        uri: str,
        *,
        collection: str | None = None,
        index: str | None = None,
        words: bool = True,
        where: Given | None = None,
        model: str | None = None,
    ) -> ExportedRows:
        """Write the passages to a collection of Milvus, and a folder that searches them there.

        They are read back and compared, and only then get the collection's name. A call that was
        stopped goes on when it is made again.

        Parameters
        ----------
        path : path
            The folder, which `open_space` and all commands that search take for a space. One
            that an earlier call wrote for the same collection is brought up to date.
        uri : str
            `http://host:19530`, or a file of Milvus Lite that ends in `.db`. A server's token is
            taken from the environment, ROWSPACE_MILVUS_TOKEN.
        collection : str or None
            Its name; the folder's without its suffix if not given.
        index : {"FLAT", "AUTOINDEX", "HNSW", "IVF_FLAT", "IVF_RABITQ", "DISKANN"} or None
            Of the vectors; None compares all up to 200,000 and takes HNSW beyond.
        words : bool
            Whether passages can be found by their words too.
        where : str or Filter or sequence of these, or None
            Only the passages that meet a filter.
        model : str or None
            Whose vectors; None takes the default's.

        Returns
        -------
        ExportedRows

        Raises
        ------
        ConfigError
            If the address or a name cannot be, or is taken.
        CorpusError
            If a text is longer than Milvus holds.
        RemoteError
            If Milvus does not answer, or refuses.
        SpaceLockedError
            If another process has the file of Milvus Lite open.
        MissingExtraError
            If pymilvus is not installed.
        """
        from rowspace.search.milvus.export import MilvusConfig, export_to_milvus

        must_be_here(self.path, "put its passages into Milvus")
        config = MilvusConfig(uri=uri, collection=collection, index=index, words=words)
        return export_to_milvus(self._current, self.manifest, Path(path), config, model, where)

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
        return self._reembed(change, resume, timeout)

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
        return self._reembed(change, resume, timeout)

    def _reembed(self, change: Change, resume: bool, timeout: float) -> ModelState:
        self._check_writable()
        must_be_here(self.path, "encode its passages anew")
        model = reembed(self.path, self.manifest, change, resume, timeout)
        self._keep_index()
        return model

    def remove_model(self, name: str, *, timeout: float = LOCK_TIMEOUT) -> None:
        """Remove a model, its vectors and its folder.

        Raises
        ------
        ConfigError
            If there is no such model.
        SpaceError
            If it is the default.
        """
        self._check_writable()
        remove_model(self.path, self.manifest, name, timeout)
        self._keep_index()

    def choose_default(self, name: str, *, timeout: float = LOCK_TIMEOUT) -> None:
        """Make a model the one that searches take where none is named.

        Raises
        ------
        ConfigError
            If there is no such model.
        """
        self._check_writable()
        choose_default(self.path, name, timeout)

    # --- Looking after ---------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What the space holds and in which state it is."""
        return self._in_one_version(lambda now: status(now, self.manifest))

    def verify(self) -> list[str]:
        """Check every byte of every file, and that passages and vectors are whole.

        Returns
        -------
        list of str
            What is wrong, one line each; empty if all is well.
        """
        return verify(self.path)

    def compact(self, timeout: float = LOCK_TIMEOUT) -> None:
        """Write the store anew: in few pieces, without deleted passages and older versions.

        A write does so by itself when it is due; `status` tells. It needs as much room on the
        disk as the store has now, and takes at most `store.COMPACT_MEMORY_SHARE` of the free
        memory.

        Raises
        ------
        SpaceLockedError
            If another process writes for longer than `timeout`.
        SpaceError
            If the disk is full; then the space is as it was.
        """
        self._check_writable()
        compact_space(self.path, self.manifest, timeout)
        self._keep_index()

    def repair(self, sources: Sequence[Path | str] = (), timeout: float = LOCK_TIMEOUT) -> Repaired:
        """Put right what is damaged; `repair.repair` does it for a space that does not open.

        Parameters
        ----------
        sources : sequence of path
            Folders in which to look for whole copies of damaged files, at any depth.
        timeout : float
            Seconds to wait for another process that writes.
        """
        self._check_process()
        must_be_here(self.path, "repair it")
        return repair(self.path, sources, timeout)


class _Encoders(Mapping[str, Encoder]):
    """The encoders of a space's models by name."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def __getitem__(self, name: str) -> Encoder:
        if name not in self._space.models:
            raise KeyError(name)
        return self._space._in_one_version(lambda found: self._space._encoder_in(found, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._space.models)

    def __len__(self) -> int:
        return len(self._space.models)


def open_space(
    path: Path | str, encoder: Encoder | None = None, load: LoadEncoder = load_encoder
) -> Space:
    """Open a space to search or change it.

    Every file's size is checked, and the content of the small ones; `Space.verify` checks all.

    Parameters
    ----------
    path : path or str
        The space's folder, or its address, as `s3://bucket/docs.space`.
    encoder : Encoder or None
        Used in place of loading that of the default model; it must be the one that made its
        vectors.
    load : callable
        Reads a model's encoder, given the space's folder and the model.

    Raises
    ------
    SpaceError
        If there is no space at `path`, or its build is not finished.
    SpaceVersionError
        If a newer Rowspace wrote it.
    SpaceCorruptError
        If its files are damaged; the message names the file.
    """
    path = locate(path)
    space = Space(path, read_manifest(path), encoder, load)
    space._current()
    return space
