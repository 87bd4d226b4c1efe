from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from rowspace.serve.run import running
from rowspace.serve.served import Served
from tests.search.stub import document, make_space
from tests.serve.servers import stub

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _read(address: str) -> Values:
    families = text_string_to_metric_families(httpx.get(f"{address}/metrics").text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def _value(values: Values, name: str, **labels: str) -> float:
    return values.get((name, frozenset(labels.items())), 0)


def test_requests_are_counted_by_route_and_status() -> None:
    with running(stub()) as address:
        for path in ("/health", "/health", "/none", "/nor/this"):
            httpx.get(f"{address}{path}")
        httpx.get(f"{address}/v1/models/of-nobody")
        httpx.get(f"{address}/health", headers={"host": "evil.example"})
        values = _read(address)
    requests = "rowspace_requests_total"
    assert _value(values, requests, route="/health", method="GET", status="200") == 2
    assert _value(values, requests, route="none", method="GET", status="404") == 2
    model = "/v1/models/{model}"
    assert _value(values, requests, route=model, method="GET", status="404") == 1
    assert _value(values, requests, route="none", method="GET", status="421") == 1
    assert _value(values, "rowspace_refusals_total", code="unknown_host") == 1
    assert _value(values, "rowspace_requests_running") == 1  # that which asks
    seconds = "rowspace_request_duration_seconds"
    assert _value(values, f"{seconds}_count", route="/health") == 2
    assert 0 < _value(values, f"{seconds}_sum", route="/health") < 10
    assert _value(values, "process_resident_memory_bytes") > 1e6


def test_what_is_encoded_is_counted() -> None:
    with running(stub()) as address:
        ask = {"model": "stub", "input": ["one two", "three", "four"]}
        used = httpx.post(f"{address}/v1/embeddings", json=ask).json()["usage"]["total_tokens"]
        values = _read(address)
    assert used > 0
    assert _value(values, "rowspace_tokens_total") == used
    assert _value(values, "rowspace_batch_texts_sum") == 3
    assert _value(values, "rowspace_batch_tokens_sum") == used
    assert _value(values, "rowspace_queue_tokens") == 0


def test_a_space_is_told_as_it_is_now(tmp_path: Path) -> None:
    space = make_space(tmp_path / "a.space", [document("a", "Heat flows.")])
    with running(Served("a", space.path, space)) as address:
        before = _read(address)
        space.add([document("b", "Cold does not."), document("c", "Nor does ice.")])
        after = _read(address)
    for name in ("passages", "documents"):
        assert _value(before, f"rowspace_space_{name}") == 1
        assert _value(after, f"rowspace_space_{name}") == 3
    version = "rowspace_space_version"
    assert _value(after, version) > _value(before, version) > 0


def test_servers_of_one_process_count_apart() -> None:
    with running(stub()) as one, running(stub()) as other:
        httpx.get(f"{one}/health")
        labels = {"route": "/health", "method": "GET", "status": "200"}
        assert _value(_read(one), "rowspace_requests_total", **labels) == 1
        assert _value(_read(other), "rowspace_requests_total", **labels) == 0
