"""A server over something small, asked without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from rowspace.explore.subject import Subject, open_subject
from rowspace.serve.app import create_app
from rowspace.serve.served import Served

API = "/explore/api/"


def client_of(*subjects: Subject) -> TestClient:
    """Asks a server that shows these."""
    served = Served("shown", Path("shown"), subjects[0].space, subjects=list(subjects))
    return TestClient(create_app(served), base_url="http://127.0.0.1")


@contextmanager
def looking_at(*paths: Path) -> Iterator[TestClient]:
    """Asks a server that shows what is at these paths."""
    with client_of(*map(open_subject, paths)) as client:
        yield client


def refusal(client: TestClient, path: str, **options: Any) -> str:
    """The one line with which a request is refused, which is the client's fault."""
    method = "POST" if "json" in options else "GET"
    response = client.request(method, API + path, **options)
    assert 400 <= response.status_code < 500, response.text
    message: str = response.json()["error"]["message"]
    assert message and "\n" not in message and "Traceback" not in message
    return message
