"""Texts and an encoder for tests of shards; as a program, one process of several.

`python -m tests.space.shard_texts TEXT OUT I/N` encodes its share, a little slowly.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.space.encoding_shards import encode_share
from rowspace.text import chunks, sections
from rowspace.text.corpus import Corpus

DIM = 4


def encode(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
    """Vectors that tell which texts they were computed with, as those of real models do."""
    together = hashlib.sha256("\0".join(texts).encode()).digest()
    rows = [[len(text), *together[: DIM - 1]] for text in texts]
    return np.array(rows, dtype=np.float32), sum("cut" in text for text in texts)


def write_texts(path: Path, n: int, seed: int = 0) -> Path:
    """Lines of JSON of many lengths: some with an id, some with another's, some empty."""
    rng = random.Random(seed)
    ends = ["\n", "\r\n", "\r", "\n\n"]
    with path.open("w", newline="") as file:
        for i in range(n):
            fields: dict[str, Any] = {"text": "cut " * rng.choice([0, 1, 3, 90])}
            if rng.random() < 0.5:
                fields["_id"] = f"id{rng.randrange(n)}"
            file.write(json.dumps(fields) + rng.choice(ends if i else ["\n"]))
    return path


def slowly(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
    time.sleep(0.01)
    return encode(texts, names)


def make_small() -> None:
    """Cut so that little text has many sections, and a section some chunks."""
    sections.SECTION_BYTES = 2000
    chunks.CHUNK_CHARACTERS = 500


if __name__ == "__main__":
    make_small()
    text, out, share = sys.argv[1:]
    index, n = map(int, share.split("/"))
    from rowspace.space import shards

    shards.SHARD_BYTES = 5000
    encode_share(slowly, Corpus(text), out, dim=DIM, identity={}, share=(index, n), resume=True)
