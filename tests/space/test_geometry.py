"""The measures together: on planted spaces, on a trained one, and as a page."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import spearmanr

import rowspace as rs
from rowspace.errors import ConfigError, VocabularyError
from rowspace.space.clusters import cluster
from rowspace.space.compress import compress_vectors, measure_compression
from rowspace.space.geometry import Geometry, findings, measure_geometry, to_record
from rowspace.space.geometry_plots import drift_plot, hub_plot, norm_plot, spectrum_plot
from rowspace.space.geometry_report import cluster_tree_text, draw_clusters, write_geometry
from rowspace.space.isotropy import measure_isotropy
from rowspace.space.plots import PLOT_BOX, Plot
from rowspace.space.sample import frequent
from rowspace.space.transforms import all_but_the_top
from rowspace.space.vectors import Vectors
from tests.search.test_report import Page, vectors_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def measured() -> Geometry:
    vectors = vectors_of(200)  # six bunches
    generator = np.random.default_rng(1)
    noisy = vectors.matrix + 0.1 * generator.standard_normal(vectors.matrix.shape)
    other = Vectors(vectors.index_to_key[::-1], noisy[::-1])
    keys = vectors.index_to_key
    return measure_geometry(vectors, other=other, pairs=[(keys[0], keys[1]), (keys[6], keys[7])])


def test_everything_is_measured_on_the_most_frequent_words_with_a_direction() -> None:
    vectors = vectors_of(100)
    counts = np.random.default_rng(0).permutation(100) + 1
    matrix = vectors.matrix.copy()
    ranked = np.argsort(-counts)
    matrix[ranked[[3, 5]]] = 0
    shuffled = Vectors(vectors.index_to_key, matrix, counts)
    found = measure_geometry(shuffled, top=40)
    wanted = [row for row in ranked[:40].tolist() if row not in ranked[[3, 5]].tolist()]
    assert found.sample.index_to_key == [vectors.index_to_key[row] for row in wanted]
    assert (found.n_words, found.n_zero) == (100, 2)
    assert found.isotropy == measure_isotropy(matrix[wanted])
    expected = spearmanr(np.linalg.norm(matrix[wanted], axis=1), counts[wanted]).statistic
    assert found.norms_by_count == pytest.approx(expected)


def test_planted_bunches_are_the_clusters(measured: Geometry) -> None:
    assert measured.clusters is not None
    assert measured.clusters.n_clusters == 6
    assert all(
        len({int(i) % 6 for i in np.flatnonzero(measured.clusters.groups == group)}) == 1
        for group in range(6)
    )


def test_findings_say_each_figure_with_its_direction(measured: Geometry) -> None:
    said = {finding.name: finding for finding in findings(measured)}
    assert said["isotropy"].value == f"{measured.isotropy.partition:.3f}"
    assert said["axes in use"].value.endswith(" of 12")
    assert said["clusters"].value.startswith("6, silhouette ")
    shares = np.cumsum(measured.spectrum.shares)
    first = int(re.findall(r"first (\d+)", said["variance"].meaning)[0])
    assert shares[first - 1] >= 0.5 > (shares[first - 2] if first > 1 else 0)
    for name in ("isotropy", "mean cosine", "hub skewness", "neighbours lost", "bias direction"):
        assert re.search(r"higher|lower|nearer", said[name].meaning), name
    bare = dataclasses.replace(measured, drift=None, bias=None, clusters=None, norms_by_count=None)
    assert set(said) - {finding.name for finding in findings(bare)} == {
        "alignment residual", "median drift", "neighbours lost", "moved most", "bias direction",
        "clusters", "length and count",
    }  # fmt: skip


def test_the_record_is_json(measured: Geometry) -> None:
    record = json.loads(json.dumps(to_record(measured)))
    assert (record["words"], record["measured"], record["dim"]) == (200, 200, 12)
    assert len(record["variance_shares"]) == 12
    assert len(record["clusters"]["clusters"]) == 6
    assert sum(c["size"] for c in record["clusters"]["clusters"]) == 200
    assert record["hubness"]["hubs"][0]["count"] == int(measured.hubness.occurrences.max())
    assert record["drift"]["common"] == 200
    assert record["bias"]["toward_first"][0]["cosine"] > 0 > record["bias"]["toward_second"][0]["cosine"]  # fmt: skip # noqa: E501


def test_spaces_without_geometry_say_why() -> None:
    with pytest.raises(ConfigError, match="all 2 vectors are zero and have no direction"):
        measure_geometry(Vectors(["a", "b"], np.zeros((2, 3))))
    with pytest.raises(ConfigError, match="1 vector has no geometry; give at least two"):
        measure_geometry(Vectors(["a", "b"], np.array([[1, 0], [0, 0]])))
    with pytest.raises(ConfigError, match="3 clusters of 2 vectors cannot be made"):
        measure_geometry(Vectors(["a", "b"], np.eye(2)), n_clusters=3)
    with pytest.raises(ConfigError, match="all vectors are equal"):
        measure_geometry(Vectors(["a", "b"], np.ones((2, 2))))
    with pytest.raises(VocabularyError, match="no vector for 'q'"):
        measure_geometry(Vectors(["a", "b"], np.eye(2)), pairs=[("a", "q")])
    with pytest.raises(ConfigError, match="top is 0"):
        frequent(Vectors(["a"], [[1.0]]), 0)


def test_nan_in_a_mapped_file_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([[1, 2], [np.nan, 0]], dtype=np.float32))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    with pytest.raises(ConfigError, match=r"the vector of 'b' \(row 1\) holds NaN"):
        measure_geometry(Vectors(["a", "b"], mapped))


# --- Drawings ------------------------------------------------------------------------------------


def _inside(plot: Plot) -> bool:
    left, top, right, bottom = PLOT_BOX
    boxes = [(x, y, x + w, y + h) for x, y, w, h, _ in plot.bars]
    boxes += [(x, y, x, y) for x, y, _ in plot.points]
    return all(
        left - 1e-6 <= x1 and x2 <= right + 1e-6 and top - 1e-6 <= y1 and y2 <= bottom + 1e-6
        for x1, y1, x2, y2 in boxes
    )


def test_plots_stay_in_their_frames_and_count_every_word(measured: Geometry) -> None:
    assert measured.drift is not None
    norms = norm_plot(measured.sample)
    assert norms is not None
    plots = [
        spectrum_plot(measured.spectrum), hub_plot(measured.hubness), drift_plot(measured.drift),
        norms,
    ]  # fmt: skip
    assert all(map(_inside, plots))
    for plot in plots[1:3]:
        assert sum(int(text.split()[0].replace(",", "")) for *_, text in plot.bars) == 200
    zero = int((measured.hubness.occurrences == 0).sum())
    assert plots[1].bars[0][4] == f"{zero:,} words are among the nearest of 0"
    assert norm_plot(Vectors(["a", "b"], np.eye(2))) is None


def test_the_map_numbers_each_cluster_among_its_words(measured: Geometry) -> None:
    view = draw_clusters(measured)
    assert sorted(text for _, _, text in view.tags) == list("123456")
    for x, y, text in view.tags:
        own = [(w.x, w.y) for w in view.map.words if w.cluster == int(text) - 1]
        nearest = min(view.map.words, key=lambda w: (w.x - x) ** 2 + (w.y - y) ** 2)
        assert len(own) > 10
        assert nearest.cluster == int(text) - 1


def test_the_page_holds_every_part_and_loads_nothing(measured: Geometry, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    assert write_geometry(measured, path, "<my> words") == [path]
    html = path.read_text()
    page = Page(html)
    assert not page.open
    assert set(page.sections) >= {"figures", "directions", "hubs", "map", "clusters", "bias", "drift"}  # fmt: skip # noqa: E501
    for finding in findings(measured):
        assert finding.value in page.text("figures")
    assert not re.search(r"https?://|//[a-z]", html.split("</style>")[1].split("<script")[0])
    assert "<my>" not in html
    targets = {a["href"] for tag, a in page.tags if tag == "a"}
    ids = {f"#{a['id']}" for tag, a in page.tags if "id" in a}
    assert targets <= ids
    every_id = [a["id"] for _, a in page.tags if "id" in a]
    assert len(every_id) == len(set(every_id))
    bare = dataclasses.replace(measured, drift=None, bias=None, clusters=None, cluster_words=[])
    write_geometry(bare, path, "x")
    assert not {"clusters", "bias", "drift"} & set(Page(path.read_text()).sections)


def test_drawings_are_whole_svg_files(measured: Geometry, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("stays")
    written = write_geometry(measured, tmp_path, "x")
    stems = {path.stem for path in written}
    assert stems == {"map", "spectrum", "hubs", "norms", "drift", "clusters"}
    for path in written:
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert (tmp_path / "mine.txt").read_text() == "stays"
    with pytest.raises(ConfigError, match=r"is no folder and no \.html page"):
        write_geometry(measured, tmp_path / "x.pdf", "x")


def test_the_tree_of_clusters_names_them_all(measured: Geometry) -> None:
    text = cluster_tree_text(measured)
    assert sorted(re.findall(r"(\d)  ", text)) == list("123456")
    one = cluster(measured.sample.matrix, 1)
    single = dataclasses.replace(measured, clusters=one, cluster_words=measured.cluster_words[:1])
    assert cluster_tree_text(single).startswith("1  ")


# --- A trained space -----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def trained() -> Vectors:
    """Words of the factbook: small, but real."""
    return rs.Word2Vec(dim=50, epochs=3, n_threads=2, seed=1).fit(ROOT / "examples" / "factbook")


@pytest.mark.slow
def test_trained_words_are_as_the_papers_find_them(trained: Vectors) -> None:
    sample = frequent(trained, 3000)
    before = measure_isotropy(sample.matrix)
    assert before.mean_cosine > 0.05  # Mu & Viswanath: a common direction, which the top takes out
    after = measure_isotropy(all_but_the_top(sample.matrix, 2).apply(sample.matrix))
    assert abs(after.mean_cosine) < before.mean_cosine / 2
    assert after.partition > before.partition
    assert after.isoscore > before.isoscore


@pytest.mark.slow
def test_trained_words_cluster_by_what_they_mean(trained: Vectors) -> None:
    found = cluster(frequent(trained, 3000).matrix, 12)
    group = dict(zip(frequent(trained, 3000).index_to_key, found.groups.tolist(), strict=True))
    assert group["north"] == group["south"] == group["east"]
    assert group["president"] == group["elected"] != group["north"]


@pytest.mark.slow
def test_trained_words_survive_a_byte_a_number(trained: Vectors) -> None:
    quality = {
        kind: measure_compression(trained, compress_vectors(trained, kind), n_queries=100)
        for kind in ("int8", "pq")
    }
    assert quality["int8"].recall_at_k > 0.9
    assert quality["int8"].relative_error < 0.001
    assert 0.3 < quality["pq"].recall_at_k < quality["int8"].recall_at_k
