"""The training's slider in a real browser: by mouse, by keyboard, on a phone, in both colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from rowspace.explore.subject import open_subject
from rowspace.serve.run import running
from rowspace.serve.served import Served
from rowspace.space.history import load_history
from tests.browser import axe_findings, screenshot, watched
from tests.explore.trained import train_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

WORD = "pworda"
NARROW = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that shows a trained model."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ROWSPACE_MAPS", str(tmp_path_factory.mktemp("maps")))
        path = train_model(tmp_path_factory.mktemp("training") / "words")
        subject = open_subject(path)
        with running(Served(subject.name, path, subjects=[subject])) as address:
            yield f"{address}/explore/"


@pytest.fixture(scope="module")
def last(site: str, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The number of the last step."""
    del site
    path = next(tmp_path_factory.getbasetemp().glob("training*/words"))
    history = load_history(path)
    assert history is not None
    return len(history.steps) - 1


def _open(page: Page, site: str, address: str = "#/training") -> None:
    page.goto(site + address)
    page.locator(".training .groups li").first.wait_for()
    page.locator(".training .overlay text").first.wait_for(state="attached")


def _slider(page: Page) -> float:
    return float(page.get_by_label("Step of the training").input_value())


def test_it_opens_at_the_end(browser: Browser, site: str, last: int) -> None:
    with watched(browser) as page:
        _open(page, site)
        assert _slider(page) == last
        assert page.locator(".told").inner_text().startswith("4 epochs · 100%")
        assert page.get_by_role("button", name="Play").is_visible()
        assert page.locator(".loss svg").get_attribute("aria-label").startswith("Loss from")  # type: ignore[union-attr]
        assert "48 frequent words" in page.get_by_label("How it is drawn").inner_text()
        assert page.evaluate("location.hash") == "#/training"


def test_an_address_has_step_and_word(browser: Browser, site: str) -> None:
    with watched(browser) as page:
        _open(page, site, f"#/training?step=0&word={WORD}")
        page.get_by_role("heading", name=f"Nearest to “{WORD}”").wait_for()
        assert _slider(page) == 0
        assert page.locator(".told").inner_text() == "Before training"
        heads = page.locator(".training th").all_inner_texts()
        assert heads == ["Before training", "At the end"]
        end = page.locator(".training tbody td:nth-child(2) .word > span:first-child")
        assert {word[0] for word in end.all_inner_texts()} == {"p"}
        assert page.get_by_label("Word to follow").input_value() == WORD


def test_keys_move_whole_steps_and_the_address_follows(
    browser: Browser, site: str, last: int
) -> None:
    with watched(browser) as page:
        _open(page, site, f"#/training?word={WORD}")
        slider = page.get_by_label("Step of the training")
        slider.focus()
        page.keyboard.press("Home")
        assert _slider(page) == 0 and "step=0" in page.url
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert _slider(page) == 2 and "step=2" in page.url
        assert "epoch" in (slider.get_attribute("aria-valuetext") or "")
        page.keyboard.press("End")
        assert _slider(page) == last and "step" not in page.url.split("#")[1]
        page.keyboard.press("PageDown")
        assert _slider(page) == last - 5


def test_the_loss_marks_the_present_place(browser: Browser, site: str) -> None:
    with watched(browser) as page:
        _open(page, site)
        at = page.locator(".loss .now")
        end = float(at.get_attribute("x1") or 0)
        page.get_by_label("Step of the training").focus()
        page.keyboard.press("Home")
        start = float(at.get_attribute("x1") or 0)
        assert start < 50 < 250 < end


def test_words_move_while_it_plays_and_it_stops_at_the_end(
    browser: Browser, site: str, last: int
) -> None:
    with watched(browser) as page:
        _open(page, site, f"#/training?step=0&word={WORD}")
        ring = page.locator(".overlay .ring.pin")
        ring.wait_for(state="attached")
        before = ring.get_attribute("cx"), ring.get_attribute("cy")
        page.get_by_role("button", name="Play").click()
        slider = "document.querySelector('.training input[type=range]').value"
        page.wait_for_function(f"{slider} > 1.2")
        page.get_by_role("button", name="Pause").click()
        place = _slider(page)
        assert place == round(place) and f"step={place:.0f}" in page.url
        page.wait_for_function(
            "([x, y]) => { const ring = document.querySelector('.overlay .ring.pin');"
            " return Math.hypot(ring.getAttribute('cx') - x, ring.getAttribute('cy') - y) > 3 }",
            arg=list(before),
        )
        slider_box = page.get_by_label("Step of the training")
        slider_box.focus()
        slider_box.press("End")
        slider_box.press("ArrowLeft")
        page.get_by_role("button", name="Play").click()
        page.wait_for_function(f"{slider} == {last}")
        page.get_by_role("button", name="Play").wait_for()
        page.get_by_role("button", name="Play").click()  # from the start again
        page.wait_for_function(f"{slider} < 5")
        page.get_by_role("button", name="Pause").click()
        assert _slider(page) < last


def test_without_motion_nothing_plays_by_itself_and_playing_jumps(
    browser: Browser, site: str
) -> None:
    with watched(browser, reduced_motion="reduce") as page:
        _open(page, site, "#/training?step=0")
        page.wait_for_timeout(700)
        assert _slider(page) == 0
        page.evaluate(
            "window.seen = []; const s = document.querySelector('.training input[type=range]');"
            "window.timer = setInterval(() => seen.push(Number(s.value)), 20)"
        )
        page.get_by_role("button", name="Play").click()
        page.wait_for_function("seen.some((value) => value >= 2)")
        page.get_by_role("button", name="Pause").click()
        seen = page.evaluate("seen")
        assert set(seen) <= {0, 1, 2, 3}


def test_a_word_is_found_by_its_beginning(browser: Browser, site: str) -> None:
    with watched(browser) as page:
        _open(page, site)
        box = page.get_by_label("Word to follow")
        box.fill("swordc")
        page.get_by_role("option", name="swordc").click()
        page.get_by_role("heading", name="Nearest to “swordc”").wait_for()
        assert "word=swordc" in page.url
        assert page.locator(".overlay .line").count() > 1  # its way
        box.fill("nowhere")
        box.press("Enter")
        alert = page.get_by_role("alert")
        alert.wait_for()
        assert "“nowhere” is not among the 48 words" in alert.inner_text()


def test_a_neighbour_is_followed_by_a_click(browser: Browser, site: str) -> None:
    with watched(browser) as page:
        _open(page, site, f"#/training?word={WORD}")
        word = page.locator(".training .word").first
        name = word.locator("span").first.inner_text()
        word.click()
        page.get_by_role("heading", name=f"Nearest to “{name}”").wait_for()
        assert f"word={name}" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, NARROW])
def test_everyone_can_use_it(
    browser: Browser, site: str, scheme: str, size: dict[str, int]
) -> None:
    with watched(browser, viewport=size, color_scheme=scheme) as page:
        _open(page, site, f"#/training?step=3&word={WORD}")
        page.locator(".training table").wait_for()
        screenshot(page, f"training-{scheme}-{size['width']}")
        assert axe_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_leaving_while_it_plays_ends_it(browser: Browser, site: str) -> None:
    with watched(browser) as page:
        _open(page, site, "#/training?step=0")
        page.get_by_role("button", name="Play").click()
        page.get_by_role("link", name="Positions").click()
        page.wait_for_timeout(400)
        assert page.locator(".training").count() == 0
