"""Ways to damage a file, and what must be true of a space that has one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from rowspace.errors import SpaceCorruptError
from rowspace.search.health import verify
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


def _ids(path: Path) -> set[tuple[str, str]]:
    hits = open_space(path).search("text", k=10_000, mode="lexical")
    return {(hit.document_id, hit.text) for hit in hits}
