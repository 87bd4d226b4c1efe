"""The build's report: true numbers, nothing from elsewhere, nothing on top of something else."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from rowspace.search.build import BuildReport
from rowspace.search.filters import parse_filter
from rowspace.search.reading import ReadReport
from rowspace.search.report import (
    content_words,
    describe_training,
    describe_vocabulary,
    example_filter,
    write_report,
)
from rowspace.space.plots import epoch_plot, linear_ticks, log_ticks, rank_plot, step_plot
from rowspace.space.projection import coordinates
from rowspace.space.similarity import unit_rows
from rowspace.space.vectors import Vectors
from rowspace.space.wordmap import (
    MAP_HEIGHT,
    MAP_WIDTH,
    clusters,
    draw_map,
    label_size,
    map_rows,
    place_labels,
)
from rowspace.static.training import EpochReport
from rowspace.static.word2vec import Word2VecConfig

VOID = {"meta", "link", "br", "img", "input", "hr", "col", "base", "source", "wbr"}
FIRST = "abcdefghijklmnopqrstuvwxyz"


class Page(HTMLParser):
    """Tags with their attributes, the text of each section, and whether all tags are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self.open: list[str] = []
        self.section = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "section":
            self.section = dict(attributes)["id"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        self.sections[self.section] = self.sections.get(self.section, "") + " " + data

    def text(self, section: str) -> str:
        return " ".join(self.sections[section].split())


def vectors_of(n: int, dim: int = 12, seed: int = 0) -> Vectors:
    """`n` words in six bunches, with counts that fall as 1 / rank."""
    generator = np.random.default_rng(seed)
    words = [a + b + c for a, b, c in itertools.product(FIRST, FIRST[:9], FIRST[:5])][:n]
    centers = generator.normal(size=(6, dim))
    matrix = centers[np.arange(n) % 6] + 0.3 * generator.normal(size=(n, dim))
    config = dataclasses.asdict(Word2VecConfig(dim=dim, n_negative=4))
    counts = np.maximum(90_000 // (np.arange(n) + 1), 2)
    return Vectors(words, matrix, counts=counts, metadata={"method": "word2vec", "config": config})


def report_of(vectors: Vectors, n_epochs: int = 3) -> BuildReport:
    read = ReadReport(
        n_documents=1234,
        n_passages=5678,
        n_words=91_011,
        n_characters=121_314,
        n_empty=7,
        sources={f"file{i}.txt": i + 1 for i in range(20)},
        n_sources=321,
        skipped=[("photo<1>.png", "not text & not near")],
        field_types={"year": "int", "country": "string"},
        seconds=1.5,
    )
    epochs = [EpochReport(e, 3.0 - e / 4, 1e6 + e, 0.05 / e) for e in range(1, n_epochs + 1)]
    total = 0 if vectors.counts is None else int(vectors.counts.sum())
    return BuildReport(
        read=read,
        epochs=epochs,
        encoder_kind="sif",
        n_vocabulary=len(vectors),
        n_trained_words=total,
        seconds={"read": 1.5, "train": 62.0},
        found_again={"hybrid": 0.945, "dense": 0.5, "lexical": 1.0},
        n_probes=200,
    )


def written(
    folder: Path, vectors: Vectors, report: BuildReport | None = None, before: Vectors | None = None
) -> tuple[str, Page]:
    path = folder / "report.html"
    write_report(path, "my <space>", report or report_of(vectors), vectors, before)
    html = path.read_text("utf-8")
    return html, Page(html)


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return vectors_of(120)


@pytest.fixture(scope="module")
def before(vectors: Vectors) -> Vectors:
    matrix = np.random.default_rng(5).normal(size=vectors.matrix.shape)
    return Vectors(vectors.index_to_key, matrix, counts=vectors.counts)


@pytest.fixture(scope="module")
def page(
    vectors: Vectors, before: Vectors, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Page]:
    return written(tmp_path_factory.mktemp("report"), vectors, before=before)


def test_every_section_shows_its_numbers(page: tuple[str, Page], vectors: Vectors) -> None:
    text = page[1].text
    for number in ("1,234", "5,678", "91,011", "121,314", "321", "7 documents", "year", "int"):
        assert number in text("read")
    assert "and 309 more files" in text("read")
    assert "photo<1>.png not text & not near" in text("read")
    assert vectors.counts is not None
    assert "120 words" in text("vocabulary")
    assert f"{int(vectors.counts.sum()):,} tokens" in text("vocabulary")
    assert "aaa 90,000" in text("vocabulary")
    assert "The rarest kept, 1 word, occurs 750 times." in text("vocabulary")
    assert "(4 + 1) · ln 2 = 3.47" in text("training")
    assert "2.2500" in text("training")
    assert "1,000,003" in text("training")
    assert "t-SNE" in text("map")
    assert "hybrid 94.5 % dense 50.0 % lexical 100.0 %" in text("found")
    assert "recall of the index itself is 1 by construction" in text("found")
    assert "read 1.5 s train 1 min 2 s all 1 min 4 s" in text("made")
    assert "encoder sif" in text("made")
    assert "n_negative 4" in text("made")


def test_neighbors_before_and_after_are_those_of_the_vectors(
    page: tuple[str, Page], vectors: Vectors, before: Vectors
) -> None:
    rows = map_rows(vectors)
    words = content_words(vectors, rows, clusters(unit_rows(vectors.matrix[rows])))
    assert len(set(words)) == 12
    for word in words:
        after, first = (space.most_similar(word, topn=6)[0] for space in (vectors, before))
        row = f"{word} before after {first[0]} {first[1]:.2f} {after[0]} {after[1]:.2f}"
        assert row in page[1].text("neighbors")


def test_nothing_is_loaded_from_elsewhere(page: tuple[str, Page]) -> None:
    html, parsed = page
    assert not re.search(r"https?:|url\(|@import|//[a-z]", html)
    for tag, attributes in parsed.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert "default-src 'none'" in html


def test_the_page_can_be_read_aloud(page: tuple[str, Page]) -> None:
    html, parsed = page
    assert not parsed.open
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in parsed.tags:
        if tag == "th":
            assert attributes["scope"] in {"row", "col"}
        if tag == "svg":
            assert attributes["role"] == "img"
        for name in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(name, ids[0]) in ids
        if (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids
    assert html.count("<h1") == 1


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_have_contrast_in_both_themes(page: tuple[str, Page]) -> None:
    """WCAG 2.2 AA: 4.5 for text (1.4.3), 3 for what is drawn (1.4.11)."""
    themes = [dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in page[0].split("@media")[:2]]
    for theme in themes:
        light = {name: luminance(color) for name, color in theme.items()}
        for surface in ("paper", "card"):
            for name in ("ink", "soft", "accent", *(f"c{i}" for i in range(8))):
                low, high = sorted((light[name], light[surface]))
                needed = 3.0 if re.fullmatch(r"c\d", name) else 4.5
                assert (high + 0.05) / (low + 0.05) >= needed, (name, surface)


def test_words_with_html_characters_are_escaped(tmp_path: Path) -> None:
    words = ["<script>alert(1)</script>", "a&b", 'say"so"', "it's", "</script>", "x<y", "\ud800"]
    matrix = np.random.default_rng(0).normal(size=(7, 4))
    vectors = Vectors(words, matrix, counts=np.arange(7, 0, -1), metadata={"note": "<b>&"})
    html, parsed = written(tmp_path, vectors)
    assert "alert(1)</script>" not in html
    assert html.count("<script") == 2
    assert "<script>alert(1)</script> 7 a&b 6" in parsed.text("vocabulary")
    assert "note <b>&" in parsed.text("made")
    start = html.index('id="map-data">') + len('id="map-data">')
    data = json.loads(html[start : html.index("</script>", start)])
    assert [entry["w"] for entry in data] == words
    assert "<title>my &lt;space&gt;" in html


def test_labels_meet_neither_each_other_nor_dots() -> None:
    generator = np.random.default_rng(3)
    points = generator.random((300, 2)) * [MAP_WIDTH, MAP_HEIGHT]
    sizes = [label_size("word" * int(n), 14.0) for n in generator.integers(1, 5, 300)]
    boxes = place_labels(points, np.full(300, 4.0), sizes)
    placed = [box for box in boxes if box is not None]
    assert len(placed) > 80
    assert boxes[0] is not None
    for a, b in itertools.combinations(placed, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for left, top, right, bottom in placed:
        assert left >= 0 and top >= 0 and right <= MAP_WIDTH and bottom <= MAP_HEIGHT
        inside = (points > [left, top]).all(axis=1) & (points < [right, bottom]).all(axis=1)
        assert not inside.any()


def test_the_map_is_the_same_each_time_and_keeps_bunches_together(vectors: Vectors) -> None:
    units = unit_rows(vectors.matrix)
    flat, method = coordinates(units)
    again, _ = coordinates(units)
    assert method == "t-SNE"
    np.testing.assert_array_equal(flat, again)
    bunch = np.arange(len(units)) % 6
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=-1) + np.eye(len(flat)) * 1e9
    assert (bunch[distances.argmin(axis=1)] == bunch).mean() > 0.95
    np.testing.assert_array_equal(clusters(units), clusters(units))


def test_map_neighbors_are_the_nearest_by_cosine(vectors: Vectors) -> None:
    rows = map_rows(vectors)
    drawn = draw_map(vectors, rows, clusters(unit_rows(vectors.matrix[rows])))
    shown = {word.word for word in drawn.words}
    for word in drawn.words[:10]:
        expected = [near for near in vectors.most_similar(word.word, topn=200) if near[0] in shown]
        assert [drawn.words[i].word for i, _ in word.neighbors] == [key for key, _ in expected[:8]]
        np.testing.assert_allclose(
            [cosine for _, cosine in word.neighbors], [c for _, c in expected[:8]], atol=1e-3
        )


def test_the_map_leaves_out_numbers_short_and_very_frequent_words() -> None:
    base = vectors_of(300)
    words = ["the", "of", "1990", "b2b", *base.index_to_key[4:]]
    counts = np.array([100_000, 90_000, 150, 140, *np.linspace(120, 20, 296).astype(int)])
    rows = map_rows(Vectors(words, base.matrix, counts=counts))
    assert rows.tolist() == list(range(4, 300))
    assert map_rows(Vectors(words, base.matrix)).tolist() == [0, *range(4, 300)]
    assert len(map_rows(Vectors(words, base.matrix, counts=counts), n=50)) == 50


def test_numbers_are_mapped_where_there_is_nothing_else() -> None:
    keys = [str(number) for number in range(40)]
    assert len(map_rows(Vectors(keys, np.eye(40)))) == 40


def test_a_model_that_was_given_is_said_to_be_given(tmp_path: Path) -> None:
    given = vectors_of(40)
    vectors = Vectors(given.index_to_key, given.matrix)
    _, parsed = written(tmp_path, vectors, report_of(vectors, n_epochs=0))
    assert "Nothing was trained" in parsed.text("training")
    assert "come without counts" in parsed.text("vocabulary")
    assert "the earlier they stand in the file" in parsed.text("map")
    assert "before" not in parsed.text("neighbors").lower()


@pytest.mark.parametrize("n", [1, 2, 3, 29, 30])
def test_a_tiny_vocabulary_has_a_report(tmp_path: Path, n: int) -> None:
    vectors = vectors_of(n, dim=2)
    _, parsed = written(tmp_path, vectors, before=vectors)
    assert f"{n} frequent word" in parsed.text("map")
    assert ("PCA" in parsed.text("map")) == (n < 30)


@pytest.mark.parametrize("dim", [1, 5])
def test_vectors_that_are_all_the_same_have_a_report(tmp_path: Path, dim: int) -> None:
    _, parsed = written(
        tmp_path, Vectors([f"word{c}" for c in FIRST + FIRST.upper()], np.ones((52, dim)))
    )
    assert "52 frequent words" in parsed.text("map")


def test_a_build_without_probes_fields_or_skipped_files_has_a_report(tmp_path: Path) -> None:
    vectors = vectors_of(5)
    report = report_of(vectors)
    report.read = ReadReport(n_documents=1, n_passages=1, sources={"-": 1}, n_sources=1)
    report.found_again, report.n_probes, report.seconds = {}, 0, {}
    _, parsed = written(tmp_path, vectors, report)
    assert "No passage has a sentence long enough" in parsed.text("found")
    assert "no fields besides" in parsed.text("read")
    assert "Skipped" not in parsed.text("read")


def test_a_single_epoch_is_one_point() -> None:
    view = describe_training([EpochReport(1, 2.5, 1e6, 0.0)], {"config": {"n_negative": 5}})
    assert view is not None and view.loss is not None
    assert len(view.loss.points) == 1
    assert view.start == pytest.approx(6 * math.log(2))
    assert [label for _, label in view.loss.x_ticks] == ["1"]


def test_an_epoch_without_a_finite_loss_is_left_out_and_said(tmp_path: Path) -> None:
    vectors = vectors_of(5)
    report = report_of(vectors)
    report.epochs[1] = dataclasses.replace(report.epochs[1], loss=math.inf)
    _, parsed = written(tmp_path, vectors, report)
    assert "1 epoch has no finite loss" in parsed.text("training")
    report.epochs = [dataclasses.replace(e, loss=math.nan) for e in report.epochs]
    _, parsed = written(tmp_path, vectors, report)
    assert "3 epochs have no finite loss" in parsed.text("training")


def test_plots_place_values_where_the_axes_say() -> None:
    plot = epoch_plot([(1, 4.0), (2, 2.0), (3, 1.0)], "t", "y", (5.0, "start"))
    ticks = {label: y for y, label in plot.y_ticks}
    assert [y for _, y, _ in plot.points] == pytest.approx([ticks["4"], ticks["2"], ticks["1"]])
    assert plot.reference[0][1] == pytest.approx(ticks["5"])
    zipf = rank_plot([1000, 100, 10])
    decades = {label: y for y, label in zipf.y_ticks}
    assert [y for _, y, _ in zipf.points] == pytest.approx(
        [decades["1k"], decades["100"], decades["10"]]
    )
    assert zipf.points[0][0] == pytest.approx(zipf.x_ticks[0][0])


@pytest.mark.parametrize(("low", "high"), [(0, 4.16), (0, 1e6), (0, 0), (1, 40), (0, 1e-7)])
def test_ticks_are_even_and_cover_the_values(low: float, high: float) -> None:
    ticks = linear_ticks(low, high)
    assert ticks[0] <= low and ticks[-1] >= high and 2 <= len(ticks) <= 8
    np.testing.assert_allclose(np.diff(ticks), ticks[1] - ticks[0])
    assert log_ticks(1) == [1.0, 10.0]
    assert log_ticks(1000) == [1.0, 10.0, 100.0, 1000.0]


def test_counts_need_not_fall_and_may_be_zero() -> None:
    view = describe_vocabulary(Vectors(["a", "b", "c"], np.eye(3), counts=[1, 0, 5]))
    assert [(word, n) for word, n, _ in view.frequent] == [("c", 5), ("a", 1)]
    assert (view.lowest, view.n_lowest) == (1, 1)


@pytest.mark.parametrize("name", ["year", "area km2", "or", "it's", "a`b", "Straße"])
@pytest.mark.parametrize("kind", ["int", "float", "bool", "string"])
def test_the_example_filter_parses(name: str, kind: str) -> None:
    example = example_filter({name: kind})
    assert example is not None
    option, filter_ = shlex.split(example)
    assert option == "--where"
    parse_filter(filter_)
    assert example_filter({}) is None


def test_a_curve_over_steps_has_its_values_in_place() -> None:
    plot = step_plot(
        [(10, 4.0), (20, 2.0)], "Loss", "nats", second=[(0, 4.0)], reference=(4.0, "a guess")
    )
    left, top, right, bottom = plot.box
    assert plot.points[1] == (right, (top + bottom) / 2, "step 20: 2.000")
    assert plot.points[0][:2] == ((left + right) / 2, top)
    assert plot.second == [(left, top, "step 0: 4.000")]
    assert plot.reference == [(left, top), (right, top)]
    many = step_plot([(step, 1.0) for step in range(10_000)], "Loss", "nats")
    assert 300 < len(many.points) < 500
