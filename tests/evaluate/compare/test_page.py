"""The page: every number of it, and how it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rowspace.evaluate.compare.charts import BOX, Bar, Scatter, Spot, bars, pareto_front, scatter
from rowspace.evaluate.compare.latency import SEARCH_MS
from rowspace.evaluate.compare.outcome import Comparison, NotScored
from rowspace.evaluate.compare.page import hidden_states, render_page
from rowspace.evaluate.compare.standing import rank_kind
from tests.browser import axe_findings, launched, screenshot, watched
from tests.evaluate.compare.made import comparison, entry, many

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MADE = datetime(2024, 1, 2, tzinfo=UTC)
# name, era, two retrieval scores, ms, megabytes
MODELS = [
    ("word2vec", "static", 0.3, 0.2, 0.05, 90),
    ("fasttext", "static", 0.28, 0.22, 0.06, 700),
    ("static-384", "static", 0.45, 0.4, 0.04, 45),
    ("gpt@lasttoken", "contextual", 0.03, 0.02, 3.0, 17),
    ("gpt@mean", "contextual", 0.12, 0.1, 3.1, 17),
    ("gpt@mean+whiten", "contextual", 0.2, 0.16, 3.1, 17),
    ("gpt-contrastive", "sentence", 0.4, 0.35, 3.2, 17),
    ("MiniLM", "sentence", 0.64, 0.4, 5.0, 90),
    ("MiniLM-tuned", "sentence", 0.69, 0.41, 5.0, 90),
]


def many_models() -> Comparison:
    """Something of every era, with BM25, fused rows, costs and gaps."""
    entries = []
    for name, era, one, two, ms, size in MODELS:
        scores = {
            "retrieval/scifact": many(one, 100),
            "retrieval/cranfield": many(two, 100),
            "sts/stsb": many(min(1.0, one + 0.2), 100),
        }
        made = entry(name, scores, query_ms=ms, disk=size * 10**6, dim=384, era=era)
        made.can_generate = name.startswith("gpt@")
        entries.append(made)
        if era != "contextual":
            fused = {
                "retrieval/scifact": many(one + 0.1, 100),
                "retrieval/cranfield": many(two + 0.05, 100),
            }
            entries.append(
                entry(
                    f"{name} + BM25",
                    fused,
                    query_ms=ms + 0.5,
                    disk=size * 10**6,
                    dim=384,
                    era=era,
                    matches_words=True,
                )
            )
    words = {"retrieval/scifact": many(0.66, 100), "retrieval/cranfield": many(0.38, 100)}
    entries.append(entry("BM25", words, query_ms=0.5, era="lexical", matches_words=True))
    entries[0].not_scored.append(NotScored(kind="sense", task="wic", reason="<no> senses"))
    found = comparison(*entries, **{SEARCH_MS: {"384": 4.0}, "data": "DATA"})
    found.skipped.append(NotScored(kind="analogy", task="word/analogy", reason="there is none"))
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


def test_every_score_is_on_the_page_and_nothing_is_loaded() -> None:
    found = many_models()
    page = render_page("<six>", found, MADE)
    assert "&lt;six&gt;" in page
    assert "&lt;no&gt; senses" in page
    assert "there is none" in page
    assert "http" not in page.replace("http-equiv", "")
    for one in found.entries:
        for task, outcome in one.outcomes.items():
            table = page.split(f'aria-label="{task}"')[1].split("</table>")[0]
            row = table.split(f"</i>{one.name}</th>")[1].split("</tr>")[0]
            assert f">{outcome.value:.3f}" in row
            assert f">{outcome.low:.3f} to {outcome.high:.3f}<" in row
    ranking = rank_kind(found, "retrieval")
    assert ranking is not None
    table = page.split('aria-label="All models"')[1].split("</table>")[0]
    for name, standing in ranking.rows.items():
        row = table.split(f"</i>{name}<br>")[1].split("</tr>")[0]
        mark = "" if standing.is_clearly_worse else "*"
        assert f">{standing.value:.3f}{mark}<br>" in row


def test_a_page_of_little_has_no_empty_sections() -> None:
    page = render_page("one", comparison(entry("a", {"sts/x": many(0.5)})), MADE)
    assert "<svg" not in page
    assert 'id="missing"' not in page
    assert "BM25" not in page.split('id="take"')[0].split('id="all"')[0]


def test_the_front_is_of_those_that_nothing_beats_in_both() -> None:
    spots = [Spot(name, x, y, y, y, 0) for name, x, y in (
        ("slow", 9, 0.9), ("same", 9, 0.8), ("worse", 5, 0.2), ("cheap", 1, 0.3), ("tie", 2, 0.3),
    )]  # fmt: skip
    assert [spot.name for spot in pareto_front(spots)] == ["cheap", "slow"]
    drawn = scatter(spots, "t", "x", "y")
    assert [spot.name for spot in drawn.spots if spot.is_on_front] == ["slow", "cheap"]
    by_name = {spot.name: spot for spot in drawn.spots}
    assert by_name["cheap"].x < by_name["tie"].x < by_name["worse"].x < by_name["slow"].x
    assert by_name["slow"].y < by_name["same"].y < by_name["cheap"].y == by_name["tie"].y
    # Equal steps of a logarithm: 1, 2 and 9, 18.
    both = scatter([Spot(str(x), x, 0.5, 0.5, 0.5, 0) for x in (1, 2, 9, 18)], "t", "x", "y").spots
    assert both[1].x - both[0].x == pytest.approx(both[3].x - both[2].x)


def _label_boxes(drawn: Scatter) -> list[tuple[float, float, float, float]]:
    found = []
    for spot in drawn.spots:
        x, y, anchor = spot.label
        width = 7 * len(spot.name)
        left = {"start": x, "end": x - width, "middle": x - width / 2}[anchor]
        found.append((left, y - 6, left + width, y + 6))
    return found


def test_names_in_a_plot_stay_inside_and_do_not_cover_each_other() -> None:
    spots = [
        Spot(name, ms, (one + two) / 2, one - 0.02, one + 0.02, 0)
        for name, _, one, two, ms, _ in MODELS
    ]
    boxes = _label_boxes(scatter(spots, "t", "x", "y"))
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left >= BOX[0] - 1
        assert right <= BOX[2] + 1
        assert not any(
            left < other[2] and other[0] < right and top < other[3] and other[1] < bottom
            for other in boxes[i + 1 :]
        )


def test_bars_begin_at_nothing_and_end_at_the_score() -> None:
    drawn = bars([Bar("a", 0.2, 0.1, 0.3, 0), Bar("b", 0.4, 0.3, 0.5, 0)], "t", "x", (0.5, "BM25"))
    one, two = drawn.bars
    assert two.width == pytest.approx(2 * one.width)
    assert drawn.left + two.width == pytest.approx((two.low + two.high) / 2)
    assert drawn.reference is not None
    assert drawn.reference[0] == pytest.approx(drawn.left + 2.5 * one.width)


def test_hidden_states_are_shown_beside_what_contrast_made_of_them() -> None:
    found = many_models()
    ranking = rank_kind(found, "retrieval")
    assert ranking is not None
    drawn = hidden_states(found, ranking)
    assert drawn is not None
    assert [bar.name for bar in drawn.bars] == [
        "gpt@lasttoken",
        "gpt@mean",
        "gpt@mean+whiten",
        "gpt-contrastive",
        "MiniLM",
        "MiniLM-tuned",
    ]
    assert drawn.reference is not None
    assert drawn.reference[1] == "BM25 0.520"
    only = comparison(*(one for one in found.entries if one.era != "contextual"))
    assert hidden_states(only, ranking) is None


@pytest.mark.slow
def test_the_page_is_readable_in_light_and_dark_and_on_a_phone(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "compare.html"
    path.write_text(render_page("Nine models", many_models(), MADE), encoding="utf-8")
    wide: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
    for scheme in ("light", "dark"):
        # Without motion, so that pictures are of where it was scrolled to.
        with watched(browser, color_scheme=scheme, reduced_motion="reduce", **wide) as page:
            page.goto(path.as_uri())
            page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
            assert axe_findings(page) == []
            for section in ("all", "take", "costs", "states", "tasks", "missing"):
                page.evaluate(f"document.getElementById('{section}').scrollIntoView()")
                screenshot(page, f"compare-{section}-{scheme}")
    with watched(browser, viewport={"width": 360, "height": 740}) as page:
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        screenshot(page, "compare-phone")
