"""A server as FastAPI's and sentence-transformers' documentation would have it, to compare with.

python -m benchmarks.serve_peer FOLDER PORT
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer


class Asked(BaseModel):
    """A request: one text."""

    input: str
    model: str


def main() -> None:
    folder, port = sys.argv[1], int(sys.argv[2])
    model = SentenceTransformer(folder, device="cpu")
    app = FastAPI()

    def embed(asked: Asked) -> dict[str, Any]:
        vector = model.encode(asked.input, show_progress_bar=False)
        data = [{"object": "embedding", "index": 0, "embedding": vector.tolist()}]
        return {"object": "list", "data": data, "model": asked.model}

    app.post("/v1/embeddings")(embed)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
