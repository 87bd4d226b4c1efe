"""Errors as OpenAI's servers tell them: `{"error": {"message", "type", "param", "code"}}`.

https://platform.openai.com/docs/guides/error-codes. A message says what happened and what to do, as
everywhere; what went wrong inside is logged and not told.
"""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rowspace.errors import (
    RemoteError,
    RowspaceError,
    SpaceChangedError,
    SpaceCorruptError,
    SpaceError,
    SpaceLockedError,
    VocabularyError,
)

_logger = logging.getLogger("rowspace")

CLIENT_LEFT = 499
"""The status, as nginx has it, of what nobody waits for any more."""
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "service_unavailable_error",
}
"""What OpenAI's servers call an error, by its status; others are invalid_request_error."""
_STATUSES: dict[type[RowspaceError], int] = {
    SpaceLockedError: 503,
    SpaceChangedError: 409,
    SpaceCorruptError: 500,
    SpaceError: 503,
    RemoteError: 503,
    VocabularyError: 404,
}
"""The status of an error of the library, by its nearest class here; the others are the client's
mistakes, 400."""


class ApiError(Exception):
    """A request that is refused.

    Parameters
    ----------
    status : int
        Of HTTP.
    message : str
    param : str or None
        The field of the request that is to blame.
    code : str or None
        A word for programs.
    headers : mapping, optional
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """As it is sent."""
        return error_body(self.status, self.message, self.param, self.code)


def error_body(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """The JSON of an error."""
    kind = TYPES.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class ErrorResponse(JSONResponse):
    """JSON in ASCII alone, so that whatever a message repeats can be sent."""

    def render(self, content: Any) -> bytes:
        """As bytes."""
        return json.dumps(content).encode()


def add_error_handlers(app: FastAPI) -> None:
    """Let every error leave `app` in this shape."""

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> ErrorResponse:
        request.state.refusal = error.code or TYPES.get(error.status, "invalid_request_error")
        return ErrorResponse(error.body(), error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> ErrorResponse:
        param, message = _describe(error, request.headers.get("content-type", ""))
        return ErrorResponse(error_body(400, message, param), 400)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> ErrorResponse:
        said = str(error.detail)
        if (error.status_code, said) == (404, "Not Found"):
            said = f"there is nothing at {request.url.path}; /openapi.json lists what there is"
        elif error.status_code == 405:
            allowed = (error.headers or {}).get("Allow") or "what /openapi.json lists"
            said = f"{request.url.path} does not take {request.method}; send {allowed}"
        return ErrorResponse(error_body(error.status_code, said), error.status_code, error.headers)

    @app.exception_handler(RowspaceError)
    async def ours(_: Request, error: RowspaceError) -> ErrorResponse:
        status = status_of(error)
        if status >= 500:
            _logger.error("%s", error)
        return ErrorResponse(error_body(status, str(error)), status)


def _describe(error: RequestValidationError, content_type: str) -> tuple[str | None, str]:
    """The field that is to blame, and what is wrong."""
    first = error.errors()[0]
    is_json = content_type.partition(";")[0].strip().lower() == "application/json"
    if first["loc"] == ("body",) and not is_json:
        said = f"sent as {content_type}" if content_type else "sent without a content-type"
        return None, f"the body is {said}; send JSON with `content-type: application/json`"
    if first["type"] == "json_invalid":
        return (
            None,
            f"the body is no JSON: {first.get('ctx', {}).get('error', 'it does not parse')}",
        )
    param = ".".join(str(part) for part in first["loc"][1:]) or None  # the first says where it is
    return param, f"{param}: {first['msg']}" if param else first["msg"]


def told_to_log(error: Exception) -> str:
    """What failed, and where; not its message, which may hold a client's text."""
    return f"{type(error).__name__}:\n{''.join(traceback.format_tb(error.__traceback__))}"


def status_of(error: RowspaceError) -> int:
    """The status of an error of the library."""
    return next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 400)
