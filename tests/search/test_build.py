from __future__ import annotations

import gzip
import html
import json
import lzma
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

import rowspace as rs
from rowspace.errors import ConfigError, CorpusError, FormatError, SpaceError, SpaceLockedError
from rowspace.files import WriterLock
from rowspace.search.build import BuildConfig
from rowspace.search.space import Space
from rowspace.space.vectors import Vectors
from rowspace.static.training import Training
from rowspace.text.corpus import Corpus
from tests.program import run_until_death
from tests.speeches import (
    N_SENTENCES,
    QUICK,
    SPEECHES,
    words_of,
    write_folder,
    write_jsonl,
    write_topics,
)

WORDS = words_of(" ".join(SPEECHES.values()))


def _build(corpus: Corpus | Path | list[Path], out: Path) -> Space:
    """Without stop words, so that each word can be searched for; two sentences make a passage."""
    return rs.build(corpus, out, word2vec=QUICK, passage_words=20, language=None)


def _passages(space: Space, words: set[str]) -> dict[str, list[str]]:
    """The passages of each document, in order, gathered by searching for every word."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for hits in space.search_batch(sorted(words), k=1000, mode="lexical"):
        for hit in hits:
            position = int(hit.passage_id.rsplit("#", 1)[1])
            found[hit.document_id][position] = hit.text
    return {name: [texts[i] for i in sorted(texts)] for name, texts in found.items()}


# --- What is built -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    folder = tmp_path_factory.mktemp("build")
    return _build(write_jsonl(folder / "speeches.jsonl"), folder / "speeches.space")


@pytest.mark.parametrize("name", SPEECHES)
def test_every_word_of_every_document_is_found(space: Space, name: str) -> None:
    words = sorted(words_of(SPEECHES[name]))
    for word, hits in zip(
        words, space.search_batch(words, k=100, mode="lexical", where=f'document_id = "{name}"'),
        strict=True,
    ):  # fmt: skip
        assert hits, word
        assert all(word in words_of(hit.text) for hit in hits), word


def test_passages_add_up_to_their_documents(space: Space) -> None:
    passages = _passages(space, WORDS)
    assert {name: " ".join(texts) for name, texts in passages.items()} == SPEECHES
    n_passages = {name: -(-n // 2) for name, n in N_SENTENCES.items()}
    assert {name: len(texts) for name, texts in passages.items()} == n_passages


def test_status_counts_what_was_given(space: Space) -> None:
    status = space.status()
    assert (status["documents"], status["passages"]) == (5, 10)
    assert status["fields"] == {"year": "int", "party": "string", "first": "bool", "share": "float"}
    assert status["dim"] == 8
    assert status["encoder_words"] == len(WORDS | set(SPEECHES))
    assert space.verify() == []


def test_metadata_narrows_a_search(space: Space) -> None:
    def found(where: str, mode: str) -> set[str]:
        return {hit.document_id for hit in space.search("freedom", k=10, mode=mode, where=where)}

    assert found("year > 1950", "lexical") == {"kennedy", "carter"}
    for mode in ("dense", "hybrid"):
        assert found("year > 1950 or first = true", mode) == {"kennedy", "carter", "washington"}
    hit = space.search("torch", k=1)[0]
    assert (hit.title, hit.source) == ("Kennedy", "speeches.jsonl")
    assert hit.metadata["tags"] == ["a", "b"]


def test_the_report_names_the_counts(space: Space) -> None:
    page = (space.path / "report.html").read_text()
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page))
    assert facts["documents"] == "5"
    assert facts["passages"] == "10"
    assert facts["words"] == "190"
    assert facts["files"] == "1"
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    n_words = len(WORDS | set(SPEECHES))
    assert f"{n_words} words have vectors; together they make up 195 tokens" in text  # + 5 titles


def test_nothing_of_the_work_is_left_behind(space: Space) -> None:
    names = {path.name for path in space.path.iterdir()}
    assert names == {
        "space.json",
        "commit.json",
        "commit.copy.json",
        "lock",
        "model",
        "store",
        "report.html",
    }


def test_vectors_of_a_space_load_as_a_model(space: Space) -> None:
    vectors = rs.load(space.path)
    assert vectors.dim == 8
    assert set(vectors.index_to_key) == WORDS | set(SPEECHES)  # the titles are the names


# --- What it is built from -----------------------------------------------------------------------


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "speeches")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "blank.txt").write_text(" \n")
    space = _build(folder, tmp_path / "a.space")
    passages = _passages(space, WORDS)
    assert {name: " ".join(texts) for name, texts in passages.items()} == {
        f"{name}.txt": text for name, text in SPEECHES.items()
    }
    assert "picture.png" in (tmp_path / "a.space" / "report.html").read_text()


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    plain = write_jsonl(tmp_path / "rest.jsonl")
    lines = plain.read_bytes().splitlines(keepends=True)
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "xz": lzma.compress,
        "zst": zstandard.compress,
    }
    paths = []
    for line, (suffix, compress) in zip(lines, packers.items(), strict=False):
        paths.append(tmp_path / f"{suffix}.jsonl.{suffix}")
        paths[-1].write_bytes(compress(line))
    plain.write_bytes(b"".join(lines[3:]))
    space = _build([*paths, plain], tmp_path / "a.space")
    assert space.status()["documents"] == 5
    found = {hit.document_id: hit.source for hit in space.search("the a", k=100, mode="lexical")}
    assert found["washington"] == "gz.jsonl.gz"
    assert found["lincoln"] == "xz.jsonl.xz"
    assert found["roosevelt"] == "zst.jsonl.zst"
    assert found["kennedy"] == "rest.jsonl"


def test_blocks_are_documents_with_their_first_line_as_title(tmp_path: Path) -> None:
    path = tmp_path / "speeches.txt"
    path.write_text("\n\n".join(f"{name.upper()}\n{text}" for name, text in SPEECHES.items()))
    space = _build(Corpus(path, "blocks"), tmp_path / "a.space")
    passages = _passages(space, words_of(" ".join(SPEECHES.values())))
    assert [" ".join(passages[f"speeches.txt:{1 + 3 * i}"]) for i in range(5)] == [
        *SPEECHES.values()
    ]
    assert space.search("torch", k=1)[0].title == "KENNEDY"
    assert space.search("kennedy", k=1, mode="lexical")[0].title == "KENNEDY"


def test_empty_documents_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl")
    with path.open("a") as file:
        file.write('{"text": ""}\n\n{"text": " \\n "}\n{"text": "", "title": "Only a title"}\n')
    space = _build(path, tmp_path / "a.space")
    assert (space.status()["documents"], space.status()["passages"]) == (6, 11)
    page = (tmp_path / "a.space" / "report.html").read_text()
    assert "2 documents with neither text nor title were left out" in page
    assert [hit.title for hit in space.search("title", mode="lexical")] == ["Only a title"]


def test_given_vectors_are_used_as_they_are(tmp_path: Path) -> None:
    words = sorted(words_of(" ".join(SPEECHES.values())))
    matrix = np.random.default_rng(1).normal(size=(len(words), 6)).astype(np.float32)
    Vectors(words, matrix).save(tmp_path / "given.bin")
    space = rs.build(
        write_jsonl(tmp_path / "a.jsonl"), tmp_path / "a.space", model=str(tmp_path / "given.bin")
    )
    given = rs.load(tmp_path / "a.space")
    assert [given[word].tolist() for word in words] == matrix.tolist()
    assert space.search(SPEECHES["carter"], k=1, mode="dense")[0].document_id == "carter"
    page = (tmp_path / "a.space" / "report.html").read_text()
    assert "Nothing was trained" in page


def test_english_is_stemmed_unless_told_otherwise(tmp_path: Path, space: Space) -> None:
    english = rs.build(write_jsonl(tmp_path / "a.jsonl"), tmp_path / "a.space", word2vec=QUICK)
    assert [h.document_id for h in english.search("exploring", mode="lexical")] == ["kennedy"]
    assert english.search("the", mode="lexical") == []
    assert space.search("exploring", mode="lexical") == []


def test_documents_can_be_added_to_what_was_built(tmp_path: Path) -> None:
    space = _build(write_folder(tmp_path / "speeches"), tmp_path / "a.space")
    new = tmp_path / "new.jsonl"
    new.write_text('{"_id": "jefferson", "text": "We are all republicans.", "year": 1801}\n')
    space.add(Corpus(new))
    assert space.search("republicans", k=1, where="year = 1801")[0].document_id == "jefferson"
    assert space.verify() == []


def test_a_line_of_three_megabytes_builds(tmp_path: Path) -> None:
    sentence = "The quick brown fox jumps over the lazy dog again. "
    path = tmp_path / "line.txt"
    path.write_text((sentence * 60_000)[:3_000_000])
    space = rs.build(path, tmp_path / "a.space", word2vec=QUICK, passage_words=10_000)
    assert space.status()["passages"] == -(-3_000_000 // (len(sentence) * 1000))
    assert space.verify() == []


def test_a_word_of_a_megabyte_builds(tmp_path: Path) -> None:
    path = tmp_path / "word.txt"
    path.write_text("one two three\n" + "x" * 1_000_000 + "\nfour five six\n")
    space = rs.build(path, tmp_path / "a.space", word2vec=QUICK, passage_words=1000)
    assert "four five six" in space.search("five", k=1, mode="lexical")[0].text
    assert space.verify() == []


# --- Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"model": "a.bin", "word2vec": {"dim": 3}}, "a model to use or settings to train one"),
        ({"passage_words": 0}, "passage_words is 0; give 1 or more"),
        ({"dense_weight": -0.5}, "dense_weight is -0.5; give 0 or more"),
    ],
)
def test_a_setting_that_cannot_work_is_named(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BuildConfig(**setting)  # type: ignore[arg-type]


def test_a_config_and_settings_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give a config or settings, not both"):
        rs.build(tmp_path, tmp_path / "a", config=BuildConfig(), passage_words=3)


def test_a_corpus_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="there is no file or folder"):
        rs.build(tmp_path / "none", tmp_path / "a.space")
    assert not (tmp_path / "a.space").exists()


def test_a_corpus_that_fails_leaves_an_empty_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.space").mkdir()
    with pytest.raises(CorpusError, match="there is no file or folder"):
        rs.build(tmp_path / "none", tmp_path / "a.space")
    assert list((tmp_path / "a.space").iterdir()) == []


# --- Going on ------------------------------------------------------------------------------------

TOPICS = {"dim": 16, "epochs": 4, "min_count": 1, "n_threads": 1}
ARGUMENTS = ("--dim", "16", "--epochs", "4", "--min-count", "1", "--n-threads", "1")


def _model(space: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (space / "model").iterdir()}


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `topics.txt` and `whole.space`, built of it in one go."""
    folder = tmp_path_factory.mktemp("topics")
    rs.build(write_topics(folder / "topics.txt"), folder / "whole.space", word2vec=TOPICS)
    return folder


