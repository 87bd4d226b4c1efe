"""A cluster that the files of tests share: starting one takes as long as most of them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import storage
from tests.clusters import two_nodes
from tests.scale import work


@pytest.fixture
def _small_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    work.small_sections(monkeypatch)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return work.small_model(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture(scope="session")
def _shared_nodes(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Any, storage.Proxy, Path]]:
    """Workers find object storage by the environment that their node was started in."""
    work.sent_whole()
    cache = tmp_path_factory.mktemp("cache")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(storage.s3_server())
        with pytest.MonkeyPatch.context() as patch:
            storage.use(patch, server, cache)
            started = stack.enter_context(two_nodes())
        yield started, server, cache


@pytest.fixture
def nodes(_shared_nodes: tuple[Any, storage.Proxy, Path], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two nodes, as `two_nodes`; a test that takes one away gives one back."""
    started, server, cache = _shared_nodes
    storage.use(monkeypatch, server, cache)
    warnings.simplefilter("ignore")  # until the test's end: Ray warns of itself, as when it forks
    return started
