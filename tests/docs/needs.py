"""What pages may need in their folder, by the names of `<!-- needs: … -->`.

- `minilm`: the real model, as `all-MiniLM-L6-v2`
- `data`: the evaluation data, as `DATA`
- `curl`: the program
- `demo.space`, `demo.words`: what `make demo` makes, trained for one epoch; each page has a copy

Every page has `examples`: the course those of the repository, the others the same files with a
quarter of the text, since they show how and not how well. What is missing skips the page's test,
with the reason.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import lzma
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


_WHOLE = "docs/learn/"
"""Pages that work on all of the examples."""
_SHARE = 4


def prepare(page: Page, folder: Path) -> None:
    """Put what the page needs into its folder."""
    if page.name.startswith(_WHOLE):
        (folder / "examples").symlink_to(ROOT / "examples")
    else:
        shutil.copytree(_made("examples"), folder / "examples")
    for need in page.needs:
        if need == "minilm":
            (folder / "all-MiniLM-L6-v2").symlink_to(minilm_folder())
        elif need == "data":
            (folder / "DATA").symlink_to(shared_data())
        elif need in _DEMO:
            shutil.copytree(_made(need), folder / need)
        elif need != "curl":
            raise PageError(f"{page.name} needs {need!r}; there is {', '.join(NEEDS)}")
        elif shutil.which(need) is None:
            pytest.skip(f"there is no {need}")


def _made(name: str) -> Path:
    """A folder that is made once, and again whenever the program has changed."""
    kept = ROOT / ".cache" / "docs-demo" / _digest() / name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_name(f"{os.getpid()}-{name}")
        if name == "examples":
            _write_small_examples(new)
        else:
            texts = _made("examples").parent
            ran = finish(start(*_DEMO[name], "--epochs", "1", "--out", new, cwd=texts))
            assert ran.code == 0, ran
        try:
            new.rename(kept)
        except OSError:  # another process was quicker
            shutil.rmtree(new)
        for other in kept.parents[1].iterdir():  # of the program as it was before
            if other != kept.parent:
                shutil.rmtree(other, ignore_errors=True)
    return kept


def _write_small_examples(folder: Path) -> None:
    """All documents of the Factbook and all books, with the first quarter of their text."""
    shutil.copytree(ROOT / "examples", folder)
    factbook, books = folder / "factbook/factbook.jsonl.gz", folder / "gutenberg/books.txt.xz"
    documents = [json.loads(line) for line in gzip.decompress(factbook.read_bytes()).splitlines()]
    for one in documents:
        one["text"] = one["text"][: len(one["text"]) // _SHARE]
    lines = "".join(json.dumps(one) + "\n" for one in documents)
    factbook.write_bytes(gzip.compress(lines.encode(), mtime=0))
    texts = [
        text.splitlines() for text in lzma.decompress(books.read_bytes()).decode().split("\n\n")
    ]
    some = ["\n".join(lines[: 1 + len(lines) // _SHARE]) for lines in texts]
    books.write_bytes(lzma.compress("\n\n".join(some).encode()))


@functools.cache
def _digest() -> str:
    found = hashlib.sha256()
    of_examples = (path for path in (ROOT / "examples").rglob("*") if path.is_file())
    for path in [*sorted((ROOT / "src").rglob("*.py")), *sorted(of_examples), Path(__file__)]:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
