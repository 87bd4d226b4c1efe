from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from rowspace.errors import ConfigError
from rowspace.explore import atlas as atlas_module
from rowspace.explore.jobs import Task
from rowspace.explore.making import make
from rowspace.explore.subject import open_subject
from rowspace.search.space import open_space
from rowspace.space.vectors import Vectors
from tests.explore.shown import API, blobs, client, places, wait_for
from tests.search.stub import OtherEncoder, document, make_space

TEXTS = ["lava ash crater", "ship sail sea", "bread flour oven", "river lake water"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ROWSPACE_MAPS", raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_space(
        tmp_path / "a.space",
        [
            document(
                f"d{i}",
                " ".join([TEXTS[i % 4]] * (8 if i % 2 else 2)),
                title=f"Title {i}",
                year=1990 + i,
                risky="=1+1" if i == 0 else "plain",
                long=f"{i} of many names " * 5,
            )
            for i in range(40)
        ],
    )
    return tmp_path / "a.space"


@pytest.fixture
def browser(path: Path) -> Iterator[TestClient]:
    with client(open_subject(path)) as made:
        yield made


def post(browser: TestClient, what: str, body: Any) -> Any:
    return browser.post(API + what, json=body)


def test_about_tells_sets_fields_and_maps(browser: TestClient) -> None:
    (subject,) = browser.get(API + "about").json()["subjects"]
    assert subject["name"] == "a.space" and subject["is_space"] and subject["models"] == ["default"]
    documents, passages = subject["sets"]
    assert (documents["id"], documents["n"], documents["dim"]) == ("documents", 40, 16)
    assert passages["id"] == "passages" and passages["n"] > 40
    assert documents["fields"]["year"] == "number" and passages["fields"]["risky"] == "category"
    assert [one["method"] for one in documents["layouts"]] == ["umap", "pca", "tsne"]
    assert not any(one["ready"] for one in documents["layouts"])
    assert subject["has"]["search"] is True

    assert browser.get(API + "map?set=documents&method=pca").status_code == 200
    documents = browser.get(API + "sets").json()[0]
    pca = documents["layouts"][1]
    assert pca["ready"] and pca["n_fitted"] == 40 and 0 < pca["trustworthiness"] <= 1


def test_few_points_are_placed_by_pca_at_once_and_kept_in_the_space(
    browser: TestClient, path: Path
) -> None:
    first = browser.get(API + "map?set=passages&method=pca")
    assert places(first).shape == (browser.get(API + "sets").json()[1]["n"], 2)
    assert first.headers["content-type"] == "application/octet-stream"
    assert sorted(one.name for one in (path / "explore/default/passages").iterdir()) == [
        "clusters-0",
        "pca-0",
    ]
    with client(open_subject(path)) as other:
        assert other.get(API + "map?set=passages&method=pca").content == first.content


def test_several_pages_at_once_get_one_map(browser: TestClient) -> None:
    address = API + "map?set=documents&method=pca"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: browser.get(address), range(8)))
    assert {one.status_code for one in answers} == {200}
    assert len({one.content for one in answers}) == 1


def test_points_that_changed_since_they_were_asked_for_are_not_placed(path: Path) -> None:
    task = Task(
        path=str(path), kind="documents", model="default", fingerprint="0", method="pca", seed=0
    )
    with pytest.raises(ConfigError, match=r"the documents of a\.space changed meanwhile"):
        make(task, lambda share, message: None)
    assert not (path / "explore").exists()


@pytest.mark.slow
def test_a_map_is_made_in_another_process_meanwhile_it_tells_how_far_it_is(
    browser: TestClient, path: Path
) -> None:
    told = browser.get(API + "map?set=documents")
    assert told.status_code == 202
    assert told.json() == {"state": "computing", "share": 0.0, "message": "starting"}
    assert told.headers["cache-control"] == "no-store"
    made = places(wait_for(browser, "map?set=documents"))
    assert made.shape == (40, 2) and np.abs(made).max() <= 1
    record = browser.get(API + "sets").json()[0]["layouts"][0]
    assert record["ready"] and record["parameters"]["n_neighbors"] == 15

    other = places(wait_for(browser, "map?set=documents&seed=3"))
    assert not np.array_equal(other, made)
    assert np.array_equal(places(browser.get(API + "map?set=documents")), made)
    names = {one.name for one in (path / "explore/default/documents").iterdir()}
    assert names == {"clusters-0", "clusters-3", "umap-0", "umap-3"}


