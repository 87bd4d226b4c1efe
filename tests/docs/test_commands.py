from __future__ import annotations

import re
from pathlib import Path

import pytest

from rowspace.cli.distill_embedder import embedder as distill_embedder
from tests.commands import all_commands
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "commands"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))
_FENCED = re.compile(r"^```.*?^```|<!--.*?-->", re.MULTILINE | re.DOTALL)


COMMANDS = {name.replace(" ", "-"): command for name, command in all_commands().items()}


def _options(page: str) -> set[str]:
    commands = [COMMANDS[page], *([distill_embedder] if page == "distill" else [])]
    parameters = [parameter for command in commands for parameter in command.params]
    return {"--help"} | {name for one in parameters for name in (*one.opts, *one.secondary_opts)}


def test_every_command_has_a_page_and_every_page_a_command() -> None:
    assert set(COMMANDS) == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_the_options_that_a_page_names_are_there(page: str) -> None:
    text = (FOLDER / f"{page}.md").read_text()
    linked = re.findall(r"\]\(([\w-]+)\.md", text)
    known = _options(page).union(*(_options(one) for one in linked if one in COMMANDS))
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", _FENCED.sub("", text)))
    assert named <= known, named - known


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_with_its_command(page: str) -> None:
    text = (FOLDER / f"{page}.md").read_text()
    titles = re.findall(r"^# (.*)", _FENCED.sub("", text), re.MULTILINE)
    assert titles == [f"rowspace {page.replace('-', ' ')}"]


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs/coming-from").glob("*.md")), ids=lambda page: page.stem
)
def test_the_options_that_others_are_told_are_there(page: Path) -> None:
    named = re.findall(r"(?<![\w-])--[a-z][\w-]*", _FENCED.sub("", page.read_text()))
    assert set(named) <= set().union(*map(_options, PAGES)), page.name


def test_the_overview_lists_every_page_once() -> None:
    listed = re.findall(r"^commands/(\S+)$", (ROOT / "docs/commands.md").read_text(), re.MULTILINE)
    assert sorted(listed) == PAGES
