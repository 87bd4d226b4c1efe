from __future__ import annotations

import importlib.util
from pathlib import Path

PLOTS = Path(__file__).resolve().parents[2] / "docs" / "plots" / "compare.py"


def test_the_table_of_the_guide_is_that_of_the_recorded_comparison() -> None:
    spec = importlib.util.spec_from_file_location("compare_plots", PLOTS)
    assert spec is not None
    assert spec.loader is not None
    plots = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plots)
    results = (plots.ROOT / "benchmarks" / "results.md").read_text()
    text = plots.CHAPTER.read_text()
    assert plots.in_chapter(text, plots.table(results)) == text
