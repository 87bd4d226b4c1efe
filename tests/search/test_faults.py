"""SIGKILL at random moments, and several processes at once: the short form of the soak."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.search.faults import Known, crowd_trial, kill_trial, new_space


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_to_kills_at_random_moments(tmp_path: Path) -> None:
    path = tmp_path / "a.space"
    new_space(path)
    known, rng = Known(), random.Random(0)
    for _ in range(7):
        kill_trial(path, known, rng)
    assert sum(n for kind, n in known.steps.items() if kind.startswith("killed")) >= 4
    assert known.steps["add"] > 7


@pytest.mark.slow
def test_two_writers_and_two_readers_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.space"
    new_space(path)
    assert crowd_trial(path, Known(), seed=0, n_steps=20, seconds=3.0) > 4
