"""Points of an array, and a client of the server that shows a subject."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from rowspace.explore.points import Matrix, Rows
from rowspace.explore.subject import Subject
from rowspace.serve.app import create_app
from rowspace.serve.served import Served

API = "/explore/api/"


class ArrayPoints:
    """Points of a matrix."""

    kind, model = "passages", ""

    def __init__(
        self,
        matrix: NDArray[Any],
        texts: Sequence[str] = (),
        fields: Mapping[str, pa.Array] | None = None,
        fingerprint: str = "array",
    ) -> None:
        self.matrix = np.asarray(matrix, np.float32)
        self._texts = list(texts) or [f"text {row}" for row in range(len(matrix))]
        self._values = dict(fields or {})
        self.fingerprint = fingerprint

    @property
    def dim(self) -> int:
        return int(self.matrix.shape[1])

    def __len__(self) -> int:
        return len(self.matrix)

    def vectors(self, rows: Rows | None = None) -> Matrix:
        return self.matrix if rows is None else self.matrix[rows]

    def nearest(self, queries: Matrix, k: int) -> tuple[Rows, NDArray[np.float32]]:
        raise NotImplementedError

    def labels(self, rows: Rows) -> list[str]:
        return self.texts(rows)

    def details(self, rows: Rows) -> list[dict[str, Any]]:
        return [{"label": self._texts[row], "text": self._texts[row]} for row in rows]

    def texts(self, rows: Rows) -> list[str]:
        return [self._texts[row] for row in rows]

    def find(self, query: str, k: int) -> list[tuple[int, float | None]]:
        return []

    @property
    def fields(self) -> Mapping[str, str]:
        return dict.fromkeys(self._values, "category")

    def values(self, field: str) -> pa.Array:
        return self._values[field]


def blobs(
    n: int, dim: int = 12, n_groups: int = 4, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points around a few directions, and which each is around."""
    random = np.random.default_rng(seed)
    centers = random.standard_normal((n_groups, dim))
    groups = random.integers(0, n_groups, n)
    return centers[groups] + 0.2 * random.standard_normal((n, dim)), groups


def client(*subjects: Subject) -> TestClient:
    """Of a server that shows them."""
    first = subjects[0]
    served = Served(first.name, Path(first.path), first.space, subjects=list(subjects))
    return TestClient(create_app(served), base_url="http://127.0.0.1:8000")


def wait_for(browser: TestClient, address: str, most: float = 60.0) -> Any:
    """The answer when it is no longer 202."""
    deadline = time.monotonic() + most
    while True:
        answer = browser.get(API + address)
        if answer.status_code != 202:
            return answer
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


def places(answer: Any) -> NDArray[np.float32]:
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<f4").reshape(-1, 2)
