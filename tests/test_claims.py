from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks import __main__ as runner
from benchmarks import claims, common, models
from benchmarks.claims import Claim, Section
from benchmarks.common import RESULTS
from click.testing import CliRunner

from rowspace.cli import cli

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


def test_a_number_that_is_there_twice_is_an_error() -> None:
    with pytest.raises(SystemExit, match="is in the section 't' 2 times, and only one"):
        _claim(r"^b (\d+)").value(_section("b 3\nb 7"))


def test_a_claim_without_its_section_is_an_error_before_anything_runs() -> None:
    with pytest.raises(SystemExit, match=r"results.md has no section 't'; run its benchmark"):
        list(claims.commands({}, [_claim("a")]))


def test_the_table_tells_machines_apart() -> None:
    sections = {
        title: Section(title=title, command="c", date="2020-01-02", machine=machine, text="a 3")
        for title, machine in (("a", "one"), ("b", "other"))
    }
    both = [dataclasses.replace(_claim(r"a (\d)"), title=title) for title in sections]
    table = claims.claims_table(sections, both).splitlines()
    assert table[2].endswith("| `c` | 2020-01-02, machine 1 |")
    assert table[3].endswith("| `c` | 2020-01-02, machine 2 |")
    assert table[-1] == "Measured on: 1: one; 2: other."
    assert claims.claims_table(sections, both[:1]).endswith("2020-01-02 |\n\nMeasured on: one.")


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
        shown = CliRunner().invoke(cli, [*head, *embedder, "--help"]).output
        for option in re.findall(r"--[\w-]+", command):
            assert option in shown, option


def test_a_run_that_fails_ends_with_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = _section("speed 1")
    monkeypatch.setattr(runner, "read_sections", lambda: {"t": section})
    monkeypatch.setattr(runner, "read_claims", lambda: [_claim(r"speed (\d+)")])
    monkeypatch.setattr(runner, "write_tables", lambda *_: None)
    monkeypatch.setattr(runner, "_run", lambda command, titles: "it ended with 1")
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    with pytest.raises(SystemExit, match="2 problems"):
        runner.main()
    printed = capsys.readouterr().out
    assert "FAILED: python -m benchmarks.x: it ended with 1" in printed
    assert "FAILED: does not hold: s: 1, claimed ≥ 2" in printed


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The runner with two benchmarks, and what it ran of them."""
    sections = {
        title: Section(title=title, command=f"python -m benchmarks.{title}", date="2020-01-02",
                       machine="", text="speed 3")
        for title in ("a", "b")
    }  # fmt: skip
    both = [dataclasses.replace(_claim(r"speed (\d+)"), title=title) for title in sections]
    ran: list[str] = []
    monkeypatch.setattr(runner, "DONE", tmp_path / "done.json")
    monkeypatch.setattr(runner, "read_sections", lambda: sections)
    monkeypatch.setattr(runner, "read_claims", lambda: both)
    monkeypatch.setattr(runner, "write_tables", lambda *_: None)
    monkeypatch.setattr(runner, "_run", lambda command, titles: ran.extend(titles))
    return ran


def test_what_is_run_alone_is_neither_a_whole_run_nor_the_end_of_one(
    two: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--only", "b"])
    runner.main()
    assert two == ["b"] and not runner.DONE.exists()
    assert "all 2 claims hold, by runs of 2020-01-02\n" in capsys.readouterr().out
    runner.DONE.write_text('["python -m benchmarks.a"]')
    runner.main()
    assert runner.DONE.read_text() == '["python -m benchmarks.a"]'


def test_a_script_that_no_claim_rests_on_cannot_be_asked_for(
    two: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--only", "a", "nothing"])
    with pytest.raises(SystemExit, match="2"):
        runner.main()
    assert "no claim rests on 'nothing'; give some of a, b" in capsys.readouterr().err
    assert not two


def test_a_run_that_leaves_older_numbers_has_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(arguments: list[str], *, env: dict[str, str], **_: object) -> Any:
        monkeypatch.setenv(common.RECORDED, env[common.RECORDED])
        monkeypatch.setattr(sys, "argv", ["speed.py"])
        common.record("Speed", ["speed 3"])
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr(common, "RESULTS", tmp_path / "results.md")
    monkeypatch.setattr(models, "HOME", tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    command = "python -m benchmarks.speed"
    assert runner._run(command, ["Speed"]) is None
    problem = runner._run(command, ["Speed", "Memory"])
    assert problem == "it did not record 'Memory', whose older numbers stay"
    assert claims.read_sections(common.RESULTS)["Speed"].command == command


def test_what_is_done_is_left_out_when_resumed(
    two: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = {"b"}

    def run(command: str, titles: list[str]) -> str | None:
        two.extend(titles)
        return "it ended with 1" if failing & set(titles) else None

    monkeypatch.setattr(runner, "_run", run)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--resume"])
    with pytest.raises(SystemExit):
        runner.main()
    failing.clear()
    runner.main()
    assert two == ["a", "b", "b"]
    assert not runner.DONE.exists()


def test_recorded_commands_can_be_run_as_they_stand() -> None:
    for command in claims.commands(claims.read_sections(), claims.read_claims()):
        words = shlex.split(command)
        if "--title" in words:
            assert words[words.index("--title") + 1] in claims.read_sections()
        assert shlex.join(words) == command
