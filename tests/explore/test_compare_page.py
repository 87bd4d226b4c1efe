"""Two models side by side in a real browser: linked maps, lists, addresses, keys, a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rowspace.explore.subject import open_subject
from rowspace.serve.run import running
from rowspace.serve.served import Served
from rowspace.space.vectors import Vectors
from tests.browser import axe_findings, screenshot, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

N, DIM = 240, 12
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 740}


def _vectors(noise: float) -> Vectors:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(8, DIM))
    matrix = centers[np.arange(N) % 8] + 0.5 * rng.normal(size=(N, DIM))
    matrix += noise * np.random.default_rng(1).normal(size=(N, DIM))
    return Vectors([f"word{i:03}" for i in range(N)], matrix, list(range(2 * N, N, -1)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    _vectors(0.0).save(folder / "first")
    _vectors(0.5).save(folder / "second")
    Vectors(["only", "these", "three"], np.eye(3)).save(folder / "small")
    return folder


def _serve(*paths: Path) -> Iterator[str]:
    subjects = [open_subject(path) for path in paths]
    with running(Served(subjects[0].name, paths[0], subjects=subjects)) as address:
        yield f"{address}/explore/"


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    yield from _serve(folder / "first", folder / "second")


def _open(page: Page, site: str, address: str = "#/compare") -> None:
    page.goto(site + address)
    page.locator(".compare .histogram").wait_for()
    page.locator(".compare .half:nth-child(2) .overlay text").first.wait_for(state="attached")


def _rings(page: Page, half: int) -> int:
    return page.locator(f".half:nth-child({half}) .ring.near").count()


def _wait_for_rings(page: Page, number: int) -> None:
    page.wait_for_function(
        "(n) => [...document.querySelectorAll('.compare .half')]"
        ".every((half) => half.querySelectorAll('.ring.near').length === n)",
        arg=number,
    )


def _middle_of_a_ring(page: Page) -> list[float]:
    """Where one is, in one step: rings are drawn anew whenever the map moves."""
    place: list[float] = page.evaluate(
        """() => {
          const rings = document.querySelectorAll(".half:nth-child(1) .ring.near");
          const { x, y, width, height } = [...rings].at(-1).getBoundingClientRect();
          return [x + width / 2, y + height / 2];
        }"""
    )
    return place


def test_it_tells_how_alike_the_two_are(browser: Browser, site: str) -> None:
    with watched(browser) as page:
        _open(page, site)
        about = page.evaluate("fetch('api/compare').then((answer) => answer.json())")
        heading = page.get_by_label("How alike they are").get_by_role("heading").inner_text()
        assert heading == f"{100 * about['mean']:.0f}% of neighbours are the same"
        titles = page.locator(".side-title").all_inner_texts()
        assert ["first" in titles[0], "second" in titles[1]] == [True, True]
        assert page.locator(".histogram rect").count() == 11
        assert page.get_by_label("Changed most").get_by_role("button").count() == 20
        assert "orthogonal Procrustes" in page.get_by_label("How it is drawn").inner_text()


def test_an_address_has_a_point_whose_neighbours_are_marked_in_both(
    browser: Browser, site: str
) -> None:
    with watched(browser) as page:
        _open(page, site, "#/compare?point=word010")
        _wait_for_rings(page, 10)
        panel = page.get_by_label("Neighbours")
        assert panel.get_by_role("heading", level=2).inner_text() == "word010"
        found = page.evaluate("fetch('api/compare/point?i=10').then((answer) => answer.json())")
        shared = {one["i"] for one in found["a"]} & {one["i"] for one in found["b"]}
        assert f"{len(shared)} of its 10 nearest" in panel.inner_text()
        both = panel.get_by_role("list", name="In both").locator(".name").all_inner_texts()
        assert {int(name[4:]) for name in both} == shared
        only_b = panel.get_by_role("list", name="Only in B, second").locator(".name")
        assert {int(name[4:]) for name in only_b.all_inner_texts()} == {
            one["i"] for one in found["b"]
        } - shared


def test_a_click_in_one_map_marks_both(browser: Browser, site: str) -> None:
    with watched(browser) as page:
        _open(page, site, "#/compare?point=word010")
        _wait_for_rings(page, 10)
        page.mouse.move(*_middle_of_a_ring(page))
        page.mouse.down()
        page.mouse.up()
        page.wait_for_function("!location.hash.includes('word010')")
        name = page.evaluate("new URLSearchParams(location.hash.split('?')[1]).get('point')")
        page.get_by_label("Neighbours").get_by_role("heading", name=name).wait_for()
        page.mouse.move(5, 5)
        _wait_for_rings(page, 10)
        pins = page.locator(".overlay text").filter(has_text=name)
        assert pins.count() == 2  # its name in both
        page.go_back()
        page.get_by_label("Neighbours").get_by_role("heading", name="word010").wait_for()


def test_what_is_pointed_at_is_marked_in_both(browser: Browser, site: str) -> None:
    with watched(browser) as page:
        _open(page, site)
        assert _rings(page, 1) == _rings(page, 2) == 0
        first = page.get_by_label("Changed most").get_by_role("button").first
        first.hover()
        _wait_for_rings(page, 10)
        page.mouse.move(5, 5)
        _wait_for_rings(page, 0)


def test_it_is_used_by_keyboard(browser: Browser, site: str) -> None:
    with watched(browser) as page:
        _open(page, site)
        page.get_by_label("Search the points").focus()
        page.keyboard.type("word05")
        page.get_by_role("option", name="word050").wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.get_by_label("Neighbours").get_by_role("heading", name="word051").wait_for()
        assert "point=word051" in page.url
        button = page.get_by_label("Changed least").get_by_role("button").first
        name = button.locator(".name").inner_text()
        button.focus()
        page.keyboard.press("Enter")
        page.get_by_label("Neighbours").get_by_role("heading", name=name).wait_for()
        page.get_by_label("Search the points").fill("nowhere")
        page.keyboard.press("Enter")
        assert "“nowhere”" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_everyone_can_use_it(
    browser: Browser, site: str, scheme: str, size: dict[str, int]
) -> None:
    with watched(browser, viewport=size, color_scheme=scheme) as page:
        _open(page, site, "#/compare?point=word003")
        _wait_for_rings(page, 10)
        screenshot(page, f"compare-{scheme}-{size['width']}")
        assert axe_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tops = page.evaluate(
            "[...document.querySelectorAll('.compare .half')].map((half) => "
            "half.getBoundingClientRect().top)"
        )
        assert (tops[0] == tops[1]) == (size == WIDE)  # stacked on a phone


def test_two_that_share_too_little_say_so_in_a_line(browser: Browser, folder: Path) -> None:
    for site in _serve(folder / "first", folder / "small"):
        page_settings = {"viewport": WIDE}
        context = browser.new_context(**page_settings)  # type: ignore[arg-type]
        page = context.new_page()  # the browser writes a refused request to its console
        page.goto(f"{site}#/compare")
        alert = page.get_by_role("alert").filter(has_text="common")
        alert.wait_for()
        assert "0 words in common, too few to compare" in alert.inner_text()
        context.close()


def test_one_model_has_no_comparison(browser: Browser, folder: Path) -> None:
    for site in _serve(folder / "first"):
        with watched(browser) as page:
            page.goto(f"{site}#/positions")
            page.get_by_role("link", name="Positions").wait_for()
            assert page.get_by_role("link", name="Compare").count() == 0
