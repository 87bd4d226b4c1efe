"""Tests ask Milvus Lite, which is done at once, more often than pymilvus would."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

_MOST_SECONDS = 0.01


@pytest.fixture(scope="session", autouse=True)
def short_pauses() -> Iterator[None]:
    pytest.importorskip("pymilvus")
    module = importlib.import_module("pymilvus.client.grpc_handler")
    with pytest.MonkeyPatch.context() as patch:
        named = SimpleNamespace(time=time.time, sleep=lambda s: time.sleep(min(s, _MOST_SECONDS)))
        patch.setattr(module, "time", named)
        yield
