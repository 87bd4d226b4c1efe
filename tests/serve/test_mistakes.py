"""A body may hold a million mistakes; only the first is looked for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from rowspace.explore.point_routes import AskedExport, AskedPoints
from rowspace.serve.documents import AddBody, DeleteBody
from rowspace.serve.rerank import RerankBody
from rowspace.serve.search import RetrieveBody, SearchBody

MANY = 1000
UNKNOWN = {f"name{i}": 1 for i in range(MANY)}
TWO_OF_A_UNION = 4
"""Mistakes of one value of a union, at most: some of each of its kinds."""


@pytest.mark.parametrize(
    ("body", "given", "place"),
    [
        (SearchBody, {"query": [1] * MANY}, ("query", 0)),
        (SearchBody, {"query": ["a", *["\ud800"] * MANY]}, ("query", 1)),
        (SearchBody, {"query": "a", "where": [None] * MANY}, ("where", 0)),
        (SearchBody, {"query": "a", **UNKNOWN}, ("name0",)),
        (RetrieveBody, {**UNKNOWN, "query": "a"}, ("name0",)),
        (AddBody, {"documents": [{}, *[1] * MANY]}, ("documents", 1)),
        (AddBody, {"documents": {}, **UNKNOWN}, ("name0",)),
        (DeleteBody, {"ids": [1] * MANY}, ("ids", 0)),
        (RerankBody, {"query": "a", "documents": ["a", *[1] * MANY]}, ("documents", 1)),
        (RerankBody, {"query": "a", "documents": [{"text": "a", **UNKNOWN}]}, ("documents", 0)),
        (AskedPoints, {"rows": [-1] * 500}, ("rows", 0)),
        (AskedExport, {"rows": [1, *["x"] * MANY]}, ("rows", 1)),
        (AskedPoints, {"rows": [1], **UNKNOWN}, ("name0",)),
    ],
)
def test_of_a_thousand_mistakes_the_first_is_told(
    body: type[BaseModel], given: Any, place: tuple[str | int, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        body.model_validate(given)
    assert caught.value.error_count() <= TWO_OF_A_UNION
    assert caught.value.errors()[0]["loc"][: len(place)] == place


def test_a_field_with_another_name_is_known_by_both() -> None:
    assert AskedPoints.model_validate({"rows": [1], "set": "words"}).kind == "words"
    assert AskedPoints.model_validate({"rows": [1], "kind": "words"}).kind == "words"
