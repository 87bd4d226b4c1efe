"""A server over a space, in this process, and what its tests compare with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from rowspace.search.rerank import Reranker
from rowspace.search.space import open_space
from rowspace.serve.app import create_app
from rowspace.serve.config import ServeConfig
from rowspace.serve.served import Served, load_deterministic

Client = TestClient


@contextmanager
def client_of(
    path: Path, config: ServeConfig | None = None, reranker: Reranker | None = None
) -> Iterator[TestClient]:
    """A client of a server over the space at `path`."""
    served = Served(path.name, path, open_space(path, load=load_deterministic), reranker=reranker)
    served.reranker_name = "" if reranker is None else "judge"
    app = create_app(served, config)
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def copy_of(path: Path, folder: Path) -> Path:
    """A copy of a space that a test may change."""
    return Path(shutil.copytree(path, folder / path.name))


def as_sent(value: Any) -> Any:
    """A value after it was JSON, whose floats have the same bits."""
    return json.loads(json.dumps(value))


def check_error(response: Any, status: int, param: str | None, said: str) -> None:
    """See that an answer is an error of the one form there is."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    assert said in error["message"]
    assert "\n" not in error["message"]
    assert len(error["message"]) < 1000
