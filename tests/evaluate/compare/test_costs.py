from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.evaluate.compare import costs_child
from rowspace.evaluate.compare.costs import measure_costs
from rowspace.evaluate.compare.models import open_contenders
from rowspace.evaluate.compare.models_contender import ModelContender
from rowspace.evaluate.compare.outcome import LackingError
from rowspace.space.vectors import Vectors
from tests.sentence.server import embed, serve

TEXTS = [" ".join(["the", "cat", "dog"][: 1 + i % 3]) + f" {i}" for i in range(40)]


@pytest.fixture
def words(tmp_path: Path) -> ModelContender:
    matrix = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    Vectors(["the", "cat", "dog"], matrix).save(tmp_path / "words")
    return open_contenders([f"{tmp_path}/words"])[0]


class Clock:
    """Time that passes only while something is encoded."""

    def __init__(self, seconds_a_text: Sequence[float]) -> None:
        self.now = 0.0
        self._each = list(seconds_a_text)
        self.dim, self.fingerprint = 2, "clock"
        self.lists: list[int] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        each = self._each.pop(0) if len(self._each) > 1 else self._each[0]
        self.now += each * len(texts)
        self.lists.append(len(texts))
        return np.zeros((len(texts), 2), dtype=np.float32)


def test_a_model_is_measured_in_a_process_of_its_own(words: ModelContender) -> None:
    found = measure_costs(words, TEXTS, TEXTS[:3])
    assert found.texts_per_second is not None
    assert found.texts_per_second > 0
    assert found.query_ms is not None
    assert found.query_ms > 0
    assert found.memory_bytes is not None or sys.platform != "linux"
    assert found.disk_bytes == words.disk_bytes
    assert found.dim == 5
    assert f"{len(os.sched_getaffinity(0))} core" in found.machine


def test_whitening_by_few_texts_does_not_hide_how_long_vectors_are(words: ModelContender) -> None:
    (white,) = open_contenders([f"{words.spec}+whiten"], TEXTS)
    assert white.encoder().dim == 2  # three different vectors
    assert measure_costs(white, TEXTS, TEXTS[:3]).dim == 5


def test_a_server_has_no_memory_or_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with serve(embed) as server:
        (remote,) = open_contenders([f"{server.url}#tiny"])
        found = measure_costs(remote, TEXTS, TEXTS[:2])
        assert len(server.texts) > len(TEXTS)  # each round asks it: nothing was kept
    assert (found.memory_bytes, found.disk_bytes, found.dim) == (None, None, 4)
    assert found.texts_per_second is not None
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_measured_is_said_in_a_line(words: ModelContender, tmp_path: Path) -> None:
    with pytest.raises(LackingError, match="there are no texts to measure costs by"):
        measure_costs(words, [], ["a"])
    with pytest.raises(LackingError, match="there are no queries"):
        measure_costs(words, ["a"], [])
    (tmp_path / "words" / "vectors.safetensors").write_bytes(b"no")
    with pytest.raises(LackingError, match="the costs of words cannot be measured: ") as e:
        measure_costs(words, TEXTS, TEXTS)
    assert "\n" not in str(e.value)


def test_the_fastest_round_and_the_median_wait_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def clocked(*seconds: float) -> Clock:
        clock = Clock(seconds)
        monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
        return clock

    # A first guess, then three rounds: half a second, a quarter and a second a text.
    clock = clocked(0.5, 0.5, 0.25, 1.0)
    assert costs_child._texts_per_second(clock, TEXTS) == 4
    assert clock.lists == [40] * 4
    clock = clocked(0.001)
    costs_child._texts_per_second(clock, ["a"] * 5000)
    assert clock.lists == [64, 1500, 1500, 1500]  # of a second and a half
    clock = clocked(0.001, 0.002, 0.009)
    assert costs_child._query_ms(clock, ["a", "b"]) == pytest.approx(9)
    assert clock.lists == [1] * 30
    clock = clocked(1.5)
    costs_child._query_ms(clock, ["a"])
    assert clock.lists == [1, 1]  # two seconds are over


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from Linux's /proc")
def test_memory_is_the_most_since_the_start() -> None:
    code = """
import numpy as np
from rowspace.evaluate.compare import costs_child
before = costs_child._start_memory()
np.ones(50_000_000, dtype=np.uint8).sum()  # let go at once
print(costs_child._memory("VmHWM") - before)
"""
    # A process of its own: this one may have room for it already.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 50_000_000 * 0.9 < int(done.stdout) < 50_000_000 * 2


def test_an_interrupt_ends_the_process(
    words: ModelContender, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    usual: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen

    def sleeping(command: list[str], **settings: Any) -> subprocess.Popen[bytes]:
        code = "import sys, time; sys.stdin.read(); time.sleep(60)"
        started.append(usual([command[0], "-c", code], **settings))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", sleeping)
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.5, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        measure_costs(words, TEXTS, TEXTS)
    assert time.monotonic() - begin < 50
    assert started[0].returncode == -signal.SIGKILL
