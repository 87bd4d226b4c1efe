"""What changes a space: making it, adding documents, deleting them. One process at a time.

A write takes the lock, clears what an earlier one left unfinished, changes the store, flushes and
hashes the new files, and only then replaces `commit.json`. Stopped anywhere, it leaves the space
as it was. Documents are encoded before the lock is taken, with every model of the space, into a
temporary file, so that others wait for the store alone.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError, SpaceCorruptError, SpaceError
from rowspace.files import WriterLock, write_json
from rowspace.progress import track
from rowspace.search.commit import (
    Commit,
    files_with,
    find_damage,
    flush_and_hash,
    model_named,
    put_right,
    read_commit,
    remove_leftovers,
    scan,
    store_bytes,
    write_commit,
)
from rowspace.search.fields import (
    BUILT_IN,
    Field,
    FieldTypes,
    clean,
    extend_fields,
    field_of,
)
from rowspace.search.lexical import check_language
from rowspace.search.manifest import (
    FORMAT,
    MANIFEST,
    EncoderInfo,
    Manifest,
    check_kind,
    is_space,
    read_manifest,
)
from rowspace.search.milvus.record import refuse_to_write
from rowspace.search.model_state import DEFAULT_MODEL, ModelState, first_model
from rowspace.search.request import check_dense_weight
from rowspace.search.store import (
    Again,
    Store,
    base_schema,
    content,
    disk_errors,
    field_schema,
    open_store,
    to_batch,
    vector_array,
    with_fields,
)
from rowspace.space.encoder import Encoder, encode_documents
from rowspace.text.corpus import Document
from rowspace.text.passages import Passage, split_passages
from rowspace.version import __version__

LOCK_TIMEOUT = 60.0
"""Seconds that a write waits for another one."""
ENCODE_ROWS = 512
SPOOL_BYTES = 1 << 25
"""Encoded passages up to this size wait in memory, more on the disk."""
MAX_FRAGMENTS = 32
FREE_GROWTH = 1 << 25
"""Bytes that a store may grow by before it is compacted, beyond doubling."""

Batches = Iterable[tuple[list[Passage], NDArray[np.float32]]]
Models = Mapping[str, ModelState]
Encoders = Mapping[str, Encoder]
"""Of the models that a space has, by fingerprint."""
EncoderOf = Callable[[str, ModelState], Encoder]
"""Gives the encoder of a model that a space has got since, by its name and state."""
FillStore = Callable[[Models, Mapping[str, Field]], Store]
"""Makes the first version of a space's store, for its models and metadata fields."""


@dataclass(frozen=True)
class Added:
    """What an addition did."""

    documents: int
    passages: int
    replaced: int
    """Documents that were there before and were replaced."""
    empty: tuple[str, ...]
    """Documents without text: nothing of them is kept."""
    truncated: int = 0
    """Passages whose end the encoder did not read, though it is found by its words."""


# --- Making a space ------------------------------------------------------------------------------


def create_space(
    path: Path | str,
    encoder: Encoder,
    batches: Batches,
    *,
    encoder_kind: str,
    field_types: Mapping[str, str],
    language: str | None = "english",
    max_words: int = 120,
    dense_weight: float = 1.0,
    details: Mapping[str, Any] | None = None,
) -> Manifest:
    """Make a space in a folder that already holds the encoder in `model/`.

    Parameters
    ----------
    path : path
        Its folder. A `store/` without `space.json` in it is of a build that stopped, and is
        made anew.
    encoder : Encoder
        What made the vectors.
    batches : iterable of (list of Passage, (n, dim) float32 array)
        All passages of one document in a row; a vector is of `content(title, text)`.
    encoder_kind : str
        A key of `manifest.ENCODERS`.
    field_types : mapping of str to str
        The type of each metadata field, from `FieldTypes.types()`.
    language : str or None
        What to stem and stop the text by; None for neither.
    max_words : int
        The length of a passage, for documents added later.
    dense_weight : float
        How much the ranking by meaning counts in a hybrid search, beside 1 for that by words.
    details : mapping or None
        What `status` shows of the encoder: vocabulary size, words trained on.

    Raises
    ------
    SpaceError
        If there is a space already, or the disk is full.
    CorpusError
        If two documents have one id, or there is no passage.
    ConfigError
        If the language or the kind is not known.
    """
    path = Path(path)

    def fill(models: Models, fields: Mapping[str, Field]) -> Store:
        shutil.rmtree(path / "store", ignore_errors=True)
        rows = _rows(batches, fields, models[DEFAULT_MODEL])
        return Store.create(path / "store", row_schema(models, fields), rows)

    return create_space_of(
        path,
        encoder,
        fill,
        encoder_kind=encoder_kind,
        field_types=field_types,
        language=language,
        max_words=max_words,
        dense_weight=dense_weight,
        details=details,
    )


