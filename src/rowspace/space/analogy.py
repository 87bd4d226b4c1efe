"""Word analogies by vector arithmetic, many questions at once.

"a is to b as c is to ?" has the columns a, b, c of a question, as in Google's analogy file.
3CosAdd: Mikolov, Yih & Zweig (2013), https://aclanthology.org/N13-1090, on unit vectors.
3CosMul: Levy & Goldberg (2014), https://aclanthology.org/W14-1618, eq. 4 with the cosines shifted
to 0..1. Differs from the paper: its ε of 0.001 is gensim's 0.000001, so the scores agree with
gensim's; the two differ only where a cosine is close to -1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.space.similarity import Doubles, Floats, Rows, inverse, row_norms, unit_rows

EPSILON = 1e-6

_ROWS_AT_ONCE = 1024


def answer_analogies(
    matrix: Floats,
    questions: NDArray[np.integer[Any]],
    method: str = "3cosadd",
    *,
    norms: Floats | None = None,
    block: int = 1024,
) -> Rows:
    """The row that answers each question best, the question's own three rows left out.

    A word is compared with each row once, however many of a block's questions it occurs in.

    Parameters
    ----------
    matrix : (n, dim) float32
        Need not be normalised.
    questions : (n_questions, 3) int array
        Rows a, b, c of "a is to b as c is to ?".
    method : {"3cosadd", "3cosmul"}
        cos(x, b) - cos(x, a) + cos(x, c), or cos(x, b) cos(x, c) / (cos(x, a) + ε) of shifted
        cosines.
    norms : (n,) float32, optional
        `row_norms(matrix)` where it is known already.
    block : int
        Questions answered at once. Memory is about 16 kB a question.

    Returns
    -------
    (n_questions,) int64
        -1 where no row is left; of equal scores, the lowest row.

    Raises
    ------
    ConfigError
        If the method is unknown, or the questions are not rows of the matrix.

    Examples
    --------
    >>> import numpy as np
    >>> matrix = np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1]], dtype=np.float32)
    >>> answer_analogies(matrix, np.array([[0, 1, 2]]))
    array([3])
    """
    if method not in METHODS:
        raise ConfigError(f"analogy method {method!r} is unknown; give one of {', '.join(METHODS)}")
    if questions.ndim != 2 or questions.shape[1] != 3:
        raise ConfigError(f"questions have shape {questions.shape}; give three rows a question")
    if questions.size and not 0 <= questions.min() <= questions.max() < len(matrix):
        raise ConfigError(f"questions name rows outside 0..{len(matrix) - 1}")
    scale = inverse(row_norms(matrix) if norms is None else norms)
    answers = np.full(len(questions), -1, dtype=np.int64)
    for start in range(0, len(questions), block):
        part = slice(start, start + block)
        answers[part] = _answer_block(matrix, scale, questions[part], METHODS[method])
    return answers


def cosmul_scores(matrix: Floats, norms: Floats, positive: Doubles, negative: Doubles) -> Floats:
    """3CosMul of every row with any number of positive and negative unit vectors.

    Parameters
    ----------
    matrix, norms : (n, dim) and (n,) float32
    positive, negative : (p, dim) and (q, dim) float64
        Of length 1. Levy & Goldberg's eq. 4 has p = 2, q = 1.

    Returns
    -------
    (n,) float32
    """
    scale = inverse(norms)

    def product(units: Doubles) -> Floats:
        result = np.ones(len(matrix), dtype=np.float32)
        for unit in units.astype(np.float32):
            result *= _shift(matrix @ unit * scale)
        return result

    scores: Floats = product(positive) / (product(negative) + np.float32(EPSILON))
    return scores


def _answer_block(
    matrix: Floats, scale: Floats, questions: NDArray[np.integer[Any]], combine: Combine
) -> Rows:
    """Answers of one block of questions, over all rows."""
    words, place = np.unique(questions, return_inverse=True)
    a, b, c = place.reshape(questions.shape).T
    units = unit_rows(matrix[words]).astype(np.float32)  # (u, dim)
    best = np.full(len(questions), -np.inf, dtype=np.float32)
    answers = np.full(len(questions), -1, dtype=np.int64)
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        cosines = units @ matrix[rows].T  # (u, r)
        cosines *= scale[rows]
        scores = combine(cosines, a, b, c)  # (q, r)
        query, column = np.nonzero((questions >= start) & (questions < start + scores.shape[1]))
        scores[query, questions[query, column] - start] = -np.inf
        top = scores.argmax(axis=1)
        value = np.take_along_axis(scores, top[:, None], axis=1)[:, 0]
        better = value > best
        best[better] = value[better]
        answers[better] = top[better] + start
    return answers


def _add(cosines: Floats, a: Rows, b: Rows, c: Rows) -> Floats:
    scores: Floats = cosines[b]
    scores -= cosines[a]
    scores += cosines[c]
    return scores


def _multiply(cosines: Floats, a: Rows, b: Rows, c: Rows) -> Floats:
    shifted = _shift(cosines)
    scores: Floats = shifted[b]
    scores *= shifted[c]
    scores /= (shifted + np.float32(EPSILON))[a]
    return scores


def _shift(cosines: Floats) -> Floats:
    """Cosines moved from -1..1 to 0..1; rounding may not take them below 0."""
    shifted: Floats = (cosines + np.float32(1.0)) * np.float32(0.5)
    return np.maximum(shifted, np.float32(0.0), out=shifted)


Combine = Callable[[Floats, Rows, Rows, Rows], Floats]
METHODS: dict[str, Combine] = {"3cosadd": _add, "3cosmul": _multiply}
