"""Spaces that change while they are served, and what is left when a server ends."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from rowspace.search import snapshot
from rowspace.search.space import Space, open_space
from rowspace.serve.run import running
from rowspace.serve.served import Served
from tests.search.stub import HashEncoder, OtherEncoder, document, make_space

TEXT = "a river"
PATIENCE = 30


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    documents = [document(f"d{i}", f"a river and a stone {i}") for i in range(5)]
    yield make_space(tmp_path / "a.space", documents)


def _served(path: Path) -> Served:
    return Served("a.space", path, open_space(path))


def _embedded(address: str, model: str = "default") -> Any:
    answer = httpx.post(f"{address}/v1/embeddings", json={"model": model, "input": TEXT})
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["data"][0]["embedding"], np.float32)


def test_another_model_of_the_same_name_answers_and_the_old_one_is_let_go(space: Space) -> None:
    served = _served(space.path)
    assert served.space is not None
    with running(served) as address:
        for name in ("default", "a.space"):
            np.testing.assert_array_equal(_embedded(address, name), HashEncoder().encode([TEXT])[0])
        old = weakref.ref(served.space.encoder)
        space.reembed(OtherEncoder())
        np.testing.assert_array_equal(_embedded(address), OtherEncoder().encode([TEXT])[0])
        gc.collect()
        assert old() is None


def test_a_space_that_is_read_anew_holds_up_nobody_else(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    take = snapshot.take_snapshot

    def slow(*given: Any) -> Any:
        begun.set()
        assert go.wait(PATIENCE)
        return take(*given)

    body = {"query": TEXT, "model": "default"}
    with running(_served(space.path)) as address, ThreadPoolExecutor(2) as beside:
        _embedded(address)
        space.add([document("new", "a comet")])
        monkeypatch.setattr("rowspace.search.space.take_snapshot", slow)
        vector = beside.submit(_embedded, address)
        assert begun.wait(PATIENCE)
        found = beside.submit(httpx.post, f"{address}/v1/search", json=body, timeout=PATIENCE)
        try:
            for _ in range(3):
                assert httpx.get(f"{address}/health", timeout=PATIENCE / 3).status_code == 200
        finally:
            go.set()
        assert len(vector.result()) == HashEncoder.dim
        assert found.result().status_code == 200


def test_a_space_that_was_served_is_searched_as_before(space: Space) -> None:
    served = _served(space.path)
    assert served.space is not None
    before = [hit.score for hit in served.space.search(TEXT)]
    for _ in range(2):
        with running(served) as address:
            _embedded(address)
        assert [hit.score for hit in served.space.search(TEXT)] == before
    served.space.add([document("new", "a comet")])
    assert served.space.search("comet", 1)[0].document_id == "new"
