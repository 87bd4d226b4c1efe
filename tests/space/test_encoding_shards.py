"""Vectors of a corpus made in shards, byte for byte against those of one process."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError, CorpusError
from rowspace.sentence.text_encoding import EncodingSettings, load_encoding
from rowspace.space import encoding_shards, growing, shards
from rowspace.space.encoding import EncodingReport, encode_corpus
from rowspace.space.encoding_shards import encode_share, is_sharded
from rowspace.space.shards import ShardsReport
from rowspace.text import chunks, sections
from rowspace.text.corpus import Corpus
from tests.data import shared_data
from tests.minilm import minilm_folder
from tests.space.shard_texts import DIM, encode, make_small, write_texts

GIVEN: dict[str, Any] = {"dim": DIM, "identity": {"encoder": "e"}}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((sections, "SECTION_BYTES"), (chunks, "CHUNK_CHARACTERS")):
        monkeypatch.setattr(module, name, getattr(module, name))  # to be put back
    make_small()
    monkeypatch.setattr(shards, "SHARD_BYTES", 5000)


def files_of(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in (out, out.with_name(out.stem + ".keys.txt"))]


def in_one(corpus: Corpus, out: Path) -> EncodingReport:
    return encode_corpus(encode, corpus, out, **GIVEN)


def share(corpus: Corpus, out: Path, index: int, n: int, **more: Any) -> Any:
    return encode_share(encode, corpus, out, share=(index, n), **{**GIVEN, **more})


def write_corpus(folder: Path) -> Path:
    folder.mkdir()
    write_texts(folder / "a.jsonl", 150, seed=1)
    rows = {"text": [f"row {i} " * (i % 40) for i in range(300)]}
    pq.write_table(pa.table(rows), folder / "b.parquet", row_group_size=50, compression="none")
    with gzip.open(folder / "c.jsonl.gz", "wb") as file:
        file.write(write_texts(folder / "not.read", 80, seed=2).read_bytes())
    for i in range(30):
        (folder / f"small{i:02}.txt").write_text("some words\nof a text\n" * (i % 9))
    (folder / "z.txt").write_text("a line\r\nof a long file\r" * 300)
    return folder


@given(n=st.integers(1, 9), order=st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_any_number_of_shares_in_any_order_give_the_bytes_of_one(
    n: int, order: random.Random
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = order.choice(["file", "lines", "blocks"])
        corpus = Corpus(write_corpus(folder / "texts"), documents)
        wanted = in_one(corpus, folder / "one.npy")
        indexes = order.sample(range(1, n + 1), n)
        reports = [share(corpus, folder / "all.npy", index, n) for index in indexes]
        assert files_of(folder / "all.npy") == files_of(folder / "one.npy")
        assert all(isinstance(report, ShardsReport) for report in reports[:-1])
        for field in ("n_texts", "n_empty", "n_truncated", "n_renamed", "dim"):
            assert getattr(reports[-1], field) == getattr(wanted, field), field
        assert wanted.n_renamed > 0 < wanted.n_truncated
        assert [path.name for path in sorted(folder.iterdir())] == [
            "all.keys.txt", "all.npy", "one.keys.txt", "one.npy", "texts"
        ]  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(write_texts(tmp_path / "a.jsonl", 200))


def test_who_is_not_last_tells_what_is_missing(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    report = share(corpus, out, 2, 2)
    assert report.n_shards > 3
    assert report.missing == tuple(range(1, report.n_shards + 1, 2))
    assert is_sharded(out)
    with pytest.raises(ConfigError, match="holds shards that are made; add --resume"):
        share(corpus, out, 2, 2)
    assert share(corpus, out, 2, 2, resume=True).n_made == 0
    assert isinstance(share(corpus, out, 1, 1, resume=True), EncodingReport)
    with pytest.raises(
        ConfigError, match=r"out\.npy exists: if .* make, all is done and put together"
    ):
        share(corpus, out, 1, 1)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"identity": {"encoder": "f"}}, 'encoder was "e", not "f"'),
        ({"dtype": "float16"}, 'dtype was "float32", not "float16"'),
    ],
)
def test_shards_of_other_settings_do_not_mix(
    corpus: Corpus, tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    share(corpus, tmp_path / "out.npy", 1, 2)
    with pytest.raises(ConfigError, match=message):
        share(corpus, tmp_path / "out.npy", 2, 2, **more)


def test_nor_those_of_other_versions(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(corpus, tmp_path / "out.npy", 1, 2)
    monkeypatch.setattr(np, "__version__", "9.9")
    with pytest.raises(ConfigError, match=r'numpy was ".*", not "9.9"'):
        share(corpus, tmp_path / "out.npy", 2, 2)


def test_nor_those_of_another_text(corpus: Corpus, tmp_path: Path) -> None:
    share(corpus, tmp_path / "out.npy", 1, 2)
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('\n{"text": "more"}\n')
    with pytest.raises(ConfigError, match=r"a\.jsonl has changed since its shards were planned"):
        share(corpus, tmp_path / "out.npy", 2, 2)


def test_a_run_of_one_process_and_shards_do_not_mix(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "SAVE_SECONDS", 0.0)
    out, calls = tmp_path / "out.npy", 0

    def stopping(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return encode(*given)

    with pytest.raises(KeyboardInterrupt):
        encode_corpus(stopping, corpus, out, **GIVEN)
    with pytest.raises(ConfigError, match="a run of a single process; go on with --resume alone"):
        share(corpus, out, 1, 2, resume=True)
    encode_corpus(encode, corpus, out, resume=True, **GIVEN)
    share(corpus, tmp_path / "other.npy", 1, 2)
    with pytest.raises(ConfigError, match="another corpus or with other settings"):
        encode_corpus(encode, corpus, tmp_path / "other.npy", resume=True, **GIVEN)


def test_an_unfinished_run_of_before_there_were_sections_is_refused(
    corpus: Corpus, tmp_path: Path
) -> None:
    work = tmp_path / "out.npy.training"
    work.mkdir()
    (work / "settings.json").write_text(
        '{"corpus": {"paths": ["%s"], "documents": "file", "encoding": "utf-8", "errors": '
        '"strict"}, "config": {"dtype": "float32", "encoder": "e"}}' % (tmp_path / "a.jsonl")
    )
    with pytest.raises(ConfigError, match="it is of another version"):
        encode_corpus(encode, corpus, tmp_path / "out.npy", resume=True, **GIVEN)


def test_text_that_comes_once_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="several processes cannot read stdin"):
        share(Corpus("-", "lines"), tmp_path / "out.npy", 1, 2)
    assert list(tmp_path.iterdir()) == []


def test_no_text_at_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n")
    with pytest.raises(CorpusError, match="there is no text to encode"):
        share(Corpus(tmp_path / "a.txt", "lines"), tmp_path / "out.npy", 1, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_damaged_shard_of_another_is_made_again_by_who_is_last(
    corpus: Corpus, tmp_path: Path
) -> None:
    in_one(corpus, tmp_path / "one.npy")
    out = tmp_path / "out.npy"
    share(corpus, out, 2, 2)
    damaged = next((tmp_path / "out.npy.training/shards").glob("00001.*/vectors.npy"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    with pytest.warns(UserWarning, match="shard 2 is made again: .*vectors.npy has changed"):
        assert isinstance(share(corpus, out, 1, 2), EncodingReport)
    assert files_of(out) == files_of(tmp_path / "one.npy")


class Killed(BaseException):
    """As by a signal that nothing can catch."""


@pytest.mark.parametrize("after", range(6))
def test_putting_together_goes_on_where_it_was_stopped(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(growing, "SAVE_SECONDS", 0.0)
    in_one(corpus, tmp_path / "one.npy")
    out, steps = tmp_path / "out.npy", 0
    names = ("_append", "write_json", "move", "retire")

    def counting(step: Any) -> Any:
        def run(*given: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == (after + 1 if after < 3 else len_of_merge(corpus) + after - 3):
                raise Killed
            return step(*given)

        return run

    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(encoding_shards, name, counting(getattr(encoding_shards, name)))
        with pytest.raises(Killed):
            share(corpus, out, 1, 1)
    if not out.exists():
        share(corpus, out, 1, 1, resume=True)
    assert files_of(out) == files_of(tmp_path / "one.npy")


def test_keys_that_have_their_name_already_are_gone_on_with(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_one(corpus, tmp_path / "one.npy")
    out, replace = tmp_path / "out.npy", Path.replace

    def killed(path: Path, target: Path) -> Any:
        if Path(target) == out:
            raise Killed
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            share(corpus, out, 1, 1)
    assert out.with_name("out.keys.txt").exists()
    assert isinstance(share(corpus, out, 1, 2, resume=True), EncodingReport)
    assert files_of(out) == files_of(tmp_path / "one.npy")


def test_who_joins_while_another_puts_together_says_so_at_once(
    corpus: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "out.npy"
    share(corpus, out, 1, 2)
    run = encoding_shards.begin(corpus, out, **GIVEN)
    with shards.merging(run.work):
        assert share(corpus, out, 2, 2).missing == ()
        assert share(corpus, out, 2, 2, resume=True).missing == ()
    assert isinstance(share(corpus, out, 2, 2, resume=True), EncodingReport)


@pytest.mark.parametrize("moment", ["before joining", "after the last shard"])
def test_who_comes_after_the_end_leaves_nothing(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The run ends between two steps of this process."""
    out = tmp_path / "out.npy"
    share(corpus, out, 1, 2)

    def end() -> None:
        patch.undo()
        assert isinstance(share(corpus, out, 1, 1, resume=True), EncodingReport)

    def sections_then(given: Corpus) -> Any:
        end()
        return shards.shared_sections(given)

    def missing_then(folder: shards.ShardFolder, wanted: Any) -> Any:
        end()
        return folder.missing(wanted)

    with monkeypatch.context() as patch:
        if moment == "before joining":
            patch.setattr(encoding_shards, "shared_sections", sections_then)
            with pytest.raises(ConfigError, match=r"out\.npy exists"):
                share(corpus, out, 2, 2, resume=True)
        else:
            patch.setattr(shards.ShardFolder, "missing", missing_then)
            assert share(corpus, out, 1, 2, resume=True).missing == ()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.jsonl", "out.keys.txt", "out.npy"]


