"""Vectors from a server: OpenAI's embeddings, or any server that speaks like it.

What was received is kept on the disk, text by text, so that no text is paid for twice and a run
goes on where it stopped. https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, RemoteError
from rowspace.progress import track
from rowspace.sentence.endpoint import OPENAI_URL, Endpoint
from rowspace.sentence.remote_cache import Vector, VectorCache

_DIMS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
_PROBE = "dimension"  # a text whose vector tells how long vectors are


class RemoteEncoder:
    """A text encoder behind `POST url/embeddings`.

    Parameters
    ----------
    model : str
        Its name there.
    url : str
        What comes before `/embeddings`.
    api_key : str, optional
        Else what the environment variable OPENAI_API_KEY has. It is never written or shown.
    dimensions : int, optional
        Ask for vectors of this length, where the model can shorten them.
    cache : path, optional
        A folder for the vectors received; without one each call asks again.
    query_prompt, document_prompt : str
        Put before each text by `encode_query` and `encode_document`.
    batch_texts, batch_characters : int
        The most of each in one request; a longer text goes alone.
    **connection
        `max_retries`, `timeout`, `requests_per_minute`, `api_key_variable`: see `Endpoint`.

    Examples
    --------
    >>> RemoteEncoder("text-embedding-3-large", dimensions=256).dim
    256
    """

    def __init__(
        self,
        model: str = "text-embedding-3-small",
        url: str = OPENAI_URL,
        api_key: str | None = None,
        dimensions: int | None = None,
        cache: Path | str | None = None,
        query_prompt: str = "",
        document_prompt: str = "",
        batch_texts: int = 256,
        batch_characters: int = 200_000,
        **connection: Any,
    ) -> None:
        for name, value in (("batch_texts", batch_texts), ("batch_characters", batch_characters)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; give 1 or more")
        if dimensions is not None and dimensions < 1:
            raise ConfigError(f"dimensions is {dimensions}; give 1 or more")
        self.model, self.dimensions = model, dimensions
        self.query_prompt, self.document_prompt = query_prompt, document_prompt
        self._batch_texts, self._batch_characters = batch_texts, batch_characters
        self._endpoint = Endpoint(url, api_key=api_key, **connection)
        self._cache = None if cache is None else VectorCache(cache)
        self._dim = dimensions or _DIMS.get(model)

    @property
    def dim(self) -> int:
        """Length of a vector; of a model that is not known, the server is asked for one vector."""
        if self._dim is None:
            self._vectors([_PROBE])
        assert self._dim is not None
        return self._dim

    @property
    def fingerprint(self) -> str:
        """Hex digest of the model, the URL, the dimensions and the prompts."""
        return self._digest(self.query_prompt, self.document_prompt).hex()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of `texts`: (n_texts, dim) float32, a zero row for an empty text.

        Raises
        ------
        RemoteError
            If the server refuses, cannot be reached, or answers with what are no vectors. What
            was received before is in the cache.
        FormatError
            If the cache is damaged.
        """
        return self._encode(texts, "")

    def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `encode`, with the prompt of queries."""
        return self._encode(texts, self.query_prompt)

    def encode_document(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `encode`, with the prompt of documents."""
        return self._encode(texts, self.document_prompt)

    def _encode(self, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
        if isinstance(texts, str):
            raise ConfigError("encode was given one text; give a list of texts")
        sent = {text: prompt + text for text in texts if text.strip()}
        vectors = self._vectors(list(sent.values()))
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            if text in sent:
                row[:] = vectors[sent[text]]
        return rows

    def _vectors(self, texts: Sequence[str]) -> dict[str, Vector]:
        """A vector of each text, from the cache or the server."""
        keys = {text: self._digest(text) for text in texts}
        known = self._cache.find(list(keys.values())) if self._cache else {}
        vectors = {text: known[key] for text, key in keys.items() if key in known}
        for vector in vectors.values():
            self._learn_dim(len(vector), "the cache")
        missing = [text for text in keys if text not in vectors]
        with track("asking for vectors", total=len(missing)) as tracker:
            for batch in self._batches(missing):
                received = self._ask(batch)
                if self._cache:
                    self._cache.add({keys[text]: vector for text, vector in received.items()})
                vectors |= received
                tracker.advance(len(batch))
        return vectors

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        n_characters = 0
        for text in texts:
            is_full = len(batch) == self._batch_texts
            if batch and (is_full or n_characters + len(text) > self._batch_characters):
                yield batch
                batch, n_characters = [], 0
            batch.append(text)
            n_characters += len(text)
        if batch:
            yield batch

    def _ask(self, texts: list[str]) -> dict[str, Vector]:
        body: dict[str, Any] = {"model": self.model, "input": texts, "encoding_format": "base64"}
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        answer = self._endpoint.post("/embeddings", body)
        vectors = _read_answer(answer, len(texts), self._endpoint.url)
        lengths = sorted({len(vector) for vector in vectors})
        if len(lengths) != 1:
            raise _nonsense(self._endpoint.url, f"vectors of {lengths} numbers in one answer")
        self._learn_dim(lengths[0], self._endpoint.url)
        return dict(zip(texts, vectors, strict=True))

    def _learn_dim(self, dim: int, source: str) -> None:
        if self._dim is None:
            self._dim = dim
        if dim != self._dim:
            raise RemoteError(
                f"{source} has vectors of {dim:,} numbers for {self.model}, not {self._dim:,}; "
                "check the model's name and dimensions, or use another cache"
            )

    def _digest(self, *parts: str) -> bytes:
        """Of texts, together with what decides the vectors of all."""
        named = [self._endpoint.url, self.model, self.dimensions, *parts]
        return hashlib.sha256(json.dumps(named).encode()).digest()


def _read_answer(answer: Any, n: int, url: str) -> list[Vector]:
    """The vectors of an answer, in the order of the texts, which need not be the answer's."""
    items = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _nonsense(url, "no list of vectors under `data`")
    places = [item.get("index", place) for place, item in enumerate(items)]
    is_whole = all(isinstance(place, int) and not isinstance(place, bool) for place in places)
    if not is_whole or sorted(places) != list(range(n)):
        raise _nonsense(url, f"{len(items):,} vectors, not one for each of {n:,} texts")
    by_place = dict(zip(places, items, strict=True))
    return [_read_vector(by_place[place].get("embedding"), url) for place in range(n)]


def _read_vector(value: Any, url: str) -> Vector:
    """A vector as a list of numbers, or as base64 of little-endian float32."""
    try:
        if isinstance(value, str):
            vector = np.frombuffer(base64.b64decode(value, validate=True), "<f4")
        elif isinstance(value, list) and all(type(x) in (int, float) for x in value):
            vector = np.array(value, dtype=np.float64)
        else:
            raise _nonsense(url, "a vector that is no list of numbers and no base64")
    except (binascii.Error, ValueError, OverflowError) as error:
        raise _nonsense(url, f"a vector that cannot be read ({error})") from error
    with np.errstate(over="ignore"):
        vector = vector.astype(np.float32)
    if len(vector) == 0 or not np.isfinite(vector).all():
        raise _nonsense(url, "a vector with no numbers, or one that is not finite")
    return vector


def _nonsense(url: str, what: str) -> RemoteError:
    return RemoteError(
        f"{url}/embeddings answered with {what}; check that the server speaks OpenAI's protocol"
    )
