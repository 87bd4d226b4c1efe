"""The map in a real browser: what its parts show, by mouse, by keyboard and by finger."""

from __future__ import annotations

import csv
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
import uvicorn

from rowspace.explore.subject import open_subject
from rowspace.serve.app import create_app
from rowspace.serve.served import Served
from rowspace.space.vectors import Vectors
from tests.browser import axe_findings, screenshot, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.slow

GROUPS = ("ant", "bee", "cat", "dog", "elk", "fox")
EACH = 50
N = len(GROUPS) * EACH
LISTED = 200
DRAWN = "performance.getEntriesByName('map-drawn').length"


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    rng = np.random.default_rng(3)
    middles = rng.normal(size=(len(GROUPS), 12))
    keys = [f"{group}{i:02}" for i in range(EACH) for group in GROUPS]
    matrix = np.tile(middles, (EACH, 1)) + 0.35 * rng.normal(size=(N, 12))
    return Vectors(keys, matrix, counts=np.geomspace(9000, 3, N).astype(int))


@pytest.fixture(scope="module")
def site(vectors: Vectors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that shows the vectors."""
    folder = tmp_path_factory.mktemp("map")
    path = folder / "animals"
    vectors.save(path)
    changed = pytest.MonkeyPatch()
    changed.setenv("ROWSPACE_MAPS", str(folder / "maps"))
    subject = open_subject(path)
    app = create_app(Served(subject.name, Path(path), subjects=[subject]))
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/explore/"
    server.should_exit = True
    thread.join()
    changed.undo()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched(browser, reduced_motion="reduce") as found:
        yield found


def show(page: Page, site: str, **params: str) -> None:
    """Open the map and wait until it is drawn with its colours and names."""
    page.goto(f"{site}#/map?{urlencode({'method': 'pca'} | params)}")
    page.wait_for_function(DRAWN)
    page.locator(".overlay .label.area").first.wait_for(state="attached")
    page.locator(".legend:not([hidden])").wait_for()


def params_of(page: Page) -> dict[str, str]:
    query = urlsplit(page.url).fragment.partition("?")[2]
    return {name: values[0] for name, values in parse_qs(query).items()}


def names_in(where: Locator) -> list[str]:
    return where.locator(".point .name").all_inner_texts()


def canvas_box(page: Page) -> tuple[float, float]:
    box = page.locator(".scatter canvas").bounding_box()
    assert box is not None
    return box["x"], box["y"]


def ring(page: Page, kind: str = "pin") -> tuple[float, float]:
    """Where the first ring is, on the canvas."""
    page.wait_for_timeout(300)  # a view that moved rests
    found = page.locator(f".overlay .ring.{kind}").first
    return float(found.get_attribute("cx") or "nan"), float(found.get_attribute("cy") or "nan")


def suggested(page: Page) -> Locator:
    return page.locator(".suggestions [role=option]")


def pinned(page: Page) -> Locator:
    return page.locator(".pins article")


def test_search_suggests_pins_and_lists(page: Page, site: str) -> None:
    from playwright.sync_api import expect

    show(page, site)
    page.keyboard.press("/")
    page.keyboard.type("cat1")
    options = suggested(page)
    expect(options).to_have_text([f"cat1{i}" for i in range(10)])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(pinned(page).get_by_role("heading", level=2)).to_have_text("cat11")
    assert params_of(page)["pin"] == "cat11"
    page.keyboard.press("/")
    page.keyboard.type("bee2")
    page.keyboard.press("Enter")
    found = page.get_by_role("region", name="Search results")
    expect(found.get_by_role("heading")).to_have_text("10 for “bee2”")
    expect(found.locator(".point .name")).to_have_text([f"bee2{i}" for i in range(10)])
    expect(page.locator(".overlay .ring.found")).to_have_count(10)
    assert params_of(page)["q"] == "bee2"


def test_neighbors_are_those_of_most_similar(page: Page, site: str, vectors: Vectors) -> None:
    from playwright.sync_api import expect

    show(page, site, pin="dog07")
    card = pinned(page)
    expect(card.locator(".point")).to_have_count(10)
    card.get_by_label("How many neighbours").select_option("25")
    expect(card.locator(".point")).to_have_count(25)
    expected = vectors.most_similar("dog07", topn=25)
    assert names_in(card) == [word for word, _ in expected]
    shown = card.locator(".point .number").all_inner_texts()
    assert shown == [f"{score:.3f}" for _, score in expected]
    expect(page.locator(".overlay .ring.near")).to_have_count(25)
    card.locator(".point").first.click()
    expect(pinned(page).get_by_role("heading", level=2)).to_have_text(expected[0][0])


def test_a_click_pins_and_hovering_tells_the_nearest_five(
    page: Page, site: str, vectors: Vectors
) -> None:
    from playwright.sync_api import expect

    show(page, site, q="elk00")
    page.locator(".overlay .ring.found").wait_for(state="attached")
    page.get_by_role("button", name="Show all").click()
    (left, top), (x, y) = canvas_box(page), ring(page, "found")
    page.mouse.move(left + x, top + y, steps=3)
    tip = page.locator(".tip")
    expect(tip).to_be_visible()
    word = tip.locator("strong").inner_text()
    near = [key for key, _ in vectors.most_similar(word, topn=5)]
    assert tip.locator("li span:first-child").all_inner_texts() == near
    page.mouse.down()
    page.mouse.up()
    expect(pinned(page).get_by_role("heading", level=2)).to_have_text(word)


def test_an_analogy_draws_its_arrows_and_lists_the_librarys_answers(
    browser: Browser, site: str, vectors: Vectors
) -> None:
    from playwright.sync_api import expect

    with watched(browser, "status of 404", reduced_motion="reduce") as page:
        show(page, site)
        page.get_by_role("button", name="Analogy", exact=True).click()
        section = page.get_by_role("region", name="Analogy")
        for name, word in (("first term", "ant01"), ("minus", "ant02"), ("plus", "bee03")):
            section.get_by_role("combobox", name=name).fill(word)
        section.get_by_role("button", name="Answer").click()
        expect(section.locator(".point")).to_have_count(10)
        expected = vectors.most_similar(positive=["ant01", "bee03"], negative=["ant02"])
        assert names_in(section) == [word for word, _ in expected]
        expect(page.locator(".overlay .arrow")).to_have_count(2)
        assert {"a", "b", "c"} <= params_of(page).keys()
        section.get_by_role("combobox", name="plus").fill("bea03")
        section.get_by_role("button", name="Answer").click()
        expect(section.get_by_role("alert")).to_contain_text("no vector for 'bea03'")
        expect(page.locator(".overlay .arrow")).to_have_count(0)


def test_colours_have_a_legend_that_lights_up_what_is_clicked(page: Page, site: str) -> None:
    from playwright.sync_api import expect

    show(page, site)
    legend = page.locator(".legend")
    legend.locator("summary").click()
    entry = legend.locator(".entry").first
    entry.click()
    expect(legend.locator(".entry").first).to_have_attribute("aria-pressed", "true")
    legend.get_by_role("button", name="show all").click()
    expect(legend.locator(".entry").first).to_have_attribute("aria-pressed", "false")
    page.locator("select[name=color]").select_option("rank")
    expect(legend.locator(".ends")).to_have_text(f"1{N}")
    assert params_of(page)["color"] == "rank"


def test_a_lasso_lists_and_exports_what_it_holds(
    page: Page, site: str, vectors: Vectors, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    show(page, site)
    page.get_by_role("button", name="Lasso").click()
    box = page.locator(".scatter canvas").bounding_box()
    assert box is not None
    corners = [(3, 3), (box["width"] - 3, 3), (box["width"] - 3, box["height"] - 3)]
    corners += [(3, box["height"] - 3), (3, 10)]
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    for x, y in corners:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=6)
        page.wait_for_timeout(30)  # the lasso takes a place every 15 ms
    page.mouse.up()
    section = page.get_by_role("region", name="Lasso")
    expect(section.get_by_role("heading")).to_have_text(f"{N} selected")
    expect(section.locator(".point")).to_have_count(LISTED)
    assert page.get_by_role("button", name="Lasso").get_attribute("aria-pressed") == "false"
    with page.expect_download() as started:
        section.get_by_role("button", name="Export CSV").click()
    started.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    words = {value for row in rows for value in row.values()} & set(vectors.index_to_key)
    assert len(rows) == len(words) == N


def test_a_link_shows_the_same_state_again(page: Page, site: str) -> None:
    from playwright.sync_api import expect

    show(page, site, color="frequency", q="ant0", pin="ant05\nbee05")
    expect(pinned(page).locator(".point")).to_have_count(10)
    expect(page.locator(".pins .closed .name")).to_have_text("bee05")
    page.get_by_role("button", name="Zoom in").click()
    page.locator(".scatter canvas").press("ArrowRight")
    page.wait_for_function("location.hash.includes('at=')")
    before, at = params_of(page), ring(page)
    page.reload()
    page.wait_for_function(DRAWN)
    expect(pinned(page).locator(".point")).to_have_count(10)
    assert params_of(page) == before
    assert ring(page) == pytest.approx(at, abs=1.5)
    expect(page.locator("select[name=color]")).to_have_value("frequency")
    expect(page.get_by_role("combobox", name="Search the map")).to_have_value("ant0")
    expect(page.get_by_role("region", name="Search results").locator(".point")).to_have_count(10)


def test_back_undoes_a_pin(page: Page, site: str) -> None:
    from playwright.sync_api import expect

    show(page, site, pin="fox00")
    pinned(page).locator(".point").first.click()
    expect(page.locator(".pins .closed")).to_have_count(1)
    page.go_back()
    expect(page.locator(".pins .closed")).to_have_count(0)
    expect(pinned(page).get_by_role("heading", level=2)).to_have_text("fox00")


def test_everything_goes_by_keyboard(page: Page, site: str, vectors: Vectors) -> None:
    from playwright.sync_api import expect

    show(page, site)
    page.keyboard.press("/")
    page.keyboard.type("fox0")
    expect(suggested(page).first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    heading = pinned(page).get_by_role("heading", level=2)
    expect(heading).to_be_focused()
    expect(pinned(page).locator(".point")).to_have_count(10)
    first = vectors.most_similar("fox00", topn=2)
    for _ in range(3):  # the cross, how many, the first neighbour
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(heading).to_have_text(first[1][0])
    expect(heading).to_be_focused()
    page.keyboard.press("Escape")
    expect(heading).to_have_text("fox00")
    canvas = page.locator(".scatter canvas")
    canvas.focus()
    for key in ("+", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    page.wait_for_function("location.hash.includes('at=')")
    page.keyboard.press("0")
    page.wait_for_function("!location.hash.includes('at=')")


def test_fingers_tap_pan_and_pinch(browser: Browser, site: str) -> None:
    from playwright.sync_api import expect

    settings: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
    with watched(browser, reduced_motion="reduce", **settings) as page:
        show(page, site, q="cat00")
        page.locator(".overlay .ring.found").first.wait_for(state="attached")
        (left, top), (x, y) = canvas_box(page), ring(page, "found")
        page.get_by_role("button", name="Show all").click()
        (left, top), (x, y) = canvas_box(page), ring(page, "found")
        page.touchscreen.tap(left + x, top + y)
        expect(pinned(page).get_by_role("heading", level=2)).to_be_visible()
        touch = page.context.new_cdp_session(page)

        def fingers(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": left + x, "y": top + y, "id": i} for i, (x, y) in enumerate(places)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        fingers("touchStart", (100, 80))
        for step in range(1, 6):
            fingers("touchMove", (100 + 10 * step, 80))
        fingers("touchEnd")
        page.wait_for_function("location.hash.includes('at=')")
        panned = params_of(page)["at"].split(",")
        assert float(panned[2]) == pytest.approx(1, abs=0.01)
        fingers("touchStart", (100, 80), (140, 80))
        for step in range(1, 6):
            fingers("touchMove", (100 - 8 * step, 80), (140 + 8 * step, 80))
        fingers("touchEnd")
        page.wait_for_function(
            "Number(decodeURIComponent(location.hash).match(/at=[^&]*,([\\d.]+)/)?.[1]) > 2"
        )
        screenshot(page, "map-phone")


def test_a_narrow_screen_does_not_scroll_sideways(browser: Browser, site: str) -> None:
    from playwright.sync_api import expect

    with watched(browser, viewport={"width": 360, "height": 740}) as page:
        show(page, site, pin="cat00", q="cat")
        expect(pinned(page).locator(".point")).to_have_count(10)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert axe_findings(page) == []


@pytest.mark.parametrize(("theme", "paper"), [("light", 251), ("dark", 21)])
def test_both_themes_are_drawn_and_accessible(
    browser: Browser, site: str, theme: Any, paper: int
) -> None:
    from playwright.sync_api import expect

    with watched(browser, color_scheme=theme, reduced_motion="reduce") as page:
        show(page, site, pin="cat00", q="bee0")
        expect(pinned(page).locator(".point")).to_have_count(10)
        page.locator(".legend summary").click()
        screenshot(page, f"map-{theme}")
        assert axe_findings(page) == []
        with page.expect_download() as started:
            page.get_by_role("button", name="Save picture").click()
        picture = started.value.path().read_bytes()
        width, height = struct.unpack(">II", picture[16:24])
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        size = page.locator(".scatter canvas").bounding_box()
        assert size is not None
        assert width == 2 * round(size["width"])
        assert height > 2 * size["height"]
        assert corner_of(page, picture)[0] == paper


def corner_of(page: Page, picture: bytes) -> list[int]:
    """The colour of a PNG's last pixel, as the browser reads it."""
    reads = """async (bytes) => {
        const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
        const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
        pen.drawImage(bitmap, 0, 0);
        return [...pen.getImageData(bitmap.width - 1, bitmap.height - 1, 1, 1).data];
    }"""
    found: list[int] = page.evaluate(reads, list(picture))
    return found


def test_without_webgl_the_lists_work(page: Page, site: str) -> None:
    from playwright.sync_api import expect

    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return kind.startsWith('webgl') ? null : get.call(this, kind, ...more); };"
    )
    page.goto(f"{site}#/map?method=pca")
    expect(page.locator(".no-webgl")).to_contain_text("no WebGL")
    page.keyboard.press("/")
    page.keyboard.type("dog00")
    expect(suggested(page)).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(pinned(page).locator(".point")).to_have_count(10)


def test_data_that_changed_is_loaded_again(browser: Browser, site: str) -> None:
    from playwright.sync_api import expect

    with watched(browser, "status of 409", reduced_motion="reduce") as page:
        show(page, site)
        body = '{"error": {"message": "the words of animals have changed"}}'
        page.route(
            "**/api/find?*",
            lambda route: route.fulfill(status=409, body=body, content_type="application/json"),
        )  # whichever: what is typed is looked for too, and Enter gives that up
        with page.expect_request("**/api/about"):
            page.get_by_role("combobox", name="Search the map").fill("cat00")
            page.keyboard.press("Enter")
        page.unroute("**/api/find?*")
        expect(page.get_by_text("was loaded again")).to_be_attached()
        assert page.locator(".map > .wrong").is_hidden()
