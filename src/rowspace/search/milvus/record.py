"""Where a space's rows are in Milvus: what its `commit.json` keeps of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rowspace.errors import SpaceCorruptError, SpaceError


@dataclass(frozen=True, kw_only=True)
class MilvusRecord:
    """A collection of Milvus, and what was written into it."""

    uri: str
    """http://host:port, or the path of a Milvus Lite file; never with a token in it."""
    collection: str
    """The name for other clients of Milvus: an alias of `name`."""
    name: str
    """The collection itself. Another one takes the alias when the space is exported anew."""
    digest: str
    """Of all rows; see `digest.RowDigest`."""
    index: str
    """A key of `indexes.INDEXES`."""
    language: str | None
    """What words are stemmed and stopped by."""
    has_words: bool = True
    """Whether passages can be found by their words."""
    n_empty: int = 0
    """Passages whose vector is zero, which no search by meaning finds."""
    longest: int = 0
    """Bytes of the texts of the longest row: so many of them have room in an answer."""

    def __str__(self) -> str:
        return f"collection {self.collection} at {self.uri}"


def refuse_to_write(path: Path, record: MilvusRecord) -> SpaceError:
    """The error where a space is to be changed, or opened by what needs its rows beside it."""
    return SpaceError(
        f"the rows of {path} are in Milvus ({record}), where they are searched only; change the "
        f"space they come from and export it again, or run `rowspace import {path} --out SPACE`"
    )


def check_same(record: MilvusRecord, fingerprint: str, properties: Mapping[str, str]) -> None:
    """See that a collection says of itself what was written into it.

    Raises
    ------
    SpaceCorruptError
        If it is of another model, or of other rows.
    """
    model = properties.get("rowspace.fingerprint")
    if model != fingerprint:
        whose = "of no model that it names" if model is None else f"of the model {model[:12]}"
        raise SpaceCorruptError(
            f"the vectors of {record} are {whose}, and the space's model is {fingerprint[:12]}; "
            "export the space again"
        )
    if properties.get("rowspace.digest") != record.digest:
        raise changed(record, "its digest is another")


def changed(record: MilvusRecord, how: str) -> SpaceCorruptError:
    """The error where a collection is not what was exported."""
    return SpaceCorruptError(
        f"{record} was changed since it was exported: {how}; export the space again"
    )
