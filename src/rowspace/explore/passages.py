"""The passages of a space as points, all of one version of it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rowspace.errors import ConfigError, SpaceChangedError, SpaceCorruptError
from rowspace.explore.points import Matrix, Rows
from rowspace.explore.space_vectors import SpaceVectors
from rowspace.search.filters import any_of
from rowspace.search.hit import Hit
from rowspace.search.snapshot import Snapshot, signature_of
from rowspace.search.space import Space
from rowspace.search.store import ROW_ID, Row, RowIds, content

LABEL = 80
"""Characters of a text that are in a label."""
LENGTH, SOURCE = "length", "source"
"""Facts that every passage has: characters of its text, the file it is from."""

_KINDS = {"int": "number", "float": "number", "bool": "category", "string": "category"}
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?")
_LOOKED_AT = 200


class PassagePoints:
    """Passages; satisfies `Points`.

    Parameters
    ----------
    space : Space
    snapshot : Snapshot
        Its version that is shown.
    model : str
        Whose vectors.
    kind : str
        "documents" where every document is one passage.
    """

    def __init__(
        self, space: Space, snapshot: Snapshot, model: str, kind: str = "passages"
    ) -> None:
        self.space, self.snapshot, self.model, self.kind = space, snapshot, model, kind
        self._lock, self._vectors_lock = threading.Lock(), threading.Lock()
        self._vectors: SpaceVectors | None = None

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of the version of the space and the model."""
        return fingerprint(self.snapshot, self.model, self.kind)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.snapshot.commit.models[self.model].dim

    def __len__(self) -> int:
        return self.snapshot.commit.passages

    @property
    def row_ids(self) -> RowIds:
        """(n,) the row id in the store of each, ascending; read when they are first asked for."""
        with self._lock:
            return self._read_row_ids

    @functools.cached_property
    def _read_row_ids(self) -> RowIds:
        with self._one_version():
            return self.snapshot.store.all_row_ids()

    @property
    def space_vectors(self) -> SpaceVectors:
        """The vectors, read when they are first asked for: what shows texts goes without."""
        row_ids = self.row_ids
        with self._vectors_lock:
            return self._read_vectors(row_ids)

    def _read_vectors(self, row_ids: RowIds) -> SpaceVectors:
        if self._vectors is None:
            with self._one_version():
                self._vectors = SpaceVectors(self.snapshot, self.model, row_ids)
        return self._vectors

    @contextlib.contextmanager
    def _one_version(self) -> Iterator[None]:
        """Say so where a writer removed this version under us, as a compaction does."""
        try:
            yield
        except SpaceCorruptError as error:
            path = self.snapshot.path
            if signature_of(path) == self.snapshot.signature:
                raise
            raise SpaceChangedError(
                f"{path.name} has changed meanwhile; load the page again"
            ) from error

    def _scan(self, columns: list[str], predicate: str | None = None) -> Iterator[pa.RecordBatch]:
        with self._one_version():
            yield from self.snapshot.store.scan(columns, predicate)

    def vectors(self, rows: Rows | None = None) -> Matrix:
        """As `Points.vectors`."""
        return self.space_vectors.all() if rows is None else self.space_vectors.take(rows)

    def nearest(self, queries: Matrix, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """As `Points.nearest`."""
        return self.space_vectors.nearest(queries, min(k, len(self)))

    def stored(self, rows: Rows) -> list[Row]:
        """The passages at some rows."""
        with self._one_version():
            return self.snapshot.store.fetch(self.row_ids[rows])

    def labels(self, rows: Rows) -> list[str]:
        """Each passage's title and the beginning of its text."""
        return [label(row) for row in self.stored(rows)]

    def details(self, rows: Rows) -> list[dict[str, Any]]:
        """Each passage as a search shows it."""
        return [details(row) for row in self.stored(rows)]

    def texts(self, rows: Rows) -> list[str]:
        """Titles and texts."""
        return [content(row.title, row.text) for row in self.stored(rows)]

    def find(self, query: str, k: int) -> list[tuple[int, float | None]]:
        """The document or passage of that id, then what a search finds."""
        ids = any_of("passage_id", [query]) + " OR " + any_of("document_id", [query])
        found: dict[int, float | None] = dict.fromkeys(self._rows_where(ids).values())
        hits = self.space.search(query, k, model=self.model)
        rows = self._rows_of(hits)
        found |= {rows[h.passage_id]: h.score for h in hits if h.passage_id in rows}
        return list(found.items())[:k]

    def _rows_of(self, hits: list[Hit]) -> dict[str, int]:
        """The row of each hit that this version has, by its passage's id."""
        return self._rows_where(any_of("passage_id", [hit.passage_id for hit in hits]))

    def _rows_where(self, predicate: str) -> dict[str, int]:
        """Rows that meet a predicate, by passage id."""
        if predicate.endswith("()"):
            return {}
        found: dict[str, int] = {}
        for batch in self._scan([ROW_ID, "passage_id"], predicate):
            places = np.searchsorted(self.row_ids, batch[ROW_ID].to_numpy())
            found |= zip(batch["passage_id"].to_pylist(), places.tolist(), strict=True)
        return found

    @functools.cached_property
    def fields(self) -> Mapping[str, str]:
        """The file, the text's length, and the metadata that have a type."""
        known = self.snapshot.commit.fields
        typed = {name: _KINDS[field.type] for name, field in known.items()}
        strings = [name for name, field in known.items() if field.type == "string"]
        return {SOURCE: "category", LENGTH: "number", **typed, **self._dates(strings)}

    def _dates(self, names: list[str]) -> dict[str, str]:
        """Those of some fields of strings that hold dates, as the first passages have them."""
        columns = [self.snapshot.commit.fields[name].column for name in names]
        if not names:
            return {}
        batches = list(islice(self._scan(columns), 1))
        dates = {}
        for name, column in zip(names, columns, strict=True):
            values = [value for batch in batches for value in batch[column].to_pylist() if value]
            if values and all(_DATE.fullmatch(value) for value in values[:_LOOKED_AT]):
                dates[name] = "date"
        return dates

    def values(self, field: str) -> pa.Array:
        """As `Points.values`."""
        if field not in self.fields:
            raise ConfigError(
                f"{self.kind} have no {field!r}; colour by cluster, {', '.join(self.fields)}"
            )
        known = self.snapshot.commit.fields
        if field in known:
            return self.column(known[field].column)
        return self.lengths() if field == LENGTH else self.column(field)

    def lengths(self) -> pa.Array:
        """(n,) characters of each title and text."""
        batches = self._scan([ROW_ID, "content"])
        parts = [(batch[ROW_ID], pc.utf8_length(batch["content"])) for batch in batches]
        table = pa.table(
            {
                ROW_ID: pa.chunked_array([ids for ids, _ in parts], pa.uint64()),
                LENGTH: pa.chunked_array([lengths for _, lengths in parts], pa.int32()),
            }
        )
        return _ascending(table, LENGTH)

    def column(self, name: str) -> pa.Array:
        """(n,) the values of one of the store's columns, by row."""
        schema = pa.schema([(ROW_ID, pa.uint64()), self.snapshot.local_store.schema.field(name)])
        batches = self._scan([ROW_ID, name])
        chosen = (batch.select([ROW_ID, name]) for batch in batches)
        return _ascending(pa.Table.from_batches(chosen, schema), name)


def _ascending(table: pa.Table, name: str) -> pa.Array:
    """A column in the order of the row ids."""
    ids = table[ROW_ID].to_numpy()
    values = table[name].combine_chunks()
    return values if np.all(ids[1:] > ids[:-1]) else values.take(pa.array(np.argsort(ids)))


def fingerprint(snapshot: Snapshot, model: str, kind: str) -> str:
    """Hex digest of a version's passages and a model."""
    commit = snapshot.commit
    rows = sorted(
        state.sha256
        for name, state in commit.files.items()
        if name.startswith("store/") and ("/data/" in name or "/_deletions/" in name)
    )
    parts = (kind, str(commit.version), commit.models[model].fingerprint, *rows)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def label(row: Row) -> str:
    """A passage's title and the beginning of its text, on one line."""
    text = " ".join(row.text[: 2 * LABEL].split())
    short = text if len(text) <= LABEL else text[:LABEL].rsplit(" ", 1)[0] + "…"
    return ": ".join(part for part in (" ".join(row.title.split()), short) if part)


def details(row: Row) -> dict[str, Any]:
    """A passage for people."""
    return {
        "label": label(row),
        "document_id": row.document_id,
        "passage_id": row.passage_id,
        "title": row.title,
        "text": row.text,
        "source": row.source,
        "metadata": row.metadata,
    }
