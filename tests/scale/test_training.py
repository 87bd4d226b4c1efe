"""Counting and training over two nodes: what one process gives, or an oracle of the averaging."""

from __future__ import annotations

import dataclasses
import lzma
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed")

import rowspace as rs
from rowspace.errors import ConfigError
from rowspace.scale.cluster import Cluster, ClusterConfig, connected
from rowspace.scale.cooccurrence import count_pairs
from rowspace.scale.counting import count_words
from rowspace.scale.training import RayEngine, fit_on_ray
from rowspace.static.averaging import AveragingConfig
from rowspace.static.cooccurrence import CooccurrenceConfig, count_cooccurrences
from rowspace.static.training import EpochReport, Training
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import TokenIds, Vocabulary, VocabularyConfig, scan_corpus
from tests.clusters import two_nodes
from tests.data import shared_data
from tests.naive_averaging import naive_averaged
from tests.text.test_shares import write_awkward

SYNC = AveragingConfig(sync=3)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes() as nodes, connected(ClusterConfig(address=nodes.address)) as joined:
        yield joined


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Vocabulary, TokenIds]:
    """Presidents' speeches and files with awkward ends, counted by one process."""
    folder = tmp_path_factory.mktemp("counted")
    text = write_awkward(folder / "text")
    packed = shared_data("corpora", "small", "inaugural.txt.xz")
    (text / "speeches.txt").write_bytes(lzma.decompress(packed.read_bytes()))
    corpus = Corpus(text)
    return corpus, *scan_corpus(corpus, folder, VocabularyConfig())


@pytest.mark.slow
def test_words_are_counted_as_by_one_process(
    cluster: Cluster, scanned: tuple[Corpus, Vocabulary, TokenIds], tmp_path: Path
) -> None:
    corpus, one, ids = scanned
    many, many_ids = count_words(cluster, corpus, tmp_path, VocabularyConfig(), share_bytes=200_001)
    assert many.words == one.words
    assert many.counts.tolist() == one.counts.tolist()
    assert (many.n_tokens, many.n_distinct) == (one.n_tokens, one.n_distinct)
    assert many_ids.path.read_bytes() == ids.path.read_bytes()
    assert many_ids.n_ids == ids.n_ids


@pytest.mark.slow
def test_pairs_are_counted_as_by_one_process(
    cluster: Cluster, scanned: tuple[Corpus, Vocabulary, TokenIds], tmp_path: Path
) -> None:
    _, vocabulary, ids = scanned
    config = CooccurrenceConfig(window=5)
    one = count_cooccurrences(vocabulary, ids, tmp_path / "one", config)
    many = count_pairs(cluster, vocabulary, ids, tmp_path / "many", config, 32, range_tokens=50_001)
    assert many.path.read_bytes() == one.path.read_bytes()
    assert many.ends.tolist() == one.ends.tolist()
    assert {path.name for path in tmp_path.iterdir()} == {"one", "many"}


def trainer(epochs: int) -> rs.Word2Vec:
    return rs.Word2Vec(dim=12, epochs=epochs, n_threads=1)


class Noting(RayEngine):
    """Remembers the run."""

    run: Any

    def training(self, *parts: Any) -> Training:
        run = self.run = super().training(*parts)
        return run


@pytest.mark.slow
def test_one_worker_gives_the_bits_of_one_process(
    cluster: Cluster, scanned: tuple[Corpus, Vocabulary, TokenIds]
) -> None:
    _, vocabulary, ids = scanned
    one, averaged = trainer(2), trainer(2)
    one.fit_ids(vocabulary, ids)
    averaged.engine = RayEngine(dataclasses.replace(cluster, workers=1), SYNC)
    vectors = averaged.fit_ids(vocabulary, ids)
    assert one.vectors is not None and vectors.matrix.tobytes() == one.vectors.matrix.tobytes()
    np.testing.assert_array_equal(averaged.context_matrix, one.context_matrix)
    assert [epoch.loss for epoch in averaged.history] == pytest.approx(
        [epoch.loss for epoch in one.history]
    )
    assert vectors.metadata["averaging"] == {"workers": 1, "sync": 3}


@pytest.mark.slow
def test_two_workers_give_what_the_oracle_gives_though_driver_and_worker_are_lost(
    cluster: Cluster, scanned: tuple[Corpus, Vocabulary, TokenIds], tmp_path: Path
) -> None:
    import ray

    _, vocabulary, ids = scanned
    lost, again = trainer(3), trainer(3)
    lost.engine, again.engine = RayEngine(cluster, SYNC), Noting(cluster, SYNC)
    checkpoint, seconds = tmp_path / "checkpoint", 1e-9
    engine, pids = again.engine, []

    def lose(report: EpochReport, _: rs.Vectors) -> None:
        raise SystemExit

    def kill(report: EpochReport, _: rs.Vectors) -> None:
        if report.epoch > 1:
            worker = engine.run.workers[1]
            pids.append(ray.get(worker.__ray_call__.remote(lambda _: os.getpid())))
        if report.epoch == 2:
            threading.Timer(0.05, os.kill, (pids[0], signal.SIGKILL)).start()

    with pytest.raises(SystemExit):
        lost.fit_ids(
            vocabulary, ids, checkpoint=checkpoint, checkpoint_seconds=seconds, on_epoch_end=lose
        )
    vectors = again.fit_ids(vocabulary, ids, checkpoint=checkpoint, on_epoch_end=kill)
    assert pids[0] != pids[1], "Ray started a worker anew"
    method = again._method(vocabulary, np.empty(0, dtype=bool))
    w_in, w_out = naive_averaged(
        lambda: Training(again.config, vocabulary, ids, method), 2, SYNC.sync
    )
    np.testing.assert_allclose(vectors.matrix, w_in, atol=2e-5)
    assert again.context_matrix is not None
    np.testing.assert_allclose(again.context_matrix, w_out, atol=2e-5)


def test_what_one_process_must_do_is_refused(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    with pytest.raises(ConfigError, match="fasttext is trained by one process"):
        fit_on_ray(rs.FastText(), corpus, tmp_path)
    with pytest.raises(ConfigError, match="phrases are found by one process; write the text"):
        fit_on_ray(rs.Word2Vec(phrases=1), corpus, tmp_path)
