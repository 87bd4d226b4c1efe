"""Every model on every task, once: interrupted, resumed, broken, damaged."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import ConfigError, EvaluationError, FormatError, RemoteError
from rowspace.evaluate.compare.cache import Cache, clear, folder
from rowspace.evaluate.compare.contender import Contender, Scorer
from rowspace.evaluate.compare.outcome import Comparison, Costs, Items, NotScored
from rowspace.evaluate.compare.remarks import gaps
from rowspace.evaluate.compare.run import Row, compare
from rowspace.evaluate.compare.saving import (
    COMPARISON,
    ITEMS,
    as_dict,
    read_comparison,
    write_comparison,
)
from rowspace.evaluate.compare.standing import rank_kind
from tests.evaluate.compare.made import Model, Task, comparison, entry

NAMES = ("low", "middle", "high")


def _models() -> list[Contender]:
    return [Model(name, skill) for name, skill in zip(NAMES, (0.2, 0.5, 0.8), strict=True)]


def _tasks(log: list[tuple[str, str]], **fails: BaseException) -> list[Scorer]:
    return [
        Task("films", scored=log, fails=fails),
        Task("books", scored=log),
        Task("words", kind="similarity", scored=log),
    ]


def _without_seconds(found: Comparison) -> str:
    record = as_dict(found)
    for one in record["entries"]:
        for result in one["outcomes"].values():
            result["seconds"] = 0.0
    return json.dumps(record)


def _columns(found: Comparison) -> list[bytes]:
    return [
        column.tobytes()
        for one in found.entries
        for result in one.outcomes.values()
        for column in result.items.columns.values()
    ]


def test_an_interrupted_comparison_goes_on_and_scores_nothing_twice(tmp_path: Path) -> None:
    whole = compare(_models(), _tasks([]))
    log: list[tuple[str, str]] = []
    cache = Cache(tmp_path)
    with pytest.raises(KeyboardInterrupt, match="after 3 of 9 steps; they are kept"):
        compare(_models(), _tasks(log, middle=KeyboardInterrupt()), cache=cache)
    assert log == [("low", "films"), ("low", "books"), ("low", "words")]
    resumed = compare(_models(), _tasks(log), cache=cache)
    assert sorted(log) == sorted((m, t) for m in NAMES for t in ("films", "books", "words"))
    assert _without_seconds(resumed) == _without_seconds(whole)
    assert _columns(resumed) == _columns(whole)
    again = compare(_models(), _tasks(log), cache=cache)
    assert len(log) == 9
    assert as_dict(again) == as_dict(resumed)


def test_one_more_model_costs_that_model_alone(tmp_path: Path) -> None:
    log: list[tuple[str, str]] = []
    compare(_models(), _tasks(log), cache=Cache(tmp_path))
    log.clear()
    found = compare([*_models(), Model("new", 0.4)], _tasks(log), cache=Cache(tmp_path))
    assert {model for model, _ in log} == {"new"}
    assert [one.name for one in found.entries] == [*NAMES, "new"]


def test_a_model_that_changed_is_scored_again(tmp_path: Path) -> None:
    log: list[tuple[str, str]] = []
    compare([Model("one", 0.5)], _tasks(log), cache=Cache(tmp_path))
    compare([Model("one", 0.6)], _tasks(log), cache=Cache(tmp_path))
    assert len(log) == 6


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_what_is_damaged_in_the_cache_is_made_anew(tmp_path: Path, keep: float) -> None:
    log: list[tuple[str, str]] = []
    first = compare([Model("one")], _tasks(log), cache=Cache(tmp_path))
    damaged = sorted(tmp_path.rglob("*.npz"))[0]
    damaged.write_bytes(damaged.read_bytes()[: int(keep * damaged.stat().st_size)])
    again = compare([Model("one")], _tasks(log), cache=Cache(tmp_path))
    assert len(log) == 4
    assert _without_seconds(again) == _without_seconds(first)
    compare([Model("one")], _tasks(log), cache=Cache(tmp_path))
    assert len(log) == 4


def test_a_flipped_bit_in_the_cache_never_changes_a_score(tmp_path: Path) -> None:
    first = compare([Model("one")], [Task("films")], cache=Cache(tmp_path))
    (path,) = tmp_path.rglob("*.npz")
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(len(content), size=60).tolist():
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        found = compare([Model("one")], [Task("films")], cache=Cache(tmp_path))
        assert _without_seconds(found) == _without_seconds(first)
        assert _columns(found) == _columns(first)


def test_one_model_is_in_memory_at_a_time_and_tasks_go_inside(tmp_path: Path) -> None:
    loaded: list[str] = []
    models: list[Contender] = [Model(name, loaded=loaded) for name in NAMES]
    seen: list[tuple[str, ...]] = []

    class Watching(Task):
        def score(self, model: Contender) -> Items:
            found = super().score(model)
            seen.append((*loaded, self.short))
            return found

    compare(models, [Watching("films"), Watching("books")])
    assert seen == [(name, task) for name in NAMES for task in ("films", "books")]
    assert loaded == []


def test_readings_of_one_model_go_task_by_task_and_close_together() -> None:
    log: list[tuple[str, str]] = []
    loaded: list[str] = []
    models: list[Contender] = [
        Model("a@cls", loaded=loaded),
        Model("b", loaded=loaded),
        Model("a@mean", loaded=loaded),
    ]
    beside = Task("films", scored=log)
    found = compare(
        models,
        [Task("films", scored=log), Task("books", scored=log)],
        together=lambda model: model.name[0],
        beside=lambda model: (
            [Row(contender=Model("b + words"), scorers=[beside])] if model.name == "b" else []
        ),
        references=[Row(contender=Model("words"), scorers=[beside], matches_words=True)],
    )
    assert log == [
        ("a@cls", "films"),
        ("a@mean", "films"),
        ("a@cls", "books"),
        ("a@mean", "books"),
        ("b", "films"),
        ("b + words", "films"),
        ("b", "books"),
        ("words", "films"),
    ]
    assert [one.name for one in found.entries] == ["a@cls", "b", "b + words", "a@mean", "words"]
    assert [one.matches_words for one in found.entries] == [False] * 4 + [True]
    assert loaded == []


def test_readings_are_scored_once_where_they_do_not_differ(tmp_path: Path) -> None:
    class Reading(Model):
        def fingerprint_for(self, kind: str) -> str:
            return "all" if kind == "sense" else self.fingerprint

    log: list[tuple[str, str]] = []
    tasks: list[Scorer] = [Task("wic", kind="sense", scored=log), Task("films", scored=log)]
    models: list[Contender] = [Reading("cls"), Reading("mean")]
    for cache in (None, Cache(tmp_path), Cache(tmp_path)):
        found = compare(models, tasks, cache=cache, together=lambda model: "one")
        one, two = (entry.outcomes["sense/wic"] for entry in found.entries)
        assert one.items.columns["value"] is two.items.columns["value"] or cache is not None
        assert one.value == two.value
    assert log == [("cls", "wic"), ("cls", "films"), ("mean", "films")] * 2


def test_notes_on_how_texts_are_read_stay_with_the_tasks_that_read_them(tmp_path: Path) -> None:
    class Whitened(Model):
        notes = ("whitened",)

        def fingerprint_for(self, kind: str) -> str:
            return "all" if kind == "sense" else self.fingerprint

    tasks: list[Scorer] = [Task("wic", kind="sense"), Task("films")]
    found = compare([Whitened("one")], tasks, cache=Cache(tmp_path))
    notes = {task: one.notes for task, one in found.entries[0].outcomes.items()}
    assert notes == {"sense/wic": (), "retrieval/films": ("whitened",)}


def test_intervals_of_few_items_are_said_to_say_little() -> None:
    found = compare([Model("one")], [Task("films", n_items=29), Task("books", n_items=30)])
    notes = {task: one.notes for task, one in found.entries[0].outcomes.items()}
    assert notes["retrieval/films"] == ("so few items that an interval says little: 29",)
    assert notes["retrieval/books"] == ()


def test_a_task_of_the_same_files_keeps_its_own_name(tmp_path: Path) -> None:
    class Copy(Task):
        fingerprint = "the same files"

    for _ in range(2):  # of the model at hand, then of the cache
        found = compare([Model("one")], [Copy("films"), Copy("copy")], cache=Cache(tmp_path))
        names = {key: one.task for key, one in found.entries[0].outcomes.items()}
        assert names == {name: name for name in ("retrieval/films", "retrieval/copy")}


def test_what_another_version_scored_is_scored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[tuple[str, str]] = []
    for version, n in (("1", 3), ("1", 3), ("2", 6)):
        monkeypatch.setattr("rowspace.evaluate.compare.cache._MADE_BY", version)
        compare([Model("one")], _tasks(log), cache=Cache(tmp_path))
        assert len(log) == n


def test_a_model_that_cannot_be_told_is_scored_on_nothing_and_the_others_are() -> None:
    class Away(Model):
        asked = 0

        @property
        def fingerprint(self) -> str:
            self.asked += 1
            raise RemoteError("the server does not answer")

    def cost(model: Contender) -> Costs:
        raise AssertionError("it is not there")

    away = Away("away")
    found = compare([away, Model("one")], _tasks([]), cost=cost)
    assert {one.reason for one in found.entries[0].not_scored} == {"the server does not answer"}
    assert [one.task for one in found.entries[0].not_scored] == [one.name for one in _tasks([])]
    assert found.entries[0].no_costs == "the server does not answer"
    assert away.asked == 1
    assert len(found.entries[1].outcomes) == 3


def test_a_task_that_fails_is_in_the_table_with_its_reason() -> None:
    fails = {
        "low": EvaluationError("films has no queries.jsonl;\n give one"),
        "middle": RuntimeError("shapes differ"),
        "high": MemoryError("17 GB"),
    }
    found = compare(_models(), _tasks([], **fails), skipped=[
        NotScored(kind="sts", task="sentence", reason="there is none")
    ])  # fmt: skip
    reasons = [one.not_scored[0] for one in found.entries]
    assert [one.reason for one in reasons] == [
        "films has no queries.jsonl; give one",
        "RuntimeError: shapes differ",
        "MemoryError: 17 GB",
    ]
    assert {(one.kind, one.task) for one in reasons} == {("retrieval", "retrieval/films")}
    assert all(
        set(one.outcomes) == {"retrieval/books", "similarity/words"} for one in found.entries
    )
    assert found.skipped[0].reason == "there is none"
    ranking = rank_kind(found, "retrieval")
    assert ranking is not None
    assert ranking.tasks == ("retrieval/books",)


def test_a_model_that_lacks_what_a_task_needs_is_scored_on_the_rest() -> None:
    class Texts(Task):
        def score(self, model: Contender) -> Items:
            model.encoder()
            raise AssertionError("there is no encoder")

    found = compare([Model("one")], [Texts("films"), Task("books")])
    (lacking,) = found.entries[0].not_scored
    assert lacking.reason == "one gives texts no vectors; give an encoder"
    assert list(found.entries[0].outcomes) == ["retrieval/books"]


def test_a_failure_is_not_kept_and_tried_again(tmp_path: Path) -> None:
    log: list[tuple[str, str]] = []
    broken = _tasks(log, low=OSError(28, "No space left"))
    compare(_models(), broken, cache=Cache(tmp_path))
    found = compare(_models(), _tasks(log), cache=Cache(tmp_path))
    assert not found.entries[0].not_scored
    assert log.count(("low", "films")) == 1


def test_a_score_that_is_no_number_is_none() -> None:
    class Blank(Task):
        def score(self, model: Contender) -> Items:
            return Items(statistic="mean", columns={"value": np.full(3, math.nan)}, metric="x")

    found = compare([Model("one")], [Blank("films")])
    assert found.entries[0].outcomes == {}
    assert "no score: nothing of it has a vector" in found.entries[0].not_scored[0].reason


def test_what_is_warned_of_is_a_note_of_the_score(tmp_path: Path) -> None:
    class Warning_(Task):
        def score(self, model: Contender) -> Items:
            warnings.warn("7 texts are longer than 256 tokens", stacklevel=1)
            warnings.warn("7 texts are longer than 256 tokens", stacklevel=1)
            return dataclasses.replace(super().score(model), notes=("own",))

    for _ in range(2):  # also of what was kept
        found = compare([Model("one")], [Warning_("films")], cache=Cache(tmp_path))
        notes = found.entries[0].outcomes["retrieval/films"].notes
        assert notes == ("own", "7 texts are longer than 256 tokens")


def test_costs_are_kept_by_model_and_machine(tmp_path: Path) -> None:
    measured: list[str] = []

    def cost(model: Contender) -> Costs:
        measured.append(model.name)
        return Costs(
            texts_per_second=10.0, query_ms=2.5, memory_bytes=7, disk_bytes=None, dim=3, machine="m"
        )

    for machine in ("m", "m", "other"):
        found = compare(
            _models()[:2], _tasks([]), cache=Cache(tmp_path), cost=cost, machine=machine
        )
        assert [one.costs for one in found.entries] == [cost(one) for one in _models()[:2]]
    assert [measured.count(name) for name in NAMES] == [2 + 3, 2 + 3, 0]


def test_costs_that_cannot_be_measured_are_said_and_not_kept(tmp_path: Path) -> None:
    def cost(model: Contender) -> Costs:
        raise EvaluationError("it took too long; try again")

    for _ in range(2):
        found = compare([Model("one")], [Task("films")], cache=Cache(tmp_path), cost=cost)
        assert found.entries[0].costs is None
        assert found.entries[0].outcomes
        (gap,) = gaps(found)
        assert (gap.kind, gap.names, gap.reason) == (
            "costs",
            ("one",),
            "it took too long; try again",
        )


def test_two_models_of_one_name_are_told_of() -> None:
    with pytest.raises(ConfigError, match="2 models are called one; give each a name"):
        compare([Model("one"), Model("one")], [])


def test_the_cache_is_where_it_says_and_can_be_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "rowspace" / "compare"
    assert clear() == 0
    compare([Model("one")], [Task("films")], cache=Cache(folder()))
    assert clear() > 0
    assert not folder().exists()


def test_a_cache_that_cannot_be_written_is_told_of_and_scores_are_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="not stored in the cache"):
        found = compare([Model("one")], [Task("films")], cache=Cache(tmp_path / "file"))
    assert list(found.entries[0].outcomes) == ["retrieval/films"]


def test_a_comparison_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    found = compare(
        _models(),
        _tasks([], low=EvaluationError("no")),
        skipped=[NotScored(kind="sts", task="x", reason="y")],
        settings={"data": "d"},
    )
    rank_kind(found, "similarity")  # draws differences, which are kept
    write_comparison(found, tmp_path / "new" / "out")
    back = read_comparison(tmp_path / "new" / "out")
    assert as_dict(back) == as_dict(found)
    assert back.differences == found.differences
    assert back.differences
    assert _columns(back) == _columns(found)
    assert rank_kind(back, "retrieval") == rank_kind(found, "retrieval")


def test_a_damaged_or_missing_comparison_says_so(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"there is no .*comparison.json; `rowspace compare"):
        read_comparison(tmp_path)
    write_comparison(comparison(entry("one", {"retrieval/a": [1.0, 0.0]})), tmp_path)
    whole = (tmp_path / ITEMS).read_bytes()
    (tmp_path / ITEMS).write_bytes(whole[:-1])
    with pytest.raises(FormatError, match=r"items\.npz is not the one it was written with"):
        read_comparison(tmp_path)
    (tmp_path / COMPARISON).write_text('{"format": 99}')
    with pytest.raises(FormatError, match="of a newer rowspace"):
        read_comparison(tmp_path)
