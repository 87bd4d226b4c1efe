"""A space as a retriever of LlamaIndex; needs the extra `llama-index`."""

from __future__ import annotations

import asyncio
from typing import Any

from rowspace.extras import need
from rowspace.search.adapters.citation import cited_metadata
from rowspace.search.hit import Hit
from rowspace.search.space import Space

for _package in ("llama_index", "llama_index.core"):  # the first is a folder of many packages
    need(_package, "llama-index")

from llama_index.core.retrievers import BaseRetriever  # noqa: E402
from llama_index.core.schema import (  # noqa: E402
    NodeRelationship,
    NodeWithScore,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)

_NOT_READ = ["document_id", "passage_id", "score"]
"""Metadata that a language model is not shown."""


class RowspaceRetriever(BaseRetriever):
    """Retrieves the passages that a search of a space finds; `aretrieve` searches in a thread.

    Parameters
    ----------
    space : Space
    **options
        Of `Space.search`: k, mode, where, dense_weight, diversity, group, rerank, rerank_depth.
    """

    def __init__(self, space: Space, **options: Any) -> None:
        super().__init__()
        self.space, self.options = space, options

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self.space.search(query_bundle.query_str, **self.options)
        return [NodeWithScore(node=_to_node(hit), score=hit.relevance) for hit in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def to_llama_index(space: Space, **options: Any) -> RowspaceRetriever:
    """A retriever that searches a space.

    Parameters
    ----------
    space : Space
    **options
        Of `Space.search`: k, mode, where, dense_weight, diversity, group, rerank, rerank_depth.

    Examples
    --------
    ::

        retriever = to_llama_index(open_space("docs.space"), k=5, where="year >= 1990")
        nodes = retriever.retrieve("which lakes shrink?")
        nodes[0].score, nodes[0].node.metadata["source"]
    """
    return RowspaceRetriever(space, **options)


def _to_node(hit: Hit) -> TextNode:
    return TextNode(
        id_=hit.passage_id,
        text=hit.text,
        metadata=cited_metadata(hit),
        excluded_llm_metadata_keys=_NOT_READ,
        excluded_embed_metadata_keys=_NOT_READ,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=hit.document_id)},
    )
