"""In which state a space is: what `status` tells and `verify` finds."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import SpaceError, SpaceLockedError
from rowspace.files import WriterLock
from rowspace.search.commit import (
    QUARANTINE,
    Commit,
    find_copied,
    find_damage,
    read_commit,
    scan,
)
from rowspace.search.index.cached import find_damaged_indexes
from rowspace.search.index.upkeep import describe_index
from rowspace.search.manifest import Manifest
from rowspace.search.milvus.checking import about_rows, check_rows
from rowspace.search.model_state import ModelState
from rowspace.search.pieces import Piece, piece_of
from rowspace.search.snapshot import Snapshot, signature_of
from rowspace.search.store import Store, open_store
from rowspace.search.writer import is_due


def status(snapshot: Snapshot, manifest: Manifest) -> dict[str, Any]:
    """What a space holds and in which state it is."""
    path, commit = snapshot.path, snapshot.commit
    encoder = commit.models[commit.model]
    about = {
        "path": f"{path}",
        "documents": commit.documents,
        "passages": commit.passages,
        "fields": {name: field.type for name, field in commit.fields.items()},
        "language": manifest.language,
        "encoder": encoder.kind,
        "dim": encoder.dim,
        "fingerprint": encoder.fingerprint,
        **{f"encoder_{name}": value for name, value in encoder.details.items()},
        "dense_weight": encoder.weight,
        "model": commit.model,
        "models": {name: _about(model) for name, model in commit.models.items()},
    }
    state = _rows_here(snapshot) if commit.milvus is None else about_rows(commit.milvus)
    return {
        **about,
        **state,
        "bytes": bytes_of(path),
        "quarantined_files": sum(file.is_file() for file in (path / QUARANTINE).rglob("*")),
        "writer_active": is_locked(path),
        "created": manifest.created,
        "rowspace": manifest.rowspace,
    }


def _rows_here(snapshot: Snapshot) -> dict[str, Any]:
    """In which state the store in the space's folder is."""
    path, commit, store = snapshot.path, snapshot.commit, snapshot.local_store
    return {
        "version": commit.version,
        "unindexed": store.count_unindexed(),
        **describe_index(snapshot.vectors(commit.model)),
        "fragments": store.count_fragments(),
        "deleted_passages": commit.deleted,
        "bytes_to_free": bytes_to_free(path, commit, store),
        "compaction_due": is_due(path, store, commit),
    }


def _about(model: ModelState) -> dict[str, Any]:
    """What is told of a model where there are several."""
    return {
        "encoder": model.kind,
        "dim": model.dim,
        "fingerprint": model.fingerprint,
        "dense_weight": model.weight,
        "folder": model.folder,
        **model.details,
    }


def verify(path: Path) -> list[str]:
    """Check every byte of every file, and that passages and vectors are whole.

    Returns
    -------
    list of str
        What is wrong, one line each; empty if all is well.
    """
    commit, problems = _checked_files(path)
    if not problems and commit.milvus is not None:
        return check_rows(path, commit)
    if not problems:
        try:
            problems = _check_rows(open_store(path, commit.version), commit)
        except SpaceError as error:
            problems = [str(error)]
    # Searches are right without an index, but a disk that changes bits is to be known.
    return problems + [
        f"{error}; all vectors are compared until `rowspace index {path}` makes it anew"
        for _, error in find_damaged_indexes(path)
    ]


def _checked_files(path: Path) -> tuple[Commit, list[str]]:
    while True:
        signature = signature_of(path)
        commit = read_commit(path)
        problems = [str(error) for error in find_copied(path, commit)]
        problems += [str(damage.error) for damage in find_damage(path, commit, thorough=True)]
        if not problems or signature_of(path) == signature:
            return commit, problems


@functools.singledispatch
def bytes_of(path: Path) -> int:
    """Of all its files but the lock, which holds the last writer's process id, however long."""
    files = (file for file in path.rglob("*") if file.is_file() and file != path / "lock")
    return sum(file.stat().st_size for file in files)


@functools.singledispatch
def bytes_to_free(path: Path, commit: Commit, store: Store) -> int:
    """Of the store's files, what the present version does not need."""
    indexes = store.index_ids()
    needed = {Piece.LIST, Piece.DELETIONS, Piece.ROWS}
    free = 0
    for name, size in scan(path):
        piece = piece_of(path, name, commit.version, commit.files)
        is_used = piece is Piece.INDEX and not indexes.isdisjoint(Path(name).parts)
        if name.startswith("store/") and piece not in needed and not is_used:
            free += size
    return free


@functools.singledispatch
def is_locked(path: Path) -> bool:
    """Whether somebody writes the space."""
    try:
        with WriterLock(path / "lock", 0.0):
            return False
    except SpaceLockedError:
        return True
    except OSError:  # a medium that cannot be written has no writer
        return False


def _check_rows(store: Store, commit: Commit) -> list[str]:
    """What is wrong with a store's rows."""
    problems = []
    n_passages, n_documents = store.count(), store.count_documents()
    if (n_passages, n_documents) != (commit.passages, commit.documents):
        problems.append(
            f"the store holds {n_passages:,} passages of {n_documents:,} documents where "
            f"{commit.passages:,} of {commit.documents:,} were committed"
        )
    seen: set[str] = set()
    for passage_id in store.texts("passage_id"):
        if passage_id in seen:
            problems.append(f"passage {passage_id!r} is there twice")
        seen.add(passage_id)
    for name, model in commit.models.items():
        n_bad = sum(
            int((~np.isfinite(vectors).all(axis=1)).sum())
            for _, vectors in store.vector_batches(model.column)
        )
        if n_bad:
            problems.append(f"{n_bad:,} vectors of model {name!r} have NaN or infinity in them")
    return problems
