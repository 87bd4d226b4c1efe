from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser import axe_findings, launched, screenshot, watched
from tests.docs.pages import ROOT

OPTIONS = ("-m", "sphinx", "-W", "--keep-going", "-n", "-q")
pytestmark = pytest.mark.slow

_LOADED = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")
SHOWN = ("index", "commands/build", "api/space", "learn/07-rope", "guide/position")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as for readers, a warning being an error; unchanged pages come from the cache."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, *OPTIONS, "-d", ROOT / ".cache/doctrees", ROOT / "docs", out],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with contextlib.closing(server.socket):
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_page_is_there(site: Path) -> None:
    pages = {
        path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")
    }
    built = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    assert pages <= built


def test_options_keep_their_two_dashes(site: Path) -> None:
    for page in site.glob("commands/*.html"):
        dashed = re.search(r"[–—][a-z]+", page.read_text())
        assert dashed is None, f"{page.name}: {dashed}"


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for target in _LOADED.findall(page.read_text()):
            assert not target.startswith(("http:", "https:", "//")), f"{page.name}: {target}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", style.read_text()), style


def test_pages_in_a_browser(address: str) -> None:
    with launched() as browser:
        for scheme in ("light", "dark"):
            with watched(browser, color_scheme=scheme) as page:
                for name in SHOWN:
                    page.goto(f"{address}/{name}.html")
                    assert axe_findings(page) == [], f"{name}, {scheme}"
                    screenshot(page, f"{name.replace('/', '-')}-{scheme}")
        with watched(browser, viewport={"width": 360, "height": 740}) as page:
            for name in SHOWN:
                page.goto(f"{address}/{name}.html")
                assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
                screenshot(page, f"{name.replace('/', '-')}-narrow")
        with watched(browser) as page:
            page.goto(f"{address}/search.html?q=retrieve")
            page.locator("#search-results li a").first.wait_for()
