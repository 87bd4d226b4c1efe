"""A space's rows into a collection of Milvus, and a folder that searches them there.

The rows are read once for their digest, which names the collection, written, and read back for
their digest there. Only then does the collection get the alias that others know it by, and a
collection that had it before is dropped. An export that was stopped goes on when the same command
is run again: rows are written by their key, and those that are there are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, RemoteError, SpaceError
from rowspace.progress import track
from rowspace.search.commit import Commit, model_named
from rowspace.search.filters import Given
from rowspace.search.manifest import EncoderInfo, Manifest
from rowspace.search.milvus import collection as layout
from rowspace.search.milvus.alias import collection_behind, drop_others, take_alias
from rowspace.search.milvus.checking import digest_of
from rowspace.search.milvus.connection import SECONDS, check_uri, connect, is_file, milvus_errors
from rowspace.search.milvus.digest import TEXTS
from rowspace.search.milvus.folder import check_out, write_folder
from rowspace.search.milvus.indexes import IN_LITE, INDEXES, choose_index
from rowspace.search.milvus.record import MilvusRecord
from rowspace.search.milvus.rows import in_batches, rows_of
from rowspace.search.milvus.store import MilvusStore
from rowspace.search.milvus.survey import Survey, read_survey
from rowspace.search.milvus.words import Statistics
from rowspace.search.snapshot import Snapshot, signature_of


@dataclass(frozen=True, kw_only=True)
class MilvusConfig:
    """Settings of an export to Milvus."""

    uri: str
    """http://host:19530 of a server, or a file of Milvus Lite that ends in .db."""
    collection: str | None = None
    """What the collection is called; as the folder that is written if not given."""
    index: str | None = None
    """A key of `indexes.INDEXES`; FLAT to 200,000 passages and HNSW beyond if not given."""
    words: bool = True
    """Whether passages can be found by their words too."""

    def __post_init__(self) -> None:
        check_uri(self.uri)
        if self.collection is not None:
            layout.check_name(self.collection)
        if self.index is not None and self.index not in INDEXES:
            raise ConfigError(f"index is {self.index!r}; give one of {', '.join(INDEXES)}")
        if is_file(self.uri) and self.index not in (None, *IN_LITE):
            raise ConfigError(
                f"Milvus Lite has no index {self.index}; give one of {', '.join(IN_LITE)}, or the "
                "address of a server"
            )


@dataclass(frozen=True)
class ExportedRows:
    """What an export to Milvus wrote."""

    path: str
    """The folder that searches them."""
    uri: str
    collection: str
    index: str
    passages: int
    already_there: int
    """Of them, those that an earlier export which was stopped had written."""
    digest: str


def export_to_milvus(
    current: Callable[[], Snapshot],
    manifest: Manifest,
    out: Path,
    config: MilvusConfig,
    model: str | None = None,
    where: Given | None = None,
) -> ExportedRows:
    """Write a space's passages to Milvus. See `Space.export_to_milvus`.

    Parameters
    ----------
    current : callable
        Gives the newest version of the space.
    manifest : Manifest
    out : Path
        The folder that searches them.
    config : MilvusConfig
    model : str or None
        Whose vectors; None takes the default's.
    where : str or Filter or sequence of these, or None
    """
    config = replace(
        config,
        uri=check_uri(config.uri),
        collection=layout.check_name(config.collection or out.name.partition(".")[0]),
    )
    while True:
        snapshot = current()
        try:
            return _Export(snapshot, manifest, out, config, model, where).run()
        except SpaceError:
            # A writer may have removed the files of this version under us: take the newer.
            if signature_of(snapshot.path) == snapshot.signature:
                raise


