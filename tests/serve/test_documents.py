from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rowspace.files import WriterLock
from rowspace.search.space import Space, open_space
from rowspace.serve.config import ServeConfig
from rowspace.text.corpus import Corpus
from tests.search.stub import document, make_space
from tests.serve.clients import Client, as_sent, check_error, client_of, copy_of

FIRST = [
    document(f"old{i}", f"a river and a stone {i}", title="Old", year=2000 + i) for i in range(5)
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return make_space(tmp_path_factory.mktemp("stub") / "a.space", FIRST)


@pytest.fixture
def path(made: Space, tmp_path: Path) -> Path:
    return copy_of(made.path, tmp_path)


@pytest.fixture
def client(path: Path) -> Iterator[Client]:
    with client_of(path) as client:
        yield client


def _add(client: Client, documents: Any) -> dict[str, Any]:
    answer = client.post("/v1/documents", json={"documents": documents})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _found(client: Client, query: str, **asked: Any) -> list[str]:
    answer = client.post("/v1/search", json={"query": query, "k": 100, "group": True, **asked})
    assert answer.status_code == 200, answer.text
    return [hit["document_id"] for hit in answer.json()["data"][0]["hits"]]


def test_added_documents_are_found_at_once_and_kept(client: Client, path: Path) -> None:
    added = _add(
        client, [{"id": "comet", "text": "a comet", "year": 1986}, {"id": "e", "text": ""}]
    )
    assert added == {
        "object": "documents.added",
        "documents": 1,
        "passages": 1,
        "replaced": 0,
        "empty": ["e"],
        "truncated": 0,
    }
    assert _found(client, "comet", mode="lexical") == ["comet"]
    assert _found(client, "comet", where="year = 1986") == ["comet"]
    assert [hit.document_id for hit in open_space(path).search("comet", 1)] == ["comet"]


def test_the_space_is_what_the_library_makes_of_a_jsonl_file(
    client: Client, path: Path, made: Space, tmp_path: Path
) -> None:
    documents: list[dict[str, Any]] = [
        {"_id": "x", "title": "A", "text": "the bird \r\nflies", "n": 1, "tags": ["a", {"b": 1}]},
        {"id": 7, "text": "Cafe\u0301 by the river. " * 30, "n": 2.5, "open": True, "none": None},
        {"id": "y", "_id": "z", "text": "stone", "title": None, "name": "é"},
        {"document_id": "old3", "text": "replaced"},
    ]
    added = _add(client, documents)
    lines = [*documents[:2], {**documents[2], "title": ""}, documents[3]]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "library").mkdir()
    library = open_space(copy_of(made.path, tmp_path / "library"))
    expected = library.add(replace(one, source="") for one in Corpus(tmp_path / "a.jsonl"))
    assert (added["documents"], added["passages"], added["replaced"]) == (4, expected.passages, 1)
    ours = open_space(path)
    assert ours.fields == library.fields
    for query in ("bird", "café river", "stone", "replaced"):
        assert [hit.as_dict() for hit in ours.search(query, 50)] == [
            hit.as_dict() for hit in library.search(query, 50)
        ]


def test_adding_twice_changes_nothing_but_the_count_of_replaced(client: Client) -> None:
    one = {"id": "comet", "text": "a comet", "metadata": {"year": 1986}}
    assert _add(client, one)["replaced"] == 0
    before = client.get("/v1/documents/comet").json()
    assert _add(client, one)["replaced"] == 1
    assert client.get("/v1/documents/comet").json() == before
    assert before["metadata"] == {"year": 1986}
    assert _found(client, "comet", mode="lexical") == ["comet"]


def test_a_document_is_read_as_its_passages_in_order(client: Client) -> None:
    text = " ".join(f"Sentence {i} is of a river." for i in range(40))
    _add(client, {"id": "docs/a b.txt", "title": "T", "source": "s", "text": text, "n": 1})
    for address in ("/v1/documents/docs/a%20b.txt", "/v1/documents/docs%2Fa%20b.txt"):
        answer = client.get(address).json()
        assert {name: answer[name] for name in ("object", "id", "title", "source", "metadata")} == {
            "object": "document",
            "id": "docs/a b.txt",
            "title": "T",
            "source": "s",
            "metadata": {"n": 1},
        }
        passages = answer["passages"]
        assert [one["position"] for one in passages] == list(range(len(passages)))
        assert len(passages) > 5
        assert " ".join(one["text"] for one in passages) == text


def test_an_answer_can_be_sent_back(client: Client) -> None:
    before = client.get("/v1/documents/old1").json()
    names = ("id", "title", "source", "metadata")
    text = " ".join(one["text"] for one in before["passages"])
    _add(client, {name: before[name] for name in names} | {"text": text})
    assert client.get("/v1/documents/old1").json() == before


