"""Ways to damage a file, and what must be true of a space that has one."""

from __future__ import annotations

import contextlib
import logging
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from rowspace.errors import SpaceCorruptError
from rowspace.search.health import verify
from rowspace.search.index.config import IndexConfig
from rowspace.search.repair import repair
from rowspace.search.space import open_space
from tests.search.stub import document

Harm = Callable[[Path], None]


def _keep(share: float, less: int = 0) -> Harm:
    def harm(file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: max(0, int(len(content) * share) - less)])

    return harm


def flip(share: float) -> Harm:
    """Change one bit at that share of a file."""

    def harm(file: Path) -> None:
        content = bytearray(file.read_bytes())
        if content:
            content[int((len(content) - 1) * share)] ^= 1
        file.write_bytes(content)

    return harm


HARMS: dict[str, Harm] = {
    "empty": _keep(0.0),
    "half": _keep(0.5),
    "cut": _keep(1.0, less=1),
    "flip": flip(0.5),
    "gone": Path.unlink,
}


def check_damage(original: Path, path: Path, name: str, harm: Harm) -> None:
    """Damage one file of a copy of a space, then see it told, repaired, and the space work."""
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(original, path)
    expected = _ids(original)
    harm(path / name)
    try:
        open_space(path).search("number1")
    except SpaceCorruptError as error:
        assert "\n" not in str(error)
    problems = verify(path)
    assert len(problems) == 1
    assert f"{path / name} is " in problems[0]
    assert "`rowspace repair" in problems[0]
    result = repair(path)
    assert result.repaired.keys() | result.left.keys() == {name} or "/_indices/" in name
    if result.left:
        assert repair(path, [original]).left == {}
    assert verify(path) == []
    space = open_space(path)
    assert _ids(path) == expected
    space.add([document("after", "text after")])
    assert space.search("after", k=1)[0].document_id == "after"
    assert space.verify() == []


def check_index_damage(original: Path, path: Path, name: str, harm: Harm) -> None:
    """Damage one file of a copy's index, then see it told, passed over, and made anew."""
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(original, path, ignore=shutil.ignore_patterns("index"))
    expected = _nearest(path)[0]
    shutil.copytree(original / "index", path / "index")
    kind = open_space(path).status()["index"]
    assert verify(path) == []
    harm(path / name)
    found, told = _nearest(path)
    assert found == expected
    assert any("until `rowspace index` makes it anew" in line for line in told)
    problems = verify(path)
    assert len(problems) == 1
    assert f"{path / name} is " in problems[0]
    assert f"`rowspace index {path}` makes it anew" in problems[0]
    assert repair(path).left.keys() == {"index/default"}
    open_space(path).index(IndexConfig(kind=kind))
    assert verify(path) == []
    assert _nearest(path)[1] == []
    assert open_space(path).status()["index"] == kind


def _nearest(path: Path) -> tuple[list[list[tuple[str, float]]], list[str]]:
    """What is found by meaning, and what is told meanwhile."""
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("rowspace")
    logger.addHandler(handler)
    try:
        found = open_space(path).search_batch(["number1 number2", "text number7"], 10, "dense")
    finally:
        logger.removeHandler(handler)
    return [[(hit.passage_id, round(hit.score, 5)) for hit in hits] for hits in found], told


@contextlib.contextmanager
def files_up_to(n_bytes: int) -> Iterator[None]:
    """A limit on the size of the files that are written, which is met as a full disk is."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _ids(path: Path) -> set[tuple[str, str]]:
    hits = open_space(path).search("text", k=10_000, mode="lexical")
    return {(hit.document_id, hit.text) for hit in hits}
