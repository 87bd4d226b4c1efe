"""A space whose rows are in Milvus as one that has them beside it, nothing encoded anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowspace.errors import ConfigError, SpaceCorruptError, SpaceError
from rowspace.files import write_folder_atomically
from rowspace.progress import track
from rowspace.search.manifest import Manifest, load_encoder, read_manifest
from rowspace.search.milvus.checking import digest_of
from rowspace.search.milvus.collection import VECTOR
from rowspace.search.milvus.digest import COLUMNS, RowDigest, matrix_of
from rowspace.search.milvus.record import MilvusRecord
from rowspace.search.snapshot import Snapshot, take_snapshot
from rowspace.search.store import Store
from rowspace.search.writer import create_space
from rowspace.text.passages import Passage


def import_from_milvus(path: Path | str, out: Path | str) -> Path:
    """Make a space of the rows that another one has in Milvus.

    Parameters
    ----------
    path : path
        The folder that `export_to_milvus` wrote.
    out : path
        The space's folder, made here when all rows are in it.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ConfigError
        If `out` is there, or the rows of `path` are in it and not in Milvus.
    SpaceCorruptError
        If the rows are not those that were exported.
    RemoteError
        If Milvus does not answer.
    """
    path, out = Path(path), Path(out)
    manifest = read_manifest(path)
    snapshot = take_snapshot(path)
    record = snapshot.commit.milvus
    if record is None:
        raise ConfigError(f"the rows of {path} are in it and not in Milvus; copy the folder")
    if out.exists():
        raise ConfigError(f"{out} is there already; give another --out")
    with write_folder_atomically(out) as folder:
        _copy(snapshot, record, manifest, folder)
    return out


def _copy(snapshot: Snapshot, record: MilvusRecord, manifest: Manifest, folder: Path) -> None:
    commit = snapshot.commit
    model = commit.models[commit.model]
    shutil.copytree(snapshot.path / model.folder, folder / "model")
    digest = RowDigest(VECTOR)
    with track("importing", commit.passages) as tracker:

        def batches() -> Iterator[tuple[list[Passage], NDArray[np.float32]]]:
            for batch in snapshot.store.scan([*COLUMNS, VECTOR]):
                digest.add(batch)
                yield _passages(batch), matrix_of(batch, VECTOR)
                tracker.advance(batch.num_rows)
            if digest.hexdigest() != record.digest:
                raise SpaceCorruptError(
                    f"the rows of {record} are not those that were exported; nothing was written, "
                    "export the space again"
                )

        create_space(
            folder,
            load_encoder(snapshot.path, model),
            batches(),
            encoder_kind=model.kind,
            field_types={name: field.type for name, field in commit.fields.items()},
            language=manifest.language,
            max_words=manifest.max_words,
            dense_weight=model.weight,
            details=model.details,
        )
    written = digest_of(Store.open(folder / "store"), commit.passages, "checking")
    if written.hexdigest() != record.digest:
        raise SpaceError(
            f"the rows that were written for {record} do not read back the same; run the same "
            "command again"
        )


def _passages(batch: pa.RecordBatch) -> list[Passage]:
    return [
        Passage(
            row["document_id"],
            row["position"],
            row["title"],
            row["content"][len(row["title"]) + 1 :],
            row["source"],
            json.loads(row["metadata"]),
        )
        for row in batch.select(list(COLUMNS)).to_pylist()
    ]