def test_documents_are_deleted_by_ids_or_by_a_filter(client: Client) -> None:
    answer = client.post("/v1/documents/delete", json={"ids": ["old0", "old1", "none"]})
    assert answer.json() == {"object": "documents.deleted", "deleted": 2}
    answer = client.post("/v1/documents/delete", json={"where": ["year >= 2003", "year < 2004"]})
    assert answer.json()["deleted"] == 1
    assert sorted(_found(client, "river")) == ["old2", "old4"]
    assert client.delete("/v1/documents/old2").json()["deleted"] == 1
    check_error(client.delete("/v1/documents/old2"), 404, "document_id", "'old2'")
    check_error(client.get("/v1/documents/old2"), 404, "document_id", "'old2'")
    assert _found(client, "river") == ["old4"]


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({}, "ids", "one of the two"),
        ({"ids": ["a"], "where": "year = 1"}, "ids", "one of the two"),
        ({"ids": []}, "ids", "give one"),
        ({"ids": "a" * 600}, "ids", "takes up to 512"),
        ({"ids": ["a"] * 2049}, "ids", "takes up to 2,048"),
        ({"where": ""}, "where", "the filter is empty"),
        ({"where": []}, "where", "there is no filter"),
        ({"where": "nothing is null"}, "where", "no field 'nothing'"),
        ({"where": "'a' = 'a'"}, "where", "at character 1"),
    ],
)
def test_deletions_of_nothing_said_are_refused(
    body: dict[str, Any], param: str, said: str, client: Client
) -> None:
    check_error(client.post("/v1/documents/delete", json=body), 400, param, said)
    assert len(_found(client, "river")) == 5


def _deep(n: int) -> Any:
    value: Any = 1
    for _ in range(n):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("document", "param", "said"),
    [
        ({"text": "a"}, "documents.1.id", "missing"),
        ({"id": "", "text": "a"}, "documents.1.id", "give 1 to 512"),
        ({"id": "a" * 513, "text": "a"}, "documents.1.id", "give 1 to 512"),
        ({"id": 1.5, "text": "a"}, "documents.1.id", "no string"),
        ({"id": True, "text": "a"}, "documents.1.id", "no string"),
        ({"id": "a"}, "documents.1.text", "missing"),
        ({"id": "a", "text": 5}, "documents.1.text", "no string"),
        ({"id": "a", "text": "a" * ((1 << 20) + 1)}, "documents.1.text", "up to 1,048,576"),
        ({"id": "a", "text": "a", "title": "t" * 1001}, "documents.1.title", "up to 1,000"),
        ({"id": "a", "text": "a", "title": 3}, "documents.1.title", "no string"),
        ({"id": "a", "text": "a", "source": []}, "documents.1.source", "no string"),
        ({"id": "a", "text": "a", "metadata": 3}, "documents.1.metadata", "no object"),
        ({"id": "a", "text": "a", "y": 1, "metadata": {"y": 2}}, "documents.1.metadata", "already"),
        ({"id": "a", "text": "a", "metadata": {"text": "b"}}, "documents.1.metadata", "already"),
        ({"id": "a", "text": "a", "tags": _deep(10)}, "documents.1.tags", "nests more than 8"),
        ({"id": "a", "text": "a", "n": "x" * 20_000}, "documents.1.metadata", "up to 16,384"),
        ({"id": "a", "text": "a", "n" * 201: 1}, "documents.1." + "n" * 80, "1 to 200"),
        ({"id": "a", "text": "a", "": 1}, "documents.1.", "1 to 200"),
        (
            {"id": "a", "text": "a", **{f"f{i}": i for i in range(65)}},
            "documents.1.metadata",
            "takes up to 64",
        ),
        ({"id": "a", "text": "a", "year": "then"}, None, "field 'year' holds int"),
        ({"id": "good", "text": "a"}, None, "two documents have the id 'good'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_addition_with_one_bad_document_changes_nothing(
    document: dict[str, Any], param: str | None, said: str, client: Client
) -> None:
    body = {"documents": [{"id": "good", "text": "a good comet"}, document]}
    check_error(client.post("/v1/documents", json=body), 400, param, said)
    assert client.get("/v1/documents/good").status_code == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"documents": {"id": "a", "text": "\\ud800"}}', "half a character"),
        (b'{"documents": {"id": "\\udfff", "text": "a"}}', "half a character"),
        (b'{"documents": {"id": "a", "text": "a", "n\\ud800": 1}}', "half a character"),
        (b'{"documents": {"id": "a", "text": "a", "n": ["\\ud800"]}}', "half a character"),
        (b'{"documents": {"id": "a", "text": "a", "n": {"x": NaN}}}', "which JSON has not"),
        (b'{"documents": {"id": "a", "text": "a", "n": -Infinity}}', "which JSON has not"),
        (
            b'{"documents": {"id": "a", "text": "a", "n": ' + b"[" * 99_999 + b"]" * 99_999 + b"}}",
            "",
        ),
        (b'{"documents": []}', "give one or more"),
        (b'{"documents": ["a"]}', "dictionary"),
        (b'{"document": {"id": "a", "text": "a"}}', ""),
    ],
)
def test_what_utf_8_or_json_cannot_hold_is_refused(body: bytes, said: str, client: Client) -> None:
    answer = client.post(
        "/v1/documents", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]