def create_space_of(
    path: Path,
    encoder: Encoder,
    fill: FillStore,
    *,
    encoder_kind: str,
    field_types: Mapping[str, str],
    language: str | None,
    max_words: int,
    dense_weight: float,
    details: Mapping[str, Any] | None,
) -> Manifest:
    """As `create_space`, of a store that `fill` makes for these models and metadata fields."""
    if is_space(path):
        raise SpaceError(f"{path} is a space already; give another folder, or `rowspace add` to it")
    manifest = Manifest(
        rowspace=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        encoder=EncoderInfo(
            kind=check_kind(encoder_kind),
            dim=encoder.dim,
            fingerprint=encoder.fingerprint,
            details=dict(details or {}),
        ),
        language=check_language(language),
        max_words=max_words,
        dense_weight=dense_weight,
    )
    path.mkdir(parents=True, exist_ok=True)
    with WriterLock(path / "lock", 0.0, str(path)), disk_errors(path, "write the space"):
        models = {DEFAULT_MODEL: first_model(asdict(manifest))}
        fields = _to_fields(field_types)
        _publish_first(path, manifest, fill(models, fields), models, fields)
        write_json(path / MANIFEST, {"format": FORMAT} | asdict(manifest))
        commit = read_commit(path)
        write_commit(path, replace(commit, files=flush_and_hash(path, commit.files)))
    return manifest


def _to_fields(types: Mapping[str, str]) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for name, type_ in types.items():
        if name not in BUILT_IN:
            fields[name] = field_of(name, type_, fields)
    return fields


def _publish_first(
    path: Path,
    manifest: Manifest,
    store: Store,
    models: dict[str, ModelState],
    fields: dict[str, Field],
) -> None:
    if store.count() == 0:
        raise CorpusError("the corpus has no text in it; give documents with words")
    store.index_text(manifest.language)
    empty = Commit(version=0, passages=0, documents=0, fields=fields, files={}, models=models)
    write_commit(path, _compacted(publish(path, store, empty), store))


def row_schema(models: Models, fields: Mapping[str, Field]) -> pa.Schema:
    """The columns of a space with these models and metadata fields."""
    dims = {model.column: model.dim for model in models.values()}
    return pa.schema([*base_schema(dims), *field_schema(fields)])


def _rows(
    batches: Batches, fields: Mapping[str, Field], model: ModelState
) -> Iterator[pa.RecordBatch]:
    seen: set[str] = set()
    last = None
    for passages, vectors in batches:
        if vectors.shape != (len(passages), model.dim):
            raise ConfigError(
                f"{len(passages)} passages came with vectors of shape {vectors.shape}; "
                f"give ({len(passages)}, {model.dim})"
            )
        for passage in passages:
            if passage.document_id != last:
                last = passage.document_id
                _note_id(last, seen)
        if passages:
            batch = to_batch(passages, {model.column: vectors})
            yield with_fields(batch, [p.metadata for p in passages], fields)


def _note_id(document_id: str, seen: set[str]) -> None:
    if document_id in seen:
        raise CorpusError(
            f"two documents have the id {document_id!r}; give each its own, nothing was changed"
        )
    seen.add(document_id)


# --- Changing a space ----------------------------------------------------------------------------


def add_documents(
    path: Path,
    manifest: Manifest,
    encoders: Encoders,
    encoder_of: EncoderOf,
    documents: Iterable[Document],
    timeout: float,
) -> Added:
    """Add documents, each replacing the one with its id. See `Space.add`."""

    def fill(spool: _Spool) -> None:
        _encode(documents, manifest, encoders, spool)

    return _add(path, manifest, encoder_of, timeout, fill)


