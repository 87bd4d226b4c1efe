"""The kernels that read numbers, against Python's own."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import FormatError
from rowspace.space.formats import load
from rowspace.space.load_kernels import parse_lines, split_rows

INTEGER = st.integers(-(10**25), 10**25).map(str)
FLOAT = st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr)
DOUBLE = st.floats(-1e38, 1e38).map(repr)
SHORT = st.floats(width=32, allow_nan=False, allow_infinity=False).map("{:.5g}".format)
FIXED = st.floats(-1e6, 1e6).map("{:.17f}".format)
ODD = st.sampled_from(["+4", ".5", "5.", "-.5e1", "1E5", "1e+5", "00012", "-0", "0e999", "1e-320"])
NUMBERS = st.lists(st.one_of(INTEGER, FLOAT, DOUBLE, SHORT, FIXED, ODD), min_size=1, max_size=6)


def parse(line: str, dim: int) -> tuple[list[float], float, str]:
    """The values, the norm and the word of one line."""
    data = np.frombuffer(line.encode(), dtype=np.uint8)
    row, norm = np.zeros((1, dim), dtype=np.float32), np.zeros(1, dtype=np.float32)
    bounds = np.zeros((1, 2), dtype=np.int64)
    parse_lines(data, np.array([len(data)]), row, norm, bounds)
    return row[0].tolist(), float(norm[0]), line.encode()[bounds[0, 0] : bounds[0, 1]].decode()


@settings(max_examples=400, deadline=None)
@given(NUMBERS, st.sampled_from(["word", "", "new york", "3", "1 2"]), st.booleans())
def test_numbers_are_those_of_python(numbers: list[str], word: str, trailing: bool) -> None:
    expected = np.array([float(number) for number in numbers]).astype(np.float32)
    values, norm, found = parse(f"{word} {' '.join(numbers)}{' ' * trailing}", len(numbers))
    if norm == -1.0:  # left to Python
        return
    assert values == expected.tolist()
    assert found == word
    assert norm == pytest.approx(np.linalg.norm(expected.astype(np.float64)), rel=1e-6) or (
        norm == np.inf and np.linalg.norm(expected.astype(np.float64)) > 1e19
    )


def test_what_float32_writes_needs_no_second_look() -> None:
    values = np.random.default_rng(1).standard_normal(3000).astype(np.float32)
    for line in (" ".join(map(str, values)), " ".join(f"{v:.9g}" for v in values)):
        found, norm, _ = parse(f"w {line}", 3000)
        assert norm > 0
        assert found == values.tolist()


# Just above, on and below the middle of two float32 near 1, past what float64 tells apart.
MIDDLE = "1.000000059604644775390625"
CLOSE = [MIDDLE, MIDDLE + "0" * 30 + "1", "1.00000005960464477539062499999999999", "nan", "1e99"]


@pytest.mark.parametrize("number", CLOSE)
def test_numbers_that_could_round_either_way_are_left_to_python(number: str) -> None:
    assert parse(f"w {number} 1", 2)[1] in (-1.0, np.inf)


@pytest.mark.parametrize(
    "line", ["w 1", "w 1 2x", "w 1 --2", "w 1 2e", "w 1 .", "w 1  2", "w 1 e5", "", "1 2"]
)
def test_lines_that_are_not_a_word_and_its_numbers_are_left(line: str) -> None:
    if line == "1 2":
        assert parse(line, 1)[:2] == ([2.0], 2.0)
    else:
        assert parse(line, 2)[1] == -1.0


def test_a_line_with_long_numbers_and_runs_of_spaces_is_read(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text(f"3 2\na {MIDDLE} 1\nb  3   4\nnew york\t5\t6\n")
    vectors = load(tmp_path / "v.txt")
    assert vectors.index_to_key == ["a", "b", "new york"]
    assert vectors.matrix.tolist() == [[float(np.float32(MIDDLE)), 1.0], [3.0, 4.0], [5.0, 6.0]]


@pytest.mark.parametrize("value", ["nan", "inf", "-1e39", "1e400"])
def test_values_that_are_not_finite_are_refused(value: str, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text(f"2 1\na 1\nb {value}\n")
    with pytest.raises(FormatError, match="line 3 holds NaN, infinity or values beyond float32"):
        load(tmp_path / "v.txt")


def test_rows_are_split_where_the_words_end() -> None:
    data = np.frombuffer(b"a 1234\nb 5 7\n\nc 90", dtype=np.uint8)
    bounds = np.zeros((4, 2), dtype=np.int64)
    assert split_rows(data, 4, 99, False, True, bounds)[0] == 2
    words = [data[begin:end].tobytes() for begin, end in bounds[:2].tolist()]
    assert words == [b"a", b"b"]
