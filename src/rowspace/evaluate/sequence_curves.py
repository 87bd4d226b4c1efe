"""Learning curves: accuracy by labelled texts, for each kind of embedding and each cell.

All kinds have the same texts, held-out texts, test texts, cells and settings. Runs go on beside
each other, one a core, and each is kept as it ends: what was run before is not run again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import ConfigError
from rowspace.evaluate.labelled_texts import TextTask
from rowspace.evaluate.sequence import TokenVectors
from rowspace.evaluate.sequence_config import Cell, SequenceConfig
from rowspace.evaluate.sequence_inputs import (
    Inputs,
    Kind,
    WordTable,
    contextual_inputs,
    digest,
    word_table,
)
from rowspace.evaluate.sequence_results import Curves, SequenceRun, kept
from rowspace.evaluate.sequence_task import SequenceTask
from rowspace.extras import require_torch
from rowspace.machine import n_cores
from rowspace.progress import track


@dataclass(frozen=True)
class _Embedding:
    """One kind of embedding, over the texts of a task."""

    name: str
    kind: Kind
    source: Inputs | WordTable
    digest: str

    def inputs(self, seed: int) -> Inputs:
        """What the models of a seed read."""
        return (
            self.source if isinstance(self.source, Inputs) else self.source.inputs(self.kind, seed)
        )


@dataclass(frozen=True)
class _Job:
    """A model to train."""

    embedding: _Embedding
    cell: Cell
    size: int
    seed: int


def learning_curves(
    readers: Mapping[str, TokenVectors],
    task: TextTask,
    config: SequenceConfig | None = None,
    *,
    out: Path | str | None = None,
    threads: int | None = None,
) -> Curves:
    """Train sequence models on embeddings of every kind, from few labelled texts to many.

    A table of vectors is read as it is and trained further, a transformer's states as they are;
    tables drawn at random, of the first reader's length, stand beside them.

    Parameters
    ----------
    readers : mapping of str to TokenVectors
        By the name they have in the results.
    task : TextTask
    config : SequenceConfig, optional
    out : path, optional
        Folder that keeps each run's result; those that are there are taken from it.
    threads : int, optional
        Models that are trained beside each other; as many as there are cores if not given. The
        results do not depend on it.

    Returns
    -------
    Curves

    Raises
    ------
    ConfigError
        If there is no reader, or threads is below 1.
    EvaluationError
        If the task has too few texts.
    MissingExtraError
        If torch is not installed.

    Examples
    --------
    >>> from rowspace.evaluate.labelled_texts import LabelledTexts
    >>> from rowspace.evaluate.sequence_tokens import WordTokens
    >>> from rowspace.space.vectors import Vectors
    >>> reader = WordTokens(Vectors(["sea", "law"], np.eye(2, dtype=np.float32)))
    >>> texts = [f"{word} {i}" for i in range(40) for word in ("sea", "law")]
    >>> train = LabelledTexts(texts=texts[:40], labels=["water", "court"] * 20)
    >>> test = LabelledTexts(texts=texts[40:], labels=["water", "court"] * 20)
    >>> config = SequenceConfig(cells=("gru",), sizes=(40,), seeds=1, learning_rates=(0.03,))
    >>> task = TextTask(name="topics", train=train, test=test)
    >>> curves = learning_curves({"words": reader}, task, config)
    >>> curves.points("words, frozen", "gru")[0].mean
    1.0
    """
    require_torch("a sequence model")
    if not readers:
        raise ConfigError("there is no reader of words, so nothing to train on; give one")
    config = config or SequenceConfig()
    sequences = SequenceTask(task, config)
    runs = None if out is None else runs_folder(out)
    embeddings = list(_embeddings(readers, sequences))
    jobs = [
        _Job(embedding, cell, size, seed)
        for size in sequences.sizes
        for seed in sequences.seeds
        for embedding in embeddings
        for cell in config.cells
    ]
    return Curves(
        task=task.name,
        sizes=sequences.sizes,
        n_test=len(sequences.test),
        usual_accuracy=sequences.usual_accuracy,
        names=tuple(embedding.name for embedding in embeddings),
        cells=config.cells,
        runs=_run_all(jobs, sequences, runs, threads),
        notes=sequences.notes,
    )


def runs_folder(out: Path | str) -> Path:
    """Where each run's result is kept, which is made."""
    runs = Path(out) / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    return runs


