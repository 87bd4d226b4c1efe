"""What is learnt of a corpus in pieces against what is learnt of it at once."""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import CorpusError
from rowspace.search import reading
from rowspace.search.reading import Reading, batch_sizes, reading_from, shard_passages
from rowspace.text import sections
from rowspace.text.corpus import Corpus
from rowspace.text.passages import Passage, split_passages
from rowspace.text.sections import Section, sections_of

VALUES = [1, 2.5, True, "x", None, ["a"], 2**70]


def write_corpus(folder: Path, rng: random.Random) -> Corpus:
    """Long and short files, some empty, in which fields hold this and that."""
    for i in range(rng.randint(1, 6)):
        with (folder / f"{i}.jsonl").open("w") as file:
            for _ in range(rng.choice([0, 1, 30])):
                fields = {name: rng.choice(VALUES) for name in rng.sample("abcde", 2)}
                text = "A sentence of words. " * rng.randint(0, 9)
                file.write(json.dumps({"text": text, **fields}) + "\n")
    for i in range(rng.randint(1, 12)):
        (folder / f"t{i}.txt").write_text(rng.choice(["", "Some text. " * 20]))
    (folder / "binary.txt").write_bytes(b"\0")
    return Corpus(folder)


def read(corpus: Corpus, found: list[Section]) -> tuple[list[Passage], Reading]:
    learnt = Reading()
    batches = list(shard_passages(corpus, found, 10, learnt))
    assert list(map(len, batches)) == list(batch_sizes(learnt.report.sections))
    return [passage for batch in batches for passage in batch], learnt


@given(st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_pieces_add_up_to_the_whole(rng: random.Random) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sections, "SECTION_BYTES", rng.choice([200, 900, 1 << 20]))
        patch.setattr(reading, "BATCH_PASSAGES", 7)
        patch.setattr(reading, "_MAX_SOURCES", rng.choice([1, 3, 100]))
        corpus = write_corpus(Path(name), rng)
        found = sections_of(corpus)
        passages, whole = read(corpus, found)
        assert passages == [p for d in corpus for p in split_passages(d, 10)]
        total, start = Reading(), 0
        while start < len(found):
            end = start + rng.randint(1, 4)
            _, piece = read(corpus, found[start:end])
            total.add(reading_from(json.loads(json.dumps(piece.as_json()))))
            start = end
        assert replace(total) == replace(whole)
        assert total.types.types() == whole.types.types()
        documents = [d for d in corpus if list(split_passages(d, 10))]
        assert whole.report.n_sources == len({d.source for d in documents})
        assert whole.report.n_documents == len(documents)
        assert sum(whole.report.sections) == len(passages) == whole.report.n_passages
        assert [name for name, _ in whole.report.skipped] == ["binary.txt"]


def test_a_document_that_comes_again_in_another_piece_is_told(tmp_path: Path) -> None:
    total = Reading()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.jsonl").write_text('{"_id": "x", "text": "y"}\n')
    total.add(read(Corpus(tmp_path / "a"), sections_of(Corpus(tmp_path / "a")))[1])
    other = read(Corpus(tmp_path / "b"), sections_of(Corpus(tmp_path / "b")))[1]
    with pytest.raises(CorpusError, match=r"two documents have the id 'x', the second in b\.jsonl"):
        total.add(other)
