from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rowspace.errors import ConfigError, FormatError, RemoteError
from rowspace.sentence.endpoint import Endpoint
from rowspace.sentence.synthesize.chat_config import GROUPS, ChatConfig
from rowspace.sentence.synthesize.estimate import estimate
from rowspace.sentence.synthesize.journal import Answer, Journal
from rowspace.sentence.synthesize.leaks import Leaks
from rowspace.sentence.synthesize.report import SynthesisReport
from rowspace.sentence.synthesize.run import synthesize
from rowspace.text.corpus import Corpus
from tests.sentence.server import Server, cut_short, drop, says, serve, status
from tests.sentence.synthesize.chat_server import chat, example, says_content, tasks

KEY = "sk-very-secret-1234"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve(chat) as server:
        yield server


def run(
    server: Server,
    out: Path,
    *,
    corpus: Corpus | None = None,
    leaks: Leaks | None = None,
    resume: bool = False,
    **settings: Any,
) -> SynthesisReport:
    endpoint = Endpoint(server.url, sleep=lambda _: None)
    if corpus is not None:
        settings["kinds"] = ("grounded",)
    config = ChatConfig(model="tiny", **{"n": 8, **settings})
    return synthesize(endpoint, out, config, corpus, leaks, resume)


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def prompts(server: Server) -> list[str]:
    return [body["messages"][0]["content"] for body in server.bodies]


def test_tasks_are_thought_up_and_become_examples(server: Server, tmp_path: Path) -> None:
    report = run(server, tmp_path / "out.jsonl", n=10, languages=("Danish", "Hindi"))
    found = rows(tmp_path / "out.jsonl")
    assert report.n_written == len(found) == report.n_with_negatives == 10
    assert report.by_kind == dict(zip(GROUPS, (3, 3, 2, 2), strict=True))
    assert report.n_asked == report.n_answers == len(server.bodies) == 4 + 10
    assert (report.input_tokens, report.output_tokens) == (1400, 700)
    of_tasks, of_examples = prompts(server)[:4], prompts(server)[4:]
    assert all("JSON list of 20" in prompt for prompt in of_tasks)
    assert all("in Danish" in prompt or "in Hindi" in prompt for prompt in of_examples)
    by_query = {row["anchor"]: row for row in found}
    for prompt in of_examples:  # each answer is one example
        made = example(prompt)
        row = by_query[made["user_query"]]
        assert row["positive"] == made["positive_document"]
        assert row["negatives"] == [made["hard_negative_document"]]
    assert {body["temperature"] for body in server.bodies} == {1.0}
    assert KEY not in "".join(path.read_text() for path in tmp_path.iterdir())


