from __future__ import annotations

import re

import pytest

from tests.docs.pages import RUN, SHOWN, Page, all_pages

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