def test_ten_thousand_field_names_are_refused_before_anything_is_encoded(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Space, "add", lambda *_: pytest.fail("it was encoded"))
    documents: list[dict[str, Any]] = [
        {"id": str(i), "text": "a", **{f"field{i}_{j}": 1 for j in range(50)}} for i in range(200)
    ]
    answer = client.post("/v1/documents", json={"documents": documents})
    check_error(answer, 400, None, "10,001 metadata fields and a space keeps up to 500")


def test_numbers_beyond_every_machine_type_are_kept(client: Client) -> None:
    _add(client, {"id": "big", "text": "a", "huge": 10**400, "n": -(2**63), "m": 2**63 - 1})
    metadata = client.get("/v1/documents/big").json()["metadata"]
    assert metadata == {"huge": 10**400, "n": -(2**63), "m": 2**63 - 1}
    assert _found(client, "a", where="m = 9223372036854775807") == ["big"]


def test_where_another_process_writes_a_client_is_told_to_come_again(path: Path) -> None:
    one = {"documents": {"id": "comet", "text": "a comet"}}
    with client_of(path, ServeConfig(deadline=0.2)) as client:
        with WriterLock(path / "lock"):
            for answer in (
                client.post("/v1/documents", json=one),
                client.post("/v1/documents/delete", json={"ids": ["old1"]}),
                client.delete("/v1/documents/old1"),
            ):
                check_error(answer, 503, None, "is being written by another process")
                assert answer.json()["error"]["code"] == "space_locked"
                assert int(answer.headers["Retry-After"]) > 0
            assert "comet" not in _found(client, "comet")
            assert "old1" in _found(client, "river")
        assert client.post("/v1/documents", json=one).status_code == 200


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_space_on_a_volume_that_is_read_only_says_so(
    path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with client_of(path) as client:
        monkeypatch.setattr(WriterLock, "__enter__", refuse)  # which opens a file to write
        for answer in (
            client.post("/v1/documents", json={"documents": {"id": "comet", "text": "a comet"}}),
            client.delete("/v1/documents/old1"),
        ):
            check_error(answer, 403, None, "served to be read")
            assert answer.json()["error"]["code"] == "read_only"


def test_searches_see_each_addition_and_deletion_whole(client: Client) -> None:
    """Groups of three documents come and go; a search finds three of a group, or none."""
    ended = threading.Event()
    n_groups, seen = 6, set()

    def write(group: int) -> None:
        documents = [
            {"id": f"g{group}-{i}", "text": "a comet of ice", "group": group} for i in range(3)
        ]
        for _ in range(2):
            _add(client, documents)
            deleted = client.post("/v1/documents/delete", json={"where": f"group = {group}"})
            assert deleted.json()["deleted"] == 3
        _add(client, documents)

    def read() -> None:
        while not ended.is_set():
            found = [name for name in _found(client, "comet") if name.startswith("g")]
            counts = {name[:2]: sum(other[:2] == name[:2] for other in found) for name in found}
            assert set(counts.values()) <= {3}
            seen.add(len(counts))

    with ThreadPoolExecutor(8) as threads:
        readers = [threads.submit(read) for _ in range(3)]
        try:
            _add(client, {"id": "first", "text": "ice", "group": -1})
            list(threads.map(write, range(n_groups)))
        finally:
            ended.set()
        for reader in readers:
            reader.result()
    assert len(seen) > 1  # writes were seen on the way
    assert sorted(_found(client, "comet", where="group >= 0")) == [
        f"g{group}-{i}" for group in range(n_groups) for i in range(3)
    ]


def test_a_document_is_found_by_the_bits_the_library_gives_it(
    client: Client, path: Path, made: Space, tmp_path: Path
) -> None:
    _add(client, [{"id": f"d{i}", "text": f"comet {i} of ice and stone"} for i in range(200)])
    (tmp_path / "library").mkdir()
    library = open_space(copy_of(made.path, tmp_path / "library"))
    library.add([document(f"d{i}", f"comet {i} of ice and stone", source="") for i in range(200)])
    answer = client.post("/v1/search", json={"query": "comet 7", "k": 300, "mode": "dense"})
    expected = [hit.as_dict() for hit in library.search("comet 7", 300, mode="dense")]
    assert answer.json()["data"][0]["hits"] == as_sent(expected)