def test_a_run_goes_on_and_asks_for_nothing_again(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "out"
    server.troubles = [chat] * 9 + [status(400, "enough")] * 4
    with pytest.raises(RemoteError, match="enough"):
        run(server, out)
    assert not out.exists()
    with pytest.raises(ConfigError, match="has answers of a run before"):
        run(server, out)
    n_before = len(set(prompts(server)))
    server.troubles = []
    refused = len(server.bodies) - 9
    report = run(server, out, resume=True)
    assert len(rows(out)) == 8
    assert len(server.bodies) - refused == 4 + 8 == report.n_answers
    assert report.n_asked == 12 - 9
    assert len(set(prompts(server))) <= n_before + report.n_asked
    again = run(server, out, resume=True)
    assert again.n_asked == 0
    more = run(server, out, resume=True, n=20, n_concurrent=1)
    assert (more.n_written, more.n_asked) == (20, 12)
    with pytest.raises(ConfigError, match="made with seed 1, not 2; give the same"):
        run(server, out, resume=True, seed=2)


def test_an_interrupted_run_keeps_every_answer(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, n_added = Journal.add, 0

    def interrupted(journal: Journal, answer: Answer) -> None:
        nonlocal n_added
        n_added += 1
        if n_added == 7:
            raise KeyboardInterrupt
        add(journal, answer)

    monkeypatch.setattr(Journal, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(server, tmp_path / "out", n_concurrent=3)
    n_answered = len(server.bodies)
    assert n_answered >= 7
    report = run(server, tmp_path / "out", resume=True)
    assert report.n_asked == 4 + 8 - n_answered
    assert len(set(prompts(server))) == len(server.bodies) == 12


def test_passing_trouble_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.troubles = [status(429, Retry_After="1"), status(500), drop, cut_short]
    report = run(server, tmp_path / "out")
    assert report.n_written == 8
    assert report.n_asked == 12 + 4
    assert report.n_answers == 12


def test_useless_answers_are_counted_and_replaced(server: Server, tmp_path: Path) -> None:
    contents = ["I cannot.", '{"user_query": "a"}', None]
    server.troubles = [chat] * 4 + [says_content(content) for content in contents]
    report = run(server, tmp_path / "out", n_concurrent=1)
    assert report.n_written == 8
    assert report.rejected == {"no JSON in the answer": 2, "no positive_document": 1}
    assert report.n_answers == 4 + 8 + 3


def test_what_repeats_or_leaks_is_replaced(server: Server, tmp_path: Path) -> None:
    fields = {"user_query": "q", "positive_document": "A p.", "hard_negative_document": "n"}
    same = says_content(json.dumps(fields))
    other = says_content(json.dumps(fields | {"user_query": "held out"}))
    server.troubles = [chat] * 4 + [same, same, other]
    report = run(server, tmp_path / "out", leaks=Leaks(["held out"]), n_concurrent=1)
    assert report.n_written == 8
    assert report.rejected == {"repeats an anchor": 1, "is in a test set": 1}


def test_a_model_that_is_of_no_use_is_stopped(server: Server, tmp_path: Path) -> None:
    server.troubles = [chat] * 8  # two lists of tasks each
    server.usual = says_content("I cannot.")
    with pytest.raises(RemoteError, match=r"25 answers in a row .*25 no JSON in the answer"):
        run(server, tmp_path / "out", n=1000, n_concurrent=1)
    assert len(server.bodies) == 8 + 25
    server.troubles = [says_content("[]")] * 4
    with pytest.raises(RemoteError, match="gave no list of tasks for short-long"):
        run(server, tmp_path / "other")
    server.usual = says({"choices": []})
    with pytest.raises(RemoteError, match="answered with no message"):
        run(server, tmp_path / "third")
    assert {path.suffix for path in tmp_path.iterdir()} == {".journal"}


def _corpus(tmp_path: Path, n: int = 12) -> Corpus:
    lines = [
        {"title": f"Town {i}", "text": " ".join(f"place{i}x{j}" for j in range(30)) + "."}
        for i in range(n)
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(map(json.dumps, [*lines, lines[0], {"text": "Too short."}])))
    return Corpus(path)


def test_queries_are_asked_for_passages_of_a_corpus(server: Server, tmp_path: Path) -> None:
    corpus = _corpus(tmp_path)
    report = run(server, tmp_path / "out", corpus=corpus)
    assert report.by_kind == {"grounded": 8}
    assert len(server.bodies) == 8
    texts = {document.text for document in corpus}
    of_query = {example(prompt)["user_query"]: prompt for prompt in prompts(server)}
    for row in rows(tmp_path / "out"):
        assert row["positive"] in texts
        assert row["positive"] in of_query[row["anchor"]]
    first = {row["positive"] for row in rows(tmp_path / "out")}

    more = run(server, tmp_path / "out", corpus=corpus, n=100, resume=True)
    assert (more.n_written, more.n_asked) == (12, 4)
    assert more.notes == ["88 examples are missing, and every passage was used"]
    assert first < {row["positive"] for row in rows(tmp_path / "out")}
    _corpus(tmp_path, 13)
    with pytest.raises(ConfigError, match="was made with sizes"):
        run(server, tmp_path / "out", corpus=corpus, resume=True)


def test_the_estimate_is_near_what_is_sent(server: Server, tmp_path: Path) -> None:
    corpus = _corpus(tmp_path)
    for given in (None, corpus):
        server.bodies.clear()
        kinds = GROUPS if given is None else ("grounded",)
        config = ChatConfig(model="tiny", n=8, kinds=kinds, input_price=2.0, output_price=10.0)
        expected = estimate(config, given)
        assert server.bodies == []
        run(server, tmp_path / f"out{given is None}", corpus=given)
        assert expected.n_requests == len(server.bodies)
        sent = sum(len(prompt) for prompt in prompts(server)) / 4
        assert 0.8 * sent < expected.input_tokens < 1.2 * sent
        assert expected.cost == pytest.approx(
            (2 * expected.input_tokens + 10 * expected.output_tokens) / 1e6
        )


def test_no_more_is_spent_than_allowed(server: Server, tmp_path: Path) -> None:
    prices: dict[str, Any] = {"input_price": 0.0, "output_price": 1e6}  # a token out costs 1
    with pytest.raises(ConfigError, match=r"12 requests would cost about [\d,.]+, above the 50.00"):
        run(server, tmp_path / "out", max_cost=50.0, **prices)
    assert server.bodies == []
    # The estimate has 4 x 600 for tasks and some hundreds each; the server counts 50 each.
    expected = estimate(ChatConfig(model="tiny", n=8, **prices)).cost
    assert expected is not None
    report = run(server, tmp_path / "out", max_cost=expected, **prices)
    assert report.cost == 50 * 12 <= expected

    server.usual = lambda handler, body: handler.send(  # an answer costs far more than expected
        200,
        {
            "choices": [{"message": {"content": _content(body)}}],
            "usage": {"completion_tokens": 1000},
        },
    )
    stopped = run(server, tmp_path / "other", max_cost=expected, n_concurrent=3, **prices)
    assert stopped.cost is not None
    assert expected - 2000 < stopped.cost <= expected
    assert stopped.n_written < 8
    assert stopped.notes[0].startswith("stopped before the cost would exceed")
    again = run(server, tmp_path / "other", max_cost=expected, resume=True, **prices)
    assert (again.n_asked, again.n_written) == (0, stopped.n_written)


def _content(body: Any) -> str:
    prompt = body["messages"][0]["content"]
    return tasks(prompt) if "JSON list" in prompt else json.dumps(example(prompt))


def test_a_journal_that_was_cut_short_goes_on(server: Server, tmp_path: Path) -> None:
    run(server, tmp_path / "out")
    path = tmp_path / "out.journal"
    path.write_bytes(path.read_bytes()[:-20])
    report = run(server, tmp_path / "out", resume=True)
    assert (report.n_written, report.n_asked) == (8, 1)
    lines = path.read_text().splitlines()
    assert len(lines) == 1 + 12
    path.write_text("\n".join([*lines[:3], lines[3][:9], *lines[4:], ""]))
    with pytest.raises(FormatError, match="line 4, is damaged"):
        run(server, tmp_path / "out", resume=True)


def test_one_process_writes_a_journal(server: Server, tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "out.journal", {}),
        pytest.raises(ConfigError, match="is being written by another process"),
    ):
        run(server, tmp_path / "out", resume=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": ("title",)}, "kind 'title' cannot be had of a model"),
        ({"kinds": ("grounded", "short-long")}, "kind 'short-long' cannot"),
        ({"kinds": ()}, "kinds or languages is empty"),
        ({"n": 0}, "n is 0"),
        ({"n_concurrent": 0}, "n_concurrent is 0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"max_cost": 1.0}, "max_cost needs prices"),
        ({"input_price": float("nan")}, "input_price is nan"),
        ({"max_words": 3}, "max_words is 3"),
        ({"kinds": ("grounded",)}, "a corpus and the kind grounded go together"),
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        synthesize(
            Endpoint("http://127.0.0.1:1"), tmp_path / "o", ChatConfig(model="m", **settings)
        )
