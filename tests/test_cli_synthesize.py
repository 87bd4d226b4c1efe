from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.program import RunMain, finish, start
from tests.sentence.server import Handler, Server, serve, status
from tests.sentence.synthesize.chat_server import chat

TEXT = (
    "Oslo\nOslo is the capital of Norway and its largest town by far. The town stands at the end "
    "of a fjord among forests. Its oldest church was built in the twelfth century.\n"
    "Ships from Oslo sail to Kiel and Copenhagen every night. The ships carry cars and people, "
    "and on deck there is a bar.\n\n"
)
KEY = "sk-very-secret-1234"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve(chat) as server:
        yield server


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_pairs_out_of_a_corpus(tmp_path: Path, run_main: RunMain) -> None:
    corpus, out, held_out = (tmp_path / name for name in ("a.txt", "new/pairs.jsonl", "test.tsv"))
    corpus.write_text(TEXT)
    ran = run_main("synthesize", corpus, "--documents", "blocks", "--out", out)
    assert ran.code == 0, ran
    kinds = [row["kind"] for row in rows(out)]
    assert {"title", "lead", "definition"} <= set(kinds)
    n_with = sum(bool(row["negatives"]) for row in rows(out))
    assert ran.out.splitlines()[-1] == f"{len(kinds)} pairs in {out}, {n_with} with negatives"
    assert ran.out.splitlines()[0].split() == ["title", "1"]

    held_out.write_text("what is oslo\tOslo\n")
    some = tmp_path / "some.jsonl"
    ran = run_main(
        "synthesize", corpus, "--documents", "blocks", "--out", some, "--not-in", held_out,
        "--kinds", "title,definition,lead", "--json",
    )  # fmt: skip
    answer = json.loads(ran.out)
    assert answer["by_kind"] == {"title": 0, "definition": 0, "lead": 1}
    assert answer["rejected"] == {"is in a test set": 2}
    assert [row["kind"] for row in rows(some)] == ["lead"]


def test_pairs_by_a_model(server: Server, tmp_path: Path, run_main: RunMain) -> None:
    out = tmp_path / "pairs.jsonl"
    model = "--endpoint", server.url, "--model", "tiny"
    prices = "--input-price", "1", "--output-price", "2"
    ran = run_main("synthesize", *model, "--out", out, "--n", "4", *prices, "--estimate")
    assert ran.out.startswith("8 requests, about ")
    assert "in the currency of the prices" in ran.out
    ran = run_main("synthesize", *model, "--out", out, "--n", "4", "--estimate", "--json")
    assert json.loads(ran.out)["cost"] is None
    assert server.bodies == []
    assert list(tmp_path.iterdir()) == []

    ran = run_main("synthesize", *model, "--out", out, "--n", "4", *prices)
    assert ran.code == 0, ran
    assert len(rows(out)) == 4
    assert "8 answers (8 requests now), 800 tokens in, 400 out, cost 0.00" in ran.out
    assert server.keys == [f"Bearer {KEY}"] * 8
    assert KEY not in ran.out + ran.err
    ran = run_main("synthesize", *model, "--out", out, "--n", "4")
    assert ran.error() == f"{out} exists; give another name, or remove it"
    ran = run_main("synthesize", *model, "--out", out, "--n", "6", "--resume", "--json")
    answer = json.loads(ran.out)
    assert (answer["n_written"], answer["n_asked"]) == (6, 2)

    (tmp_path / "a.txt").write_text(TEXT)
    ran = run_main(
        "synthesize", tmp_path / "a.txt", *model, "--out", tmp_path / "b", "--n", "5",
        "--max-words", "30",
    )  # fmt: skip
    assert {row["kind"] for row in rows(tmp_path / "b")} == {"grounded"}
    assert all(row["positive"] in TEXT for row in rows(tmp_path / "b"))
    assert "examples are missing, and every passage was used" in ran.err


def test_what_is_refused_or_cannot_work_is_one_line(
    server: Server, tmp_path: Path, run_main: RunMain
) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    text, out = tmp_path / "a.txt", ("--out", tmp_path / "b")
    model = "--endpoint", server.url, "--model", "tiny"
    server.usual = status(401, f"bad key {KEY}")
    for arguments, message in (
        ([*model], "refused with status 401: bad key ***; set the environment variable OPENAI_API"),
        (["--endpoint", server.url], "give the name of one by --model"),
        ([], "give a CORPUS, an --endpoint with a --model, or both"),
        ([text, "--max-cost", "3"], "--max-cost is for a language model; give its --endpoint too"),
        ([text, "--estimate"], "--estimate is for a language model"),
        ([text, "--kinds", "short-long"], "no kind 'short-long'"),
        ([*model, "--kinds", "cloze"], "kind 'cloze' cannot be had of a model"),
        ([text, "--not-in", tmp_path / "none"], "there is no file"),
        (["--endpoint", "me", "--model", "x"], "the URL 'me' is none"),
    ):
        ran = run_main("synthesize", *arguments, *out)
        assert message in ran.error()
    assert not (tmp_path / "b").exists()


def test_an_interrupt_loses_no_answer(server: Server, tmp_path: Path) -> None:
    def late(handler: Handler, body: Any) -> None:
        handler.state.released.wait(20)
        chat(handler, body)

    server.troubles = [chat] * 6
    server.usual = late
    arguments = (
        "synthesize", "--endpoint", server.url, "--model", "tiny", "--n", "10", "--n-concurrent",
        "2", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    process = start(*arguments)
    while len(server.bodies) < 8 and process.poll() is None:  # the server waits 20 s at most
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)  # so that it is told to stop before the answers come
    server.released.set()
    ran = finish(process)
    assert (ran.code, ran.err) == (130, "rowspace: interrupted\n")
    assert len((tmp_path / "out.journal").read_text().splitlines()) == 1 + 8
    ran = finish(start(*arguments, "--resume"))
    assert ran.code == 0, ran
    assert json.loads(ran.out)["n_asked"] == 4 + 10 - 8
    asked = [body["messages"][0]["content"] for body in server.bodies]
    assert len(asked) == len(set(asked)) == 14
