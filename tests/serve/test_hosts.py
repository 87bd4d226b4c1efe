from __future__ import annotations

import pytest

from rowspace.serve.config import ServeConfig
from rowspace.serve.hosts import comes_from_elsewhere, is_own_host, is_own_origin

HERE = ServeConfig(hosts=("vectors.example.org", "narrow.example.org:8443"))
ANYWHERE = ServeConfig(host="0.0.0.0", token="t" * 16)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1",
            "127.0.0.1:9",
            "127.1.2.3",
            "[::1]",
            "[::1]:8000",
        ),
        *("vectors.example.org", "Vectors.Example.org:1", "narrow.example.org:8443"),
    ],
)
def test_names_of_this_server(host: str) -> None:
    assert is_own_host(host, HERE)


@pytest.mark.parametrize(
    "host",
    [
        *("", ":8000", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000"),
        *("evil.example:8000", "192.168.0.7", "localhost:", "localhost:x", "localhost:80:80"),
        *("[::1", "::1]", "narrow.example.org", "narrow.example.org:1", "a.vectors.example.org"),
        *("user@localhost", "localhost/", "localhost evil", "0.0.0.0", "[::]"),
    ],
)
def test_names_of_others(host: str) -> None:
    assert not is_own_host(host, HERE)


def test_what_listens_everywhere_goes_by_any_number_and_by_no_other_name() -> None:
    for host in ("192.168.0.7:8000", "[2001:db8::7]:8000", "localhost"):
        assert is_own_host(host, ANYWHERE)
    assert not is_own_host("evil.example:8000", ANYWHERE)


def test_a_bound_name_is_one_of_its_own() -> None:
    assert is_own_host("box.lan:8000", ServeConfig(host="box.lan", token="t" * 16))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8000", "localhost:8000"),
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("https://vectors.example.org", "vectors.example.org"),
        ("https://vectors.example.org:443", "vectors.example.org"),
        ("HTTP://[::1]:8000", "[::1]:8000"),
    ],
)
def test_pages_of_this_server(origin: str, host: str) -> None:
    assert is_own_origin(origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "", "http://localhost:3000", "http://localhost", "http://127.0.0.1:8000"),
        *("file://localhost:8000", "http://localhost:8000.evil.example", "localhost:8000"),
        *("http://evil.example", "http://localhost:8000/", "chrome-extension://localhost:8000"),
    ],
)
def test_pages_of_others(origin: str) -> None:
    assert not is_own_origin(origin, "localhost:8000")


def _says(site: str, mode: str = "no-cors", dest: str = "image") -> dict[bytes, bytes]:
    fields = {"site": site, "mode": mode, "dest": dest}
    return {f"sec-fetch-{name}".encode(): value.encode() for name, value in fields.items()}


def test_a_browser_tells_who_asks_where_it_sends_no_origin() -> None:
    assert not comes_from_elsewhere({}, is_page=False)  # no browser
    assert not comes_from_elsewhere(_says("none", "navigate", "document"), is_page=False)
    assert not comes_from_elsewhere(_says("same-origin"), is_page=False)
    assert comes_from_elsewhere(_says("cross-site"), is_page=False)
    assert comes_from_elsewhere(_says("same-site"), is_page=False)  # another port of this machine


def test_a_link_may_lead_to_the_page_and_nothing_may_show_it_inside() -> None:
    assert not comes_from_elsewhere(_says("cross-site", "navigate", "document"), is_page=True)
    assert comes_from_elsewhere(_says("cross-site", "navigate", "iframe"), is_page=True)
    assert comes_from_elsewhere(_says("cross-site", "navigate", "document"), is_page=False)
    assert comes_from_elsewhere(_says("cross-site", "no-cors", "script"), is_page=True)
