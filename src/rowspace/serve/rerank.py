"""`/v1/rerank`: texts by their relevance to a query, in the form of Cohere's and Jina's servers.

https://docs.cohere.com/reference/rerank, https://jina.ai/reranker. A cross-encoder reads the query
with each text; its scores are those of `CrossEncoder.predict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import Field

from rowspace.explore.bodies import FirstWrong
from rowspace.search.rerank import Reranker, rank_texts
from rowspace.search.retrieval import estimate_tokens
from rowspace.serve.answers import RerankAnswer, json_response, usage_of
from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import ApiError
from rowspace.serve.inputs import Input, Text, check_at_most, check_texts
from rowspace.serve.lane import Lane
from rowspace.serve.missing import NO_RERANKER, refuse
from rowspace.serve.served import Served

_EXAMPLE = {
    "query": "which lakes shrink?",
    "documents": ["A recipe for soup.", "Lake Chad has shrunk since 1963."],
    "top_n": 1,
}
_RERANKED: dict[int | str, dict[str, Any]] = {
    200: {"model": RerankAnswer, "description": "The texts by their relevance, the best first."}
}


class TextDocument(Input):
    """A text in an object."""

    text: Text


class RerankBody(Input):
    """A query, and the texts that are judged."""

    query: Text
    documents: Annotated[list[Text | TextDocument], FirstWrong()] = Field(
        description='Texts, or objects as {"text": "…"}.'
    )
    top_n: int | None = Field(None, ge=1, description="How many of them; all if left out.")
    return_documents: bool = Field(False, description="Whether the answer has the texts too.")
    model: str | None = Field(None, description="The cross-encoder's name, or left out.")

    @property
    def texts(self) -> list[str]:
        """The texts of the documents."""
        return [one if isinstance(one, str) else one.text for one in self.documents]


def routes(served: Served, config: ServeConfig) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["rerank"])
    reranker = served.reranker
    if reranker is None:
        refuse(router, ["/v1/rerank"], NO_RERANKER)
        return router
    name = served.reranker_name
    lane = Lane("rerankings", 1, config.max_waiting, config.deadline)

    @router.post("/v1/rerank", summary="Order texts by their relevance", responses=_RERANKED)
    async def rerank(
        request: Request, body: Annotated[RerankBody, Body(examples=[_EXAMPLE])]
    ) -> Response:
        """Texts by how relevant they are to a query, as a cross-encoder judges.

        `index` is a text's place among `documents`. Equal scores keep that order. A score is
        0 to 1 or any number, as the model says; compare those of one query only.
        """
        texts = body.texts
        check_texts([body.query], "query", 1, config.max_query)
        check_texts(texts, "documents", config.max_items, config.max_characters)
        check_at_most(len(texts), config.max_pairs, "documents", "texts")
        _check_model(body.model, name)
        return await lane.run(request, lambda: _answer(reranker, name, body, texts))

    return router


def _check_model(given: str | None, name: str) -> None:
    if given is not None and given != name:
        raise ApiError(
            404,
            f"there is no cross-encoder {given[:80]!r}; give {name}, or leave model out",
            param="model",
            code="model_not_found",
        )


def _answer(reranker: Reranker, name: str, body: RerankBody, texts: Sequence[str]) -> Response:
    ranked = rank_texts(reranker, body.query, texts, body.top_n)
    results: list[dict[str, Any]] = [
        {"index": place, "relevance_score": score} for place, score in ranked
    ]
    if body.return_documents:
        for one in results:
            one["document"] = {"text": texts[one["index"]]}
    usage = usage_of(_estimate(body.query, texts))
    return json_response({"object": "list", "model": name, "results": results, "usage": usage})


def _estimate(query: str, texts: Sequence[str]) -> int:
    """About the tokens of the query, once for each text, and of the texts."""
    return len(texts) * estimate_tokens(query) + sum(map(estimate_tokens, texts))
