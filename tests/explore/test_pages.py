"""The explorer's pages in a real browser: tokens, positions and senses."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest
import uvicorn

from rowspace.explore.subject import Subject
from rowspace.serve.app import create_app
from rowspace.serve.served import Served
from rowspace.space.vectors import Vectors
from tests.browser import axe_findings, screenshot, watched
from tests.explore.test_senses import MONEY, RIVER, transformer
from tests.naive_position import naive_sinusoidal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}}
METHODS = ["overview", "sinusoidal", "rope", "alibi", "t5", "extrapolation"]


@contextlib.contextmanager
def served(subject: Subject) -> Iterator[str]:
    """The address of a server that shows something."""
    app = create_app(Served(subject.name, subject.path, subjects=[subject]))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/explore/"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def words() -> Iterator[str]:
    keys = ["the", "river", "bank", "quiet"]
    rows = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    vectors = Vectors(keys, rows, counts=np.array([9, 7, 5, 3]))
    with served(Subject("words", Path("words.bin"), None, vectors)) as address:
        yield address


@pytest.fixture(scope="module")
def minilm() -> Iterator[str]:
    with served(transformer()) as address:
        yield address


def opened(page: Page, address: str, view: str, **params: Any) -> Page:
    query = "&".join(f"{name}={quote(str(value))}" for name, value in params.items())
    page.goto(f"{address}#/{view}?{query}")
    page.wait_for_selector("h1")
    return page


def texts(found: Locator) -> list[str]:
    return [text.strip() for text in found.all_text_contents()]


def numbers(page: Page, title: str) -> list[list[str]]:
    """The rows of the table below a plot, its head first."""
    plot = page.locator("figure.plot", has=page.locator("figcaption", has_text=title)).first
    plot.locator(".stage > *").first.wait_for()
    plot.locator("details.numbers > summary").click()
    plot.locator("tbody tr").first.wait_for()
    return [texts(row.locator("th, td")) for row in plot.locator("tr").all()]


def as_number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def overflows(page: Page) -> bool:
    """Whether the page is wider than the window."""
    wide: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wide


def test_the_page_shows_the_tokenizers_ids(browser: Browser, minilm: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    from tests.minilm import minilm_folder

    theirs = tokenizers.Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    theirs.no_padding()
    text = "Unbelievably quiet, שלום <b>bold</b>"
    with watched(browser) as page:
        opened(page, minilm, "tokens", text=text)
        page.wait_for_selector(".chip")
        ids = [int(id_.replace(" ", "")) for id_ in texts(page.locator(".chip .id"))]
        pieces = texts(page.locator(".chip .piece"))
        screenshot(page, "tokens")
    encoding = theirs.encode(text)
    assert ids == encoding.ids
    assert pieces == encoding.tokens


def test_a_chosen_token_shows_its_row(browser: Browser, minilm: str) -> None:
    from rowspace.explore.subword_tokens import read_subwords
    from tests.minilm import minilm_folder

    view = read_subwords(minilm_folder()).row(2314, 10)
    with watched(browser) as page:
        opened(page, minilm, "tokens", text="a river bank", place=2)
        page.wait_for_selector(".row-panel h2:text-is('river')")
        panel = page.locator(".row-panel")
        assert "row 2,314 of 30,522" in panel.inner_text()
        assert texts(panel.locator(".near button")) == [text for _, text, _ in view.neighbors]
        shown = [float(text) for text in texts(panel.locator(".cosine"))]
        np.testing.assert_allclose(shown, [c for _, _, c in view.neighbors], atol=5.1e-4)
        panel.locator(".near button").first.click()
        page.wait_for_selector(f".row-panel h2:text-is('{view.neighbors[0][1]}')")


def test_arrow_keys_go_from_token_to_token_and_into_the_address(
    browser: Browser, words: str
) -> None:
    with watched(browser) as page:
        opened(page, words, "tokens", text="the river zzz bank")
        page.wait_for_selector(".row-panel h2:text-is('the')")
        page.locator("#tokens-text").focus()
        page.keyboard.press("Tab")
        page.wait_for_selector(".chip[data-place='0']:focus")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(".row-panel h2:text-is('river')")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(".row-panel:has-text('picks no row')")
        page.keyboard.press("End")
        page.wait_for_selector(".row-panel h2:text-is('bank')")
        assert "place=3" in page.url
        assert page.locator(".chip.unknown").count() == 1


def test_typing_asks_anew_and_the_address_keeps_the_text(browser: Browser, words: str) -> None:
    with watched(browser) as page:
        opened(page, words, "tokens", text="the")
        page.wait_for_selector(".chip")
        page.fill("#tokens-text", "quiet bank")
        page.wait_for_selector(".chip:has-text('quiet')")
        assert "text=quiet+bank" in page.url
        page.reload()
        page.wait_for_selector(".chip:has-text('quiet')")


def test_a_text_beyond_the_models_length_is_shown_as_cut(browser: Browser, minilm: str) -> None:
    with watched(browser) as page:
        opened(page, minilm, "tokens", text="river " * 254 + "bank bank")
        page.wait_for_selector(".cut-here")
        assert texts(page.locator(".chip.unread .piece")) == ["bank", "bank"]
        assert "256 tokens" in page.locator(".cut-here").inner_text()


def test_sinusoidal_plots_hold_the_formulas_values(browser: Browser, words: str) -> None:
    with watched(browser) as page:
        opened(page, words, "positions", method="sinusoidal", dim=8, length=16)
        rows = numbers(page, "Every position's vector")
        screenshot(page, "positions-sinusoidal")
    values = [[as_number(cell) for cell in row[1:]] for row in rows[1:]]
    np.testing.assert_allclose(
        values, [naive_sinusoidal(position, 8) for position in range(16)], atol=6e-4
    )


def test_slopes_are_two_to_the_minus_eight_nths(browser: Browser, words: str) -> None:
    with watched(browser) as page:
        opened(page, words, "positions", method="alibi", n_heads=4)
        page.wait_for_selector(".slopes tbody tr")
        slopes = [as_number(text) for text in texts(page.locator(".slopes td:nth-child(2)"))]
        exponents = texts(page.locator(".slopes sup"))
        penalties = numbers(page, "What is taken from a score")
    np.testing.assert_allclose(slopes, [2 ** (-8 / 4 * i) for i in range(1, 5)], atol=5e-5)
    assert exponents == ["−2", "−4", "−6", "−8"]
    row = next(row for row in penalties if row[0] == "4")
    np.testing.assert_allclose([as_number(x) for x in row[1:]], [-1, -0.25, -0.0625, -0.0156])


def test_a_slider_changes_plot_and_address(browser: Browser, words: str) -> None:
    with watched(browser) as page:
        opened(page, words, "positions", method="alibi")
        page.wait_for_selector(".slopes tbody tr:nth-child(8)")
        page.locator("input[data-name=n_heads]").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(".slopes tbody tr:nth-child(12)")
        assert "n_heads=12" in page.url
        page.reload()
        page.wait_for_selector(".slopes tbody tr:nth-child(12)")


def test_what_an_address_cannot_mean_is_told(browser: Browser, words: str) -> None:
    context = browser.new_context()
    page = context.new_page()  # the browser itself logs the 400 as an error
    opened(page, words, "positions", method="sinusoidal", dim="1000000000")
    page.wait_for_selector(".failed-line:has-text('give 2 to 256')")
    context.close()


def test_a_curve_can_be_taken_away(browser: Browser, words: str) -> None:
    with watched(browser) as page:
        opened(page, words, "positions", method="rope")
        page.wait_for_selector(".pairing")
        plot = page.locator("figure.plot", has_text="Score by distance, by scaling")
        assert plot.locator("path.curve").count() == 5
        plot.locator("button", has_text="YaRN").press("Enter")
        assert plot.locator("path.curve").count() == 4
        assert plot.locator("button[aria-pressed=false]").inner_text() == "YaRN"
        assert plot.locator("button:focus").inner_text() == "YaRN"


def test_senses_are_shown_by_colour_and_by_sentence(browser: Browser, minilm: str) -> None:
    with watched(browser) as page:
        opened(page, minilm, "senses")
        page.fill("textarea[name=sentences]", "\n".join(RIVER + MONEY))
        page.fill("input[name=word]", "bank")
        page.select_option("select[name=n]", "2")
        page.click("text=Find senses")
        page.wait_for_selector(".sense-results:not([hidden])", timeout=60_000)
        assert page.locator(".sense-stage .dot").count() == 12
        cards = page.locator(".sense")
        assert cards.count() == 2
        for card in cards.all():
            if card.locator("details").count():
                card.locator("summary").click()
        groups = [set(texts(card.locator(".quote"))) for card in cards.all()]
        assert groups in ([set(RIVER), set(MONEY)], [set(MONEY), set(RIVER)])
        assert set(texts(page.locator(".quote mark"))) == {"bank"}
        assert axe_findings(page) == []
        screenshot(page, "senses")


def test_a_link_finds_senses_in_sentences_of_ones_own_again(browser: Browser, minilm: str) -> None:
    with watched(browser) as page:
        opened(page, minilm, "senses", word="bank", n="2", own="\n".join(RIVER + MONEY))
        page.wait_for_selector(".sense-results:not([hidden])", timeout=60_000)
        assert page.locator(".sense-stage .dot").count() == 12
        assert page.input_value("textarea[name=sentences]") == "\n".join(RIVER + MONEY)
        link = page.url
        page.fill("textarea[name=sentences]", "\n".join(RIVER[:3] + MONEY[:3]))
        page.click("text=Find senses")
        page.wait_for_function("document.querySelectorAll('.sense-stage .dot').length === 6")
        assert page.url != link
        page.go_back()
        page.wait_for_function("document.querySelectorAll('.sense-stage .dot').length === 12")
        assert page.url == link


def test_two_sentences_are_compared_from_the_keyboard(browser: Browser, minilm: str) -> None:
    with watched(browser, **PHONE) as page:
        opened(page, minilm, "senses", cword="bank", a=RIVER[0], b=RIVER[0])
        page.locator("input[name=b]").press("Enter")
        page.wait_for_selector(".big")
        assert page.locator(".big").inner_text() == "1.000"
        assert not overflows(page)
        assert axe_findings(page) == []


def test_a_link_compares_two_sentences_again(browser: Browser, minilm: str) -> None:
    with watched(browser) as page:
        opened(page, minilm, "senses", cword="bank", a=RIVER[0], b=RIVER[0])
        page.wait_for_selector(".big")
        assert page.locator(".big").inner_text() == "1.000"


def test_senses_are_not_in_the_menu_of_word_vectors(browser: Browser, words: str) -> None:
    with watched(browser) as page:
        opened(page, words, "tokens")
        assert "Senses" not in texts(page.locator("#views a"))
        assert "Tokens" in texts(page.locator("#views a"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
def test_pages_are_fit_for_all(
    browser: Browser, words: str, scheme: str, size: dict[str, Any]
) -> None:
    with watched(browser, color_scheme=scheme, reduced_motion="reduce", **size) as page:
        opened(page, words, "tokens", text="the quiet zzz bank")
        page.wait_for_selector(".row-panel h2")
        assert axe_findings(page) == []
        assert not overflows(page)
        for method in METHODS:
            opened(page, words, "positions", method=method)
            page.wait_for_selector(f".methods-nav a[aria-current]:text-is('{_tab(method)}')")
            page.wait_for_load_state("networkidle")
            assert axe_findings(page) == [], method
            assert not overflows(page), method
            screenshot(page, f"{method}-{scheme}-{'phone' if size else 'desktop'}")


def _tab(method: str) -> str:
    return {"rope": "RoPE", "alibi": "ALiBi", "t5": "T5"}.get(method, method.capitalize())
