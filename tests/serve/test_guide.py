from __future__ import annotations

import re
from pathlib import Path

from rowspace.serve.app import create_app
from rowspace.serve.config import ServeConfig
from rowspace.serve.guard import MAX_URL
from rowspace.serve.metrics import Metrics
from rowspace.serve.protocol import HEAD_SECONDS, SEND_SECONDS
from tests.serve.servers import stub

GUIDE = (Path(__file__).resolve().parents[2] / "docs/guide/serve.md").read_text()


def test_the_limits_are_those_of_the_settings() -> None:
    rows = re.findall(r"^\|[^|]+\| `(\w+)` \| ([\d,]+) \|", GUIDE, re.MULTILINE)
    assert len(rows) > 10
    for name, value in rows:
        assert getattr(ServeConfig(), name) == int(value.replace(",", "")), name
    assert f"414 for an address over {MAX_URL:,}" in GUIDE
    assert f"must arrive within {HEAD_SECONDS:g} seconds" in GUIDE
    assert f"for {SEND_SECONDS:g} is cut off" in " ".join(GUIDE.split())


def test_the_metrics_are_those_that_are_told() -> None:
    told = set(re.findall(r"`(rowspace_\w+)`", GUIDE))
    there = {f"rowspace_space_{name}" for name in ("passages", "documents", "version")}
    for line in Metrics().text().decode().splitlines():
        if line.startswith("# TYPE rowspace_") and "_created " not in line:
            there.add(line.split()[2])
    assert told == there | {"rowspace_workers"}  # of several, tests/serve/test_workers.py


def test_the_addresses_are_there() -> None:
    table = GUIDE[GUIDE.index("| address |") : GUIDE.index("A text has the same")]
    named = set(re.findall(r"`(/[\w/.]+)`", table))
    app = create_app(stub())
    there = set(app.openapi()["paths"]) | {"/docs", "/openapi.json", "/explore/"}
    space_only = {"/v1/search", "/v1/retrieve", "/v1/documents", "/v1/rerank"}
    assert named - space_only <= there
    assert there - named <= {"/v1/models/{model}"}
