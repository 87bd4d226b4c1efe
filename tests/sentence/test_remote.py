from __future__ import annotations

import base64
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import ConfigError, FormatError, RemoteError
from rowspace.sentence.endpoint import Endpoint
from rowspace.sentence.remote import RemoteEncoder
from tests.sentence.server import (
    Reply,
    Server,
    cut_short,
    drop,
    embed,
    embed_shuffled,
    hang,
    says,
    serve,
    status,
    vector_of,
)

KEY = "sk-very-secret-1234"
TEXTS = ["a tea", "an oak tree", "blue moon", "üben 東京", "a tea"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve(embed) as server:
        yield server


def encoder_of(server: Server, waits: list[float] | None = None, **settings: Any) -> RemoteEncoder:
    waits = [] if waits is None else waits
    return RemoteEncoder("tiny", server.url, sleep=waits.append, **settings)


def expected(texts: list[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.stack([vector_of(text) for text in texts])


def test_texts_get_their_vectors_in_their_order(server: Server) -> None:
    encoder = encoder_of(server)
    found = encoder.encode([*TEXTS, " ", ""])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:5], expected(TEXTS))
    np.testing.assert_array_equal(found[5:], 0)
    assert server.texts == list(dict.fromkeys(TEXTS))  # each once, empty ones never
    assert server.keys == [f"Bearer {KEY}"]
    assert server.bodies[0]["model"] == "tiny"
    assert "dimensions" not in server.bodies[0]
    assert encoder.dim == 4


def test_shuffled_lists_of_numbers_are_put_in_order(server: Server) -> None:
    server.usual = embed_shuffled
    np.testing.assert_array_equal(encoder_of(server).encode(TEXTS), expected(TEXTS))


def test_nothing_is_asked_of_the_server_for_no_texts(server: Server) -> None:
    encoder = RemoteEncoder("text-embedding-3-small", server.url)
    assert encoder.encode([]).shape == (0, 1536)
    assert encoder.encode([""]).shape == (1, 1536)
    assert RemoteEncoder("text-embedding-3-large", server.url).dim == 3072
    assert RemoteEncoder("text-embedding-ada-002", server.url).dim == 1536
    assert RemoteEncoder("text-embedding-3-large", server.url, dimensions=64).dim == 64
    assert server.bodies == []
    assert encoder_of(server).dim == 4  # one that nobody knows has to be asked
    assert len(server.texts) == 1


def test_batches_keep_to_their_limits(server: Server) -> None:
    texts = ["a" * n for n in (1, 2, 3, 50, 4, 5)]
    encoder = encoder_of(server, batch_texts=2, batch_characters=10)
    np.testing.assert_array_equal(encoder.encode(texts), expected(texts))
    assert [[len(text) for text in body["input"]] for body in server.bodies] == [
        [1, 2], [3], [50], [4, 5],
    ]  # fmt: skip


def test_prompts_go_before_texts_and_change_the_fingerprint(server: Server) -> None:
    encoder = encoder_of(server, query_prompt="query: ", document_prompt="passage: ")
    np.testing.assert_array_equal(encoder.encode_query(["tea"]), expected(["query: tea"]))
    np.testing.assert_array_equal(encoder.encode_document(["tea"]), expected(["passage: tea"]))
    np.testing.assert_array_equal(encoder.encode_query([""]), np.zeros((1, 4)))
    prints = [encoder.fingerprint, encoder_of(server).fingerprint]
    prints.append(encoder_of(server, document_prompt="passage: ").fingerprint)
    prints.append(encoder_of(server, dimensions=4).fingerprint)
    prints.append(RemoteEncoder("other", server.url).fingerprint)
    assert len(set(prints)) == 5
    assert encoder_of(server).fingerprint == prints[1]


def test_what_is_cached_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    first = encoder_of(server, cache=tmp_path / "cache").encode(TEXTS)
    n_asked = len(server.texts)
    again = encoder_of(server, cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.encode(TEXTS), first)
    assert again.dim == 4
    assert len(server.texts) == n_asked
    again.encode(["new", *TEXTS])
    assert server.texts[n_asked:] == ["new"]
    encoder_of(server, cache=tmp_path / "cache", dimensions=4).encode(["new"])
    assert server.texts[n_asked:] == ["new", "new"]  # shortened vectors are others
    stored = b"".join(path.read_bytes() for path in (tmp_path / "cache").iterdir())
    assert KEY.encode() not in stored
    assert b"oak tree" not in stored


def test_what_was_received_before_a_failure_stays(server: Server, tmp_path: Path) -> None:
    server.troubles = [embed, embed, status(400, "no more")]
    with pytest.raises(RemoteError, match="status 400: no more"):
        encoder_of(server, cache=tmp_path, batch_texts=1).encode(TEXTS)
    assert server.texts == TEXTS[:3]
    np.testing.assert_array_equal(
        encoder_of(server, cache=tmp_path, batch_texts=1).encode(TEXTS), expected(TEXTS)
    )
    assert server.texts[3:] == TEXTS[2:4]


@pytest.mark.parametrize(
    "trouble",
    [status(500), status(503), status(408), hang, drop, cut_short],
    ids=["500", "503", "408", "hang", "drop", "cut short"],
)
def test_passing_trouble_is_tried_again(server: Server, trouble: Reply) -> None:
    server.troubles = [trouble, trouble]
    waits: list[float] = []
    encoder = encoder_of(server, waits, timeout=0.2 if trouble is hang else 10)
    np.testing.assert_array_equal(encoder.encode(["tea"]), expected(["tea"]))
    assert len(server.bodies) == 3
    assert len(waits) == 2
    assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0


def test_retry_after_is_waited_for(server: Server) -> None:
    import time

    in_a_while = formatdate(time.time() + 100, usegmt=True)
    server.troubles = [status(429, Retry_After="17"), status(429, Retry_After=in_a_while)]
    server.troubles += [status(429, Retry_After="soon")]
    waits: list[float] = []
    encoder_of(server, waits).encode(["tea"])
    assert waits[0] == 17
    assert 90 < waits[1] <= 100
    assert waits[2] <= 4
    server.troubles = [status(429, Retry_After="86400")]
    with pytest.raises(RemoteError, match="asks to wait 86,400 seconds"):
        encoder_of(server, waits).encode(["tea"])


def test_trouble_that_stays_is_an_error(server: Server) -> None:
    server.troubles = [status(503, "tired")] * 3
    with pytest.raises(RemoteError, match="failed 3 times, at last with: status 503: tired"):
        encoder_of(server, max_retries=2).encode(["tea"])
    assert len(server.bodies) == 3


def test_nobody_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(embed) as server:
        pass
    with pytest.raises(RemoteError, match=r"failed 2 times, at last with: .*refused"):
        encoder_of(server, max_retries=1).encode(["tea"])


def test_a_name_that_nobody_has_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("no_proxy", "*")
    waits: list[float] = []
    encoder = RemoteEncoder("tiny", "http://nowhere.invalid/v1", sleep=waits.append)
    with pytest.raises(RemoteError, match="no host of the name in http://nowhere"):
        encoder.encode(["tea"])
    assert waits == []


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (status(401, f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY to a key that holds"),
        (status(403), "check what the key may do"),
        (status(404, "no model tiny"), "status 404: no model tiny; check the URL"),
        (status(400, "too long"), "status 400: too long"),
        (status(429, "insufficient_quota"), "nothing left to spend"),
        (status(307, "elsewhere", Location="http://127.0.0.1:1/"), "status 307"),
    ],
)
def test_refusals_are_one_line_at_once(server: Server, reply: Reply, message: str) -> None:
    server.usual = reply
    waits: list[float] = []
    with pytest.raises(RemoteError, match=message) as caught:
        encoder_of(server, waits).encode(["tea"])
    assert waits == []
    assert len(server.bodies) == 1
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


def _item(vector: Any, **fields: Any) -> dict[str, Any]:
    return {"index": 0, "embedding": vector, **fields}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"<html>\x1b[31mhello", "with no JSON: <html> "),
        (b"", "with no JSON: nothing"),
        (b'{"data": [{"ind', "with no JSON"),
        ([1], "no list of vectors"),
        ({"data": [1, 2]}, "no list of vectors"),
        ({"data": [_item([1.0])]}, "1 vectors, not one for each of 2 texts"),
        ({"data": [_item([1.0]), _item([1.0])]}, "not one for each"),
        ({"data": [_item([1.0]), _item([1.0], index="1")]}, "not one for each"),
        ({"data": [_item([1.0]), _item([1.0, 2.0], index=1)]}, "vectors of \\[1, 2\\] numbers"),
        ({"data": [_item([1.0]), _item([float("nan")], index=1)]}, "not finite"),
        ({"data": [_item([1.0]), _item([1e300], index=1)]}, "not finite"),
        ({"data": [_item([1.0]), _item([], index=1)]}, "no numbers"),
        ({"data": [_item([1.0]), _item(["1"], index=1)]}, "no list of numbers"),
        ({"data": [_item([1.0]), _item([True], index=1)]}, "no list of numbers"),
        ({"data": [_item([1.0]), _item(None, index=1)]}, "no list of numbers"),
        ({"data": [_item([1.0]), _item("!", index=1)]}, "cannot be read"),
        ({"data": [_item([1.0]), _item(base64.b64encode(b"abc").decode(), index=1)]}, "be read"),
        ({"data": [_item([1.0]), _item([10**400], index=1)]}, "cannot be read"),
    ],
)
def test_nonsense_is_one_error_and_is_not_cached(
    server: Server, tmp_path: Path, answer: Any, message: str
) -> None:
    server.troubles = [says(answer)]
    encoder = encoder_of(server, cache=tmp_path)
    with pytest.raises(RemoteError, match=message) as caught:
        encoder.encode(["tea", "moon"])
    assert str(caught.value).isprintable()
    np.testing.assert_array_equal(
        encoder_of(server, cache=tmp_path).encode(["tea", "moon"]), expected(["tea", "moon"])
    )
    assert server.texts == ["tea", "moon", "tea", "moon"]


