"""`/v1/documents`: add, read and delete the documents of a space.

Writes are made one at a time, and each is seen whole, by every reader, once it is answered. What
was begun is finished, whether or not its client stays. Where another process writes, they wait for
it as long as the deadline, and are then refused (503) with nothing changed.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from pydantic import Field

from rowspace.errors import SpaceLockedError
from rowspace.search.fields import Field as SpaceField
from rowspace.search.fields import FieldTypes, extend_fields
from rowspace.search.space import Space
from rowspace.serve.answers import (
    AddedAnswer,
    DeletedAnswer,
    DocumentAnswer,
    json_response,
)
from rowspace.serve.config import ServeConfig
from rowspace.serve.document_inputs import OneOrMore, to_documents
from rowspace.serve.errors import ApiError
from rowspace.serve.inputs import Input, Texts, blamed_on_where, check_filters, check_texts
from rowspace.serve.lane import Lane
from rowspace.serve.missing import NO_SPACE, refuse
from rowspace.serve.served import Served
from rowspace.text.corpus import Document

_RETRY_AFTER = {"Retry-After": "5"}
"""Seconds: a write of another process takes a while."""
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
"""A volume that is mounted to be read, or files of another user."""
_ADD = {
    "documents": [
        {"id": "chad", "title": "Chad", "text": "Lake Chad has shrunk since 1963.", "year": 2024}
    ]
}
_Responses = dict[int | str, dict[str, Any]]
_ADDED: _Responses = {200: {"model": AddedAnswer, "description": "What was added."}}
_READ: _Responses = {200: {"model": DocumentAnswer, "description": "The document's passages."}}
_DELETED: _Responses = {200: {"model": DeletedAnswer, "description": "How many were there."}}
T = TypeVar("T")
DocumentId = Annotated[str, InPath(description="The id it was added with; it may have slashes.")]


class AddBody(Input):
    """Documents that are added."""

    documents: OneOrMore = Field(description="A document, or a list of documents.")


class DeleteBody(Input):
    """What is deleted: documents by their ids, or those that meet a filter."""

    ids: Texts | None = None
    where: Texts | None = Field(None, description="As in a search; of a list, all must hold.")


def routes(served: Served, config: ServeConfig) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["documents"])
    space = served.space
    if space is None:
        refuse(router, ("/v1/documents", "/v1/documents/{document_id:path}"), NO_SPACE)
        return router
    reads = Lane("reads", config.search_threads, config.max_waiting, config.deadline)
    writes = Lane("writes", 1, config.max_waiting, config.deadline)

    @router.post("/v1/documents", summary="Add documents", responses=_ADDED)
    async def add(request: Request, body: Annotated[AddBody, Body(examples=[_ADD])]) -> Response:
        """Add documents; one whose id is there already is replaced.

        They are found, all of them at once, by every search that begins after the answer. An
        addition that fails changes nothing, and may be sent again. Fields beside `id`, `title`,
        `text` and `source` are metadata, by which searches filter.
        """
        documents = to_documents(body.documents, config)
        return await writes.run(request, lambda: _add(space, documents, config.deadline))

    @router.post("/v1/documents/delete", summary="Delete documents", responses=_DELETED)
    async def delete(
        request: Request, body: Annotated[DeleteBody, Body(examples=[{"ids": ["chad", "mali"]}])]
    ) -> Response:
        """Delete documents by their ids, or those that meet a filter; one of the two.

        Ids that are not there are passed over.
        """
        _check_delete(body, config)
        return await writes.run(
            request,
            lambda: json_response(_deleted(space, body.ids, body.where, config.deadline)),
        )

    @router.get("/v1/documents/{document_id:path}", summary="Read a document", responses=_READ)
    async def read(request: Request, document_id: DocumentId) -> Response:
        """A document's title, source, metadata, and the passages it is kept as."""
        return await reads.run(request, lambda: _read(space, document_id))

    @router.delete(
        "/v1/documents/{document_id:path}", summary="Delete a document", responses=_DELETED
    )
    async def delete_one(request: Request, document_id: DocumentId) -> Response:
        """Delete a document; 404 if it is not there."""
        return await writes.run(request, lambda: _delete_one(space, document_id, config.deadline))

    return router


def _add(space: Space, documents: list[Document], timeout: float) -> Response:
    _check_fields(space, documents)
    added = _locked(lambda: space.add(documents, timeout))
    return json_response({"object": "documents.added", **asdict(added)})


def _check_fields(space: Space, documents: list[Document]) -> None:
    """See that the metadata fit the space before anything is encoded.

    Raises
    ------
    CorpusError
        If a value is of another type than its field, or there would be too many fields.
    """
    seen = FieldTypes()
    for document in documents:
        seen.observe(document.document_id, document.metadata)
    extend_fields({name: SpaceField("", type_) for name, type_ in space.fields.items()}, seen)


def _check_delete(body: DeleteBody, config: ServeConfig) -> None:
    if (body.ids is None) == (body.where is None):
        raise ApiError(400, "give ids or where, one of the two", param="ids")
    if body.ids is not None:
        check_texts(body.ids, "ids", config.max_items, config.max_id)
    else:
        check_filters(body.where)


def _delete_one(space: Space, document_id: str, timeout: float) -> Response:
    told = _deleted(space, [document_id], None, timeout)
    if not told["deleted"]:
        raise _not_there(document_id)
    return json_response(told)


def _deleted(
    space: Space, ids: list[str] | None, where: list[str] | None, timeout: float
) -> dict[str, Any]:
    with blamed_on_where():
        n = _locked(lambda: space.delete(ids, where=where, timeout=timeout))
    return {"object": "documents.deleted", "deleted": n}


def _read(space: Space, document_id: str) -> Response:
    rows = space.passages_of(document_id)
    if not rows:
        raise _not_there(document_id)
    first = rows[0]
    passages = [
        {"passage_id": row.passage_id, "position": row.position, "text": row.text} for row in rows
    ]
    return json_response(
        {
            "object": "document",
            "id": first.document_id,
            "title": first.title,
            "source": first.source,
            "metadata": first.metadata,
            "passages": passages,
        }
    )


def _not_there(document_id: str) -> ApiError:
    return ApiError(
        404,
        f"there is no document {document_id[:80]!r}; see its id in a search's hits",
        param="document_id",
        code="document_not_found",
    )


def _locked(write: Callable[[], T]) -> T:
    """What `write` returns; 503 where another process holds the space for too long, 403 where the
    space cannot be written at all."""
    try:
        return write()
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        raise ApiError(
            403, "this space is served to be read; add to it where it is written", code="read_only"
        ) from None
    except SpaceLockedError as error:
        raise ApiError(503, str(error), code="space_locked", headers=_RETRY_AFTER) from None
