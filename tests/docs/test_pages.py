from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.needs import prepare
from tests.docs.pages import RUN, SHOWN, Page, all_pages
from tests.program import finish, start

PAGES = all_pages()
DIRECTIVES = ("{toctree}", "{include}", "{eval-rst}")
"""Of Sphinx; these hold no code."""
_COMMAND = re.compile(
    r"^(\$ |((sudo|pip|python|curl|docker) |rowspace [a-z]+ |import \w|from \S+ import ))",
    re.MULTILINE,
)


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


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page.is_run], ids=_name)
def test_the_page_runs(page: Page, tmp_path: Path) -> None:
    prepare(page, tmp_path)
    process = start(
        page.path, tmp_path, module="tests.docs.session", cwd=tmp_path, stderr=subprocess.STDOUT
    )
    try:
        ran = finish(process)
    finally:
        process.kill()
    sys.stdout.write(ran.out)
    assert ran.code == 0, ran.out[-4000:]
