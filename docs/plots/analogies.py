"""The plot of chapter 3 about analogies: what is left of them if the question's words may answer.

Run as `python docs/plots/analogies.py MODEL DATA/word/analogy/questions-words.txt`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pictures import columns, write

import rowspace as rs
from rowspace.space.analogy import answer_analogies
from rowspace.space.similarity import unit_rows

N_WORDS = 30_000
_AT_ONCE = 500


def read_questions(file: Path, rows: dict[str, int]) -> NDArray[np.int64]:
    """(n, 4) rows of the questions whose words are all known."""
    lines = [line.lower().split() for line in file.read_text().splitlines() if line[:1] != ":"]
    known = [line for line in lines if all(word in rows for word in line)]
    return np.array([[rows[word] for word in line] for line in known])


def nearest(units: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.int64]:
    """The row nearest to each query, whichever it is."""
    parts = range(0, len(queries), _AT_ONCE)
    return np.concatenate([(queries[i : i + _AT_ONCE] @ units.T).argmax(axis=1) for i in parts])


def main(model: str, file: str) -> None:
    """Answer Google's questions four ways."""
    vectors = rs.load(model)
    words = vectors.index_to_key[:N_WORDS]
    units = unit_rows(vectors.matrix[:N_WORDS]).astype(np.float32)
    questions = read_questions(Path(file), {word: row for row, word in enumerate(words)})
    a, b, c, d = questions.T
    free = nearest(units, units[b] - units[a] + units[c])
    shares = {
        "b − a + c": (answer_analogies(units, questions[:, :3]) == d).mean(),
        "c alone": (answer_analogies(units, questions[:, [2, 2, 2]]) == d).mean(),
        "all may": (free == d).mean(),
        "… and c is": (free == c).mean(),
    }
    print(f"{len(questions):,} questions", {name: round(float(x), 3) for name, x in shares.items()})
    write(
        "analogies-left-out",
        plot=columns(
            [(name, float(share)) for name, share in shares.items()],
            "Analogies",
            "who may answer",
            "share of the questions",
        ),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
