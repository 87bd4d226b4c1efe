from __future__ import annotations

import os
from pathlib import Path

import pytest

from rowspace import machine


@pytest.mark.parametrize(
    ("said", "cores"),
    [("max 100000", 4), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("", 4)],
)
def test_a_container_has_the_cores_that_its_quota_pays_for(
    said: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(said)
    monkeypatch.setattr(machine, "_QUOTA", quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    assert machine.n_cores() == cores
