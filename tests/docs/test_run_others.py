from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.running import check_run, runs

RUNS = {
    name: paths
    for name, paths in runs().items()
    if not name.startswith(("docs/guide/", "docs/learn/"))
}


@pytest.mark.slow
@pytest.mark.parametrize("paths", RUNS.values(), ids=RUNS)
def test_the_page_runs(paths: list[Path]) -> None:
    check_run(paths)
