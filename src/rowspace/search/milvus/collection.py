"""The collection that holds a space's rows: its columns and its names.

passage_id   the key                 row         a number from 0, the order of the space
document_id  position  title  content  source   as in a space
metadata     JSON as text, byte for byte; the typed fields stand beside it for filters
vector       one model's             words       BM25's part of each word, see `words`
is_empty     whether the vector is zero
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from rowspace.errors import ConfigError
from rowspace.search.fields import Field
from rowspace.search.milvus.connection import SECONDS
from rowspace.search.milvus.indexes import INDEXES
from rowspace.version import __version__

VECTOR, WORDS, ROW, EMPTY = "vector", "words", "row", "is_empty"
STRINGS = ("passage_id", "document_id", "title", "content", "source", "metadata")
MAX_BYTES = 65_535
"""Of a text in Milvus."""
MAX_COLUMNS = 64
"""Of a collection, as a server is set up."""
CONSISTENCY = "Strong"
"""A search sees all that was written before it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_OURS = "rowspace.collection"


def check_name(name: str) -> str:
    """`name`, if a collection can be called that.

    Raises
    ------
    ConfigError
        If it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a collection of Milvus cannot be called {name!r}; give --collection with letters, "
            "digits and underscores, at most 200, that begins with no digit"
        )
    return name


def name_of(collection: str, *written: Any) -> str:
    """The collection behind an alias, which has what is `written` and nothing else.

    Examples
    --------
    >>> name_of("docs", "digest", "FLAT") == name_of("docs", "digest", "HNSW")
    False
    """
    digest = hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()
    return f"{collection}_{digest[:12]}"


def is_version_of(collection: str, name: str, properties: Mapping[str, str]) -> bool:
    """Whether a collection was written as one of those behind the alias `collection`."""
    known = properties.get(_OURS) == collection
    return known and re.fullmatch(f"{collection}_[0-9a-f]{{12}}", name) is not None


def properties_of(
    collection: str, fingerprint: str, digest: str, n_passages: int
) -> dict[str, str]:
    """What a collection tells of itself."""
    return {
        _OURS: collection,
        "rowspace.fingerprint": fingerprint,
        "rowspace.digest": digest,
        "rowspace.passages": str(n_passages),
        "rowspace.version": __version__,
    }


def check_fields(fields: Mapping[str, Field], has_words: bool) -> None:
    """See that a collection has room for the metadata fields.

    Raises
    ------
    ConfigError
        If there are too many.
    """
    room = MAX_COLUMNS - len(STRINGS) - 4 - has_words
    if len(fields) > room:
        raise ConfigError(
            f"the space has {len(fields)} metadata fields, and a collection of Milvus has room "
            f"for {room} beside ours; move rare ones into one field that holds a dict"
        )


def create(
    client: Any,
    name: str,
    dim: int,
    fields: Mapping[str, Field],
    has_words: bool,
    properties: Mapping[str, str],
) -> None:
    """Make an empty collection; one that another process makes at the same time will do."""
    from pymilvus import DataType, MilvusException

    types = {
        "int": DataType.INT64,
        "float": DataType.DOUBLE,
        "bool": DataType.BOOL,
        "string": DataType.VARCHAR,
    }
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    for column in STRINGS:
        is_key = column == "passage_id"
        schema.add_field(column, DataType.VARCHAR, max_length=MAX_BYTES, is_primary=is_key)
    schema.add_field("position", DataType.INT64)
    schema.add_field(ROW, DataType.INT64)
    schema.add_field(EMPTY, DataType.BOOL)
    for field in fields.values():
        length = {"max_length": MAX_BYTES} if field.type == "string" else {}
        schema.add_field(field.column, types[field.type], nullable=True, **length)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    if has_words:
        schema.add_field(WORDS, DataType.SPARSE_FLOAT_VECTOR)
    try:
        client.create_collection(
            name,
            schema=schema,
            properties=dict(properties),
            consistency_level=CONSISTENCY,
            timeout=SECONDS,
        )
    except MilvusException:
        if not client.has_collection(name, timeout=SECONDS):
            raise


def add_indexes(client: Any, name: str, index: str, n_passages: int, has_words: bool) -> None:
    """Give a collection the indexes that it does not have, and load it for searching."""
    wanted: dict[str, dict[str, Any]] = {
        VECTOR: {
            "index_type": index,
            "metric_type": "COSINE",
            "params": INDEXES[index].build(n_passages),
        },
        ROW: {"index_type": "INVERTED"},
    }
    if has_words:
        wanted[WORDS] = {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "IP"}
    missing = client.prepare_index_params()
    for column, settings in wanted.items():
        if not client.list_indexes(name, field_name=column, timeout=SECONDS):
            missing.add_index(column, **settings)
    if len(missing):
        client.create_index(name, missing, timeout=10 * SECONDS)
    client.load_collection(name, timeout=10 * SECONDS)
