from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import rowspace
from tests.minilm import minilm_folder

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PACKAGES = sorted(
    module.name for module in pkgutil.iter_modules(rowspace.__path__) if module.name != "__main__"
)


def _modules(package: str) -> Iterator[str]:
    module = importlib.import_module(f"rowspace.{package}")
    yield module.__name__
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"{module.__name__}."):
        yield found.name


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_the_examples_of_docstrings_run(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/minilm").symlink_to(minilm_folder())
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    for name in _modules(package):
        module = importlib.import_module(name)
        names = vars(module) | {"rowspace": rowspace, "np": np, "torch": torch}
        for test in doctest.DocTestFinder().find(module, name, globs=names):
            doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert not said, "".join(said)
