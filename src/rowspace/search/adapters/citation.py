"""What a hit's metadata becomes in another library: the passage's own, and where it is from."""

from __future__ import annotations

from typing import Any

from rowspace.search.hit import Hit


def cited_metadata(hit: Hit) -> dict[str, Any]:
    """The document's metadata, with ids, title, source and score; these win over like names."""
    return hit.metadata | {
        "document_id": hit.document_id,
        "passage_id": hit.passage_id,
        "title": hit.title,
        "source": hit.source,
        "score": hit.relevance,
    }
