"""How `/v1/embeddings` is described; its body is read by hand, for errors as OpenAI's."""

from __future__ import annotations

from typing import Any

_TEXTS: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    ],
    "description": "A text, texts, the token ids of one, or those of several.",
}
_REQUEST: dict[str, Any] = {
    "type": "object",
    "properties": {
        "input": _TEXTS,
        "model": {"type": "string", "description": "A name that /v1/models lists."},
        "encoding_format": {
            "enum": ["float", "base64"],
            "default": "float",
            "description": "Numbers, or their little-endian float32 bytes in base64.",
        },
        "dimensions": {
            "type": "integer",
            "description": "Numbers of a vector that are kept, where a model was trained for it.",
        },
        "input_type": {
            "type": "string",
            "description": "`query`, `document`, or a prompt of the model, read before each text.",
        },
        "on_truncate": {
            "enum": ["error", "cut", "chunk"],
            "default": "error",
            "description": "What is made of a text that is longer than the model reads.",
        },
        "user": {"type": "string", "description": "Is not looked at."},
    },
    "required": ["input", "model"],
    "additionalProperties": False,
    "examples": [{"model": "default", "input": ["a text", "another"]}],
}
_VECTOR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "object": {"type": "string"},
        "index": {"type": "integer", "description": "The text's place in the request."},
        "embedding": {
            "anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string"}]
        },
    },
    "required": ["object", "index", "embedding"],
}
_USAGE: dict[str, Any] = {
    "type": "object",
    "properties": {"prompt_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}},
    "required": ["prompt_tokens", "total_tokens"],
}
_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "object": {"type": "string"},
        "data": {"type": "array", "items": _VECTOR},
        "model": {"type": "string"},
        "usage": _USAGE,
    },
    "required": ["object", "data", "model", "usage"],
}
EMBEDDINGS: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}},
    "responses": {
        "200": {
            "description": "The vectors, in the order of the texts.",
            "content": {"application/json": {"schema": _ANSWER}},
        }
    },
}
"""For `openapi_extra` of the route."""
