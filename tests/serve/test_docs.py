from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from rowspace.search.space import Space
from rowspace.serve.describe import with_errors
from rowspace.serve.docs import marked, operations_of
from tests.search.stub import document, make_space
from tests.serve.clients import Client, client_of
from tests.serve.test_rerank import CountsBanks

VOID = {"meta", "link", "br", "hr", "img", "input"}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    documents = [document("a", "a river", independence=1960), document("b", "a bank")]
    return make_space(tmp_path_factory.mktemp("stub") / "a.space", documents)


@pytest.fixture(scope="module")
def client(space: Space) -> Iterator[Client]:
    with client_of(space.path, reranker=CountsBanks()) as client:
        yield client


@pytest.fixture(scope="module")
def schema(client: Client) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


class Page(HTMLParser):
    """What a page is made of; raises where a tag is not closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(client: Client) -> Page:
    return Page(client.get("/docs").text)


def test_every_route_says_what_it_does_and_how_it_fails(schema: dict[str, Any]) -> None:
    paths = {path for _, path, _ in _operations(schema)}
    assert {"/v1/search", "/v1/retrieve", "/v1/documents", "/v1/rerank"} <= paths
    for method, path, operation in _operations(schema):
        place = f"{method} {path}"
        assert operation["summary"], place
        assert operation["description"], place
        assert operation["tags"], place
        failing = {status for status in operation["responses"] if status >= "400"}
        assert failing, place
        assert "422" not in failing, place
        if method == "post":
            assert failing >= {"400", "401", "413", "429", "503"}, place
        for status in failing:
            content = operation["responses"][status]["content"]["application/json"]
            assert content["schema"]["$ref"] == "#/components/schemas/Error"


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    references = set(re.findall(r"#/components/schemas/(\w+)", repr(schema)))
    assert references == set(schema["components"]["schemas"])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/embeddings",
        "/v1/search",
        "/v1/retrieve",
        "/v1/documents",
        "/v1/documents/delete",
        "/v1/rerank",
    ],
)
def test_what_is_shown_as_a_request_is_answered_as_described(
    path: str, schema: dict[str, Any], client: Client
) -> None:
    operation = schema["paths"][path]["post"]
    (example,) = operation["requestBody"]["content"]["application/json"]["schema"]["examples"]
    answer = client.post(path, json=example)
    assert answer.status_code == 200, answer.text
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    if "$ref" in described:
        described = schema["components"]["schemas"][described["$ref"].rpartition("/")[2]]
    assert set(answer.json()) == set(described["properties"])


def test_the_page_needs_its_style_alone(client: Client, page: Page) -> None:
    answer = client.get("/docs")
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    for tag, attributes in page.tags:
        assert tag not in ("script", "style", "iframe", "img", "object", "form")
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src"):
            assert not re.match(r"(https?:)?//|data:|javascript:", attributes.get(name) or "")
    (sheet,) = [one for tag, one in page.tags if tag == "link"]
    style = client.get(f"/{sheet['href']}")
    assert style.headers["Content-Type"].startswith("text/css")
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert "prefers-color-scheme: dark" in style.text


def test_the_page_tells_of_every_route_and_field(page: Page, schema: dict[str, Any]) -> None:
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert {link[1:] for link in links if link and link.startswith("#")} <= ids
    for method, path, operation in _operations(schema):
        assert f"{method.upper()} {path}" in re.sub(r"\s+", " ", page.text)
        assert operation["summary"] in page.text
    for field in ("snippet_characters", "data[].hits[].dense_rank", "documents.id", "top_n"):
        assert field in page.text


def test_with_a_token_nothing_here_answers_without_it(space: Space) -> None:
    from rowspace.serve.config import ServeConfig

    token = "0123456789abcdef"
    asked = [
        ("GET", "/docs"),
        ("GET", "/docs.css"),
        ("GET", "/openapi.json"),
        ("POST", "/v1/search"),
        ("POST", "/v1/documents"),
        ("DELETE", "/v1/documents/a"),
        ("GET", "/v1/documents/a"),
    ]
    with client_of(space.path, ServeConfig(token=token)) as client:
        for method, path in asked:
            assert client.request(method, path).status_code == 401
        for path in ("/docs", "/docs.css", "/openapi.json", "/v1/documents/a"):
            answer = client.get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200


def test_what_is_described_cannot_become_html() -> None:
    assert marked("a `<b>` & <i>") == "a <code>&lt;b&gt;</code> &amp; &lt;i&gt;"
    assert marked("one ` alone <") == "one <code> alone &lt;</code>"


def test_types_are_told_in_words() -> None:
    fields = {
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "many": {"type": "array", "items": {"$ref": "#/components/schemas/One"}},
        "kind": {"enum": ["a", "b"], "default": "a"},
        "flag": {"type": "boolean", "description": "Whether."},
    }
    one = {"type": "object", "properties": {"again": {"$ref": "#/components/schemas/One"}}}
    body = {"schema": {"type": "object", "properties": fields, "required": ["flag"]}}
    schema: dict[str, Any] = {
        "paths": {
            "/x": {
                "post": {
                    "requestBody": {"content": {"application/json": body}},
                    "responses": {"200": {"description": "It."}, "422": {"description": "Old."}},
                }
            }
        },
        "components": {"schemas": {"One": one}},
    }
    ((tag, operation),) = operations_of(with_errors(schema))
    assert (tag, operation.method, operation.anchor) == ("other", "POST", "post-x")
    assert [(row.name, row.type, row.default) for row in operation.body] == [
        ("flag", "true or false", ""),
        ("either", "string", ""),
        ("many", "list of object", ""),
        ("many[].again", "object", ""),
        ("kind", '"a" | "b"', '"a"'),
    ]
    assert "422" not in dict(operation.errors)
    assert operation.example == "curl -X POST http://127.0.0.1:8000/x"
