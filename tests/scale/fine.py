"""Importing it cuts corpora finely, in a driver that is a process of its own and may be killed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import rowspace.scale.shards
import rowspace.space.shards
import rowspace.text.sections
from rowspace.scale.pool import run
from tests.scale.work import SECTION


def answered() -> None:
    """A shard is done."""


def _run(cluster: Any, job: Any, shards: Sequence[int]) -> Iterator[tuple[int, Any]]:
    for answer in run(cluster, job, shards):
        answered()
        yield answer


rowspace.text.sections.SECTION_BYTES = SECTION
rowspace.space.shards.SHARD_BYTES = SECTION
setattr(rowspace.scale.shards, "run", _run)  # noqa: B010
