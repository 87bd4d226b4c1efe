from __future__ import annotations

import importlib
import inspect
import re

import pytest

import rowspace
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "api"
LISTED = [
    name
    for path in FOLDER.glob("*.md")
    for name in re.findall(r"^\.\. auto\w+:: (\S+)$", path.read_text(), re.MULTILINE)
]
PACKAGES = (
    "space",
    "position",
    "transformer",
    "sentence",
    "evaluate",
    "search",
    "adapters.sklearn",
)


def _named(full: str) -> object:
    module, _, name = full.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _public(package: str) -> list[str]:
    module = importlib.import_module(f"rowspace.{package}")
    names: list[str] = getattr(module, "__all__", [])
    if not names:
        found = inspect.getmembers(module, lambda one: inspect.isclass(one) or callable(one))
        names = [name for name, _ in found if not name.startswith("_")]
    return names


def test_every_name_of_rowspace_is_there() -> None:
    listed = {name.removeprefix("rowspace.") for name in LISTED if name.count(".") == 1}
    assert listed == set(rowspace.__all__) - {"__version__"}


def test_nothing_is_there_twice() -> None:
    things = [_named(name) for name in LISTED]
    assert len({id(thing) for thing in things}) == len(things)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_of_a_package_is_there(package: str) -> None:
    listed = {id(_named(name)) for name in LISTED}
    module = importlib.import_module(f"rowspace.{package}")
    things = {name: getattr(module, name) for name in _public(package)}
    lacking = {name for name, one in things.items() if callable(one) and id(one) not in listed}
    assert lacking == set()
