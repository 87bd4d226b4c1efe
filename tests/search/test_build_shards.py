"""Spaces built by several processes against the one that a single process builds."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rowspace as rs
from rowspace.errors import ConfigError, CorpusError, SpaceError
from rowspace.search import build_shards, reading
from rowspace.search.build import Build, BuildConfig
from rowspace.search.build_shards import build_share, is_shared
from rowspace.search.manifest import is_space
from rowspace.search.space import Space, open_space
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.space import shards
from rowspace.space.shards import ShardsReport, merging
from rowspace.text import sections
from rowspace.text.corpus import Corpus
from tests.program import RunMain
from tests.sentence.small_folders import write_sentence_encoder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sentence_encoder(tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* passages are longer than")
        patch.setattr(sections, "SECTION_BYTES", 600)
        patch.setattr(shards, "SHARD_BYTES", 1500)
        patch.setattr(reading, "BATCH_PASSAGES", 3)
        yield


def write_corpus(folder: Path) -> Path:
    folder.mkdir()
    with (folder / "a.jsonl").open("w") as file:
        for i in range(40):
            fields = {"year": i if i < 30 else i + 0.5, "text": "The bank of the river. " * (i % 5)}
            file.write(json.dumps(fields) + "\n")
    for i in range(12):
        (folder / f"t{i:02}.txt").write_text(f"The river {i} ran by the bank. It was deep.\n" * 3)
    (folder / "binary.txt").write_bytes(b"\0")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "texts")


@pytest.fixture(scope="module")
def config(model: Path) -> BuildConfig:
    return BuildConfig(model=str(model), passage_words=20)


@pytest.fixture(scope="module")
def whole(corpus: Path, config: BuildConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("space") / "a.space"
    rs.build(corpus, out, config=config)
    return out


def assert_same(out: Path, whole: Path) -> None:
    """Rows, vectors and columns to the bit, files, and what is told of them."""
    one, other = open_space(out), open_space(whole)
    assert one.to_arrow().read_all().equals(other.to_arrow().read_all())
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}
    assert one.manifest == replace(other.manifest, created=one.manifest.created)
    told, wanted = ([*_untimed(path / "report.html")] for path in (out, whole))
    assert told == wanted
    assert any("binary (a zero byte" in line for line in told)


def _untimed(report: Path) -> Iterator[str]:
    for line in report.read_text().splitlines():
        if "bars" not in line and "UTC" not in line:
            yield re.sub(r"<b>[\d.]+ s</b>", "", line)


def test_shares_in_any_order_make_the_same_space(
    corpus: Path, config: BuildConfig, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.space"
    made = [build_share(Corpus(corpus), out, config=config, share=(i, 3)) for i in (3, 1, 2)]
    assert all(isinstance(report, ShardsReport) and report.missing for report in made[:-1])
    assert isinstance(made[-1], Space)
    assert_same(out, whole)


def test_a_process_that_is_stopped_goes_on_with_its_shard(
    corpus: Path,
    config: BuildConfig,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, calls, encode = tmp_path / "a.space", 0, SentenceEncoder.encode

    def stopping(*arguments: Any, **settings: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise KeyboardInterrupt
        return encode(*arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(SentenceEncoder, "encode", stopping)
        with pytest.raises(KeyboardInterrupt):
            build_share(Corpus(corpus), out, config=config, share=(1, 1))
    assert is_shared(out)
    for share in ({}, {"resume": True}):
        with pytest.raises(SpaceError):
            rs.build(corpus, out, config=config, **share)
    with pytest.raises(SpaceError, match="did not finish; add --resume"):
        build_share(Corpus(corpus), out, config=config)
    calls = -1000
    build_share(Corpus(corpus), out, config=config, resume=True)
    assert_same(out, whole)
    with pytest.raises(SpaceError, match="is a space already"):
        build_share(Corpus(corpus), out, config=config, share=(2, 3))


class Killed(BaseException):
    """As by a signal that nothing can catch."""


@pytest.mark.slow
def test_putting_together_begins_anew(
    corpus: Path,
    config: BuildConfig,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step, calls = build_shards._append, 0

    def killed(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Killed
        return step(*given)

    out = tmp_path / "a.space"
    with monkeypatch.context() as patch:
        patch.setattr(build_shards, "_append", killed)
        with pytest.raises(Killed):
            build_share(Corpus(corpus), out, config=config)
    build_share(Corpus(corpus), out, config=config, resume=True)
    assert_same(out, whole)


def test_a_space_whose_report_was_not_written_is_gone_on_with(
    corpus: Path, config: BuildConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*given: Any) -> Any:
        raise Killed

    out = tmp_path / "a.space"
    with monkeypatch.context() as patch:
        patch.setattr(Build, "_report", killed)
        with pytest.raises(Killed):
            build_share(Corpus(corpus), out, config=config)
    assert is_space(out)
    with merging(out / ".build"):
        report = build_share(Corpus(corpus), out, config=config, share=(1, 2), resume=True)
        assert isinstance(report, ShardsReport)
        assert report.missing == ()
    build_share(Corpus(corpus), out, config=config, share=(1, 2), resume=True)
    assert_same(out, whole)


def test_who_comes_after_the_end_leaves_the_space_as_it_is(
    corpus: Path, config: BuildConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The space is made after a look at it, and before the folder to work in is there."""
    out = tmp_path / "a.space"

    def ending(given: Corpus) -> Any:
        shutil.copytree(whole, out)
        return shards.shared_sections(given)

    monkeypatch.setattr(build_shards, "shared_sections", ending)
    with pytest.raises(SpaceError, match="has been made by another process; open it"):
        build_share(Corpus(corpus), out, config=config, share=(1, 2), resume=True)
    assert_same(out, whole)


