from __future__ import annotations

from pathlib import Path

import pytest

from rowspace.errors import ConfigError
from rowspace.evaluate.compare.spec import Reading, parse_spec


def parts(text: str) -> tuple[str | None, str, str]:
    spec = parse_spec(text)
    return spec.name, spec.model, str(spec.reading)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models/bert", (None, "models/bert", "")),
        ("BERT=models/bert", ("BERT", "models/bert", "")),
        ("models/bert@cls", (None, "models/bert", "cls")),
        ("My BERT=org/bert@mean+whiten", ("My BERT", "org/bert", "mean+whiten")),
        ("words.bin@whiten", (None, "words.bin", "whiten")),
        ("a=b=c@sif+abtt", ("a", "b=c", "sif+abtt")),
        (r"C:\models\a=b", (None, r"C:\models\a=b", "")),
        (r"W=C:\models\bert@lasttoken", ("W", r"C:\models\bert", "lasttoken")),
        ("/data/user@host/bert", (None, "/data/user@host/bert", "")),
        ("data/a=b/bert@mean", (None, "data/a=b/bert", "mean")),
    ],
)
def test_name_model_and_reading_are_told_apart(
    text: str, expected: tuple[str | None, str, str]
) -> None:
    assert parts(text) == expected


@pytest.mark.parametrize("name", ["a=b", "a@mean", "a=b@mean", "a@nonsense"])
def test_a_path_that_exists_wins(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    assert parts(name) == (None, name, "")
    assert parts(f"N={name}@cls") == ("N", name, "cls")


@pytest.mark.parametrize(
    ("text", "remote", "reading"),
    [
        ("http://localhost:8080/v1#e5", ("http://localhost:8080/v1", "e5"), ""),
        ("A=https://me@host/v1?a=b#text-3", ("https://me@host/v1?a=b", "text-3"), ""),
        (
            "https://me@host/v1#@cf/baai/bge@whiten",
            ("https://me@host/v1", "@cf/baai/bge"),
            "whiten",
        ),
    ],
)
def test_a_server_is_a_url_and_a_model(text: str, remote: tuple[str, str], reading: str) -> None:
    spec = parse_spec(text)
    assert spec.remote == remote
    assert str(spec.reading) == reading


def test_readings_are_a_pooling_and_a_step() -> None:
    assert parse_spec("m@mean+whiten").reading == Reading("mean", "whiten")
    assert parse_spec("m@abtt").reading == Reading(None, "abtt")
    assert parse_spec("m").reading == Reading()


@pytest.mark.parametrize("reading", ["maen", "mean+", "+whiten", "whiten+mean", "mean+pca", ""])
def test_a_wrong_reading_lists_what_may_be_given(reading: str) -> None:
    with pytest.raises(
        ConfigError, match=r"reading .* is not known; give cls, .*sif .*\+whiten"
    ) as e:
        parse_spec(f"models/bert@{reading}")
    assert "\n" not in str(e.value)
    assert repr(reading) in str(e.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no model"),
        ("N=", "names no model"),
        ("@mean", "names no model"),
        ("=models/bert", "has no name before '='"),
        ("http://localhost/v1", "does not say which model of the server"),
        ("http://localhost/v1#", "does not say which model of the server"),
    ],
)
def test_what_is_no_model_is_said_in_a_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_spec(text)


def test_the_short_name_is_the_end_of_the_model_s() -> None:
    assert parse_spec("models/bert/").short == "bert"
    assert parse_spec(r"C:\models\bert").short == "bert"
    assert parse_spec("http://localhost/v1#org/e5").short == "org/e5"