def add_passages(
    path: Path,
    manifest: Manifest,
    encoders: Encoders,
    encoder_of: EncoderOf,
    batches: Iterable[tuple[list[Passage], NDArray[np.float32] | None]],
    given: str | None,
    timeout: float,
) -> Added:
    """Add passages as they are, all of one document in a row.

    Parameters
    ----------
    path : Path
    manifest : Manifest
    encoders : mapping of str to Encoder
        Those that are asked for vectors.
    encoder_of : callable
    batches : iterable of (list of Passage, (n, dim) float32 array or None)
    given : str or None
        The fingerprint of the model whose vectors come with the passages.
    timeout : float
    """

    def fill(spool: _Spool) -> None:
        _take(batches, encoders, given, spool)

    return _add(path, manifest, encoder_of, timeout, fill)


def _add(
    path: Path,
    manifest: Manifest,
    encoder_of: EncoderOf,
    timeout: float,
    fill: Callable[[_Spool], None],
) -> Added:
    """Add what `fill` puts into the spool, before the lock is taken."""
    with disk_errors(path, "add documents"), _Spool(path) as spool:
        fill(spool)
        with writing(path, timeout) as (commit, store):
            fields = extend_fields(commit.fields, spool.types)
            replaced = store.delete_documents(spool.document_ids)
            if spool.n_passages:
                store.add_fields(fields)
                rows = Again(lambda: spool.batches(fields, commit.models, encoder_of))
                store.append(row_schema(commit.models, fields), rows)
            if replaced or spool.n_passages:
                _finish(path, manifest, commit, store, fields, spool.n_passages)
    return Added(
        documents=len(spool.document_ids) - len(spool.empty),
        passages=spool.n_passages,
        replaced=replaced,
        empty=tuple(spool.empty),
        truncated=max(spool.n_truncated.values(), default=0),
    )


def delete_documents(
    path: Path,
    manifest: Manifest,
    document_ids: Iterable[str] | None,
    predicate: Callable[[Commit], str] | None,
    timeout: float,
) -> int:
    """Delete documents by id or by what they meet. See `Space.delete`."""
    with disk_errors(path, "delete documents"), writing(path, timeout) as (commit, store):
        if document_ids is None:
            assert predicate is not None
            document_ids = list(store.texts("document_id", f"position = 0 AND {predicate(commit)}"))
        n_deleted = store.delete_documents(document_ids)
        if n_deleted:
            _finish(path, manifest, commit, store, commit.fields, n_added=0)
    return n_deleted


def set_dense_weight(
    path: Path, weight: float | None, timeout: float, model: str | None = None
) -> None:
    """Change what meaning counts in a hybrid search. See `Space.set_dense_weight`."""
    check_dense_weight(weight)
    with disk_errors(path, "set the weight"), writing(path, timeout) as (commit, _):
        name, state = model_named(path, commit, model)
        models = commit.models | {name: replace(state, set_weight=weight)}
        write_commit(path, replace(commit, models=models))


def index_in_store(path: Path, column: str, *, drop: bool, timeout: float) -> None:
    """Make Lance's own index of a column's vectors, or drop it, as one write."""
    with disk_errors(path, "index the vectors"), writing(path, timeout) as (commit, store):
        if drop:
            store.drop_vector_index(column)
        else:
            store.index_vectors(column)
        publish(path, store, commit)


@contextlib.contextmanager
def writing(path: Path, timeout: float) -> Iterator[tuple[Commit, Store]]:
    """Hold the lock on a space whose store is as the last commit left it."""
    with writer_lock(path, timeout):
        read_manifest(path)
        commit = read_commit(path)
        if commit.milvus is not None:
            raise refuse_to_write(path, commit.milvus)
        put_right(path, commit)
        for damage in find_damage(path, commit):
            raise damage.error
        remove_leftovers(path, commit)
        try:
            yield commit, open_to_write(path, commit)
        except BaseException:
            with contextlib.suppress(OSError, SpaceError):  # the next writer would do it too
                remove_leftovers(path, read_commit(path))
            raise


@functools.singledispatch
def writer_lock(path: Path, timeout: float) -> contextlib.AbstractContextManager[object]:
    """What one writer of the space at `path` holds at a time."""
    return WriterLock(path / "lock", timeout, str(path))


