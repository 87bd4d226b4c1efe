"""The name by which other clients of Milvus know an export: an alias, which moves in one step."""

from __future__ import annotations

from typing import Any

from rowspace.errors import ConfigError
from rowspace.search.milvus.collection import is_version_of
from rowspace.search.milvus.connection import SECONDS
from rowspace.search.milvus.record import MilvusRecord


def collection_behind(client: Any, uri: str, alias: str) -> str | None:
    """The collection that has a name from an export; None if the name is free.

    Raises
    ------
    ConfigError
        If something else is called that.
    """
    target = None
    if alias in client.list_aliases(timeout=SECONDS)["aliases"]:
        target = str(client.describe_alias(alias, timeout=SECONDS)["collection_name"])
    taken = alias in client.list_collections(timeout=SECONDS)
    if taken or (target is not None and not _is_ours(client, alias, target)):
        raise ConfigError(
            f"Milvus at {uri} has a collection {alias} that is not of an export; give another "
            "--collection"
        )
    return target


def take_alias(client: Any, record: MilvusRecord) -> None:
    """Give a collection its name for others, whichever had it before."""
    aliases = client.list_aliases(timeout=SECONDS)["aliases"]
    change = client.alter_alias if record.collection in aliases else client.create_alias
    change(record.name, record.collection, timeout=SECONDS)


def drop_others(client: Any, record: MilvusRecord) -> None:
    """Drop what earlier exports under this name left behind, finished or not."""
    named = client.describe_alias(record.collection, timeout=SECONDS)["collection_name"]
    for name in client.list_collections(timeout=SECONDS):
        if name not in (record.name, named) and _is_ours(client, record.collection, name):
            client.drop_collection(name, timeout=SECONDS)


def _is_ours(client: Any, alias: str, name: str) -> bool:
    """Whether a collection was written by an export under this alias."""
    if not name.startswith(f"{alias}_"):
        return False
    about = client.describe_collection(name, timeout=SECONDS)
    return is_version_of(alias, name, about.get("properties", {}))
