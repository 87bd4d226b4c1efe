"""The folder that searches rows in Milvus: a space's model, and where its rows are."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

from rowspace.errors import ConfigError
from rowspace.files import WriterLock, write_folder_atomically, write_json
from rowspace.search.commit import Commit, flush_and_hash, read_commit, write_commit
from rowspace.search.manifest import FORMAT, MANIFEST, Manifest, is_space
from rowspace.search.milvus.connection import SECONDS
from rowspace.search.model_state import ModelState
from rowspace.search.remote.fetching import fetch_model
from rowspace.search.snapshot import Snapshot


def check_out(out: Path, uri: str, collection: str, model: ModelState) -> None:
    """See that the folder can be written: it is not there, or of the same collection and model.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    if not out.exists():
        return
    if not is_space(out) or (record := read_commit(out).milvus) is None:
        raise ConfigError(f"{out} is there already and no space in Milvus; give another OUT")
    if (record.uri, record.collection) != (uri, collection):
        raise ConfigError(f"{out} is of the {record}; give another OUT, or remove it")
    models = read_commit(out).models.values()
    if model.fingerprint not in [there.fingerprint for there in models]:
        raise ConfigError(f"{out} is of another model than the space; give another OUT")


def write_folder(out: Path, snapshot: Snapshot, manifest: Manifest, commit: Commit) -> None:
    """The folder that searches rows in Milvus: the model, and where they are.

    One that is there is of the same model; then its commit alone changes, in one step.
    """
    if out.exists():
        with WriterLock(out / "lock", SECONDS, str(out)):
            write_commit(out, replace(commit, files=read_commit(out).files))
        return
    model = snapshot.commit.models[commit.model]
    fetch_model(snapshot.path, model)
    with write_folder_atomically(out) as folder:
        shutil.copytree(snapshot.path / model.folder, folder / "model")
        write_json(folder / MANIFEST, {"format": FORMAT} | asdict(manifest))
        write_commit(folder, replace(commit, files=flush_and_hash(folder, {})))
