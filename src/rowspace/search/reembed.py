"""Another encoder for a space: its passages encoded anew, beside the vectors there are or instead.

Copy the model → encode → write the store anew → commit. The copy and the vectors are made in
SPACE/.reembed while the space is searched and added to, so that a reembedding that was stopped goes
on where it was; only the last step holds the writer lock. See docs/decisions/models.md.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from rowspace.errors import ConfigError, RowspaceError, SpaceCorruptError, SpaceError
from rowspace.files import WriterLock, fsync_tree, remember, write_json
from rowspace.progress import track
from rowspace.search.commit import Commit, read_commit
from rowspace.search.manifest import Manifest, check_encoder, load_encoder
from rowspace.search.model_copy import Model, copy_model
from rowspace.search.model_state import ModelState
from rowspace.search.models import check_name, new_column, new_folder, rewrite
from rowspace.search.store import disk_errors, open_store, vector_array
from rowspace.search.text_vectors import TextVectors
from rowspace.search.writer import writing
from rowspace.space.encoder import Encoder

WORK = ".reembed"
_DONE = ".reembed.done"
_BEGUN = "begun.json"
"""Of the work folder: the model is copied and may be added, so there is something to go on with."""
_SAMPLE = 20_000
_FEW = 512
"""So few passages that came meanwhile are encoded while other writers wait."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Which model a space gets."""

    model: Model
    name: str | None
    """What it is called; as the default one if not given."""
    in_place: bool = False
    """Whether it takes the place of the default."""
    dense_weight: float | None = None
    """How much its ranking counts in a hybrid search; if not given, by its kind."""

    def __post_init__(self) -> None:
        if self.name is not None:
            check_name(self.name)
        if self.dense_weight is not None and not self.dense_weight >= 0:
            raise ConfigError(f"dense_weight is {self.dense_weight}; give 0 or more")


def reembed(
    path: Path, manifest: Manifest, change: Change, resume: bool, timeout: float
) -> ModelState:
    """Give a space another model. See `Space.add_model` and `Space.reembed`."""
    work = path / WORK
    shutil.rmtree(path / _DONE, ignore_errors=True)
    is_first = not work.exists()
    if not is_first and not resume:
        with _locked(path):  # or else it is running
            raise SpaceError(
                f"a reembedding of {path} did not finish; add --resume to go on with it, or "
                f"remove {work} to start anew"
            )
    if is_first:
        target(path, read_commit(path), change, None)
    work.mkdir(exist_ok=True)
    with _locked(path):
        try:
            with disk_errors(path, "reembed"):
                model = _Reembedding(path, manifest, change, timeout).run()
        except RowspaceError as error:
            is_begun = (work / _BEGUN).exists()
            if not is_begun or (is_first and isinstance(error, ConfigError)):
                shutil.rmtree(work)  # nothing that a second try could go on with
            raise
    work.rename(path / _DONE)  # in one step: a part of the work is no work to go on with
    shutil.rmtree(path / _DONE)
    return model


def target(path: Path, commit: Commit, change: Change, fingerprint: str | None) -> str:
    """The name that the new model gets, if the space has room for it.

    Raises
    ------
    SpaceError
        If another model has the name, or the encoder.
    """
    for name, model in commit.models.items():
        if model.fingerprint == fingerprint:
            raise SpaceError(
                f"{path} has vectors of this encoder already, as model {name!r}; search it with "
                f"--model {name}, or make it the default with `rowspace reembed {path} --default "
                f"{name}`"
            )
    wanted = commit.model if change.name is None else change.name
    if wanted in commit.models and not (change.in_place and wanted == commit.model):
        raise SpaceError(
            f"{path} has a model {wanted!r} already; give another name, or remove that one first "
            f"(`rowspace reembed {path} --remove {wanted}`)"
        )
    return wanted


def _locked(path: Path) -> WriterLock:
    return WriterLock(path / WORK / "lock", what=f"a model of {path}")


