"""What answers are made of: JSON that any parser reads, and their parts as OpenAPI describes them.

The models here describe and are not applied: answers are sent as the library gives them.
"""

from __future__ import annotations

import json
import math
from typing import Any

from fastapi.responses import Response
from pydantic import BaseModel, Field


def json_response(answer: Any) -> Response:
    """`answer` as JSON; a number that is none (NaN, an infinity), which JSON has not, as null."""
    try:
        text = json.dumps(answer, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(answer), ensure_ascii=False, allow_nan=False)
    return Response(text.encode(), media_type="application/json")


def usage_of(n_tokens: int) -> dict[str, int]:
    """What a request took, as OpenAI's servers tell it."""
    return {"prompt_tokens": n_tokens, "total_tokens": n_tokens}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Usage(BaseModel):
    """What a request took."""

    prompt_tokens: int
    total_tokens: int


class FoundHit(BaseModel):
    """A passage that was found."""

    document_id: str
    passage_id: str
    text: str
    title: str
    source: str
    metadata: dict[str, Any]
    score: float = Field(description="Higher is better: cosine, BM25, or reciprocal rank fusion.")
    dense_rank: int | None = Field(description="Its place by meaning, from 1.")
    lexical_rank: int | None = Field(description="Its place by words, from 1.")
    position: int = Field(description="Its place in the document, from 0.")
    rerank_score: float | None = Field(description="What the cross-encoder gave it.")
    highlights: list[tuple[int, int]] = Field(
        description="Where the query's words are in `text`: first character, one after the last."
    )
    snippet: str = Field(description="The part of the text with most of the query's words.")
    more: list[FoundHit] = Field(
        description="Other passages of the document, if documents are found."
    )


class SearchResult(BaseModel):
    """What was found for one query."""

    object: str = Field(examples=["search.result"])
    index: int = Field(description="The query's place in the request, from 0.")
    hits: list[FoundHit]


class SearchAnswer(BaseModel):
    """What was found."""

    object: str = Field(examples=["list"])
    data: list[SearchResult]
    model: str
    usage: Usage


class Cited(BaseModel):
    """A numbered piece of the block."""

    number: int
    text: str
    title: str
    source: str
    document_id: str
    passage_ids: list[str]
    score: float
    is_cut: bool = Field(description="Whether its end was left out for want of room.")


class RetrieveAnswer(BaseModel):
    """What a prompt is given."""

    object: str = Field(examples=["retrieval"])
    query: str
    text: str = Field(description="The block to paste into a prompt.")
    passages: list[Cited]
    n_tokens: int = Field(description="Of `text`, by the encoder's tokenizer, or estimated.")
    n_found: int = Field(description="Passages found, whether they fit or not.")
    model: str
    usage: Usage


class StoredPassage(BaseModel):
    """A passage of a document."""

    passage_id: str
    position: int
    text: str


class DocumentAnswer(BaseModel):
    """A document as it is kept: cut into passages."""

    object: str = Field(examples=["document"])
    id: str
    title: str
    source: str
    metadata: dict[str, Any]
    passages: list[StoredPassage]


class AddedAnswer(BaseModel):
    """What an addition did."""

    object: str = Field(examples=["documents.added"])
    documents: int = Field(description="That have text, and are found from now on.")
    passages: int
    replaced: int = Field(description="That were there before under the same id.")
    empty: list[str] = Field(description="Ids of documents without text, of which nothing is kept.")
    truncated: int = Field(description="Passages whose end the encoder does not read.")


class DeletedAnswer(BaseModel):
    """What a deletion did."""

    object: str = Field(examples=["documents.deleted"])
    deleted: int = Field(description="Documents that were there, and are not any more.")


class RerankedText(BaseModel):
    """A text, its place among those that were sent, and how relevant it is."""

    index: int
    relevance_score: float
    document: dict[str, str] | None = None


class RerankAnswer(BaseModel):
    """The texts by their relevance, the best first."""

    object: str = Field(examples=["list"])
    model: str
    results: list[RerankedText]
    usage: Usage
