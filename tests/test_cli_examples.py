from __future__ import annotations

import json
from pathlib import Path

import pytest

from rowspace.cli import examples
from tests.program import RunMain

FILES = ["README.md", "factbook/factbook.jsonl.gz", "gutenberg/books.txt.xz"]
HOME = Path(__file__).resolve().parents[1] / "examples"


def test_the_examples_are_written_and_told_how_to_use(run_main: RunMain, tmp_path: Path) -> None:
    folder = tmp_path / "some texts"
    ran = run_main("examples", folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"wrote {folder}: {', '.join(FILES)} (")
    assert f"  rowspace build '{folder}/factbook' --out demo.space\n" in ran.out
    for name in FILES:
        assert (folder / name).read_bytes() == (HOME / name).read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "factbook", "gutenberg"]


def test_what_is_there_already_is_found_and_kept(run_main: RunMain, tmp_path: Path) -> None:
    first = json.loads(run_main("examples", tmp_path / "texts", "--json").out)
    (tmp_path / "texts" / "mine.txt").write_text("mine")
    second = json.loads(run_main("examples", tmp_path / "texts", "--json").out)
    assert (first["written"], second["written"]) == (True, False)
    assert first["files"] == second["files"] == FILES
    assert (tmp_path / "texts" / "mine.txt").exists()


@pytest.mark.parametrize("is_file", [True, False])
def test_other_files_are_not_written_over(is_file: bool, run_main: RunMain, tmp_path: Path) -> None:
    path = tmp_path / "texts"
    if is_file:
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "README.md").write_text("mine")
    error = run_main("examples", path).error()
    assert error == f"{path} exists and holds something else; give another folder"
    assert (path if is_file else path / "README.md").read_text() == "mine"


def test_the_folder_one_is_in_is_not_replaced(
    run_main: RunMain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for here in (".", tmp_path):
        error = run_main("examples", here).error()
        assert error == f"{here} is the folder you are in; name one in it, as ./examples"
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_filled_and_a_place_that_cannot_be_written_is_named(
    run_main: RunMain, tmp_path: Path
) -> None:
    (tmp_path / "texts").mkdir()
    assert run_main("examples", tmp_path / "texts").code == 0
    error = run_main("examples", "/proc/texts").error()
    assert "/proc/" in error and "\n" not in error


def test_an_installation_without_them_says_so(
    run_main: RunMain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "_HOMES", (tmp_path / "nothing",))
    error = run_main("examples", tmp_path / "texts").error()
    assert (
        error == f"this installation has no examples in {tmp_path}/nothing; install the wheel again"
    )