class _Reembedding:
    """One run; each step is skipped where its result is there already."""

    def __init__(self, path: Path, manifest: Manifest, change: Change, timeout: float) -> None:
        self.path = path
        self.work = path / WORK
        self.manifest = manifest
        self.change = change
        self.timeout = timeout

    def run(self) -> ModelState:
        self._check_same_change()
        model, encoder = self._kept()
        commit = read_commit(self.path)
        for there in commit.models.values():
            if there.fingerprint == model.fingerprint and (self.work / _BEGUN).exists():
                return there  # stopped after it was committed
        target(self.path, commit, self.change, model.fingerprint)
        write_json(self.work / _BEGUN, {})
        vectors = self._encode(encoder)
        if model.kind == "sentence":
            details = model.details | {"truncated": vectors.n_truncated}
            model = dataclasses.replace(model, details=details)
        if vectors.n_truncated:
            warnings.warn(
                f"{vectors.n_truncated:,} of {len(vectors):,} passages are longer than the model "
                "reads, and their ends are found by their words alone",
                stacklevel=4,
            )
        return self._install(model, vectors)

    def _check_same_change(self) -> None:
        given = self.change.model
        settings = {
            "model": str(given) if isinstance(given, str | Path) else given.fingerprint,
            "name": self.change.name,
            "in_place": self.change.in_place,
            "dense_weight": self.change.dense_weight,
        }
        if not remember(self.work / "settings.json", settings):
            raise SpaceError(
                f"the reembedding of {self.path} that did not finish was of another model or "
                f"other settings; give the same ones, or remove {self.work} to start anew"
            )

    def _kept(self) -> tuple[ModelState, Encoder]:
        """The copy of the model in the work folder, made before anything that takes long."""
        file = self.work / "kept.json"
        folder = f"{WORK}/model"
        if not file.exists():
            shutil.rmtree(self.path / folder, ignore_errors=True)
            texts = self._sample_texts()
            state = copy_model(self.change.model, self.path, folder, texts)
            if self.change.dense_weight is not None:
                state = dataclasses.replace(state, dense_weight=self.change.dense_weight)
            write_json(file, dataclasses.asdict(state))
        model = ModelState(**json.loads(file.read_text()))
        encoder = load_encoder(self.path, model)
        return model, check_encoder(self.path, "of the work folder", model, encoder)

    def _sample_texts(self) -> Iterator[str]:
        """Texts spread over the whole space, for what is common to all of it."""
        commit, texts = self._texts()
        return islice(texts, None, None, max(1, commit.passages // _SAMPLE))

    def _texts(self) -> tuple[Commit, Iterator[str]]:
        """What is to be encoded, as of the last commit."""
        commit = read_commit(self.path)
        return commit, open_store(self.path, commit.version).texts("content")

    def _encode(self, encoder: Encoder) -> TextVectors:
        """Vectors of all passages but a few that came in the last moment."""
        vectors = TextVectors(self.work / "encoding", encoder)
        n_new = _FEW + 1
        while n_new > _FEW:
            version = read_commit(self.path).version
            try:
                commit, texts = self._texts()
                with track("encoding", commit.passages) as tracker:
                    n_new = vectors.encode(texts, tracker.advance)
            except SpaceCorruptError:
                # A writer may have removed the files of this version under us: take the newer.
                if read_commit(self.path).version == version:
                    raise
        return vectors

    def _install(self, model: ModelState, vectors: TextVectors) -> ModelState:
        """Write the store anew, commit, and remove what was replaced."""
        with writing(self.path, self.timeout) as (commit, store):
            name = target(self.path, commit, self.change, model.fingerprint)
            replaced = commit.model if self.change.in_place else None
            folder = new_folder(commit, name)
            model = dataclasses.replace(model, column=new_column(commit), folder=folder)
            shutil.copytree(self.work / "model", self.path / folder, copy_function=_link_or_copy)
            fsync_tree(self.path / folder)

            def vectors_of(batch: pa.RecordBatch) -> pa.Array:
                found = vectors.of(batch["content"].to_pylist())
                return vector_array(found, batch["document_id"].to_pylist())

            models = {n: there for n, there in commit.models.items() if n != replaced}
            models |= {name: model}
            default = name if self.change.in_place else commit.model
            rewrite(self.path, self.manifest, commit, store, models, default, vectors_of)
        return model


def _link_or_copy(source: str, target: str) -> None:
    """The same file under another name, or a copy where the disk has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
