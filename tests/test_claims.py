from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import __main__ as runner
from benchmarks import claims, models
from benchmarks.claims import Claim, Section
from benchmarks.common import RESULTS

ROOT = Path(__file__).resolve().parents[1]


def _section(text: str) -> Section:
    return Section(title="t", command="python -m benchmarks.x", date="", machine="", text=text)


def _claim(pattern: str, how: str = "ratio", at_least: float | None = 2.0) -> Claim:
    return Claim(
        name="c", says="s", title="t", pattern=pattern, how=how, at_least=at_least, at_most=None
    )


def test_every_claim_holds_in_what_was_recorded() -> None:
    assert claims.broken(claims.read_sections(), claims.read_claims()) == []


def test_a_claim_that_no_longer_holds_is_named() -> None:
    claim = _claim(r"speed ([\d.]+)")
    assert claims.broken({"t": _section("speed 1.5")}, [claim]) == [
        "s: 1.5, claimed ≥ 2 (python -m benchmarks.x)"
    ]
    assert claims.broken({"t": _section("speed 2.5")}, [claim]) == []


@pytest.mark.parametrize(
    ("how", "pattern", "value"),
    [
        ("ratio", r"^a (?P<ours>[\d,]+) (?P<peer>\d+)", 250.0),
        ("difference", r"^a (?P<ours>[\d,]+) (?P<peer>\d+)", 996.0),
        ("least", r"^b (\d+)", 3.0),
        ("most", r"^b (\d+)", 7.0),
        ("count", r"^b", 2.0),
    ],
)
def test_numbers_are_read_as_the_claim_says(how: str, pattern: str, value: float) -> None:
    assert _claim(pattern, how).value(_section("a 1,000 4\nb 3\nb 7")) == value


def test_a_number_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SystemExit, match="is not in the section"):
        _claim("nothing").value(_section("a 1"))


def test_the_tables_are_those_of_the_recorded_runs() -> None:
    sections, all_claims = claims.read_sections(), claims.read_claims()
    values = claims.values_of(sections, all_claims)
    assert claims.claims_table(sections, all_claims) in RESULTS.read_text()
    assert claims.readme_table(values) in claims.README.read_text()


def test_every_benchmark_that_is_claimed_has_its_script() -> None:
    for command in claims.commands(claims.read_sections(), claims.read_claims()):
        name = command.split()[2].removeprefix("benchmarks.")
        assert (ROOT / "benchmarks" / f"{name}.py").is_file(), command


def test_models_that_a_command_needs_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(models, "HOME", tmp_path)
    (tmp_path / "wiki.words").mkdir()
    command = "python -m benchmarks.senses --static wiki.words --models all-MiniLM-L6-v2 wiki.mlm"
    assert models.missing(command) == ["all-MiniLM-L6-v2", "wiki.mlm"]


@pytest.mark.parametrize("name", models.RECIPES)
def test_a_models_commands_are_commands_with_such_options(name: str) -> None:
    for command in models.RECIPES[name]:
        words = command.split()
        head = words[: 2 if words[0] == "train" else 1]
        embedder = ["--embedder"] if "--embedder" in words else []
        shown = subprocess.run(
            [sys.executable, "-m", "rowspace", *head, *embedder, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for option in re.findall(r"--[\w-]+", command):
            assert option in shown, option


def test_a_run_that_fails_ends_with_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = _section("speed 1")
    monkeypatch.setattr(runner, "read_sections", lambda: {"t": section})
    monkeypatch.setattr(runner, "read_claims", lambda: [_claim(r"speed (\d+)")])
    monkeypatch.setattr(runner, "write_tables", lambda *_: None)
    monkeypatch.setattr(runner, "_run", lambda command: "it ended with 1")
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    with pytest.raises(SystemExit, match="2 problems"):
        runner.main()
    printed = capsys.readouterr().out
    assert "FAILED: python -m benchmarks.x: it ended with 1" in printed
    assert "FAILED: does not hold: s: 1, claimed ≥ 2" in printed


def test_what_is_done_is_left_out_when_resumed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sections = {
        title: Section(title=title, command=f"python -m benchmarks.{title}", date="", machine="",
                       text="speed 3")
        for title in ("a", "b")
    }  # fmt: skip
    ran: list[str] = []
    failing = {"python -m benchmarks.b"}

    def run(command: str) -> str | None:
        ran.append(command)
        return "it ended with 1" if command in failing else None

    both = [dataclasses.replace(_claim(r"speed (\d+)"), title=title) for title in sections]
    monkeypatch.setattr(runner, "DONE", tmp_path / "done.json")
    monkeypatch.setattr(runner, "read_sections", lambda: sections)
    monkeypatch.setattr(runner, "read_claims", lambda: both)
    monkeypatch.setattr(runner, "write_tables", lambda *_: None)
    monkeypatch.setattr(runner, "_run", run)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--resume"])
    with pytest.raises(SystemExit):
        runner.main()
    failing.clear()
    runner.main()
    assert [command[-1] for command in ran] == ["a", "b", "b"]
    assert not (tmp_path / "done.json").exists()
