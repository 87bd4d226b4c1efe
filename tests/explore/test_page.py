"""What all views have in common, in a real browser: menu, addresses, waiting, themes, silence."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from rowspace.explore.subject import open_subject
from rowspace.search.space import open_space
from rowspace.serve.run import running
from rowspace.serve.served import Served
from rowspace.space.vectors import Vectors
from tests.browser import watched
from tests.explore.shown import blobs
from tests.explore.trained import train_model
from tests.search.stub import document, make_space

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow

N = 60
NOWHERE = 7
"""The row of a word whose vector is all zeros."""


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    matrix = blobs(N)[0]
    matrix[NOWHERE] = 0
    return Vectors([f"word{row}" for row in range(N)], matrix)


@pytest.fixture(scope="module")
def site(vectors: Vectors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that shows word vectors and two models that Rowspace trained."""
    folder = tmp_path_factory.mktemp("page")
    vectors.save(folder / "plain")
    train_model(folder / "first")
    train_model(folder / "second")
    subjects = [open_subject(folder / name) for name in ("plain", "first", "second")]
    with running(Served("plain", folder / "plain", subjects=subjects)) as address:
        yield f"{address}/explore/"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched(browser, reduced_motion="reduce") as found:
        yield found


def _view(page: Page, title: str) -> None:
    """Choose a view in the menu."""
    page.get_by_label("Views").get_by_role("link", name=title, exact=True).click()


def _still_computing(route: Route) -> None:
    route.fulfill(status=202, json={"state": "computing", "share": 0.5, "message": "placing"})


@pytest.mark.parametrize("view", ["map", "training"])
def test_a_view_that_still_waits_is_left_and_asks_no_more(page: Page, site: str, view: str) -> None:
    page.route(re.compile("/api/(map|colors.bin|training/places)[?]"), _still_computing)
    page.goto(f"{site}#/{view}")
    expect(page.locator(".progress")).to_contain_text("placing", ignore_case=True)
    _view(page, "Tokens")
    expect(page.locator(".chips button").first).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1500)  # three times what lies between two questions
    assert asked == []
    assert page.url.endswith("#/tokens")
    assert page.locator(".scatter").count() == 0


def test_a_view_that_is_left_before_its_code_is_there_never_shows(page: Page, site: str) -> None:
    held: list[Route] = []
    page.route("**/js/views/training.js", lambda route: held.append(route))
    page.goto(f"{site}#/training")
    expect(page.get_by_text("Loading…")).to_be_visible()
    _view(page, "Positions")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Positions")
    held[0].continue_()
    page.wait_for_timeout(400)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Positions")
    assert page.locator(".training").count() == 0


def test_the_menu_is_used_by_keyboard_and_leads_back_to_what_was_left(
    page: Page, site: str
) -> None:
    page.goto(f"{site}#/tokens?text=word1+word2&place=1")
    expect(page.locator(".chips button")).to_have_count(2)
    page.get_by_role("link", name="Positions").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Positions")
    expect(page.get_by_role("link", name="Positions")).to_be_focused()
    _view(page, "Tokens")
    assert page.url.endswith("#/tokens?text=word1+word2&place=1")
    expect(page.locator(".chips button[aria-current=true]")).to_contain_text("word2")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Positions")


def test_a_narrow_menu_shows_which_view_is_open(browser: Browser, site: str) -> None:
    with watched(browser, viewport={"width": 360, "height": 740}) as page:
        page.goto(f"{site}#/positions")
        link = page.get_by_role("link", name="Positions")
        expect(link).to_have_attribute("aria-current", "page")
        box = link.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 360


def test_skipping_to_the_view_stays_in_it(page: Page, site: str) -> None:
    page.goto(f"{site}#/positions?method=alibi")
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert page.url.endswith("#/positions?method=alibi")


def test_the_button_chooses_light_or_dark_and_the_browser_keeps_it(
    browser: Browser, site: str
) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with watched(browser, color_scheme="dark") as page:
        page.goto(f"{site}#/positions")
        page.get_by_role("button", name="Auto").wait_for()
        dark = page.evaluate(paper)
        page.get_by_role("button", name="Auto").click()
        expect(page.get_by_role("button", name="Light")).to_be_visible()
        light = page.evaluate(paper)
        assert sum(_channels(light)) > 3 * 200 > 3 * 60 > sum(_channels(dark))
        page.reload()
        page.get_by_role("button", name="Light").click()
        assert page.evaluate(paper) == dark


def _channels(color: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", color)]


def test_a_server_that_is_gone_is_told_of(browser: Browser, site: str) -> None:
    with watched(browser, allowed="ERR_FAILED") as page:
        page.goto(f"{site}#/tokens?text=word1")
        expect(page.locator(".chips button")).to_have_count(1)
        page.route("**/api/**", lambda route: route.abort())
        page.locator("#tokens-text").fill("word1 word2")
        expect(page.get_by_text("The server does not answer")).to_be_visible()
        page.reload()
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        page.unroute("**/api/**")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".chips button")).to_have_count(2)


def test_no_view_writes_to_the_console(page: Page, site: str) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{site}#/map?method=pca")
    page.locator(".measured").wait_for()
    for view in ("Training", "Compare", "Tokens", "Positions"):
        _view(page, view)
        page.wait_for_timeout(300)
    assert [text for text in said if "GPU stall" not in text] == []


def test_the_map_tells_how_far_it_can_be_trusted(page: Page, site: str, vectors: Vectors) -> None:
    from sklearn.manifold import trustworthiness

    page.goto(f"{site}#/map?method=pca")
    told = page.locator(".measured")
    expect(told).to_contain_text("1 without a direction")
    content = page.request.get(f"{site}api/map?method=pca").body()
    places = np.array(list(struct.iter_unpack("<ff", content)))
    rows = np.delete(np.arange(N), NOWHERE)
    expected = trustworthiness(vectors.matrix[rows], places[rows], n_neighbors=15, metric="cosine")
    expect(told).to_contain_text(f"PCA · trustworthiness {expected:.2f}")


def test_a_vector_of_zeros_has_no_neighbours(page: Page, site: str) -> None:
    page.goto(f"{site}#/map?method=pca&pin=word{NOWHERE}")
    expect(page.get_by_text("Nothing is near it")).to_be_visible()
    page.goto(f"{site}#/map?method=pca&pin=word1")
    expect(page.locator(".pins .point")).to_have_count(10)


def test_each_training_can_be_chosen(page: Page, site: str) -> None:
    page.goto(f"{site}#/training?word=pworda")
    of = page.get_by_role("combobox", name="Of", exact=True)
    expect(of.locator("option")).to_have_text(["first", "second"])
    expect(page.get_by_role("heading", name="Nearest to “pworda”")).to_be_visible()
    of.select_option("second")
    page.wait_for_url("**/#/training?subject=2")
    expect(page.get_by_label("Word to follow")).to_be_enabled()
    expect(of.locator("option:checked")).to_have_text("second")
    page.go_back()
    expect(of.locator("option:checked")).to_have_text("first")
    expect(page.get_by_role("heading", name="Nearest to “pworda”")).to_be_visible()


def test_a_space_without_documents_says_so(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("emptied") / "notes.space"
    make_space(path, [document("only", "one text")])
    open_space(path).delete(["only"])
    subject = open_subject(path)
    served = Served(subject.name, path, subject.space, subjects=[subject])
    with running(served) as address, watched(browser) as page:
        page.goto(f"{address}/explore/")
        expect(page.get_by_role("status")).to_contain_text("no document is left")
        _view(page, "Positions")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Positions")
