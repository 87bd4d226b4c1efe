"""`POST /v1/embeddings`, as OpenAI's servers answer it.

https://platform.openai.com/docs/api-reference/embeddings/create. Two fields are our own:
`input_type` ("query", "document" or a prompt of the model) and `on_truncate` ("error", "cut" or
"chunk"). A field that is not known is refused, as OpenAI does, so that a typing error in one is
found. `usage` counts all tokens that are read, prompts and special ones included.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import json
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from rowspace.serve.batching import Batcher, Embedded
from rowspace.serve.config import ServeConfig
from rowspace.serve.embedder import Inputs, Vectors
from rowspace.serve.embeddings_schema import EMBEDDINGS
from rowspace.serve.errors import ApiError
from rowspace.serve.served import Served

FORMATS = ("float", "base64")
ON_TRUNCATE = ("error", "cut", "chunk")
_FIELDS = ("input", "model", "encoding_format", "dimensions", "user", "input_type", "on_truncate")
_LARGE_BODY = 1 << 16
"""Bytes of a request from which on it is looked through in a thread: it may be millions of ids."""
_LARGE = 1 << 15
"""Numbers of an answer from which on it is written in a thread."""


@dataclass(frozen=True)
class EmbeddingsRequest:
    """A request whose types are right."""

    model: str
    inputs: Inputs
    encoding_format: str = "float"
    dimensions: int | None = None
    input_type: str | None = None
    on_truncate: str = "error"


def routes(served: Served, config: ServeConfig) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["embeddings"])

    @router.post("/v1/embeddings", summary="Make vectors of texts", openapi_extra=EMBEDDINGS)
    async def embeddings(request: Request) -> Response:
        """Vectors of texts, as OpenAI's servers answer.

        A text's vector does not depend on what else is asked at the same time.
        """
        sent = await request.body()
        if len(sent) > _LARGE_BODY:
            asked = await asyncio.to_thread(read_request, sent, config)
        else:
            asked = read_request(sent, config)
        batcher: Batcher = request.app.state.batcher
        found = await batcher.embed(
            asked.model,
            asked.inputs,
            input_type=asked.input_type,
            on_truncate=asked.on_truncate,
            dimensions=asked.dimensions,
            is_gone=request.is_disconnected,
        )
        if found.vectors.size > _LARGE:
            body = await asyncio.to_thread(written, asked, found)
        else:
            body = written(asked, found)
        return Response(body, media_type="application/json")

    return router


# What comes in


def read_request(body: bytes, config: ServeConfig) -> EmbeddingsRequest:
    """The request in a body.

    Raises
    ------
    ApiError
        400, with the field that is to blame.
    """
    fields = _object(body)
    for name in fields:
        if name not in _FIELDS:
            raise _refused(f"Unrecognized request argument supplied: {name[:100]}", None)
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise _refused("model must be a string, the name of a model that is served", "model")
    _optional_text(fields, "user")
    return EmbeddingsRequest(
        model,
        _inputs(fields.get("input"), config),
        _choice(fields, "encoding_format", FORMATS),
        _dimensions(fields.get("dimensions")),
        _optional_text(fields, "input_type"),
        _choice(fields, "on_truncate", ON_TRUNCATE),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _refused("the body is no JSON; send an object with input and model", None) from error
    if not isinstance(fields, dict):
        raise _refused("the body is no JSON object; send one with input and model", None)
    return fields


def _inputs(value: Any, config: ServeConfig) -> Inputs:
    """Texts, or lists of token ids; one alone becomes a list of one."""
    is_ids = isinstance(value, list) and all(type(one) is int for one in value)
    if isinstance(value, str) or (value and is_ids):
        value = [value]
    if not isinstance(value, list) or not value:
        raise _refused(
            "input must be a string, an array of strings, an array of token ids, or an array of "
            "such arrays, and none of them empty",
            "input",
        )
    if len(value) > config.max_items:
        raise _refused(
            f"input must be an array of {config.max_items:,} items or fewer, and has "
            f"{len(value):,}; send them in several requests",
            "input",
        )
    check = _check_text if isinstance(value[0], str) else _check_ids
    for number, one in enumerate(value):
        check(one, number, config)
    return value


def _check_text(text: Any, number: int, config: ServeConfig) -> None:
    if not isinstance(text, str):
        raise _refused(f"input[{number}] is no string, and input[0] is one", "input")
    if not text:
        raise _refused(f"input[{number}] is an empty string; leave it out", "input")
    if len(text) > config.max_characters:
        raise _refused(
            f"input[{number}] has {len(text):,} characters, and the most is "
            f"{config.max_characters:,}; send it in parts",
            "input",
        )


def _check_ids(ids: Any, number: int, config: ServeConfig) -> None:
    if not isinstance(ids, list) or not all(type(one) is int for one in ids):
        raise _refused(f"input[{number}] is no string and no array of token ids", "input")
    if not ids:
        raise _refused(f"input[{number}] is an empty array; leave it out", "input")


def _choice(fields: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = fields.get(name)
    if value is None:
        return choices[0]
    if value not in choices:
        raise _refused(f"{name} must be one of {', '.join(map(repr, choices))}", name)
    chosen: str = value
    return chosen


def _optional_text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise _refused(f"{name} must be a string", name)
    return value


def _dimensions(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 1 <= value < 1 << 31:
        raise _refused("dimensions must be a whole number above 0", "dimensions")
    return value


def _refused(message: str, param: str | None) -> ApiError:
    return ApiError(400, message, param=param)


# What goes out


def written(asked: EmbeddingsRequest, found: Embedded) -> bytes:
    """The answer's JSON."""
    write = base64_text if asked.encoding_format == "base64" else floats_text
    rows = [
        f'{{"object":"embedding","index":{i},"embedding":{write(row)}}}'
        for i, row in enumerate(found.vectors)
    ]
    n = int(found.n_tokens.sum())
    return (
        f'{{"object":"list","data":[{",".join(rows)}],"model":{json.dumps(asked.model)},'
        f'"usage":{{"prompt_tokens":{n},"total_tokens":{n}}}}}'
    ).encode()


def floats_text(row: Vectors) -> str:
    """A vector as a JSON array, which reads back as the same float32 numbers.

    Nine digits tell any two of them apart (Steele & White 1990); formatting all at once takes a
    third of the time of `json.dumps`, which writes seventeen.
    """
    text = _pattern(len(row)) % tuple(row.tolist())
    return text.replace("-0,", "-0.0,").replace("-0]", "-0.0]")  # -0 reads back as a whole number


@functools.lru_cache(maxsize=64)
def _pattern(n: int) -> str:
    return "[" + ",".join(["%.9g"] * n) + "]"


def base64_text(row: Vectors) -> str:
    """A vector as a JSON string: base64 of little-endian float32."""
    return f'"{base64.b64encode(row.astype("<f4", copy=False).tobytes()).decode()}"'
