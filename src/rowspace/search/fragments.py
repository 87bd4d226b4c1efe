"""Pieces of a store that many processes write and one publishes: Lance's fragments.

A fragment is a file of rows in the store's folder that belongs to no version. Whoever writes one
gets a description back (JSON); the committer lists the descriptions in the order of the rows, and
with that the table is there. The columns of metadata fields come last, since their types are known
only when all documents have been read. Fragments that nobody lists are left over from a process
that died, and are removed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from rowspace.extras import need
from rowspace.files import fsync_file, sha256
from rowspace.search.fields import Field, typed_columns
from rowspace.search.store import TABLE, Store, field_schema, stream_to_lance

STORAGE_VERSION = "2.2"
"""Of Lance's files: what LanceDB gives its own tables. Left open, it would be an older one."""

_DATA = "data"

Described = dict[str, Any]
"""A fragment, as JSON can hold it."""


def write_fragments(
    folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> list[Described]:
    """Write rows beside the table in `folder`, where no reader sees them yet.

    Parameters
    ----------
    folder : Path
        Of the store, one that all processes see.
    schema : pyarrow.Schema
        Of the rows, without the columns of metadata fields.
    batches : iterable of pyarrow.RecordBatch
        Held a few at a time. An error in it is raised as it is.

    Returns
    -------
    list of dict
        For `commit_fragments`; empty where there are no rows.

    Raises
    ------
    MissingExtraError
        If pylance is not installed.
    SpaceError
        If the disk is full.
    """
    need_lance()
    from lance.fragment import write_fragments as write

    with stream_to_lance(folder, batches) as stream:
        reader = pa.RecordBatchReader.from_batches(schema, stream)
        written = write(reader, _uri(folder), schema=schema, data_storage_version=STORAGE_VERSION)
    return [_described(folder, fragment) for fragment in written if fragment.physical_rows]


def _described(folder: Path, fragment: Any) -> Described:
    files = {}
    for file in fragment.files:
        path = _data(folder) / file.path
        fsync_file(path)
        files[file.path] = sha256(path)
    fsync_file(_data(folder))
    return {"fragment": fragment.to_json(), "sha256": files}


def commit_fragments(
    folder: Path, schema: pa.Schema, fragments: Iterable[Described], fields: Mapping[str, Field]
) -> Store:
    """Make the table in `folder` of the fragments, in this order, and add its fields' columns.

    Parameters
    ----------
    folder : Path
    schema : pyarrow.Schema
        As they were written with.
    fragments : iterable of dict
        What `write_fragments` returned. Others in the folder are removed.
    fields : mapping of str to Field
        The metadata fields that have a type.

    Returns
    -------
    Store
    """
    lance = need_lance()
    listed = list(fragments)
    _clear(folder, listed)

    def make() -> None:
        pieces = [
            lance.FragmentMetadata.from_json(json.dumps(piece["fragment"])) for piece in listed
        ]
        table = lance.LanceDataset.commit(
            _uri(folder), lance.LanceOperation.Overwrite(schema, pieces)
        )
        if fields:
            columns = lance.batch_udf(output_schema=field_schema(fields))(_typed(fields))
            table.add_columns(columns, read_columns=["metadata"])

    return Store.made_by(folder, make)


def _clear(folder: Path, fragments: Iterable[Described]) -> None:
    """Leave the files of these fragments alone: others are of processes that died, or of a commit
    that Rowspace never made its own."""
    listed = {name for piece in fragments for name in piece["sha256"]}
    for file in _data(folder).glob("*"):
        if file.name not in listed:
            file.unlink()
    for entry in (folder / f"{TABLE}.lance").glob("*"):
        if entry.name != _DATA:
            shutil.rmtree(entry)


def fault(folder: Path, fragments: Iterable[Described]) -> str:
    """What is amiss with the files of fragments; nothing where they are as they were written."""
    for name, digest in (file for piece in fragments for file in piece["sha256"].items()):
        try:
            found = sha256(_data(folder) / name)
        except OSError:
            return f"{_data(folder) / name} is missing"
        if found != digest:
            return f"{_data(folder) / name} has changed"
    return ""


def _typed(fields: Mapping[str, Field]) -> Any:
    schema = field_schema(fields)

    def of(batch: pa.RecordBatch) -> pa.RecordBatch:
        metadata = [json.loads(text) for text in batch["metadata"].to_pylist()]
        values = typed_columns(metadata, fields)
        arrays = [pa.array(values[column.name], column.type) for column in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    return of


def _data(folder: Path) -> Path:
    return folder / f"{TABLE}.lance" / _DATA


def _uri(folder: Path) -> str:
    return str(folder / f"{TABLE}.lance")


def need_lance() -> Any:
    """Lance's own package, which writes fragments; MissingExtraError where it is not installed."""
    os.environ.setdefault("LANCE_LOG", "error")  # it would warn that there is no table yet
    return need("lance", "ray")
