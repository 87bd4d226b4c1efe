"""Passages of a space to a file for other programs: tables here, indexes in `export_index`.

A file appears under its name when it is whole. It holds one version of the space; where another
process removes that version meanwhile, the export starts again with the newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from rowspace.errors import ConfigError, SpaceError
from rowspace.files import write_atomically
from rowspace.progress import Tracker, track
from rowspace.search.arrow import read_passages
from rowspace.search.commit import model_named
from rowspace.search.export_index import ids_path, write_faiss, write_hnswlib
from rowspace.search.filters import Given
from rowspace.search.snapshot import Snapshot, signature_of
from rowspace.search.store import disk_errors

ROW_GROUP = 16_384
KINDS = ("flat", "hnsw")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Settings of an export; None is the format's own, and the only one where it has no choice."""

    format: str | None = None
    """A key of FORMATS; None takes it from the file's suffix."""
    kind: str | None = None
    """Of a FAISS index: `flat` compares with every vector (the default), `hnsw` with few."""
    m: int | None = None
    """Neighbours of each vector in HNSW's graph (Malkov & Yashunin 2018); 32 if not given."""
    ef_construction: int | None = None
    """Candidates looked at for a vector's neighbours while HNSW is built; 200 if not given."""

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise ConfigError(f"format is {self.format!r}; give one of {', '.join(FORMATS)}")
        if self.kind is not None and self.kind not in KINDS:
            raise ConfigError(f"kind is {self.kind!r}; give one of {', '.join(KINDS)}")
        if self.m is not None and not 2 <= self.m <= 512:
            raise ConfigError(f"m is {self.m}; give 2 to 512")
        if self.ef_construction is not None and self.ef_construction < 1:
            raise ConfigError(f"ef_construction is {self.ef_construction}; give 1 or more")


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    path: str
    format: str
    passages: int
    left_out: int = 0
    """Passages that an index leaves out, as their vectors are zero: no search by meaning finds
    them."""
    ids: str | None = None
    """The file that tells which passages an index's numbers are: its n-th line, from 0."""


@dataclass(frozen=True)
class _Format:
    """How one kind of file is written."""

    suffix: str
    write: Callable[..., int]
    """(path, reader, dim, n_passages, tracker, **settings) -> passages written."""
    settings: tuple[str, ...] = ()
    """The fields of ExportConfig that it takes."""
    is_index: bool = False


def export_passages(
    current: Callable[[], Snapshot],
    model: str | None,
    path: Path,
    where: Given | None,
    config: ExportConfig,
) -> Exported:
    """Write the passages that meet a filter. See `Space.export`.

    Parameters
    ----------
    current : callable
        Gives the newest version of the space.
    model : str or None
        Whose vectors; None takes the default's.
    path : Path
    where : str or Filter or sequence of these, or None
    config : ExportConfig
    """
    name = config.format or _format_of(path)
    settings = _settings(name, config)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file to write")
    if not path.parent.is_dir():
        raise ConfigError(
            f"there is no folder {path.parent} to write {path.name} in; make it first"
        )
    while True:
        snapshot = current()
        try:
            return _write(snapshot, model, path, where, name, settings)
        except SpaceError:
            # A writer may have removed the files of this version under us: take the newer.
            if signature_of(snapshot.path) == snapshot.signature:
                raise


def _format_of(path: Path) -> str:
    for name, format_ in FORMATS.items():
        if path.suffix.lower() == format_.suffix:
            return name
    known = ", ".join(format_.suffix for format_ in FORMATS.values())
    raise ConfigError(f"{path} has no suffix that tells a format; end it in one of {known}")


def _settings(name: str, config: ExportConfig) -> dict[str, Any]:
    """What was given beside the format, if the format takes it."""
    given = {
        field.name: value
        for field in fields(config)
        if field.name != "format" and (value := getattr(config, field.name)) is not None
    }
    taken = FORMATS[name].settings
    if config.kind != "hnsw" and "kind" in taken:
        taken = ("kind",)
    if wrong := [key for key in given if key not in taken]:
        needs = "; give kind hnsw too" if name == "faiss" else "; leave it out"
        raise ConfigError(f"{wrong[0]} does not go with the format {name}{needs}")
    return given


def _write(
    snapshot: Snapshot,
    model: str | None,
    path: Path,
    where: Given | None,
    name: str,
    settings: dict[str, Any],
) -> Exported:
    format_ = FORMATS[name]
    store = snapshot.store
    predicate = None if where is None else store.predicate(where, snapshot.commit.fields)
    n_passages = store.count(predicate)
    if n_passages == 0:
        met = "" if where is None else " that meets the filter"
        raise SpaceError(f"{snapshot.path} has no passage{met}; nothing was written")
    columns = ["passage_id", "document_id", "vector"] if format_.is_index else None
    reader = read_passages(snapshot, model, columns, where)
    _, state = model_named(snapshot.path, snapshot.commit, model)
    with track("exporting", n_passages) as tracker, disk_errors(path.parent, f"write {path.name}"):
        n_written = format_.write(path, reader, state.dim, n_passages, tracker, **settings)
    return Exported(
        path=str(path),
        format=name,
        passages=n_written,
        left_out=n_passages - n_written,
        ids=str(ids_path(path)) if format_.is_index else None,
    )


# --- Tables --------------------------------------------------------------------------------------


def _write_parquet(
    path: Path, reader: pa.RecordBatchReader, dim: int, n_passages: int, tracker: Tracker
) -> int:
    import pyarrow.parquet as pq

    with (
        write_atomically(path) as file,
        pq.ParquetWriter(file, reader.schema, compression="zstd") as writer,
    ):
        for table in _row_groups(reader):
            writer.write_table(table)
            tracker.advance(table.num_rows)
    return n_passages


def _row_groups(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROW_GROUP:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _write_arrow(
    path: Path, reader: pa.RecordBatchReader, dim: int, n_passages: int, tracker: Tracker
) -> int:
    with write_atomically(path) as file, pa.ipc.new_file(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            tracker.advance(batch.num_rows)
    return n_passages


FORMATS = {
    "parquet": _Format(".parquet", _write_parquet),
    "arrow": _Format(".arrow", _write_arrow),
    "faiss": _Format(".faiss", write_faiss, ("kind", "m", "ef_construction"), is_index=True),
    "hnswlib": _Format(".hnsw", write_hnswlib, ("m", "ef_construction"), is_index=True),
}
