"""`rowspace encode --engine ray` writes what one process writes, whoever dies on the way."""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from rowspace.errors import ClusterError, ConfigError, CorpusError, FormatError
from rowspace.scale import encode as encoding
from rowspace.scale import shards as making
from rowspace.scale.cluster import Cluster, ClusterConfig
from rowspace.scale.encode import EncodeJob, encode_on_ray
from rowspace.scale.pool import Work, _read_error, _Worker, run
from rowspace.scale.shards import MAX_TRIES, Tries, check_same
from rowspace.scale.shared import absolute_corpus, absolute_shards, check_seen
from rowspace.sentence.text_encoding import EncodingSettings, load_encoding
from rowspace.space.encoding import encode_corpus
from rowspace.space.encoding_shards import begin
from rowspace.storage.address import parse_address
from rowspace.storage.objects import Objects
from rowspace.text.corpus import Corpus
from tests import storage
from tests.minilm import minilm_folder
from tests.program import RunMain, run_until_death
from tests.scale.work import SlowJob, Watched, alike, workers_of, write_corpus

pytestmark = pytest.mark.usefixtures("_small_sections")


def _job(tmp_path: Path, model: Path) -> EncodeJob:
    """What a worker gets, without a cluster."""
    settings = EncodingSettings(model=str(model), threads=1)
    corpus = Corpus(write_corpus(tmp_path / "corpus"), documents="lines")
    found = load_encoding(settings, corpus)
    out = tmp_path / "out.npy"
    run = begin(corpus, out, dim=found.dim, identity=found.identity, dtype=found.dtype)
    run.folder.path.mkdir()
    tries = Tries(run.folder, run.shards)
    shards = absolute_shards(run.shards)
    return EncodeJob(
        settings=settings,
        corpus=absolute_corpus(corpus),
        rows=run.rows,
        shards=shards,
        tries=tries,
        identity=found.identity,
    )


def _alone(model: Path, corpus: Corpus, out: Path) -> Path:
    found = load_encoding(EncodingSettings(model=str(model), threads=1), corpus)
    encode_corpus(found.encode, corpus, out, dim=found.dim, identity=found.identity)
    return out


# --- Without a cluster ---------------------------------------------------------------------------


def test_a_shard_that_is_made_is_not_made_again(tmp_path: Path, model: Path) -> None:
    job = _job(tmp_path, model)
    do = job.start()
    first = do(1)
    assert first["told"]["texts"] > 0
    assert not first["is_late"]
    assert do(1) == {"told": {}, "is_late": True}
    assert len(job.tries.folder.begun(job.shards[1])) == 1


def test_a_shard_that_ends_its_worker_again_and_again_is_given_up(
    tmp_path: Path, model: Path
) -> None:
    job = _job(tmp_path, model)
    do = job.start()
    for number in range(MAX_TRIES):  # what dead workers leave
        (job.tries.folder.path / f"00002.{number}").mkdir()
    with pytest.raises(ClusterError, match=r"shard 3 ended its worker 3 times.*fewer --workers"):
        do(2)
    again = replace(job, tries=Tries(job.tries.folder, job.shards.values()))
    assert again.start()(2)["told"]["texts"] > 0  # another driver tries anew


def test_a_worker_must_see_the_folder_and_the_corpus(tmp_path: Path, model: Path) -> None:
    job = _job(tmp_path, model)
    check_seen(job.tries.folder.path.parent, job.corpus)
    with pytest.raises(ClusterError, match=r"no folder .*elsewhere; give an --out .* all nodes"):
        check_seen(tmp_path / "elsewhere", job.corpus)
    shutil.rmtree(tmp_path / "corpus")
    with pytest.raises(ClusterError, match=r"no .*corpus; put the corpus where all nodes see it"):
        job.start()


def test_a_worker_with_another_model_is_told_apart() -> None:
    mine = {"encoder": "abc", "runtime": "openvino bfloat16"}
    check_same(mine, dict(mine))
    with pytest.raises(ClusterError, match="runtime is 'torch', and the driver's 'openvino bf"):
        check_same(mine, mine | {"runtime": "torch"})


def test_an_error_of_the_corpus_comes_through_as_it_is(tmp_path: Path, model: Path) -> None:
    job = _job(tmp_path, model)
    file = tmp_path / "corpus" / "b.jsonl"
    file.write_text(file.read_text().replace('"_id"', "'_id'"))
    number = next(
        number
        for number, shard in job.shards.items()
        if shard.sections[0].parts[0].name == "b.jsonl"
    )
    (answer,) = _Worker(job)({"item": np.array([number])}).to_pylist()
    error = _read_error(answer["error"])
    assert type(error) is CorpusError
    assert re.match(r"b\.jsonl, line \d+, is not JSON", str(error))


