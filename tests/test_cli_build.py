from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rowspace.search.commit import flush_and_hash, read_commit, write_commit
from tests.conftest import SmallDisk
from tests.program import RunMain, finish, run_until_death, start, start_and_wait
from tests.speeches import SPEECHES, write_folder, write_jsonl, write_topics

QUICK = ("--dim", "8", "--epochs", "2", "--min-count", "1", "--n-threads", "1")
PIECE = "rowspace.static.training:Training.train_piece"


def _model(space: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (space / "model").iterdir()}


def test_build_says_what_it_made_and_where(tmp_path: Path, run_main: RunMain) -> None:
    out = tmp_path / "a.space"
    ran = run_main("build", write_folder(tmp_path / "speeches"), "--out", out, *QUICK)
    assert ran.code == 0, ran
    assert ran.out.startswith("5 documents in 5 passages, built in ")
    assert ran.out.splitlines()[1:] == [
        "the index   exact: all 5 vectors are compared",
        f"the space   {out}",
        f"the report  {out}/report.html",
        f'try         rowspace search {out} "your question"',
    ]
    assert (out / "report.html").exists()
    assert run_main("search", out, "torch", "-k", "1").out.split()[2:4] == [
        "kennedy",
        "[kennedy.txt]",
    ]
    assert run_main("verify", out).out == f"{out} is whole\n"


def test_build_prints_json_for_programs(tmp_path: Path, run_main: RunMain) -> None:
    ran = run_main(
        "build", write_jsonl(tmp_path / "a.jsonl"), "--out", tmp_path / "a.space", *QUICK, "--json"
    )
    answer = json.loads(ran.out)
    assert (answer["documents"], answer["passages"], answer["dim"]) == (5, 5, 8)
    assert answer["out"] == str(tmp_path / "a.space")


def test_build_reads_stdin_and_pipes(tmp_path: Path, run_main: RunMain) -> None:
    text = "\n".join(SPEECHES.values()).encode()
    ran = run_main("build", "-", "--documents", "lines", "--out", tmp_path / "a.space", *QUICK,
                   stdin=text)  # fmt: skip
    assert ran.out.startswith("5 documents"), ran
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(text,))
    writer.start()
    ran = run_main("build", pipe, "--documents", "lines", "--out", tmp_path / "b.space", *QUICK)
    writer.join()
    assert ran.out.startswith("5 documents"), ran
    assert _model(tmp_path / "a.space") == _model(tmp_path / "b.space")


def _latin(folder: Path) -> Path:
    path = folder / "latin.txt"
    path.write_bytes("plain\ncafé\n".encode("latin-1"))
    return path