class _Export:
    """One run, of one version of the space."""

    def __init__(
        self,
        snapshot: Snapshot,
        manifest: Manifest,
        out: Path,
        config: MilvusConfig,
        model: str | None,
        where: Given | None,
    ) -> None:
        self.snapshot, self.manifest, self.out, self.config = snapshot, manifest, out, config
        assert config.collection is not None
        self.collection = config.collection
        self.store, self.fields = snapshot.store, snapshot.commit.fields
        self.model_name, self.model = model_named(snapshot.path, snapshot.commit, model)
        self.where = None if where is None else self.store.predicate(where, self.fields)

    def run(self) -> ExportedRows:
        layout.check_fields(self.fields, self.config.words)
        n = self.store.count(self.where)
        if n == 0:
            met = "" if self.where is None else " that meets the filter"
            raise SpaceError(f"{self.snapshot.path} has no passage{met}; nothing was written")
        check_out(self.out, self.config.uri, self.collection, self.model)
        client = connect(self.config.uri, create=True)
        self._named(client)
        words = Statistics(self.manifest.language) if self.config.words else None
        survey = read_survey(self.store, n, self.model.column, self.where, words)
        record = self._record(survey, n)
        self._check_name(client, record)
        with milvus_errors(record.uri, f"write the collection {record.name}"):
            there = self._begin(client, record, n)
            self._write(client, record, survey, there)
            client.flush(record.name, timeout=10 * SECONDS)
        self._check(client, record, n)
        self._check_name(client, record)
        with milvus_errors(record.uri, f"name the collection {record.name}"):
            take_alias(client, record)
        write_folder(self.out, self.snapshot, self._manifest(), self._commit(record, survey))
        with milvus_errors(record.uri, "drop the collection from before"):
            drop_others(client, record)
        return ExportedRows(
            path=str(self.out),
            uri=record.uri,
            collection=record.collection,
            index=record.index,
            passages=n,
            already_there=int(there.sum()),
            digest=record.digest,
        )

    def _record(self, survey: Survey, n: int) -> MilvusRecord:
        digest, index = survey.digest.hexdigest(), self.config.index or choose_index(n)
        fields = {name: asdict(field) for name, field in self.fields.items()}
        words = self.config.words and [self.manifest.language]
        name = layout.name_of(self.collection, digest, self.model.fingerprint, index, words, fields)
        return MilvusRecord(
            uri=self.config.uri,
            collection=self.collection,
            name=name,
            digest=digest,
            index=index,
            language=self.manifest.language,
            has_words=self.config.words,
            n_empty=survey.n_empty,
            longest=survey.longest,
        )

    # --- Writing ---------------------------------------------------------------------------------

    def _named(self, client: Any) -> str | None:
        """The collection that has the name now; refuses what no export gave it to."""
        with milvus_errors(self.config.uri, "look for the collection"):
            return collection_behind(client, self.config.uri, self.collection)

    def _check_name(self, client: Any, record: MilvusRecord) -> None:
        """See that the name is not that of what another folder searches."""
        if not self.out.exists() and self._named(client) not in (None, record.name):
            raise ConfigError(
                f"Milvus at {record.uri} has a collection {record.collection} that another folder "
                "than OUT searches; give another --collection, or that folder as OUT"
            )

    def _begin(self, client: Any, record: MilvusRecord, n: int) -> NDArray[np.bool_]:
        """The collection, made where it is not there; returns (n,) which rows it has."""
        if not client.has_collection(record.name, timeout=SECONDS):
            properties = layout.properties_of(
                self.collection, self.model.fingerprint, record.digest, n
            )
            layout.create(
                client, record.name, self.model.dim, self.fields, record.has_words, properties
            )
        layout.add_indexes(client, record.name, record.index, n, record.has_words)
        there = np.zeros(n, np.bool_)
        rows = self._rows(client, record, n)
        if rows.count():
            there[rows.row_ids("row >= 0").astype(np.int64)] = True
        return there

    def _rows(self, client: Any, record: MilvusRecord, n: int) -> MilvusStore:
        return MilvusStore(client, record, n, self.model.dim, self.fields)

    def _write(
        self, client: Any, record: MilvusRecord, survey: Survey, there: NDArray[np.bool_]
    ) -> None:
        typed = [field.column for field in self.fields.values()]
        columns = [*TEXTS, "position", *typed, self.model.column]
        start = 0
        with track("exporting", len(there)) as tracker:
            for batch in self.store.scan(columns, self.where):
                end = start + batch.num_rows
                if not there[start:end].all():
                    words = None
                    if survey.words is not None:
                        words = [survey.words.vector(t) for t in batch["content"].to_pylist()]
                    rows = rows_of(batch, start, self.model.column, self.fields, words)
                    missing = [row for row in rows if not there[row[layout.ROW]]]
                    for some in in_batches(missing):
                        client.upsert(record.name, some, timeout=10 * SECONDS)
                start = end
                tracker.set(end)

    def _check(self, client: Any, record: MilvusRecord, n: int) -> None:
        """Read all back; what is not as it was written is dropped."""
        store = self._rows(client, record, n)
        found = digest_of(store, n, "checking")
        if store.count() == n and found.hexdigest() == record.digest:
            return
        with milvus_errors(record.uri, f"drop the collection {record.name}"):
            client.drop_collection(record.name, timeout=SECONDS)
        raise RemoteError(
            f"what Milvus at {record.uri} gives back is not what was written (digest "
            f"{found.hexdigest()[:12]} where {record.digest[:12]} was), and was dropped; run the "
            "same command again"
        )

    # --- The folder ------------------------------------------------------------------------------

    def _manifest(self) -> Manifest:
        encoder = EncoderInfo(
            kind=self.model.kind,
            dim=self.model.dim,
            fingerprint=self.model.fingerprint,
            details=self.model.details,
        )
        return replace(self.manifest, encoder=encoder, dense_weight=self.model.dense_weight)

    def _commit(self, record: MilvusRecord, survey: Survey) -> Commit:
        model = replace(self.model, column=layout.VECTOR, folder="model")
        return Commit(
            version=0,
            passages=survey.digest.n_rows,
            documents=survey.n_documents,
            fields=dict(self.fields),
            files={},
            models={self.model_name: model},
            model=self.model_name,
            milvus=record,
        )