def test_what_is_amiss_with_a_node_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowspace.scale.pool._node", lambda: "abc (host)")

    class NoModel:
        def start(self) -> Work:
            raise FormatError("there is no model m")

    (answer,) = _Worker(NoModel())({"item": np.array([0])}).to_pylist()
    error = _read_error(answer["error"])
    assert (type(error), str(error)) == (FormatError, "on node abc (host), there is no model m")


def test_what_ray_raises_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    class Broken:
        def map_batches(self, *_: Any, **__: Any) -> Broken:
            return self

        def iter_batches(self, **_: Any) -> Any:
            raise ray.exceptions.RaySystemError("no module\nnamed m")  # type: ignore[no-untyped-call]

    monkeypatch.setattr("ray.data.from_items", lambda *_, **__: Broken())
    with pytest.raises(ClusterError, match=r"could not do the work \(RaySystem.*named m\)"):
        list(run(Cluster(1, ("n",), 1, 1), None, [0]))  # type: ignore[arg-type]


def test_what_is_wrong_is_said_before_a_cluster_is_started(tmp_path: Path, model: Path) -> None:
    config = ClusterConfig(workers=1)
    corpus = Corpus(write_corpus(tmp_path / "corpus"), documents="lines")
    with pytest.raises(ConfigError, match="ends in"):
        encode_on_ray(EncodingSettings(model=str(model)), corpus, tmp_path / "a", cluster=config)
    (tmp_path / "a.npy").touch()
    with pytest.raises(ConfigError, match="exists"):
        encode_on_ray(
            EncodingSettings(model=str(model)), corpus, tmp_path / "a.npy", cluster=config
        )


# --- On a cluster of two nodes -------------------------------------------------------------------


@pytest.mark.slow
def test_files_are_those_of_one_process_though_a_worker_is_killed_and_a_node_goes(
    nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Corpus(write_corpus(tmp_path / "corpus", 60), documents="lines")
    alone = _alone(minilm_folder(), corpus, tmp_path / "alone.npy")
    out = tmp_path / "ray.npy"

    def kill() -> None:
        os.kill(workers_of(tmp_path / "ray.npy.training")[0], signal.SIGKILL)

    def lose() -> None:
        nodes.remove_node(next(iter(nodes.worker_nodes)))

    watched = Watched({2: kill, 8: lose})
    monkeypatch.setattr(making, "run", watched)
    monkeypatch.setattr(encoding, "EncodeJob", SlowJob)
    told: list[str] = []
    config = ClusterConfig(address=nodes.address)
    settings = EncodingSettings(model=str(minilm_folder()))
    try:
        report = encode_on_ray(settings, corpus, out, cluster=config, tell=told.append)
    finally:
        nodes.add_node(num_cpus=1, object_store_memory=100 << 20)
        nodes.wait_for_nodes()
    assert len(watched.asked) > 10
    assert alike(alone, out)
    assert (report.n_texts, report.n_empty) == (174, 6)  # without text and title
    assert told == [f"2 workers of 1 thread on 2 nodes of the Ray cluster at {nodes.address}"]
    assert not list(tmp_path.glob("*.training*"))


@pytest.mark.slow
def test_a_driver_is_killed_and_the_next_goes_on_with_texts_in_object_storage(
    nodes: Any, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, run_main: RunMain
) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    alone = _alone(model, Corpus(corpus, documents="lines"), tmp_path / "alone.npy")
    at = f"s3://{storage.BUCKET}/corpus"
    for file in corpus.iterdir():
        Objects(parse_address(at)).put_file(file.name, file)
    out = tmp_path / "ray.npy"
    command = ("encode", model, at, "--documents", "lines", "--out", out, "--engine", "ray",
               "--address", nodes.address)  # fmt: skip
    run_until_death("tests.scale.fine:answered", 4, *command)
    made = {int(file.stem) for file in (tmp_path / "ray.npy.training/shards").glob("?????.json")}
    assert len(made) >= 3
    assert "holds shards that are made; add --resume" in run_main(*command).error()
    watched = Watched()
    monkeypatch.setattr(making, "run", watched)
    ran = run_main(*command, "--resume")
    assert ran.code == 0, ran
    assert not made & set(watched.asked)
    assert alike(alone, out)
