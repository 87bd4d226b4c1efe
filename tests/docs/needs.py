"""What pages may need in their folder, by the names of `<!-- needs: … -->`.

- `minilm`: the real model, as `all-MiniLM-L6-v2`
- `data`: the evaluation data, as `DATA`
- `curl`: the program
- `demo.space`, `demo.words`: what `make demo` makes, trained for one epoch; each page has a copy

Every page has `examples`. What is missing skips the page's test, with the reason.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.data import shared_data
from tests.docs.pages import ROOT, Page, PageError
from tests.minilm import minilm_folder
from tests.program import finish, start

NEEDS = ("minilm", "data", "curl", "demo.space", "demo.words")
_DEMO = {
    "demo.space": ("build", "examples/factbook"),
    "demo.words": ("train", "word2vec", "examples/factbook", "examples/gutenberg"),
}


def prepare(page: Page, folder: Path) -> None:
    """Put what the page needs into its folder."""
    (folder / "examples").symlink_to(ROOT / "examples")
    for need in page.needs:
        if need == "minilm":
            (folder / "all-MiniLM-L6-v2").symlink_to(minilm_folder())
        elif need == "data":
            (folder / "DATA").symlink_to(shared_data())
        elif need in _DEMO:
            shutil.copytree(_demo(need), folder / need)
        elif need != "curl":
            raise PageError(f"{page.name} needs {need!r}; there is {', '.join(NEEDS)}")
        elif shutil.which(need) is None:
            pytest.skip(f"there is no {need}")


def _demo(name: str) -> Path:
    """Made once, and again whenever the program has changed."""
    kept = ROOT / ".cache" / "docs-demo" / _digest() / name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = kept.with_name(f"{os.getpid()}-{name}")
        ran = finish(start(*_DEMO[name], "--epochs", "1", "--out", made, cwd=ROOT))
        assert ran.code == 0, ran
        try:
            made.rename(kept)
        except OSError:  # another process was quicker
            shutil.rmtree(made)
        for other in kept.parents[1].iterdir():  # of the program as it was before
            if other != kept.parent:
                shutil.rmtree(other, ignore_errors=True)
    return kept


@functools.cache
def _digest() -> str:
    found = hashlib.sha256()
    for path in sorted((ROOT / "src").rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