@functools.singledispatch
def open_to_write(path: Path, commit: Commit) -> Store:
    """The store, whose newest version is the committed one."""
    store = open_store(path)
    if store.version != commit.version:
        raise SpaceCorruptError(
            f"the store of {path} is at version {store.version} where {commit.version} was "
            "committed; restore the space from a backup, or build it again"
        )
    return store


def _finish(
    path: Path,
    manifest: Manifest,
    commit: Commit,
    store: Store,
    fields: dict[str, Field],
    n_added: int,
) -> None:
    """Bring the index up to date, then commit.

    The index is built anew at each write of a small space, so that its scores are BM25's; in a
    larger one when a hundredth of it, at most 2,000 passages, has changed.
    """
    n = store.count()
    n_deleted = commit.passages + n_added - n
    changed = commit.changed + n_added + n_deleted
    state = replace(commit, fields=fields, changed=changed, deleted=commit.deleted + n_deleted)
    if is_due(path, store, commit):
        _compact(path, manifest, state, store)
        return
    if changed > (0 if n < 10_000 else min(2_000, n // 100)):
        store.index_text(manifest.language)
        state = replace(state, changed=0)
    publish(path, store, state)


def is_due(path: Path, store: Store, commit: Commit) -> bool:
    """Whether a compaction would pay: many pieces, or a store twice as large as after the last."""
    n_new = store.count_fragments() - commit.compact_fragments + 1
    return (
        n_new > MAX_FRAGMENTS
        or size_of_store(path, commit) > 2 * commit.compact_bytes + FREE_GROWTH
    )


@functools.singledispatch
def size_of_store(path: Path, commit: Commit) -> int:
    """Bytes of the store's files, committed or not."""
    return sum(file.stat().st_size for file in (path / "store").rglob("*") if file.is_file())


def publish(path: Path, store: Store, state: Commit) -> Commit:
    """Commit what the store holds now: `state` with its version, its counts and all files."""
    commit = replace(
        state,
        version=store.version,
        passages=store.count(),
        documents=store.count_documents(),
        files=files_with(flush_and_hash(path, state.files), state.models),
    )
    write_commit(path, commit)
    return commit


# --- Compaction ----------------------------------------------------------------------------------


def compact_space(path: Path, manifest: Manifest, timeout: float) -> None:
    """Write the store anew, without what no search needs. See `Space.compact`."""
    with disk_errors(path, "compact the space"), writing(path, timeout) as (commit, store):
        _compact(path, manifest, commit, store)


def _compact(path: Path, manifest: Manifest, state: Commit, store: Store) -> None:
    publish_anew(path, manifest, state, store, store.compact)


def publish_anew(
    path: Path, manifest: Manifest, state: Commit, store: Store, write: Callable[[], None]
) -> None:
    """Commit `state` with the store as `write` writes it anew, and remove what there was."""
    old = [name for name, _ in scan(path) if name.startswith("store/")]
    indexed = store.indexed_vectors()
    write()
    columns = [column for column in indexed if column in store.schema.names]
    index_anew(store, manifest.language, columns)
    commit = publish(path, store, replace(state, changed=0, settled=False))
    # Only now: until the commit above, the old version was the one that counts.
    remove_old_files(path, old)
    files = {name: kept for name, kept in commit.files.items() if name not in set(old)}
    write_commit(path, _compacted(replace(commit, settled=True, files=files), store))


def index_anew(store: Store, language: str | None, columns: Iterable[str]) -> None:
    """Build all indexes in the store: of the text, and of these columns' vectors."""
    store.index_text(language)
    for column in columns if store.count() else ():
        store.index_vectors(column)


def _compacted(commit: Commit, store: Store) -> Commit:
    return replace(
        commit,
        compact_bytes=store_bytes(commit.files),
        compact_fragments=store.count_fragments(),
        deleted=0,
    )


@functools.singledispatch
def remove_old_files(path: Path, names: Iterable[str]) -> None:
    """Remove files of versions before a compaction, and the folders that this leaves empty."""
    for name in names:
        (path / name).unlink(missing_ok=True)
    for folder in {(path / name).parent for name in names}:
        with contextlib.suppress(OSError):  # it is not empty
            folder.rmdir()


# --- Encoding ahead ------------------------------------------------------------------------------


@dataclass
class _Spool:
    """Encoded passages waiting to be written, and what was learnt of them."""

    path: Path
    types: FieldTypes = field(default_factory=FieldTypes)
    document_ids: dict[str, None] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    n_passages: int = 0
    n_truncated: Counter[str] = field(default_factory=Counter)
    """By the encoder's fingerprint, as the columns of vectors are called here."""

    def __enter__(self) -> _Spool:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=str(self.path))
        self._writer: pa.RecordBatchStreamWriter | None = None
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, passages: list[Passage], vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Append passages with their (n, dim) vectors, by fingerprint."""
        batch = to_batch(passages, vectors)
        if self._writer is None:
            self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, "w"), batch.schema)
        self._writer.write_batch(batch)
        self.n_passages += batch.num_rows

    def batches(
        self, fields: Mapping[str, Field], models: Models, encoder_of: EncoderOf
    ) -> Iterator[pa.RecordBatch]:
        """What was written, with the vectors of `models` and the typed columns of `fields`.

        A model that the space has got since is asked now.
        """
        if self._writer is None:
            return
        self._writer.close()
        self._file.seek(0)
        for batch in pa.ipc.open_stream(pa.PythonFile(self._file, "r")):
            metadata = [json.loads(text) for text in batch["metadata"].to_pylist()]
            arrays = [batch[name] for name in base_schema({}).names]
            arrays += [_vectors(batch, name, models[name], encoder_of) for name in models]
            rows = pa.RecordBatch.from_arrays(arrays, schema=row_schema(models, {}))
            yield with_fields(rows, metadata, fields)


def _vectors(batch: pa.RecordBatch, name: str, model: ModelState, encoder_of: EncoderOf) -> Any:
    """The column of a model's vectors, of a batch whose columns have encoders' fingerprints."""
    if model.fingerprint in batch.schema.names:
        return batch[model.fingerprint]
    vectors, _ = encode_documents(encoder_of(name, model), batch["content"].to_pylist())
    return vector_array(vectors, batch["document_id"].to_pylist())


def _encode(
    documents: Iterable[Document], manifest: Manifest, encoders: Encoders, spool: _Spool
) -> None:
    waiting: list[Passage] = []
    with track("encoding documents") as tracker:
        for document in documents:
            _note(document, spool)
            passages = list(split_passages(document, manifest.max_words))
            if not passages:
                spool.empty.append(document.document_id)
            waiting += passages
            if len(waiting) >= ENCODE_ROWS:
                _write_encoded(waiting, encoders, spool, {})
                waiting = []
            tracker.advance()
        if waiting:
            _write_encoded(waiting, encoders, spool, {})


def _take(
    batches: Iterable[tuple[list[Passage], NDArray[np.float32] | None]],
    encoders: Encoders,
    given: str | None,
    spool: _Spool,
) -> None:
    last = None
    with track("reading passages") as tracker:
        for passages, vectors in batches:
            for passage in passages:
                if passage.document_id != last:
                    last = passage.document_id
                    _note(passage, spool)
                spool.types.observe(passage.document_id, passage.metadata)
            there = {} if vectors is None or given is None else {given: vectors}
            _write_encoded(passages, encoders, spool, there)
            tracker.advance(len(passages))


def _note(document: Document | Passage, spool: _Spool) -> None:
    document_id = clean(document.document_id)
    if document_id in spool.document_ids:
        raise CorpusError(
            f"two documents have the id {document_id!r}; give each its own, nothing was changed"
        )
    spool.document_ids[document_id] = None
    spool.types.observe(document_id, document.metadata)


def _write_encoded(
    passages: list[Passage],
    encoders: Encoders,
    spool: _Spool,
    there: Mapping[str, NDArray[np.float32]],
) -> None:
    """Spool passages with the vectors that are `there`, and those of `encoders`."""
    for start in range(0, len(passages), ENCODE_ROWS):
        rows = slice(start, start + ENCODE_ROWS)
        part = passages[rows]
        texts = [content(p.title, p.text) for p in part]
        vectors = {fingerprint: matrix[rows] for fingerprint, matrix in there.items()}
        for fingerprint, encoder in encoders.items():
            vectors[fingerprint], n_truncated = encode_documents(encoder, texts)
            spool.n_truncated[fingerprint] += n_truncated
        spool.write(part, vectors)