def test_a_model_that_changes_its_length_is_an_error(server: Server, tmp_path: Path) -> None:
    encoder = encoder_of(server, cache=tmp_path)
    encoder.encode(["tea"])
    server.usual = says({"data": [_item([1.0, 2.0])]})
    with pytest.raises(RemoteError, match="vectors of 2 numbers for tiny, not 4"):
        encoder.encode(["moon"])
    with pytest.raises(RemoteError, match="vectors of 2 numbers for tiny, not 3"):
        encoder_of(server, dimensions=3).encode(["moon"])


def test_a_damaged_cache_says_so(server: Server, tmp_path: Path) -> None:
    encoder_of(server, cache=tmp_path).encode(["tea"])
    path = tmp_path / "embeddings.sqlite"
    whole = path.read_bytes()
    vector = vector_of("tea").tobytes()
    assert whole.count(vector) == 1
    path.write_bytes(whole.replace(vector, vector[::-1]))
    with pytest.raises(FormatError, match=r"embeddings.sqlite is damaged \(a vector is not"):
        encoder_of(server, cache=tmp_path).encode(["tea"])
    path.write_bytes(b"no database at all, " * 100)
    with pytest.raises(FormatError, match="is damaged"):
        encoder_of(server, cache=tmp_path).encode(["tea"])
    assert len(server.bodies) == 1


