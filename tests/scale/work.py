"""What the tests of a cluster's workers share: a small model and corpus, and slow workers."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from model2vec import StaticModel

from rowspace import load_encoder
from rowspace.scale.build import BuildJob
from rowspace.scale.encode import EncodeJob
from rowspace.scale.pool import Work, run
from tests.sentence.small_static import WORDS, table, tokenizer

SECTION = 600
"""Bytes, so that a small corpus has many shards."""


def small_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut corpora finely in this process, which plans; workers are given the plan."""
    for target in ("text.sections.SECTION_BYTES", "space.shards.SHARD_BYTES"):
        monkeypatch.setattr(f"rowspace.{target}", SECTION)


def sent_whole() -> None:
    """Have Ray send this module to workers, which may have no tests to import."""
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def small_model(folder: Path) -> Path:
    """A static embedder of a dozen words."""
    made = StaticModel(table(), tokenizer(), {"model_type": "model2vec"}, normalize=True)
    made.save_pretrained(folder / "model2vec")
    load_encoder(folder / "model2vec").save(folder / "own")  # spaces keep what we write
    return folder / "own"


def sentences(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    words = [word for word in WORDS if word.isalpha()]
    return [" ".join(rng.choice(words, int(rng.integers(1, 12)))) + "." for _ in range(n)]


def write_corpus(folder: Path, n: int = 120) -> Path:
    """Text, jsonl and Parquet, with ids that come twice, empty texts and fields of two types."""
    folder.mkdir()
    texts = sentences(n)
    (folder / "a.txt").write_text("\n".join(texts) + "\n\n")
    records = [
        {"_id": f"d{i}", "title": "cat" * (i % 2), "text": text * (i % 5 > 0), "year": i}
        for i, text in enumerate(texts)
    ]
    (folder / "b.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    rows = pa.table({"id": [f"p{i}" for i in range(n)], "text": texts, "year": np.arange(n) / 2})
    pq.write_table(rows, folder / "c.parquet", row_group_size=30)
    return folder


def alike(left: Path, right: Path) -> bool:
    """Whether two results of `rowspace encode` have the same bytes, keys and all."""
    pairs = [(left, right), (left.with_suffix(".keys.txt"), right.with_suffix(".keys.txt"))]
    return all(one.read_bytes() == other.read_bytes() for one, other in pairs)


def _slowed(do: Work, folder: Path) -> Work:
    """Tells which process it is, and takes its time for a shard."""
    (folder / f"worker.{os.getpid()}").touch()

    def slowly(number: int) -> Any:
        time.sleep(0.3)
        return do(number)

    return slowly


@dataclass(frozen=True, kw_only=True)
class SlowJob(EncodeJob):
    """Of `rowspace encode`."""

    def start(self) -> Work:
        return _slowed(super().start(), self.tries.folder.path.parent)


@dataclass(frozen=True, kw_only=True)
class SlowBuild(BuildJob):
    """Of `rowspace build`."""

    def start(self) -> Work:
        return _slowed(super().start(), self.tries.folder.path.parent)


def workers_of(work: Path) -> list[int]:
    """The processes of slow workers, those that died too."""
    return [int(file.suffix[1:]) for file in sorted(work.glob("worker.*"))]


class Watched:
    """`pool.run` that notes what was asked for, and acts when so many shards are done."""

    def __init__(self, acts: dict[int, Callable[[], None]] | None = None) -> None:
        self.acts = acts or {}
        self.asked: list[int] = []

    def __call__(self, cluster: Any, job: Any, shards: Sequence[int]) -> Iterator[tuple[int, Any]]:
        self.asked = list(shards)
        for n_done, answer in enumerate(run(cluster, job, shards), start=1):
            self.acts.get(n_done, lambda: None)()
            yield answer