def test_a_page_that_has_a_map_is_told_so(browser: TestClient) -> None:
    first = browser.get(API + "map?set=documents&method=pca")
    again = browser.get(
        API + "map?set=documents&method=pca", headers={"If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304 and again.content == b""
    assert again.headers["etag"] == first.headers["etag"]


def test_json_is_packed_where_that_is_accepted(browser: TestClient) -> None:
    address = API + "colors?set=documents&by=long"
    plain = browser.get(address, headers={"Accept-Encoding": "identity"})
    packed = browser.get(address, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers and len(plain.content) > 1024
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.json() == packed.json()


def test_labels_are_of_every_group(browser: TestClient) -> None:
    labels = browser.get(API + "labels?set=passages&method=pca").json()
    legend = browser.get(API + "colors?set=passages").json()
    codes = np.frombuffer(browser.get(API + "colors.bin?set=passages").content, "<u2")
    assert legend["kind"] == "category" and len(labels) == len(legend["names"])
    for label in labels:
        assert label["text"] == legend["names"][label["cluster"]]
        assert label["n"] == np.count_nonzero(codes == label["cluster"])
    assert sum(label["n"] for label in labels) == len(codes)


def test_colours_of_a_fact_are_by_row(browser: TestClient) -> None:
    shares = np.frombuffer(browser.get(API + "colors.bin?set=documents&by=year").content, "<f4")
    legend = browser.get(API + "colors?set=documents&by=year").json()
    assert legend == {"kind": "number", "low": 1990.0, "high": 2029.0, "log": False}
    told = post(browser, "points", {"set": "documents", "rows": list(range(40))}).json()
    years = [1990 + 39 * share for share in shares]
    assert years == pytest.approx([one["metadata"]["year"] for one in told], abs=1e-3)
    codes = np.frombuffer(browser.get(API + "colors.bin?set=documents&by=risky").content, "<u2")
    assert [one["metadata"]["risky"] == "=1+1" for one in told] == (codes == 1).tolist()


def test_points_are_told_in_the_order_asked(browser: TestClient) -> None:
    told = post(browser, "points", {"set": "documents", "rows": [7, 0, 7]}).json()
    assert [one["row"] for one in told] == [7, 0, 7]
    assert told[0] == told[2] and told[1]["label"] != told[0]["label"]
    assert told[0].keys() > {"label", "document_id", "title", "text", "source", "metadata"}


def read_csv(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_an_export_is_a_table_with_places_and_no_formula(browser: TestClient) -> None:
    made = places(browser.get(API + "map?set=documents&method=pca"))
    asked = {"set": "documents", "method": "pca", "rows": [3, 1, 0]}
    table = read_csv(post(browser, "export", asked))
    assert [row["row"] for row in table] == ["3", "1", "0"]
    told = post(browser, "points", {"set": "documents", "rows": [3, 1, 0]}).json()
    for row, one in zip(table, told, strict=True):
        at = made[int(row["row"])]
        assert [float(row["x"]), float(row["y"])] == pytest.approx(at.tolist(), abs=1e-5)
        assert (row["document_id"], row["title"], row["text"]) == (
            one["document_id"],
            one["title"],
            one["text"],
        )
        assert row["year"] == str(one["metadata"]["year"])
    everything = read_csv(post(browser, "export", {"set": "documents", "method": "pca"}))
    assert len(everything) == 40
    assert sorted(row["risky"] for row in everything)[:2] == ["'=1+1", "plain"]
    nothing = post(browser, "export", {"set": "documents", "method": "pca", "rows": []})
    assert read_csv(nothing) == [] and nothing.text.startswith("row,label,x,y,cluster,document_id")


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("map?subject=7", 404, "there is no subject 7; give 0 to 0"),
        ("map?subject=-1", 400, "greater than or equal to 0"),
        ("map?set=words", 404, "a.space has no words; give one of documents, passages"),
        ("map?set=" + "x" * 5000, 400, "at most 40 characters"),
        ("map?model=x", 404, "a.space has no model 'x'; give one of default"),
        ("map?method=som", 400, "layout 'som' is unknown; give one of umap, pca, tsne"),
        ("map?seed=-1", 400, "greater than or equal to 0"),
        ("map?seed=99999999999", 400, "less than 4294967296"),
        ("map?seed=x", 400, "valid integer"),
        ("map?fingerprint=abc", 409, "the documents of a.space have changed; load the page again"),
        ("labels?level=2", 400, "less than or equal to 1"),
        ("labels?method=../../x", 400, "layout '../../x' is unknown"),
        ("colors?by=nothing", 404, "documents have no 'nothing'; give one of cluster, passages"),
        ("colors.bin?by=document_id", 404, "documents have no 'document_id'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    browser: TestClient, address: str, status: int, message: str
) -> None:
    answer = browser.get(API + address)
    assert answer.status_code == status
    told = answer.json()["error"]["message"]
    assert message in told and "\n" not in told


@pytest.mark.parametrize(
    ("what", "body", "message"),
    [
        ("points", {"rows": [40]}, "there is no row 40 among 40 documents; give 0 to 39"),
        ("points", {"rows": [-1]}, "greater than or equal to 0"),
        ("points", {"rows": [2**80]}, "less than"),
        ("points", {"rows": [1.5]}, "valid integer"),
        ("points", {"rows": list(range(1001))}, "at most 1000"),
        ("points", {}, "rows: Field required"),
        ("points", {"rows": [], "sets": "x"}, "Extra inputs"),
        ("points", [], "valid dict"),
        ("export", {"rows": [40]}, "there is no row 40"),
        ("export", {"method": "som"}, "layout 'som' is unknown"),
        ("export", {"seed": -1}, "greater than or equal to 0"),
    ],
)
def test_a_body_that_cannot_be_is_refused_in_one_line(
    browser: TestClient, what: str, body: Any, message: str
) -> None:
    answer = post(browser, what, body)
    assert answer.status_code == 400
    told = answer.json()["error"]["message"]
    assert message in told and "\n" not in told


def test_a_page_with_an_old_fingerprint_is_told_to_load_again(
    browser: TestClient, path: Path
) -> None:
    seen = browser.get(API + "sets").json()[0]
    with_it = f"map?set=documents&method=pca&fingerprint={seen['fingerprint']}"
    assert browser.get(API + with_it).status_code == 200
    open_space(path).add([document("new", "lava ash")])
    answer = browser.get(API + with_it)
    assert answer.status_code == 409
    now = browser.get(API + "sets").json()[0]
    assert now["n"] == 41 and now["fingerprint"] != seen["fingerprint"]
    assert len(places(browser.get(API + "map?set=documents&method=pca"))) == 41
    body = {"set": "documents", "rows": [0], "fingerprint": seen["fingerprint"]}
    assert post(browser, "points", body).status_code == 409


def test_a_page_whose_version_is_removed_while_it_is_read_is_told_to_load_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = open_subject(path)
    with client(subject) as browser:
        before = subject.sets_of(None)
        monkeypatch.setattr(subject, "sets_of", lambda model: before)  # just before the write
        space = open_space(path)
        space.delete(["d3"])
        space.compact()
        answer = browser.get(API + "colors.bin?set=passages&by=year")
        assert answer.status_code == 409
        message = answer.json()["error"]["message"]
        assert message == "a.space has changed meanwhile; load the page again"


def test_each_model_has_its_own_map(browser: TestClient, path: Path) -> None:
    first = places(browser.get(API + "map?set=documents&method=pca"))
    open_space(path).add_model("other", OtherEncoder())
    assert browser.get(API + "about").json()["subjects"][0]["models"] == ["default", "other"]
    other = browser.get(API + "sets?model=other").json()[0]
    assert other["dim"] == 8
    second = places(browser.get(API + "map?set=documents&method=pca&model=other"))
    assert first.shape == second.shape and not np.allclose(first, second, atol=1e-2)


def test_a_space_whose_maps_are_kept_verifies_and_is_compacted_and_repaired(
    browser: TestClient, path: Path
) -> None:
    before = places(browser.get(API + "map?set=documents&method=pca"))
    space = open_space(path)
    assert space.verify() == []
    signature = space.snapshot.signature
    places(browser.get(API + "map?set=passages&method=pca"))
    assert space.snapshot.signature == signature, "who has it open need not read it again"
    kept = path / "explore/default/documents/pca-0/array.npy"
    bytes_before = kept.read_bytes()
    space.repair()
    space.compact()
    assert space.verify() == [] and kept.read_bytes() == bytes_before
    assert space.status()["quarantined_files"] == 0
    after = places(browser.get(API + "map?set=documents&method=pca"))
    assert len(after) == len(before)


def test_a_space_that_cannot_be_written_has_its_maps_in_the_cache(
    browser: TestClient, path: Path, tmp_path: Path
) -> None:
    (path / "explore").touch()  # in the way of root too
    assert browser.get(API + "map?set=documents&method=pca").status_code == 200
    assert list((tmp_path / "cache/rowspace/maps").glob("a.space-*/default/documents/pca-0"))


def test_words_of_a_file_have_a_map_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, _ = blobs(120)
    Vectors([f"w{i}" for i in range(120)], matrix).save(tmp_path / "w.npz")
    with client(open_subject(tmp_path / "w.npz")) as browser:
        monkeypatch.setattr(atlas_module, "AT_ONCE", 10)  # all in the other process
        assert browser.get(API + "colors?set=words").status_code == 202
        legend = wait_for(browser, "colors?set=words").json()
        assert legend["names"]
        made = places(wait_for(browser, "map?method=pca"))
        assert made.shape == (120, 2)
        table = read_csv(post(browser, "export", {"method": "pca", "rows": [5]}))
        assert table[0]["label"] == "w5" and table[0]["rank"] == "6"
    assert list((tmp_path / "cache/rowspace/maps").glob("w.npz-*/default/words/pca-0"))


def test_a_failure_is_told_once_and_then_it_is_made(
    browser: TestClient, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(browser, "colors?set=documents")
    monkeypatch.setattr(atlas_module, "AT_ONCE", 10)  # in the other process
    monkeypatch.setenv("ROWSPACE_MAPS", "/dev/null/nowhere")
    deadline = time.monotonic() + 60
    while (answer := browser.get(API + "map?set=documents&method=pca")).status_code == 202:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer.status_code == 503
    told = answer.json()["error"]["message"]
    assert told.startswith("the map could not be made: the map could not be kept (")
    monkeypatch.delenv("ROWSPACE_MAPS")
    assert wait_for(browser, "map?set=documents&method=pca").status_code == 200