MOMENTS = {
    "reading": ("rowspace.search.reading:split_passages", 1),
    "when all is read": ("rowspace.search.build:fsync_tree", 1),
    "counting words": ("rowspace.text.vocabulary:_rewrite_ids", 1),
    "before the first epoch": ("rowspace.static.training:Training.train_piece", 1),
    "in the third epoch": ("rowspace.static.training:Training.train_piece", 40),
    "saving a checkpoint": ("rowspace.static.run:write_folder_atomically", 2),
    "before the model is saved": ("rowspace.static.sif:SIFEncoder.save", 1),
    "storing": ("rowspace.search.store:Store.index_text", 1),
    "before the last commit": ("rowspace.search.writer:write_commit", 3),
    "before the report": ("rowspace.search.report:write_report", 1),
    "writing the report": ("rowspace.space.pages:write_atomically", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_build_that_was_killed_goes_on(topics: Path, tmp_path: Path, moment: str) -> None:
    corpus, out = topics / "topics.txt", tmp_path / "a.space"
    run_until_death(*MOMENTS[moment], "build", corpus, "--out", out, *ARGUMENTS)
    assert (out / ".build").exists()
    with pytest.raises(SpaceError, match="did not finish; add --resume to go on with it, or re"):
        rs.build(corpus, out, word2vec=TOPICS)
    space = rs.build(corpus, out, word2vec=TOPICS, resume=True)
    assert _model(out) == _model(topics / "whole.space")
    assert (space.status()["documents"], space.status()["passages"]) == (1, 30)
    assert space.verify() == []
    assert {path.name for path in out.iterdir()} == {
        path.name for path in (topics / "whole.space").iterdir()
    }
    with pytest.raises(SpaceError, match="is a space already; give another --out, or `rowspace a"):
        rs.build(corpus, out, word2vec=TOPICS, resume=True)


class _Stop(Exception):
    pass


def _stop_at(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    def stop(*_: object, **__: object) -> None:
        raise _Stop

    monkeypatch.setattr(target, stop)


def _stopped(topics: Path, out: Path, target: str) -> None:
    """A build that stopped when it called `target`."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _stop_at(monkeypatch, target)
        with pytest.raises(_Stop):
            rs.build(topics / "topics.txt", out, word2vec=TOPICS)


@pytest.fixture(scope="module")
def unreported(topics: Path) -> Path:
    """A build that stopped before its report."""
    out = topics / "unreported.space"
    _stopped(topics, out, "rowspace.search.report.write_report")
    return out


def test_training_goes_on_from_its_last_checkpoint(
    topics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.space"
    _stopped(topics, out, "rowspace.search.build.SIFEncoder.from_vectors")
    numbers: list[int] = []
    train_piece = Training.train_piece

    def noting(training: Training, number: int) -> tuple[float, int]:
        numbers.append(number)
        return train_piece(training, number)

    monkeypatch.setattr(Training, "train_piece", noting)
    rs.build(topics / "topics.txt", out, word2vec=TOPICS, resume=True)
    assert numbers[0] == 3 * len(numbers)  # the last of four epochs
    assert _model(out) == _model(topics / "whole.space")


def test_a_corpus_is_not_read_again(topics: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "topics.txt"
    shutil.copy(topics / "topics.txt", corpus)
    out = tmp_path / "a.space"
    with pytest.MonkeyPatch.context() as monkeypatch:
        _stop_at(monkeypatch, "rowspace.search.build.Build._train")
        with pytest.raises(_Stop):
            rs.build(corpus, out, word2vec=TOPICS)
    corpus.unlink()
    rs.build(corpus, out, word2vec=TOPICS, resume=True)
    assert _model(out) == _model(topics / "whole.space")


def test_a_space_without_its_report_can_be_searched(unreported: Path) -> None:
    assert rs.open_space(unreported).search("sea7", k=1)


def test_a_build_killed_while_it_tidied_up_is_a_space(topics: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(topics / "whole.space", tmp_path / "a.space"))
    (out / ".build.done").mkdir()
    (out / ".build.done" / "text.txt").write_text("half of it is gone")
    assert rs.open_space(out).verify() == []
    with pytest.raises(SpaceError, match="is a space already"):
        rs.build(topics / "topics.txt", out, word2vec=TOPICS, resume=True)
    assert not (out / ".build.done").exists()


@pytest.mark.parametrize(
    "settings",
    [{"word2vec": {**TOPICS, "dim": 17}}, {"word2vec": TOPICS, "passage_words": 60}, {}],
)
def test_other_settings_are_refused(
    topics: Path, unreported: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(SpaceError, match="was begun with another corpus or other settings; give"):
        rs.build(topics / "topics.txt", unreported, resume=True, **settings)


def test_another_corpus_is_refused(topics: Path, unreported: Path) -> None:
    for corpus in (topics, Corpus(topics / "topics.txt", "lines")):
        with pytest.raises(SpaceError, match="was begun with another corpus or other settings; gi"):
            rs.build(corpus, unreported, word2vec=TOPICS, resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_build_that_runs_is_left_alone(topics: Path, unreported: Path, resume: bool) -> None:
    with (
        WriterLock(unreported / ".build" / "lock"),
        pytest.raises(
            SpaceLockedError,
            match=r"the build of \S+ is being written by another process \(pid \d+\); wait",
        ),
    ):
        rs.build(topics / "topics.txt", unreported, word2vec=TOPICS, resume=resume)


def test_a_damaged_note_says_what_to_remove(topics: Path, unreported: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(unreported, tmp_path / "a.space"))
    (out / ".build" / "read.json").write_text("{")
    with pytest.raises(FormatError, match=r"read.json is damaged \(.*\); remove \S+a.space to st"):
        rs.build(topics / "topics.txt", out, word2vec=TOPICS, resume=True)


def test_resuming_what_was_never_begun_builds_it(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl")
    space = rs.build(path, tmp_path / "a.space", word2vec=QUICK, resume=True)
    assert space.status()["documents"] == 5
    assert json.loads((tmp_path / "a.space" / "space.json").read_text())["max_words"] == 120
