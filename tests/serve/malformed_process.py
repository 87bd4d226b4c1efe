"""The server that malformed requests are sent to; prints its address. Argument: an empty folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from rowspace.explore.subject import open_subject
from rowspace.serve import bodies, protocol
from rowspace.serve.config import ServeConfig
from rowspace.serve.run import serve
from rowspace.serve.served import Served
from rowspace.space.vectors import Vectors
from tests.search.stub import document, make_space


class LengthReranker:
    """Prefers what is short."""

    def predict(self, pairs: list[tuple[str, str]], /) -> np.ndarray:
        return np.array([-len(text) for _, text in pairs], np.float64)


def _served(folder: Path) -> Served:
    texts = ["Heat flows from hot to cold.", "A wing in a supersonic flow.", "Ice melts slowly."]
    documents = [document(f"d{n}", text, independence=1950 + n) for n, text in enumerate(texts)]
    space = make_space(folder / "a", documents)
    words = Vectors([f"word{n}" for n in range(30)], np.random.default_rng(1).normal(size=(30, 8)))
    words.save(folder / "words.txt")
    served = Served("a", space.path, space)
    served.reranker, served.reranker_name = LengthReranker(), "short"
    served.subjects = [open_subject(folder / "words.txt"), open_subject(space.path, space)]
    return served


if __name__ == "__main__":
    patch = pytest.MonkeyPatch()  # what never ends is given up sooner
    patch.setattr(protocol, "HEAD_SECONDS", 0.3)
    patch.setattr(bodies, "LINGER_SECONDS", 0.1)
    config = ServeConfig(port=0, max_body=1 << 18, body_seconds=0.3, deadline=5, drain=2)
    serve(_served(Path(sys.argv[1])), config, started=lambda address: print(address, flush=True))
