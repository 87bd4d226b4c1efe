"""A real browser for the explorer's tests: Debian's Chromium, driven by Playwright, without a GPU.

A page fails its test if the browser writes an error to its console, an exception is not caught, or
it asks for anything that is not on this machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

PLACES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",  # CI runs as root
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",  # WebGL in software
    "--disable-dev-shm-usage",
]
LOCAL = ("127.0.0.1", "localhost", "::1")


def chromium() -> str:
    """The browser's program; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, PLACES)), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium; `make test` installs it when it runs as root")
        pytest.skip("there is no chromium; install it, as by `apt-get install chromium`")
    return found


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """A browser, which ends with the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def watched(browser: Browser, allowed: str | None = None, **settings: Any) -> Iterator[Page]:
    """A page of its own that may neither err nor leave the machine.

    Parameters
    ----------
    browser : Browser
    allowed : str, optional
        What an error that is meant to happen holds, as "status of 404".
    **settings
        Of a context: `viewport`, `color_scheme`, `reduced_motion` and so on.
    """
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | settings))
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: _note_error(said, allowed, wrong))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: _note_foreign(request.url, wrong))
    try:
        yield page
        assert wrong == []
    finally:
        context.close()


def _note_error(said: ConsoleMessage, allowed: str | None, wrong: list[str]) -> None:
    if said.type == "error" and not (allowed and allowed in said.text):
        wrong.append(said.text)


def _note_foreign(url: str, wrong: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL:
        wrong.append(f"asked for {url}")


def axe_findings(page: Page) -> list[str]:
    """What axe finds serious or critical in the page as it is."""
    import axe_playwright_python.sync_playwright as axe

    results = axe.Axe().run(page).response
    return [
        f"{found['id']} ({found['impact']}): {found['help']}: {node['html'][:200]}"
        for found in results["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def screenshot(page: Page, name: str) -> Path | None:
    """A picture of the page in the folder that ROWSPACE_SCREENSHOTS names, if it names one."""
    folder = os.environ.get("ROWSPACE_SCREENSHOTS")
    if folder is None:
        return None
    path = Path(folder) / f"{name}.png"
    page.screenshot(path=path)
    return path
