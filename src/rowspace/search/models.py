"""The models of a space: found by name, chosen, removed, and the store written anew for it.

Which models there are is told by `commit.json`, so that a model, its column of vectors and its
folder come and go in one step.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from rowspace.errors import ConfigError, SpaceError
from rowspace.search.commit import (
    MODELS,
    Commit,
    model_named,
    read_commit,
    remove_leftovers,
    write_commit,
)
from rowspace.search.index.cached import FOLDER as INDEXES
from rowspace.search.manifest import Manifest
from rowspace.search.store import Store, disk_errors
from rowspace.search.writer import Models, publish_anew, writing

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

VectorsOf = Callable[[pa.RecordBatch], pa.Array]
"""Gives the vectors of a new model for rows of the store."""


def check_name(name: str) -> str:
    """`name`, if a model can be called that.

    Raises
    ------
    ConfigError
        If it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a model cannot be called {name!r}; give a name of letters, digits, '.', '-' and '_'"
        )
    return name


def new_column(commit: Commit) -> str:
    """A name for the column of a new model's vectors, which no model has now."""
    taken = {model.column for model in commit.models.values()}
    return _free("vector", taken)


def new_folder(commit: Commit, name: str) -> str:
    """A path for a new model's folder, which no model has now."""
    taken = {model.folder for model in commit.models.values()}
    return _free(f"{MODELS}/{name}", taken)


def _free(wanted: str, taken: set[str]) -> str:
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def remove_model(path: Path, manifest: Manifest, name: str, timeout: float) -> None:
    """Remove a model. See `Space.remove_model`."""
    with disk_errors(path, "remove a model"), writing(path, timeout) as (commit, store):
        model_named(path, commit, name)
        if name == commit.model:
            raise SpaceError(
                f"model {name!r} is the default of {path}, so it stays; choose another with "
                f"`rowspace reembed {path} --default NAME`, then remove it"
            )
        models = {other: model for other, model in commit.models.items() if other != name}
        rewrite(path, manifest, commit, store, models, commit.model)


def choose_default(path: Path, name: str, timeout: float) -> None:
    """Make a model the default. See `Space.choose_default`."""
    with disk_errors(path, "choose a model"), writing(path, timeout) as (commit, _):
        name, _ = model_named(path, commit, name)
        write_commit(path, replace(commit, model=name))


def rewrite(
    path: Path,
    manifest: Manifest,
    commit: Commit,
    store: Store,
    models: Models,
    model: str,
    vectors_of: VectorsOf | None = None,
) -> None:
    """Write the store anew with the vectors of `models`, a few rows in memory, and commit it.

    Parameters
    ----------
    path : Path
    manifest : Manifest
    commit, store
        From `writing`.
    models : mapping of str to ModelState
        Those that the space has then; one of them may be new.
    model : str
        The name of the default one.
    vectors_of : callable or None
        Gives the vectors of the new one.
    """
    columns = {model.column: model.dim for model in models.values()}
    gone = {model.column for model in commit.models.values()} - columns.keys()
    kept = [column for column in store.schema if column.name not in gone]
    names = [column.name for column in kept]
    new = [
        pa.field(column, pa.list_(pa.float32(), dim))
        for column, dim in columns.items()
        if column not in names
    ]
    schema = pa.schema([*kept, *new])

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [batch[name] for name in names]
        if vectors_of is not None:
            arrays.append(vectors_of(batch))
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def write() -> None:
        store.write_anew(schema, change, "storing")

    state = replace(commit, models=dict(models), model=model)
    publish_anew(path, manifest, state, store, write)
    remove_leftovers(path, read_commit(path))
    for name, there in commit.models.items():
        if models.get(name) != there:
            shutil.rmtree(path / INDEXES / name, ignore_errors=True)
