from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rowspace.explore.subject import Subject
from rowspace.serve.config import ServeConfig
from rowspace.serve.guard import MAX_URL, METHODS
from rowspace.serve.run import running
from tests.serve.servers import SECRET, TOKEN, connect, read_all, serving, status_of, stub, talk

FRIEND = "https://friend.example"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Without a token."""
    with (
        pytest.MonkeyPatch.context() as patch,
        serving(patch, hosts=("here.example",), origins=(FRIEND,), max_body=1000) as address,
    ):
        yield address


@pytest.fixture(scope="module")
def locked() -> Iterator[str]:
    """With a token, and the explorer."""
    served = stub()
    served.subjects = [Subject("nothing", served.path)]
    with running(served, ServeConfig(port=0, token=TOKEN)) as address:
        yield address


def _error(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error of an answer, in OpenAI's shape."""
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    error: dict[str, Any] = answer.json()["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["message"]
    return error


# --- Names and origins ----------------------------------------------------------------------------


def test_a_name_that_was_made_to_point_here_is_refused(server: str) -> None:
    rebound = httpx.get(f"{server}/health", headers={"host": "evil.example"})
    assert _error(rebound, 421)["code"] == "unknown_host"
    assert httpx.get(f"{server}/health", headers={"host": "here.example:9"}).status_code == 200


def test_the_host_is_told_once(server: str) -> None:
    assert status_of(talk(server, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n")) == 400
    twice = b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"
    assert status_of(talk(server, twice + b"Connection: close\r\n\r\n")) == 400


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1:1"])
def test_pages_of_other_sites_may_not_call(server: str, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = httpx.request(method, f"{server}/health", headers={"origin": origin})
        assert _error(answer, 403)["code"] == "foreign_origin"
        assert "access-control-allow-origin" not in answer.headers


def test_own_pages_may_call_and_need_no_permission(server: str) -> None:
    answer = httpx.get(f"{server}/health", headers={"origin": server})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_a_site_that_is_allowed_may_call_and_read(server: str) -> None:
    for path, status in (("/health", 200), ("/none", 404), ("/broken", 500)):
        answer = httpx.get(f"{server}{path}", headers={"origin": FRIEND})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert answer.headers["vary"] == "Origin"
    assert httpx.get(f"{server}/health").headers["vary"] == "Origin"


def test_a_preflight_is_answered_for_allowed_sites(server: str) -> None:
    asks = {
        "origin": FRIEND,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
        "access-control-request-private-network": "true",
    }
    answer = httpx.options(f"{server}/v1/embeddings", headers=asks)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "POST" in answer.headers["access-control-allow-methods"]
    asked = asks["access-control-request-headers"]
    assert answer.headers["access-control-allow-headers"] == asked
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-credentials" not in answer.headers


def test_a_page_that_loads_an_answer_as_an_image_gets_none(server: str) -> None:
    says = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert _error(httpx.get(f"{server}/health", headers=says), 403)["code"] == "foreign_origin"


# --- The token ------------------------------------------------------------------------------------


def _with(token: bytes) -> dict[bytes, bytes]:
    return {b"authorization": token}


def test_the_token_opens(locked: str) -> None:
    for scheme in (b"Bearer ", b"bearer "):
        answer = httpx.get(f"{locked}/ready", headers=_with(scheme + TOKEN.encode()))
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        *(b"", b"Bearer", TOKEN.encode(), b"Basic " + TOKEN.encode(), b"Bearer \xff\xfe"),
        *(b"Bearer " + TOKEN.encode()[:-1], b"Bearer " + TOKEN.encode() + b"x"),
        b"Bearer " + TOKEN.encode("utf-16-le").replace(b"\0", b""),
    ],
)
def test_nothing_else_does(locked: str, given: bytes) -> None:
    for path in ("/ready", "/metrics", "/openapi.json", "/none", "/explore/api/about"):
        answer = httpx.get(f"{locked}{path}", headers=_with(given))
        assert _error(answer, 401)["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text


def test_a_token_is_not_taken_from_the_address_or_a_cookie(locked: str) -> None:
    token = "t" * 16
    with running(stub(), ServeConfig(port=0, token=token)) as address:
        cookies = {"cookie": f"token={token}"}
        assert httpx.get(f"{address}/ready?token={token}", headers=cookies).status_code == 401


def test_health_and_the_page_hold_nothing_and_need_no_token(locked: str) -> None:
    for path in ("/health", "/explore/", "/explore/js/main.js"):
        assert httpx.get(f"{locked}{path}").status_code == 200
    for path in (
        "/explore/%61pi/about",
        "/explore/api",
        "/explore/apis",
        "/explore/x/../api/about",
    ):
        answer = talk(locked, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n".encode(), _LAST)
        assert status_of(answer) in (401, 404), path
        assert b"subjects" not in answer
    assert httpx.post(f"{locked}/explore/").status_code == 401


_LAST = b"Connection: close\r\n\r\n"


# --- Sizes ----------------------------------------------------------------------------------------


def _chunked(n: int) -> Iterator[bytes]:
    for _ in range(n):
        yield b"x" * 100


def test_a_body_may_be_as_long_as_allowed_and_no_longer(server: str) -> None:
    assert httpx.post(f"{server}/echo", content=b"x" * 1000).json() == 1000
    assert httpx.post(f"{server}/echo", content=_chunked(10)).json() == 1000
    for content in (b"x" * 1001, b"x" * 2_000_000, _chunked(11), _chunked(20_000)):
        answer = httpx.post(f"{server}/echo", content=content)
        assert _error(answer, 413)["code"] == "request_too_large"
        assert answer.headers["connection"] == "close"


def test_a_lie_about_the_length_gains_nothing(server: str) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
    much = b"x" * 5000
    assert status_of(talk(server, head, b"Content-Length: 99999999999\r\n\r\n", much)) == 413
    # What is beyond the length would be the next request, and is none.
    answers = talk(server, head + b"Content-Length: 4\r\n\r\n" + much)
    assert (status_of(answers), answers.count(b"HTTP/1.1")) == (200, 1)
    both = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert status_of(talk(server, head, both)) == 400


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, body_seconds=0.2) as address:
        head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
        answer = talk(address, head, b"12345")
    assert status_of(answer) == 408
    assert b"request_timeout" in answer


def test_addresses_and_headers_are_bounded(server: str) -> None:
    assert _error(httpx.get(f"{server}/health?{'q' * MAX_URL}"), 414)["code"] == "long_address"
    long = {f"x-{i}": "y" * 1000 for i in range(40)}
    assert _error(httpx.get(f"{server}/health", headers=long), 431)["code"] == "long_headers"


def test_compressed_bodies_are_refused(server: str) -> None:
    answer = httpx.post(f"{server}/echo", content=b"x", headers={"content-encoding": "gzip"})
    assert _error(answer, 415)["code"] == "compressed"


def test_no_more_requests_run_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, max_requests=1) as address, connect(address) as first:
        first.sendall(
            b"GET /slow?seconds=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        refused = _until_refused(address)
        assert _error(refused, 503)["code"] == "overloaded"
        assert refused.headers["retry-after"] == "1"
        assert httpx.get(f"{address}/health").status_code == 200
        assert status_of(read_all(first)) == 200


def _until_refused(address: str) -> httpx.Response:
    for _ in range(100):
        answer = httpx.get(f"{address}/none")
        if answer.status_code != 404:
            return answer
    raise AssertionError("never refused")


# --- Methods and addresses ------------------------------------------------------------------------


def test_unknown_methods_are_refused(server: str) -> None:
    for method in ("TRACE", "PROPFIND", "LINK"):
        answer = httpx.request(method, f"{server}/health")
        assert _error(answer, 405)["code"] == "bad_method"
        assert answer.headers["allow"] == ", ".join(METHODS)
    assert status_of(talk(server, b"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n", _LAST)) >= 400
    assert status_of(talk(server, b"BREW / HTTP/1.1\r\nHost: localhost\r\n", _LAST)) == 400


def test_a_wrong_method_of_a_right_address_tells_the_right_ones(server: str) -> None:
    answer = httpx.delete(f"{server}/health")
    assert _error(answer, 405)["message"] == "/health does not take DELETE; send GET"
    assert answer.headers["allow"] == "GET"


def test_control_characters_in_an_address_are_refused(server: str) -> None:
    assert _error(httpx.get(f"{server}/explore/%00"), 400)["code"] == "bad_address"


def test_no_other_protocol_is_offered(server: str) -> None:
    asks = b"Host: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    assert status_of(talk(server, b"GET /health HTTP/1.1\r\n", asks, b"\r\n")) == 200
    posts = asks + b"Content-Length: 1\r\n\r\nx"
    assert status_of(talk(server, b"POST /echo HTTP/1.1\r\n", posts)) == 400


# --- What every answer carries --------------------------------------------------------------------


def test_every_answer_is_guarded(server: str) -> None:
    for method, path, status in (
        ("GET", "/health", 200),
        ("GET", "/none", 404),
        ("DELETE", "/health", 405),
        ("TRACE", "/health", 405),
        ("GET", "/broken", 500),
        ("GET", "/%00", 400),
    ):
        answer = httpx.request(method, f"{server}{path}")
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; base-uri")
        assert answer.headers["cache-control"] == "no-store"
        assert len(answer.headers["x-request-id"]) == 16
        assert "server" not in answer.headers
        assert "permissions-policy" in answer.headers


def test_broken_http_is_told_in_the_same_shape(server: str) -> None:
    head, _, body = talk(server, b"nonsense\r\n\r\n").partition(b"\r\n\r\n")
    assert status_of(head) == 400
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    assert b"x-content-type-options: nosniff" in head
    assert b"server:" not in head.lower()


def test_the_page_may_run_its_own_code_and_is_revalidated(locked: str) -> None:
    first = httpx.get(f"{locked}/explore/")
    policy = first.headers["content-security-policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "'unsafe-inline'" not in policy
    assert "frame-ancestors 'none'" in policy
    assert first.headers["cache-control"] == "no-cache"
    again = httpx.get(f"{locked}/explore/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"
    data = httpx.get(f"{locked}/explore/api/about", headers=_with(b"Bearer " + TOKEN.encode()))
    assert data.headers["cache-control"] == "no-store"
    assert data.headers["content-security-policy"].startswith("default-src 'none'; base-uri")


def test_a_request_has_an_id_which_a_client_may_choose(server: str) -> None:
    chosen = {"x-request-id": "trace-7.a_b"}
    assert httpx.get(f"{server}/health", headers=chosen).headers["x-request-id"] == "trace-7.a_b"
    for bad in (b"has space", b"x" * 65, b"\xc3\xa9", b"a;b"):
        answer = httpx.get(f"{server}/health", headers={b"x-request-id": bad})
        assert answer.headers["x-request-id"].encode() != bad


# --- Errors and the log ---------------------------------------------------------------------------


def test_what_nobody_foresaw_is_logged_and_not_told(
    server: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = httpx.get(f"{server}/broken")
    error = _error(answer, 500)
    assert (error["type"], error["code"]) == ("server_error", "internal_error")
    assert "ZeroDivisionError" not in answer.text
    assert SECRET not in answer.text
    assert answer.headers["x-request-id"] in error["message"]
    logged = caplog.text
    assert answer.headers["x-request-id"] in logged
    assert "ZeroDivisionError" in logged
    assert "in broken" in logged
    assert SECRET not in logged.replace("raise ZeroDivisionError(SECRET)", "")


def test_the_log_has_a_line_a_request_and_nothing_of_what_was_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    token = {"authorization": f"Bearer {'t' * 16}"}
    with serving(monkeypatch, log=True, token="t" * 16) as address:
        httpx.post(f"{address}/echo?q=secret", content="secret", headers=token)
        httpx.get(f"{address}/secret", headers=token)
        httpx.get(f"{address}/metrics", headers={"authorization": "Bearer secret"})
    lines = capfd.readouterr().err.splitlines()
    told = [line.split()[1:4] for line in lines]
    assert told == [
        ["POST", "/echo", "200"],
        ["GET", "none", "404"],
        ["GET", "none", "401"],
    ]
    assert "secret" not in "".join(lines)
    assert "ttt" not in "".join(lines)


def test_without_being_asked_nothing_is_logged(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(monkeypatch) as address:
        httpx.get(f"{address}/none")
        talk(address, b"nonsense\r\n\r\n")
    assert capfd.readouterr() == ("", "")


def test_curl_gets_an_answer(server: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl")
    post = [curl, "--silent", "--noproxy", "*", "--data-binary", "@-", f"{server}/echo"]
    for size, said in ((1000, "1000"), (500_000, "request_too_large")):
        done = subprocess.run(post, input=b"x" * size, capture_output=True, check=True, timeout=20)
        assert said in done.stdout.decode()


def test_a_hundred_clients_at_once_are_answered(server: str) -> None:
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(httpx.post(f"{server}/echo", content=b"x" * 500).status_code)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 50
