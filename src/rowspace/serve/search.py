"""`/v1/search` and `/v1/retrieve`: what `Space.search` and `Space.retrieve` answer.

Scores have the same bits. Searches run in threads of their own; one whose client has left before it
began is not made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import Field

from rowspace.search.request import Request as Asked
from rowspace.search.rerank import Reranker
from rowspace.search.space import Space
from rowspace.serve.answers import RetrieveAnswer, SearchAnswer, json_response, usage_of
from rowspace.serve.batching import Batcher
from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import ApiError
from rowspace.serve.inputs import (
    Input,
    Text,
    Texts,
    blamed_on_where,
    check_at_most,
    check_filters,
    check_texts,
)
from rowspace.serve.lane import Lane
from rowspace.serve.missing import NO_SPACE, refuse
from rowspace.serve.models import find_model
from rowspace.serve.served import Served

MAX_SNIPPET = 10_000
DOCUMENT_HITS = 4
"""Hits that a document counts as: it takes about as long, with the passages it has `more`."""

_SEARCH = {"query": "which lakes shrink?", "k": 3, "where": "independence >= 1960"}
_RETRIEVE = {"query": "Which lakes shrink, and why?", "k": 5, "max_tokens": 400}
_FOUND: dict[int | str, dict[str, Any]] = {
    200: {"model": SearchAnswer, "description": "The hits of each query."}
}
_RETRIEVED: dict[int | str, dict[str, Any]] = {
    200: {"model": RetrieveAnswer, "description": "The block, and what it is made of."}
}


class _Ask(Input):
    """What both routes take beside the query."""

    k: int = Field(10, ge=1, description="How many hits of a query; fewer where there are no more.")
    mode: Literal["hybrid", "dense", "lexical"] = Field(
        "hybrid",
        description="By meaning (`dense`), by words (`lexical`), or by both (`hybrid`).",
    )
    where: Texts | None = Field(
        None,
        description=(
            'A filter on metadata, as `year >= 1990 and country = "Chad"`. Of a list, all must '
            "hold, and each is parsed by itself, so that none can undo another."
        ),
    )
    dense_weight: float | None = Field(
        None, ge=0, description="What meaning counts in a hybrid search, beside 1 for words."
    )
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much hits are to differ from each other: 0 (not looked at) to 1.",
    )
    rerank: bool = Field(
        False, description="Put the best hits in the order of the cross-encoder that is loaded."
    )
    rerank_depth: int = Field(50, ge=1, description="How many hits it judges, at least k.")
    model: str | None = Field(
        None, description="Which of the space's models finds by meaning; its default if left out."
    )


class SearchBody(_Ask):
    """What is searched for."""

    query: Texts = Field(description="A query in plain words, or a list of queries.")
    group: bool = Field(
        False, description="Find documents, each by its best passage, and not passages."
    )
    snippet_characters: int = Field(
        240, ge=1, le=MAX_SNIPPET, description="Of each hit's `snippet`, at most."
    )


class RetrieveBody(_Ask):
    """What a language model is to answer from."""

    query: Text = Field(description="A question in plain words.")
    max_tokens: int = Field(
        2000, ge=1, description="Of the whole block, with its citations and separators."
    )


def routes(served: Served, config: ServeConfig) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["search"])
    space = served.space
    if space is None:
        refuse(router, ("/v1/search", "/v1/retrieve"), NO_SPACE)
        return router
    lane = Lane("searches", config.search_threads, config.max_waiting, config.deadline)

    @router.post("/v1/search", summary="Find passages or documents", responses=_FOUND)
    async def search(
        request: Request, body: Annotated[SearchBody, Body(examples=[_SEARCH])]
    ) -> Response:
        """The best passages for each query, by meaning, by words, or both.

        `data` has one entry a query, in their order, and each its `hits`, best first. Scores are
        those of `Space.search`: the cosine in the mode `dense`, BM25 if `lexical`, reciprocal
        rank fusion if `hybrid`.
        """
        check_texts(body.query, "query", config.max_queries, config.max_query)
        asked = _asked(served, config, body, len(body.query), group=body.group)
        batcher: Batcher = request.app.state.batcher
        return await lane.run(
            request, lambda: _search(space, batcher, body, _of_model(served, asked))
        )

    @router.post("/v1/retrieve", summary="Find passages for a prompt", responses=_RETRIEVED)
    async def retrieve(
        request: Request, body: Annotated[RetrieveBody, Body(examples=[_RETRIEVE])]
    ) -> Response:
        """Passages with numbered citations, no more than a prompt has room for.

        `text` is the block to paste into the prompt. Passages of one document that follow each
        other are joined; the last is cut at the end of a sentence if it does not fit whole.
        """
        check_texts([body.query], "query", 1, config.max_query)
        asked = _asked(served, config, body, 1)
        batcher: Batcher = request.app.state.batcher
        return await lane.run(
            request, lambda: _retrieve(space, batcher, body, _of_model(served, asked))
        )

    return router


def _asked(
    served: Served, config: ServeConfig, body: _Ask, n_queries: int, *, group: bool = False
) -> Asked:
    """The request in the library's own form, once the server's limits are kept."""
    check_at_most(body.k, config.max_k, "k", "hits")
    n_hits = n_queries * body.k * (DOCUMENT_HITS if group else 1)
    check_at_most(n_hits, config.max_hits, "k", "hits for all queries")
    return Asked(
        k=body.k,
        mode=body.mode,
        where=check_filters(body.where),
        dense_weight=body.dense_weight,
        diversity=body.diversity,
        group=group,
        rerank=_reranker(served, config, body, n_queries),
        rerank_depth=body.rerank_depth,
        model=body.model,
    )


def _of_model(served: Served, asked: Asked) -> Asked:
    """The request with the model's own name; in a thread, since the space may be read for it."""
    name = served.model_names[0] if asked.model is None else find_model(served, asked.model)
    return replace(asked, model=name)


