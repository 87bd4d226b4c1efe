from __future__ import annotations

import pytest

from tests.docs.running import Run, check_page, runs

RUNS = {name: run for name, run in runs().items() if name.startswith("docs/guide/")}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "run"), RUNS.items(), ids=RUNS)
def test_the_page_runs(name: str, run: Run) -> None:
    check_page(name, run)
