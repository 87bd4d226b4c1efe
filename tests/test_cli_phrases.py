from __future__ import annotations

import json
from pathlib import Path

import rowspace as rs
from rowspace.text.phrases import Phrases
from tests.program import RunMain

TEXT = "Bank of America, in New York.\nBanks of York; a bank in America.\n" * 10


def test_phrases_are_listed_joined_and_used_again(tmp_path: Path, run_main: RunMain) -> None:
    text, saved, out = (tmp_path / name for name in ("a.txt", "p.json", "joined.txt"))
    text.write_text(TEXT)
    found = "--threshold", "0.2", "--connectors", "english"
    ran = run_main("phrases", text, *found, "--save", saved, "--out", out, "-k", "1")
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    # america, bank and york 20 times, new and banks 10: 5 words and 6 pairs.
    score = (10 - 5) / (10 * 20) * (5 + 6)
    assert lines[0].split() == ["score", "count", "phrase"]
    assert lines[1].split() == [f"{score:.4f}", "10", "america_in_new"]
    assert lines[-2:] == [f"wrote {out}", f"wrote {saved}"]
    assert "130 words are" in lines[-3]
    assert "bank_of_america" not in out.read_text()  # 10 of 20 and 20 is too little
    assert "banks_of_york" in out.read_text().split()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "joined.txt", "p.json"]

    again = run_main("phrases", text, "--use", saved, "--out", tmp_path / "again.txt", "--json")
    assert (tmp_path / "again.txt").read_text() == out.read_text()
    answer = json.loads(again.out)
    assert answer["best"][0]["parts"] == ["america", "in", "new"]
    assert answer["words"] == 130 > answer["words_after_joining"]
    assert answer["phrases"] == len(Phrases.load(saved))


def test_what_is_there_is_not_written_over(tmp_path: Path, run_main: RunMain) -> None:
    (tmp_path / "a").write_text("mine")
    for option in ("--out", "--save"):
        ran = run_main("phrases", "-", option, tmp_path / "a", stdin=TEXT.encode())
        assert ran.error() == f"{tmp_path / 'a'} exists; give another name, or remove it"


def test_stdin_and_settings_that_cannot_work(run_main: RunMain) -> None:
    ran = run_main("phrases", "-", "--score", "npmi", "--json", stdin=TEXT.encode())
    assert json.loads(ran.out)["config"]["score"] == "npmi"
    ran = run_main("phrases", "-", "--threshold", "-1", stdin=TEXT.encode())
    assert "phrase threshold is -1.0; give a number above 0" in ran.error()
    ran = run_main("phrases", "-", stdin=b"a b\n")
    assert "no word occurs 5 times in 2 tokens" in ran.error()


def test_training_tells_the_phrases_and_a_bin_file_keeps_them_beside(
    tmp_path: Path, run_main: RunMain
) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    quick = "--dim", "8", "--epochs", "1", "--min-count", "2", "--bucket", "100"
    joining = "--phrases", "1", "--phrase-threshold", "0.1"
    model = tmp_path / "a.bin"
    ran = run_main("train", "fasttext", tmp_path / "a.txt", "--out", model, *quick, *joining)
    assert ran.code == 0, ran
    phrases = Phrases.load(tmp_path / "a.bin.phrases.json")
    assert ran.out.startswith(f"{len(phrases)} phrases joined (")
    assert {phrase.name for phrase in phrases} & set(rs.load(model).index_to_key)
    more = tmp_path / "b.bin"
    ran = run_main(
        "train", "fasttext", tmp_path / "a.txt", "--out", more, "--start", model, "--json"
    )
    answer = json.loads(ran.out)
    assert (answer["phrases"], answer["update"]["added"]) == (len(phrases), [])
    assert Phrases.load(tmp_path / "b.bin.phrases.json").record() == phrases.record()
