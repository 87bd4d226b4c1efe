"""`rowspace examples`: texts to try things on, which are part of the package."""

from __future__ import annotations

import filecmp
import shlex
import shutil
from pathlib import Path

import click

import rowspace
from rowspace.cli.output import emit_json, json_option
from rowspace.errors import ConfigError
from rowspace.files import write_folder_atomically

_PARTS = ("README.md", "factbook", "gutenberg")
_PACKAGE = Path(rowspace.__file__).parent
_HOMES = (_PACKAGE / "examples", _PACKAGE.parents[1] / "examples")
"""Where they are: in an installed package, or beside the sources."""

_NEXT = (
    "build {factbook} --out demo.space",
    'search demo.space "landlocked country with a lake that shrinks" -k 3',
    "neighbors demo.space volcano",
    "explore demo.space",
)


@click.command()
@click.argument("folder", default="examples", type=click.Path(path_type=Path))
@json_option
def examples(folder: Path, as_json: bool) -> None:
    """Write the example texts to FOLDER (examples, if not given), and say what to try on them.

    They are the CIA World Factbook, a country a document, and seventeen books of Project Gutenberg.
    """
    home = next((home for home in _HOMES if (home / _PARTS[0]).is_file()), None)
    if home is None:
        raise ConfigError(
            f"this installation has no examples in {_HOMES[0]}; install the wheel again"
        )
    names = _names(home)
    is_there = _has_all(folder, home, names)
    if not is_there:
        _write(folder, home, names)
    factbook = shlex.quote((folder / "factbook").as_posix())
    asked = [f"rowspace {command.format(factbook=factbook)}" for command in _NEXT]
    if as_json:
        emit_json({"folder": str(folder), "files": names, "written": not is_there, "next": asked})
        return
    size = sum((folder / name).stat().st_size for name in names)
    click.echo(f"{'found' if is_there else 'wrote'} {folder}: {', '.join(names)} ({size:,} bytes)")
    click.echo("try:")
    for line in asked:
        click.echo(f"  {line}")


def _names(home: Path) -> list[str]:
    """The files, by their names in the folder."""
    files = [file for part in _PARTS for file in [home / part, *sorted((home / part).glob("*"))]]
    return [file.relative_to(home).as_posix() for file in files if file.is_file()]


def _has_all(folder: Path, home: Path, names: list[str]) -> bool:
    """Whether the folder holds these files, with the same bytes."""
    return folder.is_dir() and not any(filecmp.cmpfiles(home, folder, names, shallow=False)[1:])


def _write(folder: Path, home: Path, names: list[str]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and holds something else; give another folder")
    if folder.exists() and folder.samefile("."):
        raise ConfigError(f"{folder} is the folder you are in; name one in it, as ./examples")
    with write_folder_atomically(folder) as new:
        for name in names:
            (new / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(home / name, new / name)
