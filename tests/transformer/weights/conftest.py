from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.transformer.foreign import Make


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Models this small are slower on several threads."""
    torch = pytest.importorskip("torch")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Folders of small models, each written once; a test that changes one copies it."""
    pytest.importorskip("transformers")
    from tests.transformer.foreign import write

    made: dict[str, Path] = {}

    def make(kind: str, **settings: Any) -> Path:
        key = repr((kind, sorted(settings.items())))
        if key not in made:
            made[key] = write(tmp_path_factory.mktemp(kind), kind, **settings)
        return made[key]

    return make


@pytest.fixture
def copied(tmp_path: Path, foreign: Make) -> Make:
    """The same, of a test's own."""

    def copy(kind: str, **settings: Any) -> Path:
        return Path(shutil.copytree(foreign(kind, **settings), tmp_path / kind))

    return copy
