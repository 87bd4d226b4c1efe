from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

import rowspace
from tests.commands import all_commands

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "examples/README.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def _page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_table_names_every_command() -> None:
    table = README[README.index("| command |") : README.index("Every command has")]
    first_cells = [row.split("|")[1] for row in table.splitlines()[2:] if row]
    named = set(re.findall(r"`([^`]+)`", " ".join(first_cells)))
    assert named == {name for name, command in all_commands().items() if name != "train"}


@pytest.mark.parametrize("name", all_commands())
def test_every_option_tells_what_it_does(name: str) -> None:
    command = all_commands()[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in ("k", "mode"):
            assert parameter.help, parameter.name
    with click.Context(command, info_name=name) as context:
        assert command.get_help(context)


@pytest.mark.parametrize("page", PAGES, ids=_page_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=_page_name)
def test_what_a_page_says_to_run_is_there(page: Path) -> None:
    text = page.read_text()
    commands = {name.split()[0] for name in all_commands()}
    assert set(re.findall(r"`rowspace ([a-z][\w-]*)", text)) <= commands
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?:`|^)make ([\w-]+)", text, re.MULTILINE)) <= set(targets)
    for name in re.findall(r"python -m benchmarks\.(\w+)", text):
        assert (ROOT / f"benchmarks/{name}.py").is_file(), name


def test_the_map_names_what_is_there() -> None:
    map_ = README[README.index("src/rowspace/\n") :]
    for folder in re.findall(r"^  (\w+)/ ", map_, re.MULTILINE):
        assert (ROOT / "src/rowspace" / folder).is_dir(), folder
    for folder in ("benchmarks", "docs", "examples", "tests"):
        assert f"{folder}/" in map_
        assert (ROOT / folder).is_dir()


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert rowspace.__version__ == project["version"]