def test_a_machine_that_joins_at_the_same_moment_removes_nothing_of_another(
    corpus: Path, config: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds no folder, and is refused when another has begun in one."""
    out = tmp_path / "a.space"
    lock = shards.plan_lock

    def meanwhile(work: Path) -> Any:
        monkeypatch.undo()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(build_shards, "encoder_identity", lambda encoder: {"runtime": "other"})
            build_shards.begin(Corpus(corpus), out, config)
        return lock(work)

    monkeypatch.setattr(build_shards, "plan_lock", meanwhile)
    with pytest.raises(ConfigError, match="use machines of one kind"):
        build_shards.begin(Corpus(corpus), out, config)
    assert is_shared(out)


def test_one_id_in_two_shards_is_told(config: BuildConfig, tmp_path: Path) -> None:
    lines = [json.dumps({"_id": i % 39, "text": "the bank " * 20}) + "\n" for i in range(40)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    out = tmp_path / "a.space"
    build_share(Corpus(tmp_path / "a.jsonl"), out, config=config, share=(1, 2))
    with pytest.raises(CorpusError, match=r"two documents have the id '0', the second in a\.jsonl"):
        build_share(Corpus(tmp_path / "a.jsonl"), out, config=config, share=(2, 2))


def test_other_machines_that_compute_otherwise_are_refused(
    corpus: Path, config: BuildConfig, tmp_path: Path
) -> None:
    out = tmp_path / "a.space"
    build_share(Corpus(corpus), out, config=config, share=(1, 2))
    file = out / ".build" / "encoder.json"
    file.write_text(file.read_text().replace('"runtime": "', '"runtime": "another '))
    with pytest.raises(ConfigError, match=r"are computed with 'another .*use machines of one kind"):
        build_share(Corpus(corpus), out, config=config, share=(2, 2))


def test_word_vectors_are_for_one_process(corpus: Path, tmp_path: Path, run_main: RunMain) -> None:
    ran = run_main("build", corpus, "--out", tmp_path / "a.space", "--shard", "1/2")
    assert "word vectors are learnt by one; give --model ENCODER" in ran.error()
    assert list(tmp_path.iterdir()) == []


def test_the_command_tells_what_is_missing_and_goes_on_alone(
    corpus: Path, model: Path, whole: Path, tmp_path: Path, run_main: RunMain
) -> None:
    out = tmp_path / "a.space"
    given = ("build", corpus, "--model", model, "--out", out, "--passage-words", "20")
    ran = run_main(*given, "--shard", "2/2")
    assert "shards are still to be made (1, 3)" in ran.out, ran
    assert "documents in" in run_main(*given, "--resume").out
    assert_same(out, whole)


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/2/3"])
def test_a_share_that_there_is_not_is_told(
    corpus: Path, tmp_path: Path, run_main: RunMain, shard: str
) -> None:
    ran = run_main("build", corpus, "--out", tmp_path / "a.space", "--shard", shard)
    assert f"--shard is '{shard}'; give which of how many processes this is" in ran.error()


def test_shards_and_an_engine_are_not_both_given(
    corpus: Path, model: Path, tmp_path: Path, run_main: RunMain
) -> None:
    many = ("--shard", "1/2", "--engine", "ray")
    for command in ("build", "encode"):
        out = tmp_path / ("a.npy" if command == "encode" else "a.space")
        order = (corpus, "--model", model) if command == "build" else (model, corpus)
        ran = run_main(command, *order, "--out", out, *many)
        assert ran.error() == "give --shard or --engine, not both"
