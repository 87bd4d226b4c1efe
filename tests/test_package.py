"""The wheel and the sdist hold what they should, and the wheel works without this checkout."""

from __future__ import annotations

import email
import gzip
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXAMPLES = ["README.md", "factbook/factbook.jsonl.gz", "gutenberg/books.txt.xz"]

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Built:
    """What `python -m build` wrote."""

    sdist: Path
    wheel: Path
    said: str

    @property
    def in_wheel(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as wheel:
            return {name for name in wheel.namelist() if not name.endswith("/")}

    @property
    def in_sdist(self) -> set[str]:
        """Without the folder that all is in."""
        with tarfile.open(self.sdist) as sdist:
            return {name.split("/", 1)[1] for name in sdist.getnames()}


def build(out: Path, *options: str) -> str:
    """Build without the network: what builds is installed already, pinned in constraints."""
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, *options, ROOT],
        env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both, the wheel made from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    said = build(out)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return Built(sdist, wheel, said)


def test_the_wheel_is_the_same_from_the_tree_and_from_the_sdist(
    built: Built, tmp_path: Path
) -> None:
    build(tmp_path, "--wheel")
    (wheel,) = tmp_path.glob("*.whl")
    digests = [hashlib.sha256(one.read_bytes()).hexdigest() for one in (wheel, built.wheel)]
    assert digests[0] == digests[1]
    assert "warn" not in built.said.lower()


def test_the_wheel_holds_every_file_of_the_package_and_the_examples(built: Built) -> None:
    sources = ROOT / "src"
    files = (path for path in (sources / "rowspace").rglob("*") if path.is_file())
    expected = {
        path.relative_to(sources).as_posix() for path in files if "__pycache__" not in path.parts
    }
    expected |= {f"rowspace/examples/{name}" for name in EXAMPLES}
    assert {name for name in built.in_wheel if name.startswith("rowspace/")} == expected
    assert {name.split("/")[0] for name in built.in_wheel} == {
        "rowspace",
        f"rowspace-{PROJECT['project']['version']}.dist-info",
    }


def test_the_metadata_say_what_the_project_does(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        metadata = email.message_from_bytes(wheel.read(name))
        home = name.removesuffix("METADATA")
        for licence in metadata.get_all("License-File", []):
            assert wheel.read(f"{home}licenses/{licence}") == (ROOT / licence).read_bytes()
    project = PROJECT["project"]
    assert metadata["Version"] == project["version"]
    assert metadata["Requires-Python"] == project["requires-python"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert sorted(metadata.get_all("License-File", [])) == sorted(project["license-files"])
    assert metadata["Description-Content-Type"] == "text/markdown"
    needs = metadata.get_all("Requires-Dist", [])
    assert len([one for one in needs if "extra ==" not in one]) == len(project["dependencies"])
    assert not any(one.startswith("torch") and "extra ==" not in one for one in needs)


def test_the_sdist_holds_what_tests_docs_and_images_are_made_of(built: Built) -> None:
    for name in PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]:
        found = name.removeprefix("/")
        assert any(one == found or one.startswith(f"{found}/") for one in built.in_sdist), found
    for name in ("tests/data.py", "constraints/base.txt", "examples/make_factbook.py"):
        assert name in built.in_sdist
    for name in built.in_sdist:
        parts = Path(name).parts
        assert not {".git", ".venv", "node_modules", "__pycache__", "dist"} & set(parts), name


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment with the wheel.

    What the wheel needs is not installed anew, which takes the network: a .pth file shows the new
    environment the packages of this one. What installs this checkout there is itself a .pth file,
    and those of a folder that a .pth file names are not read.
    """
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    install: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        home / "bin/python",
        "install",
    ]
    subprocess.run([*install, "--quiet", "--no-deps", "--no-index", built.wheel], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin"


def run(installed: Path, folder: Path, program: str, *arguments: str) -> str:
    """Run a program of the new environment; what it prints."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [installed / program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_works_elsewhere(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "python", "-c", "import rowspace; print(rowspace.__file__)")
    assert Path(where.strip()).is_relative_to(installed.parent)

    found = json.loads(run(installed, tmp_path, "rowspace", "examples", "texts", "--json"))
    assert found["files"] == EXAMPLES
    for name in EXAMPLES:
        assert (tmp_path / "texts" / name).read_bytes() == (ROOT / "examples" / name).read_bytes()

    with gzip.open(tmp_path / "texts/factbook/factbook.jsonl.gz", "rt") as book:
        countries = [line for line, _ in zip(book, range(60), strict=False)]
    (tmp_path / "some.jsonl").write_text("".join(countries))
    run(installed, tmp_path, "rowspace", "build", "some.jsonl", "--out", "a.space", "--epochs", "1")
    assert "Chad" in run(installed, tmp_path, "rowspace", "search", "a.space", "Lake Chad")
    near = json.loads(
        run(installed, tmp_path, "rowspace", "neighbors", "a.space", "coast", "--json")
    )
    assert len(near) > 0