def train_one(
    inputs: Inputs, sequences: SequenceTask, cell: Cell, size: int, seed: int
) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], dict[str, Any]]:
    """Train one classifier.

    Returns
    -------
    is_right : (n_test,) bool array
        Whether each test text got its label.
    about : dict
        How it was trained.
    """
    from rowspace.evaluate.sequence_training import fit_classifier, predict

    train, held_out = sequences.sample(size, seed)
    fit = fit_classifier(inputs, train, held_out, sequences.n_labels, cell, sequences.config, seed)
    said = predict(fit.model, inputs, sequences.test.texts)
    about = {
        "held_out_loss": fit.held_out_loss,
        "epoch": fit.epoch,
        "learning_rate": fit.learning_rate,
    }
    return said == sequences.test.labels, about


def _embeddings(
    readers: Mapping[str, TokenVectors], sequences: SequenceTask
) -> Iterator[_Embedding]:
    """Each kind of each reader; random ones first, as long as the first reader's."""
    texts, n = sequences.texts, sequences.n_train
    blank = word_table(_NoVectors(next(iter(readers.values())).dim), texts, n)
    for kind in ("random", "random, frozen"):
        yield _Embedding(kind, kind, blank, digest(blank.rows))
    for name, reader in readers.items():
        if reader.is_contextual:
            inputs = contextual_inputs(reader, texts, n)
            yield _Embedding(f"{name}, contextual", "contextual", inputs, digest(inputs.table))
            continue
        table = word_table(reader, texts, n)
        of_rows = digest(table.rows)
        yield _Embedding(f"{name}, frozen", "frozen", table, of_rows)
        yield _Embedding(f"{name}, fine-tuned", "fine-tuned", table, of_rows)


class _NoVectors:
    """A reader that knows no word."""

    is_contextual = False
    looks_ahead = False

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def read(self, texts: Any) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        return [np.zeros((len(words), self.dim), dtype=np.float32) for words in texts]


def _run_all(
    jobs: list[_Job], sequences: SequenceTask, runs: Path | None, threads: int | None
) -> list[SequenceRun]:
    import torch

    n_threads = n_cores() if threads is None else threads
    if n_threads < 1:
        raise ConfigError(f"threads is {threads}; give 1 or more")
    texts = _digest_of_texts(sequences)
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        waiting: dict[Future[SequenceRun], int] = {
            pool.submit(_run, job, sequences, runs, texts): place for place, job in enumerate(jobs)
        }
        found: list[SequenceRun | None] = [None] * len(jobs)
        with track(f"training on {sequences.name}", total=len(jobs)) as tracker:
            for done in as_completed(waiting):
                run = found[waiting[done]] = done.result()
                tracker.advance(note=f"{run.name}, {run.cell}, {run.size:,}: {run.accuracy:.3f}")
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # what was set last is the default of threads to come
    return [run for run in found if run is not None]


def _run(job: _Job, sequences: SequenceTask, runs: Path | None, texts: str) -> SequenceRun:
    """Train a model, or take what it gave before."""

    def train() -> dict[str, Any]:
        start = time.monotonic()
        inputs = job.embedding.inputs(job.seed)
        is_right, about = train_one(inputs, sequences, job.cell, job.size, job.seed)
        run = SequenceRun(
            task=sequences.name,
            name=job.embedding.name,
            cell=job.cell,
            size=job.size,
            seed=job.seed,
            accuracy=float(is_right.mean()),
            seconds=round(time.monotonic() - start, 3),
            **about,
        )
        return asdict(run)

    return SequenceRun(**kept(runs, _decisive(job, sequences.config, texts), train))


def _decisive(job: _Job, config: SequenceConfig, texts: str) -> list[Any]:
    """All that decides a run's result."""
    settings = {name: value for name, value in asdict(config).items() if name != "cells"}
    embedding = job.embedding
    return [texts, embedding.name, embedding.digest, job.cell, job.size, job.seed, settings]


def _digest_of_texts(sequences: SequenceTask) -> str:
    labels = [
        sequences.sample(sequences.sizes[-1], seed)[0].labels.tolist() for seed in sequences.seeds
    ]
    content = [sequences.texts, sequences.test.labels.tolist(), labels]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
