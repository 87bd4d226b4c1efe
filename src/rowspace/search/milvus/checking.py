"""In which state a space's rows in Milvus are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowspace.errors import RowspaceError
from rowspace.progress import track
from rowspace.search.milvus.collection import VECTOR
from rowspace.search.milvus.digest import COLUMNS, RowDigest
from rowspace.search.milvus.record import MilvusRecord
from rowspace.search.protocol import PassageStore

if TYPE_CHECKING:
    from rowspace.search.commit import Commit


def about_rows(record: MilvusRecord) -> dict[str, Any]:
    """What `status` tells of them."""
    return {
        "rows": "milvus",
        "uri": record.uri,
        "collection": record.collection,
        "index": record.index.lower(),
        "words": record.has_words,
        "digest": record.digest,
    }


def check_rows(path: Path, commit: Commit) -> list[str]:
    """Read all rows of a space back, and compare their digest with what was written.

    Returns
    -------
    list of str
        What is wrong, one line each.
    """
    from rowspace.search.snapshot import take_snapshot

    try:
        found = digest_of(take_snapshot(path).store, commit.passages, "checking")
    except RowspaceError as error:
        return [str(error)]
    assert commit.milvus is not None
    if found.n_rows == commit.passages and found.hexdigest() == commit.milvus.digest:
        return []
    return [
        f"the rows of {commit.milvus} are not those that were exported (digest "
        f"{found.hexdigest()[:12]} where {commit.milvus.digest[:12]} was written); export the "
        "space again"
    ]


def digest_of(store: PassageStore, n_passages: int, doing: str, column: str = VECTOR) -> RowDigest:
    """The digest of all rows of a store, read now."""
    digest = RowDigest(column)
    with track(doing, n_passages) as tracker:
        for batch in store.scan([*COLUMNS, column]):
            digest.add(batch)
            tracker.advance(batch.num_rows)
    return digest
