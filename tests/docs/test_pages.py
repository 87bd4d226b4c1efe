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
TOGETHER = ("docs/commands", "docs/coming-from")
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


def _runs() -> dict[str, list[Path]]:
    """Pages that are run by one process: short ones together, the others each by itself."""
    runs: dict[str, list[Path]] = {}
    for page in PAGES:
        folder = str(Path(page.name).parent)
        if page.is_run:
            runs.setdefault(folder if folder in TOGETHER else page.name, []).append(page.path)
    return runs


@pytest.mark.slow
@pytest.mark.parametrize(("name", "paths"), _runs().items(), ids=_runs())
def test_the_page_runs(name: str, paths: list[Path]) -> None:
    process = start(*paths, module="tests.docs.session", stderr=subprocess.STDOUT)
    try:
        out, _ = process.communicate(timeout=600)
    finally:
        process.kill()
    sys.stdout.write(out)
    if process.returncode == SKIPPED:
        pytest.skip(out.strip().splitlines()[-1])
    assert process.returncode == 0, out[out.index("Traceback") if "Traceback" in out else 0 :]
