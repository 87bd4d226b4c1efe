from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from rowspace.serve import run
from rowspace.serve.app import create_app
from rowspace.serve.health import STUCK_SECONDS
from rowspace.serve.run import running
from rowspace.serve.served import Served
from tests.search.stub import document, make_space
from tests.serve.servers import stub


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FastAPI]:
    """The applications that servers of a test make."""
    apps: list[FastAPI] = []

    def create(*arguments: Any) -> FastAPI:
        apps.append(create_app(*arguments))
        return apps[-1]

    monkeypatch.setattr(run, "create_app", create)
    return apps


def _amiss(address: str) -> str:
    answer = httpx.get(f"{address}/ready")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "not_ready"
    assert httpx.get(f"{address}/health").status_code == 200
    message: str = answer.json()["error"]["message"]
    return message


def test_a_server_that_can_compute_is_ready() -> None:
    with running(stub()) as address:
        assert httpx.get(f"{address}/ready").json() == {"status": "ready"}


def test_without_its_computing_thread_it_is_not(made: list[FastAPI]) -> None:
    with running(stub()) as address:
        asyncio.run(made[0].state.batcher.close())
        assert _amiss(address) == "the thread that computes has ended; start the server anew"


def test_nor_when_a_batch_does_not_end(made: list[FastAPI]) -> None:
    with running(stub()) as address:
        made[0].state.batcher._computing._busy_since = time.monotonic() - STUCK_SECONDS + 5
        assert httpx.get(f"{address}/ready").status_code == 200
        made[0].state.batcher._computing._busy_since = time.monotonic() - STUCK_SECONDS - 5
        assert f"computed for {STUCK_SECONDS + 5:.0f} seconds" in _amiss(address)


def test_nor_when_its_space_is_damaged(tmp_path: Path) -> None:
    space = make_space(tmp_path / "a.space", [document("a", "Heat flows.")])
    with running(Served("a", space.path, space)) as address:
        assert httpx.get(f"{address}/ready").status_code == 200
        for file in space.path.glob("*.json"):
            file.write_text("{")
        assert str(space.path) in _amiss(address)