def len_of_merge(corpus: Corpus) -> int:
    """The number of the step after the last shard is appended."""
    return len(shards.plan(sections.sections_of(corpus))) + 1


def test_another_process_may_be_the_one_that_puts_together(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is held, or all is done between two looks of this one."""
    out = tmp_path / "out.npy"
    run = encoding_shards.begin(corpus, out, **GIVEN)
    with shards.merging(run.work) as is_mine:
        assert is_mine
        with shards.merging(run.work) as too:
            assert not too
    whole = shards.ShardFolder.missing

    def meanwhile(folder: shards.ShardFolder, wanted: Any) -> Any:
        found = whole(folder, wanted)
        if not found:
            monkeypatch.setattr(shards.ShardFolder, "missing", whole)
            assert isinstance(share(corpus, out, 1, 1, resume=True), EncodingReport)
        return found

    monkeypatch.setattr(shards.ShardFolder, "missing", meanwhile)
    report = share(corpus, out, 1, 1)
    assert (report.missing, report.n_made) == ((), 200 - in_one(corpus, tmp_path / "o.npy").n_empty)
    assert files_of(out) == files_of(tmp_path / "o.npy")


@pytest.mark.slow
def test_processes_that_are_killed_at_any_moment_end_with_the_same_bytes(tmp_path: Path) -> None:
    """Three at a time, of which two have the same share."""
    rng = random.Random(5)
    text, out = write_texts(tmp_path / "a.jsonl", 1500), tmp_path / "out.npy"
    in_one(Corpus(text), tmp_path / "one.npy")
    for is_last in [False] * 4 + [True]:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.space.shard_texts", str(text), str(out), name],
                stderr=subprocess.PIPE, text=True,
            )
            for name in (("1/1",) if is_last else ("1/2", "2/2", "2/2"))
        ]  # fmt: skip
        for process in started:
            if not is_last:
                time.sleep(rng.uniform(0.1, 0.8))
                process.kill()
            _, told = process.communicate(timeout=120)
            assert "Traceback" not in told, told
    assert files_of(out) == files_of(tmp_path / "one.npy")
    assert not out.with_name("out.npy.training").exists()


@pytest.mark.slow
def test_a_real_encoder_gives_the_bytes_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its vectors differ by what a batch holds, so that this would show another cut."""
    with gzip.open(shared_data("retrieval", "scifact", "corpus.jsonl.gz"), "rt") as file:
        lines = list(islice(file, 150))
    (tmp_path / "a.jsonl").write_text("".join(lines))
    monkeypatch.setattr(sections, "SECTION_BYTES", 60_000)
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 1 << 17)
    monkeypatch.setattr(shards, "SHARD_BYTES", 60_000)
    corpus = Corpus(tmp_path / "a.jsonl")
    settings = EncodingSettings(model=str(minilm_folder()), max_length=64, threads=1)
    found = load_encoding(settings, corpus)
    given: dict[str, Any] = {"dim": found.dim, "identity": found.identity}
    encode_corpus(found.encode, corpus, tmp_path / "one.npy", **given)
    for index in (2, 1):
        encode_share(found.encode, corpus, tmp_path / "all.npy", share=(index, 2), **given)
    assert files_of(tmp_path / "all.npy") == files_of(tmp_path / "one.npy")