def _reranker(served: Served, config: ServeConfig, body: _Ask, n_queries: int) -> Reranker | None:
    if not body.rerank:
        return None
    if served.reranker is None:
        raise ApiError(
            400,
            "no reranker is loaded; start the server with --rerank MODEL, or leave rerank out",
            param="rerank",
        )
    n_pairs = n_queries * max(body.k, body.rerank_depth)
    check_at_most(n_pairs, config.max_pairs, "rerank_depth", "pairs for all queries")
    return served.reranker


def _search(space: Space, batcher: Batcher, body: SearchBody, asked: Asked) -> Response:
    with blamed_on_where():
        found = space.answer(body.query, asked)
    data = [
        {
            "object": "search.result",
            "index": index,
            "hits": [hit.as_dict(body.snippet_characters) for hit in hits],
        }
        for index, hits in enumerate(found)
    ]
    usage = _usage(batcher, asked, body.query)
    return json_response({"object": "list", "data": data, "model": asked.model, "usage": usage})


def _retrieve(space: Space, batcher: Batcher, body: RetrieveBody, asked: Asked) -> Response:
    with blamed_on_where():
        found = space.retrieve(
            body.query,
            asked.k,
            body.max_tokens,
            asked.mode,
            asked.where,
            asked.dense_weight,
            asked.diversity,
            rerank=asked.rerank,
            rerank_depth=asked.rerank_depth,
            model=asked.model,
        )
    usage = _usage(batcher, asked, [body.query])
    told = {"object": "retrieval", **found.as_dict(), "model": asked.model, "usage": usage}
    return json_response(told)


def _usage(batcher: Batcher, asked: Asked, queries: list[str]) -> dict[str, int]:
    """The tokens that were encoded: none where only words are compared."""
    assert asked.model is not None
    if asked.mode == "lexical":
        return usage_of(0)
    return usage_of(batcher.queued(asked.model).n_query_tokens(queries))
