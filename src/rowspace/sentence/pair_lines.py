"""A line of a file of pairs, JSON or tab-separated, into examples.

The names that the common files use are all read: `anchor`, `query` or `sentence1`; `positive`,
`pos`, `document` or `sentence2`; `negatives`, `negative`, `neg` or `negative_1` and so on; `score`
or `label`; and a teacher's `scores` (the positive's, then the negatives'), or `pos_scores` and
`neg_scores`. Several positives of a line are as many examples.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from rowspace.sentence.example import Example

_ANCHORS = ("anchor", "query", "sentence1")
_POSITIVES = ("positive", "pos", "document", "sentence2")
_NEGATIVES = re.compile(r"(negatives?|neg)(_?\d+)?")
_SCORES = ("score", "label")
_SURROGATE = re.compile("[\ud800-\udfff]")

Parse = Callable[[str], list[Example]]
"""A line's text to its examples; a ValueError tells what is amiss."""


def parse_json(line: str) -> list[Example]:
    """The examples of a line of JSON; texts may be empty.

    Raises
    ------
    ValueError
        With what is amiss.
    """
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error.msg} at column {error.colno})") from error
    if not isinstance(fields, dict):
        raise ValueError("is not a JSON object")
    return _examples(fields)


def tsv_parser(first_line: str) -> tuple[Parse, bool]:
    """What reads the lines of a file of columns, and whether its first line names them.

    Without names two columns are anchor and positive. A third is the pair's score if it is a
    number on the first line, else a negative.
    """
    columns = first_line.split("\t")
    names = [column.strip().lower() for column in columns]
    has_header = any(n in names for n in _ANCHORS) and any(n in names for n in _POSITIVES)
    if not has_header:
        third = "score" if len(columns) > 2 and _is_number(columns[2]) else "negative"
        names = ["anchor", "positive", third]

    def parse(line: str) -> list[Example]:
        values = line.split("\t")
        if len(values) != len(columns) or (not has_header and not 2 <= len(values) <= 3):
            wanted = len(columns) if 2 <= len(columns) <= 3 or has_header else "2 or 3"
            raise ValueError(f"has {len(values)} columns where {wanted} are wanted")
        return _examples(dict(zip(names, values, strict=False)))

    return parse, has_header


def _examples(fields: Mapping[str, Any]) -> list[Example]:
    anchor = _text(_first(fields, _ANCHORS), _ANCHORS[0])
    positives = _texts(_first(fields, _POSITIVES), _POSITIVES[0])
    if not positives:
        raise ValueError(f"has an empty list as `{_POSITIVES[0]}`")
    negatives = tuple(
        text
        for name, value in fields.items()
        if _NEGATIVES.fullmatch(name) and value is not None
        for text in _texts(value, name)
    )
    given = next((fields[name] for name in _SCORES if fields.get(name) is not None), None)
    score = None if given is None else _number(given)
    rows = _teacher_scores(fields, len(positives), len(negatives))
    return [
        Example(anchor, positive, negatives, score, scores)
        for positive, scores in zip(positives, rows, strict=True)
    ]


def _teacher_scores(
    fields: Mapping[str, Any], n_positives: int, n_negatives: int
) -> list[tuple[float, ...]]:
    """The scores of each positive with the negatives; empty where none are given."""
    if fields.get("scores") is not None:
        found = _numbers(fields["scores"])
        of_positives, of_negatives = found[:n_positives], found[n_positives:]
    elif fields.get("pos_scores") is not None:
        of_positives = _numbers(fields["pos_scores"])
        of_negatives = _numbers(fields.get("neg_scores") or [])
    else:
        return [()] * n_positives
    if (len(of_positives), len(of_negatives)) != (n_positives, n_negatives):
        raise ValueError(
            f"has {len(of_positives) + len(of_negatives)} teacher scores for "
            f"{n_positives} positives and {n_negatives} negatives"
        )
    return [(score, *of_negatives) for score in of_positives]


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if fields.get(name) is not None:
            return fields[name]
    raise ValueError(f"has no `{names[0]}` (or {', '.join(names[1:])})")


def _texts(value: Any, name: str) -> list[str]:
    return [_text(text, name) for text in (value if isinstance(value, list) else [value])]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"has {str(value)[:40]!r} as `{name}`, which is no text")
    if _SURROGATE.search(value):
        raise ValueError(f"has half a character in `{name}`")
    return value.strip()


def _numbers(value: Any) -> list[float]:
    return [_number(score) for score in (value if isinstance(value, list) else [value])]


def _number(value: Any) -> float:
    if isinstance(value, str | int | float) and _is_number(value):
        return float(value)
    raise ValueError(f"has the score {str(value)[:40]!r}, which is no finite number")


def _is_number(value: str | float) -> bool:
    try:
        return math.isfinite(float(value))
    except (ValueError, OverflowError):
        return False
