import numpy as np
import pytest

from rowspace.errors import ConfigError
from rowspace.space import analogy
from rowspace.space.analogy import answer_analogies
from tests import naive_space

METHODS = ["3cosadd", "3cosmul"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("block", [1, 7, 1024])
def test_answers_are_those_of_the_slow_version(
    method: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analogy, "_ROWS_AT_ONCE", 11)
    rng = np.random.default_rng(3)
    matrix = (rng.standard_normal((40, 6)) * rng.uniform(0.1, 9, (40, 1))).astype(np.float32)
    questions = rng.integers(0, 40, (25, 3))
    answers = answer_analogies(matrix, questions, method, block=block)
    rows = matrix.tolist()
    assert answers.tolist() == [
        naive_space.analogy(rows, a, b, c, method) for a, b, c in questions.tolist()
    ]


@pytest.mark.parametrize("method", METHODS)
def test_a_parallelogram_is_completed(method: str) -> None:
    man, royal, female = np.eye(3, dtype=np.float32)
    king, woman = man + royal, man + female
    matrix = np.array([man, king, woman, king + female, female, royal])
    assert answer_analogies(matrix, np.array([[0, 1, 2]]), method).tolist() == [3]


def test_questions_words_are_left_out_until_nothing_is_left() -> None:
    matrix = np.eye(3, dtype=np.float32)
    questions = np.array([[0, 1, 2], [0, 0, 1]])
    assert answer_analogies(matrix, questions).tolist() == [-1, 2]


def test_no_questions_have_no_answers() -> None:
    empty = np.empty((0, 3), dtype=np.int64)
    assert answer_analogies(np.eye(3, dtype=np.float32), empty).shape == (0,)


def test_bad_questions_say_what_is_wrong() -> None:
    matrix = np.eye(3, dtype=np.float32)
    with pytest.raises(ConfigError, match="method 'add' is unknown; give one of 3cosadd, 3cosmul"):
        answer_analogies(matrix, np.array([[0, 1, 2]]), "add")
    with pytest.raises(ConfigError, match=r"outside 0\.\.2"):
        answer_analogies(matrix, np.array([[0, 1, 3]]))
    with pytest.raises(ConfigError, match=r"shape \(3,\); give three rows a question"):
        answer_analogies(matrix, np.array([0, 1, 2]))