def test_two_processes_share_a_cache(server: Server, tmp_path: Path) -> None:
    code = (
        "import sys; from rowspace.sentence.remote import RemoteEncoder\n"
        "encoder = RemoteEncoder('tiny', sys.argv[1], cache=sys.argv[2], batch_texts=2)\n"
        "encoder.encode([f'text {i}' for i in range(40)])"
    )
    arguments = [sys.executable, "-c", code, server.url, str(tmp_path)]
    both = [subprocess.Popen(arguments, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        assert process.communicate(timeout=60)[1] == b""
        assert process.returncode == 0
    n_asked = len(server.bodies)
    texts = [f"text {i}" for i in range(40)]
    np.testing.assert_array_equal(encoder_of(server, cache=tmp_path).encode(texts), expected(texts))
    assert len(server.bodies) == n_asked
    with sqlite3.connect(tmp_path / "embeddings.sqlite") as database:
        assert database.execute("SELECT count(*) FROM vectors").fetchone() == (40,)
    database.close()


def test_requests_are_spaced_by_the_rate(server: Server) -> None:
    waits: list[float] = []
    encoder_of(server, waits, requests_per_minute=6, batch_texts=1).encode(["a", "b", "c"])
    assert len(waits) == 2  # the first goes at once
    assert 9 < waits[0] <= 10 < waits[1] <= 20  # nothing really sleeps here


def test_an_own_key_and_no_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder_of(server, api_key="mine\n").encode(["a"])
    monkeypatch.setenv("OTHER", "theirs")
    encoder_of(server, api_key_variable="OTHER").encode(["a"])
    monkeypatch.delenv("OPENAI_API_KEY")
    encoder_of(server).encode(["a"])
    assert server.keys == ["Bearer mine", "Bearer theirs", None]
    assert "mine" not in repr(Endpoint(server.url, api_key="mine"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "ftp://a"}, "the URL 'ftp://a' is none"),
        ({"url": "localhost:80"}, "is none"),
        ({"url": "http://host:port/v1"}, "is none"),
        ({"url": "http://host/a b"}, "is none"),
        ({"url": "http://host/v1?key=1"}, "is none"),
        ({"url": "http://me:secret@host"}, "has a password"),
        ({"api_key": "schlüssel"}, "check the variable OPENAI_API_KEY"),
        ({"timeout": 0}, "timeout is 0"),
        ({"requests_per_minute": float("nan")}, "requests_per_minute is nan"),
        ({"max_retries": -1}, "max_retries is -1"),
        ({"dimensions": 0}, "dimensions is 0"),
        ({"batch_texts": 0}, "batch_texts is 0"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RemoteEncoder(**settings)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="give a list"):
        RemoteEncoder().encode("a text")
