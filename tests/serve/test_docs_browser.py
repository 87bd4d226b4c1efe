"""The page of the API in a real browser, under the policy it is served with."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowspace.serve.config import ServeConfig
from rowspace.serve.run import running
from rowspace.serve.served import Served
from tests.browser import axe_findings, launched, screenshot, watched
from tests.search.stub import document, make_space
from tests.serve.test_rerank import CountsBanks


@pytest.mark.slow
def test_the_page_is_styled_readable_and_fits_narrow_screens(tmp_path: Path) -> None:
    space = make_space(tmp_path / "a.space", [document("a", "a river")])
    served = Served("a", space.path, space, reranker=CountsBanks(), reranker_name="judge")
    with running(served, ServeConfig(port=0)) as address, launched() as browser:
        for scheme, width in (("light", 1100), ("dark", 360)):
            shape = {"width": width, "height": 900}
            with watched(browser, color_scheme=scheme, viewport=shape) as page:
                page.goto(f"{address}/docs")
                assert page.evaluate("document.documentElement.scrollWidth") == width
                ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
                assert axe_findings(page) == []
                page.get_by_role("link", name="/v1/rerank").click()
                assert page.url.endswith("/docs#post-v1-rerank")
                screenshot(page, f"docs-{scheme}")
