"""A cluster that the files of tests share: starting one takes as long as most of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clusters import two_nodes
from tests.scale import work


@pytest.fixture(scope="session")
def _shared_nodes() -> Iterator[Any]:
    work.sent_whole()
    with two_nodes() as started:
        yield started


@pytest.fixture
def nodes(_shared_nodes: Any) -> Any:
    """Two nodes, as `two_nodes`; a test that takes one away gives one back."""
    warnings.simplefilter("ignore")  # until the test's end: Ray warns of itself, as when it forks
    return _shared_nodes
