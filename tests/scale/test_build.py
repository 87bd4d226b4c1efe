"""`rowspace build --engine ray` makes the space that one process makes, whoever dies on the way."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("lance", reason="pylance is not installed")

import rowspace
from rowspace.errors import ClusterError, ConfigError, CorpusError, SpaceError
from rowspace.scale import build as building
from rowspace.scale import shards as making
from rowspace.scale.build import build_on_ray
from rowspace.scale.cluster import Cluster, ClusterConfig
from rowspace.search.build import BuildConfig, build
from rowspace.search.space import Space
from rowspace.space.shards import ShardFolder
from rowspace.text.corpus import Corpus, Document
from tests.program import RunMain, run_until_death
from tests.scale import work
from tests.scale.work import SlowBuild, Watched, workers_of, write_corpus

pytestmark = pytest.mark.usefixtures("_small_sections")


class OneProcess:
    """In the place of a cluster: its workers are this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = Cluster(1, ("n",), 1, 1)
        monkeypatch.setattr(building, "connected", lambda _: contextlib.nullcontext(cluster))
        monkeypatch.setattr(making, "run", self.run)
        self.asked: list[int] = []

    def run(self, cluster: Any, job: Any, shards: list[int]) -> Iterator[tuple[int, Any]]:
        do = job.start()
        self.asked = list(shards)
        for number in reversed(shards):  # in any order
            yield number, do(number)


def rows(space: Space) -> pa.Table:
    return pa.Table.from_batches(list(space.to_arrow()))


def assert_alike(left: Space, right: Space, query: str) -> None:
    one, other = rows(left), rows(right)
    assert one.schema == other.schema
    assert one.drop(["vector"]).equals(other.drop(["vector"]))
    for side in (one, other):
        assert side.num_rows > 0
    bits = [np.stack(side["vector"].to_numpy()).tobytes() for side in (one, other)]
    assert bits[0] == bits[1]
    assert left.status()["passages"] == right.status()["passages"]
    for mode in ("dense", "lexical", "hybrid"):
        hits = [
            [(hit.passage_id, hit.score) for hit in space.search(query, k=20, mode=mode)]
            for space in (left, right)
        ]
        assert hits[0] == hits[1], mode
    where = [
        [hit.passage_id for hit in space.search(query, k=9, where="year > 30")]
        for space in (left, right)
    ]
    assert where[0] == where[1] != []


# --- Without a cluster ---------------------------------------------------------------------------


def on_one(corpus: Path, out: Path, model: Path, **more: Any) -> Space:
    config = BuildConfig(model=str(model), passage_words=6)
    return build_on_ray(
        Corpus(corpus, documents="lines"), out, config=config, cluster=ClusterConfig(), **more
    )


def test_a_space_of_fragments_is_that_of_one_process(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    config = BuildConfig(model=str(model), passage_words=6)
    alone = build(Corpus(corpus, documents="lines"), tmp_path / "alone", config=config)
    OneProcess(monkeypatch)
    assert_alike(alone, on_one(corpus, tmp_path / "ray", model), "cat on the mat")
    assert not (tmp_path / "ray" / ".build").exists()
    space = rowspace.open_space(tmp_path / "ray")
    assert not list(space.verify())
    space.add([Document("new", "", "The dog sat.", "s", {"year": 999})])
    assert space.search("dog", k=1, where="year = 999")[0].document_id == "new"


def test_fragments_that_were_altered_are_made_again(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "corpus", 40)
    one = OneProcess(monkeypatch)
    monkeypatch.setattr(building, "_finish", lambda shared: None)
    on_one(corpus, tmp_path / "s", model)
    n_shards = len(one.asked)
    with pytest.raises(SpaceError, match="did not finish; add --resume"):
        on_one(corpus, tmp_path / "s", model)
    fragment = min((tmp_path / "s" / "store").rglob("*.lance/data/*"))
    fragment.unlink()
    monkeypatch.undo()
    work.small_sections(monkeypatch)
    one = OneProcess(monkeypatch)
    with pytest.warns(UserWarning, match=f"made again: {fragment} is missing"):
        space = on_one(corpus, tmp_path / "s", model, resume=True)
    assert len(one.asked) == 1 < n_shards
    assert not list(space.verify())


def test_an_id_that_comes_twice_is_said_and_nothing_is_published(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    with (corpus / "b.jsonl").open("a") as file:
        file.write('{"_id": "d1", "text": "The cat."}\n')
    OneProcess(monkeypatch)
    with pytest.raises(CorpusError, match=r"two documents have the id 'd1', the second in b.jsonl"):
        on_one(corpus, tmp_path / "s", model)
    with pytest.raises(SpaceError):
        rowspace.open_space(tmp_path / "s")


def test_word_vectors_are_learnt_by_one_process(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    with pytest.raises(ConfigError, match=r"by one; give --model ENCODER, or leave .*--engine out"):
        build_on_ray(Corpus(corpus), tmp_path / "s", config=BuildConfig(), cluster=ClusterConfig())
    assert not (tmp_path / "s").exists()


def test_nothing_is_left_where_no_cluster_answers(tmp_path: Path, model: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    config = BuildConfig(model=str(model))
    nobody = ClusterConfig(address="127.0.0.1:1")
    with pytest.raises(ClusterError, match=r"no cluster answers at 127\.0\.0\.1:1"):
        build_on_ray(Corpus(corpus), tmp_path / "s", config=config, cluster=nobody)
    assert not (tmp_path / "s").exists()


# --- On a cluster of two nodes -------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_and_a_driver_are_killed_and_the_space_is_that_of_one_process(
    nodes: Any, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, run_main: RunMain
) -> None:
    corpus, out = write_corpus(tmp_path / "corpus", 60), tmp_path / "ray"
    config = BuildConfig(model=str(model), passage_words=6)
    alone = build(Corpus(corpus, documents="lines"), tmp_path / "alone", config=config)
    command = ("build", corpus, "--documents", "lines", "--out", out, "--model", model,
               "--passage-words", "6", "--engine", "ray", "--address", nodes.address)  # fmt: skip
    run_until_death("tests.scale.fine:answered", 3, *command)
    made = {int(file.stem) for file in (out / ".build" / "shards").glob("?????.json")}
    assert len(made) >= 2
    with pytest.raises(SpaceError):
        rowspace.open_space(out)
    assert "did not finish; add --resume" in run_main(*command).error()

    def kill() -> None:
        os.kill(workers_of(out / ".build")[0], signal.SIGKILL)

    watched = Watched({2: kill})
    monkeypatch.setattr(making, "run", watched)
    monkeypatch.setattr(building, "BuildJob", SlowBuild)
    ran = run_main(*command, "--resume")
    assert ran.code == 0, ran
    assert ran.err.startswith("rowspace: 2 workers of 1 thread on 2 nodes of the Ray cluster at")
    assert len(watched.asked) > 4
    assert not made & set(watched.asked)
    assert_alike(alone, rowspace.open_space(out), "a cat sat on the mat")
    assert not ShardFolder(out / ".build" / "shards").path.exists()
