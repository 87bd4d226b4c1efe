"""A space as a retriever of LangChain; needs the extra `langchain`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from rowspace.extras import need
from rowspace.search.adapters.citation import cited_metadata
from rowspace.search.filters import Filter, Given
from rowspace.search.hit import Hit
from rowspace.search.space import Space

need("langchain_core", "langchain")

from langchain_core.callbacks import CallbackManagerForRetrieverRun  # noqa: E402
from langchain_core.documents import Document  # noqa: E402
from langchain_core.retrievers import BaseRetriever  # noqa: E402
from pydantic import Field  # noqa: E402


class RowspaceRetriever(BaseRetriever):
    """Retrieves the passages that a search of a space finds.

    Options given to `invoke` beside the query count for that call; its `where=` is joined to the
    retriever's, both must hold.
    `ainvoke` searches in a thread of its own.
    """

    space: Space
    options: dict[str, Any] = Field(default_factory=dict)
    """Of `Space.search`: k, mode, where, dense_weight, diversity, group, rerank, rerank_depth."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        filters = [given["where"] for given in (self.options, options) if given.get("where")]
        asked = self.options | options | ({"where": _joined(filters)} if filters else {})
        hits = self.space.search(query, **asked)
        return [_to_document(hit) for hit in hits]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: Any, **options: Any
    ) -> list[Document]:
        return await asyncio.to_thread(
            self._get_relevant_documents, query, run_manager=run_manager.get_sync(), **options
        )


def to_langchain(space: Space, **options: Any) -> RowspaceRetriever:
    """A retriever that searches a space.

    Parameters
    ----------
    space : Space
    **options
        Of `Space.search`: k, mode, where, dense_weight, diversity, group, rerank, rerank_depth.

    Examples
    --------
    ::

        retriever = to_langchain(open_space("docs.space"), k=5, where="year >= 1990")
        documents = retriever.invoke("which lakes shrink?")
        documents[0].metadata["source"], documents[0].metadata["score"]
    """
    return RowspaceRetriever(space=space, options=options)


def _joined(filters: list[Given]) -> list[str | Filter]:
    """Filters of which all must hold, none undoing another."""
    return [
        one
        for given in filters
        for one in ([given] if isinstance(given, str) or not isinstance(given, Sequence) else given)
    ]


def _to_document(hit: Hit) -> Document:
    return Document(page_content=hit.text, id=hit.passage_id, metadata=cited_metadata(hit))
