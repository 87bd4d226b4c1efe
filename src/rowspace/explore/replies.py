"""Answers with a tag, by which a page learns that it has them already; packed where it helps."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from rowspace.explore.jobs import Computing

BYTES = "application/octet-stream"
MIN_PACKED = 1024


def computing(state: Computing) -> JSONResponse:
    """How far something is: 202."""
    return JSONResponse(state.as_dict(), 202, {"Cache-Control": "no-store"})


def tagged(
    request: Request,
    content: bytes | memoryview,
    media_type: str = BYTES,
    *,
    pack: bool = True,
    digest: str | None = None,
) -> Response:
    """Content with its tag; 304 for a page that has it. The digest is given where it is known."""
    tag = f'"{digest or hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    seen = request.headers.get("if-none-match", "")
    if tag in (one.strip().removeprefix("W/") for one in seen.split(",")):
        return Response(status_code=304, headers=headers)
    accepted = request.headers.get("accept-encoding", "")
    if pack and len(content) >= MIN_PACKED and "gzip" in accepted:
        content = gzip.compress(content, 1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=media_type, headers=headers)


def tagged_json(request: Request, value: Any) -> Response:
    """`tagged` JSON."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return tagged(request, content.encode("utf-8", "replace"), "application/json")
