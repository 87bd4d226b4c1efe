from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.docs.needs import NEEDS
from tests.docs.pages import RUN, SHOWN, Page, PageError, all_pages, read_page

PAGES = all_pages()
DIRECTIVES = ("{toctree}", "{include}", "{eval-rst}")
"""Of Sphinx; these hold no code."""
_COMMAND = re.compile(
    r"^(\$ |((sudo|pip|python|curl|docker|openssl|git|export) |rowspace [a-z]+ "
    r"|import \w|from \S+ import ))",
    re.MULTILINE,
)
_FENCED = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1|<!--.*?-->", re.MULTILINE | re.DOTALL)
_UNSEEN = re.compile(r"^ *(> *)*(`{3}|~{3}|\$ )|<(pre|code)\b", re.MULTILINE)
"""Code that is in no fenced block, so that nobody runs it."""


def _name(page: Page) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_is_run_or_holds_nothing_to_run(page: Page) -> None:
    for block in page.blocks:
        where = f"{page.name}:{block.line}"
        assert block.language, f"{where}: name the block's language, `text` if it is none"
        assert block.language in (*RUN, *SHOWN, *DIRECTIVES, "setup"), where
        if block.language in SHOWN and block.run != "not here":
            found = _COMMAND.search(block.code)
            assert not found, f"{where}: {found} is code in a block that is not run"
        if block.language == "json":
            json.loads(block.code)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_all_code_is_in_fenced_blocks(page: Page) -> None:
    found = _UNSEEN.search(_FENCED.sub("", page.path.read_text()))
    assert found is None, found


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_needs_what_there_is(page: Page) -> None:
    code = "\n".join(block.code for block in page.blocks)
    for need in page.needs:
        assert need in NEEDS
        name = {"minilm": "all-MiniLM-L6-v2", "data": "DATA"}.get(need, need)
        assert name in code, f"{page.name} does not use {name}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- runs: --epochs 1 -->\n```console\n$ true\n```", "no note is written so"),
        ("- a list\n  <!-- run: fails -->\n", "no note is written so"),
        ("<!-- run: --epochs 1 -->\n```python\nx = 1\n```", "says nothing of python"),
        ("<!-- run: not here -->\n```console\n$ true\n```", "says nothing of console"),
        ("<!-- run: fails -->\n```text\nno\n```", "says nothing of text"),
        ("<!-- run: fails -->\n\nno block\n", "no block after"),
        ("<!-- setup: x = 1 -->\n", "a setup has lines of its own"),
        ("<!-- run: fails\n-->\n", "a setup has lines of its own"),
        ("# A title\n<!-- needs: data -->\n", "its first line"),
        ("```python\nx = 1\n", "has no end"),
    ],
)
def test_a_note_that_nothing_follows_from_is_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    with pytest.raises(PageError, match=message):
        read_page(path)