def _written(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


def _folder(folder: Path) -> Path:
    (folder / "none").mkdir()
    return folder / "none"


BAD = {
    "an empty file": (_written("a.txt", b""), "no document with text in it; give some text"),
    "an empty folder": (_folder, "has no text file"),
    "a missing file": (lambda folder: folder / "no.txt", "there is no file or folder"),
    "another encoding": (_latin, "not utf-8 at byte 9 (0xe9); give its encoding (--encoding lat"),
    "a binary file": (_written("a.txt", b"\x7fELF\0\1"), "a binary file (a zero byte at 4)"),
    "only symbols": (_written("!.txt", b"!!! ??? ..."), "has no word in it; give some text"),
    "broken JSON": (
        _written("a.jsonl", b'{"text": "one"}\n{"text": \n'),
        "a.jsonl, line 2, is not JSON",
    ),
    "one id twice": (
        _written("a.jsonl", b'{"_id": "x", "text": "one"}\n{"_id": "x", "text": "two"}\n'),
        "two documents have the id 'x', the second in a.jsonl; give each its own",
    ),
    "a damaged .gz": (
        _written("a.txt.gz", gzip.compress(b"word " * 1000)[:-12]),
        "a.txt.gz",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_text_is_one_line_and_leaves_nothing(
    tmp_path: Path, run_main: RunMain, kind: str
) -> None:
    make, message = BAD[kind]
    ran = run_main("build", make(tmp_path), "--out", tmp_path / "a.space", *QUICK)
    assert message in ran.error()
    assert not (tmp_path / "a.space").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--min-count", "100"), "no word occurs 100 times in 195 tokens; lower min_count"),
        (("--language", "klingon"), "there is no stemmer for 'klingon'"),
        (("--encoding", "utf-99"), "encoding 'utf-99' is not known"),
        (("--dim", "0"), "dim is 0; give 1 or more"),
        (("--passage-words", "0"), "passage_words is 0; give 1 or more"),
        (("--model", "nowhere.bin"), "nowhere.bin"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(
    tmp_path: Path, run_main: RunMain, arguments: tuple[str, ...], message: str
) -> None:
    given = () if arguments[0] == "--model" else QUICK
    corpus = write_jsonl(tmp_path / "a.jsonl")
    ran = run_main("build", corpus, "--out", tmp_path / "a.space", *given, *arguments)
    assert message in ran.error()
    assert not (tmp_path / "a.space").exists()


def test_what_is_there_is_not_written_over(tmp_path: Path, run_main: RunMain) -> None:
    corpus, out = write_jsonl(tmp_path / "a.jsonl"), tmp_path / "a.space"
    before = corpus.read_bytes()
    assert "is a file; give the name of a folder" in run_main(
        "build", corpus, "--out", corpus, *QUICK
    ).error()  # fmt: skip
    assert corpus.read_bytes() == before
    assert run_main("build", corpus, "--out", out, *QUICK).code == 0
    assert "is a space already; give another --out" in run_main(
        "build", corpus, "--out", out, *QUICK
    ).error()  # fmt: skip
    assert run_main("verify", out).code == 0


@pytest.mark.slow
def test_ctrl_c_in_training_names_resume_which_gives_the_same_bytes(tmp_path: Path) -> None:
    corpus = write_topics(tmp_path / "topics.txt")
    whole, out = tmp_path / "whole.space", tmp_path / "a.space"
    assert finish(start("build", corpus, "--out", whole, *QUICK)).code == 0
    process = start_and_wait(PIECE, 20, "build", corpus, "--out", out, *QUICK)
    process.send_signal(signal.SIGINT)
    ran = finish(process)
    assert ran.code == 130, ran
    assert ran.err == "rowspace: interrupted; add --resume to go on where it stopped\n"
    resumed = finish(start("build", corpus, "--out", out, *QUICK, "--resume"))
    assert resumed.code == 0, resumed
    assert _model(out) == _model(whole)


@pytest.mark.slow
def test_of_two_builds_of_one_space_the_second_says_that_the_first_runs(tmp_path: Path) -> None:
    corpus, out = write_topics(tmp_path / "topics.txt"), tmp_path / "a.space"
    first = start_and_wait(PIECE, 20, "build", corpus, "--out", out, *QUICK)
    for extra in ((), ("--resume",)):
        second = finish(start("build", corpus, "--out", out, *QUICK, *extra))
        assert f"is being written by another process (pid {first.pid}); wait" in second.error()
    first.send_signal(signal.SIGINT)
    assert finish(first).code == 130
    assert finish(start("build", corpus, "--out", out, *QUICK, "--resume")).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 40, 80, 120, 200])
def test_a_full_disk_is_one_line_and_the_build_goes_on(
    tmp_path: Path, small_disk: SmallDisk, kilobytes: int, run_main: RunMain
) -> None:
    corpus = write_topics(tmp_path / "topics.txt")
    small_disk.mount(kilobytes)
    out = small_disk.path / "a.space"
    ran = finish(start("build", corpus, "--out", out, *QUICK))
    assert "disk is full" in ran.error()
    small_disk.resize(20_000)
    resumed = run_main("build", corpus, "--out", out, *QUICK, "--resume")
    assert resumed.code == 0, resumed
    assert run_main("verify", out).out == f"{out} is whole\n"


@pytest.mark.slow
def test_two_programs_that_add_at_once_lose_and_double_nothing(
    tmp_path: Path, run_main: RunMain
) -> None:
    out = tmp_path / "a.space"
    assert run_main("build", write_jsonl(tmp_path / "a.jsonl"), "--out", out, *QUICK).code == 0
    files = []
    for part in ("left", "right"):
        rows = [{"_id": f"{part}{i}", "text": f"Document {part}word{i}."} for i in range(150)]
        files.append(tmp_path / f"{part}.jsonl")
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    adders = [start("add", out, file) for file in files]
    for adder in adders:
        assert finish(adder).out.startswith("added 150 documents in 150 passages, 0 of them")
    assert json.loads(run_main("status", out, "--json").out)["documents"] == 305
    queries = "".join(f"{part}word{i}\n" for part in ("left", "right") for i in range(150))
    ran = run_main("search", out, "-", "--mode", "lexical", "--json", stdin=queries.encode())
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert len(answers) == 300
    for answer in answers:
        found = [hit["document_id"] for hit in answer["hits"]]
        assert found == [answer["query"].replace("word", "")]
    assert run_main("verify", out).code == 0


def test_a_space_of_a_newer_format_says_so(tmp_path: Path, run_main: RunMain) -> None:
    out = tmp_path / "a.space"
    assert run_main("build", write_jsonl(tmp_path / "a.jsonl"), "--out", out, *QUICK).code == 0
    manifest = json.loads((out / "space.json").read_text())
    (out / "space.json").write_text(json.dumps(manifest | {"format": 99}))
    write_commit(out, replace(read_commit(out), files=flush_and_hash(out, {})))
    assert "99" in run_main("search", out, "torch").error()


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, run_main: RunMain) -> None:
    out = tmp_path / "a.space"
    assert run_main("build", write_jsonl(tmp_path / "a.jsonl"), "--out", out, *QUICK).code == 0
    with start("search", out, "freedom") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_killed_program_leaves_its_space_to_resume(tmp_path: Path) -> None:
    corpus, out = write_topics(tmp_path / "topics.txt"), tmp_path / "a.space"
    run_until_death(PIECE, 3, "build", corpus, "--out", out, *QUICK)
    ran = finish(start("search", out, "sea7"))
    assert "rowspace build" in ran.error()


def test_the_program_is_also_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "rowspace", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("rowspace, version ")
