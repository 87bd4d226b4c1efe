"""Counting in shares gives what one scan gives, wherever the text is cut."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError, CorpusError, VocabularyError
from rowspace.text.corpus import Corpus
from rowspace.text.shares import (
    begin_counting,
    count_share,
    cut_into_shares,
    join_shares,
    merge_words,
    number_share,
)
from rowspace.text.streams import read_blocks, read_span
from rowspace.text.vocabulary import TokenIds, Vocabulary, VocabularyConfig, scan_corpus

LINES = "one two two\nthree\r\nthree Ünder u\u0308ber\n\n東京 one\rtwo"


def in_shares(
    corpus: Corpus, folder: Path, config: VocabularyConfig, share_bytes: int
) -> tuple[Vocabulary, TokenIds, int]:
    shares, work = cut_into_shares(corpus, share_bytes), folder / "counting"
    begin_counting(corpus, shares, work, config)
    for share in reversed(shares):
        count_share(corpus, share, work, config.tokenizer)
    vocabulary = merge_words(shares, work, config)
    for share in shares:
        number_share(share.number, work)
    return vocabulary, join_shares(shares, work, folder / "ids.i32"), len(shares)


def write_awkward(folder: Path) -> Path:
    """Files that end in every way, in every format that is cut or is not."""
    folder.mkdir()
    (folder / "a.txt").write_text(LINES * 20)  # a word goes on over what was a file's end
    (folder / "b.txt").write_bytes(b"")
    (folder / "c.txt").write_text("no end of a line " * 30)
    (folder / "d.txt").write_text("\n\n\n" + "rare\nrare\nx y\n" * 20)
    rows = [{"title": f"Title {n}", "text": f"one line\nof {n}\n"} for n in range(40)]
    (folder / "e.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "f.txt.gz").write_bytes(gzip.compress((LINES * 9).encode()))
    return folder


@pytest.mark.parametrize("documents", ["file", "lines"])
@pytest.mark.parametrize("share_bytes", [25, 1000, 1 << 20])
def test_shares_give_what_one_scan_gives(tmp_path: Path, documents: str, share_bytes: int) -> None:
    corpus = Corpus(write_awkward(tmp_path / "text"), documents)
    config = VocabularyConfig(min_count=10)
    for name in ("one", "many"):
        (tmp_path / name).mkdir()
    one, ids = scan_corpus(corpus, tmp_path / "one", config)
    many, many_ids, n_shares = in_shares(corpus, tmp_path / "many", config, share_bytes)
    assert many.words == one.words
    assert many.counts.tolist() == one.counts.tolist()
    assert (many.n_tokens, many.n_distinct) == (one.n_tokens, one.n_distinct)
    assert many_ids.n_ids == ids.n_ids > 0
    assert many_ids.path.read_bytes() == ids.path.read_bytes()
    assert [path.name for path in (tmp_path / "many").iterdir()] == ["ids.i32"]
    assert (n_shares > 40) == (share_bytes < 100)


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(st.sampled_from(["\n", " ", "é", "\r\n", "a", "bcdefghi"]), max_size=60),
    size=st.integers(1, 40),
    block=st.integers(5, 24),
)
def test_spans_are_cut_as_the_whole_file(data: list[str], size: int, block: int) -> None:
    text = "".join(data).encode()
    cuts = set(itertools.accumulate(len(part) for part in read_blocks(io.BytesIO(text), block)))
    lines = {place + 1 for place, byte in enumerate(text) if byte == ord("\n")}
    found, joined = set(), b""
    for first in range(0, len(text), size):
        offset, blocks = read_span(io.BytesIO(text), first, min(first + size, len(text)), block)
        for number, part in enumerate(blocks):
            assert text[offset : offset + len(part)] == part
            joined += part[1:] if number == 0 and first > 0 else part
            offset += len(part)
            found.add(offset)
    assert joined == text
    assert found - lines - {len(text)} == cuts - lines - {len(text)}


def test_what_is_counted_is_not_counted_again_unless_the_text_is_another(tmp_path: Path) -> None:
    text, work = tmp_path / "text.txt", tmp_path / "counting"
    text.write_text("one two\n" * 10)
    corpus, config = Corpus(text), VocabularyConfig(min_count=1)

    def count_all() -> list[int]:
        shares = cut_into_shares(corpus, 40)
        begin_counting(corpus, shares, work, config)
        for share in shares:
            count_share(corpus, share, work, config.tokenizer)
        return [path.stat().st_mtime_ns for path in sorted(work.glob("0*"))]

    before = count_all()
    assert len(before) == 2
    assert count_all() == before
    text.write_text("one two three\n" * 10)
    assert not set(count_all()) & set(before)
    assert merge_words(cut_into_shares(corpus, 40), work, config).n_distinct == 3


def test_an_error_in_a_range_names_the_line_of_the_file(tmp_path: Path) -> None:
    text = tmp_path / "a.jsonl"
    text.write_text('{"text": "one"}\n' * 100_000 + "no json\n")
    corpus, config = Corpus(text), VocabularyConfig(min_count=1)
    shares = cut_into_shares(corpus, 1 << 20)
    begin_counting(corpus, shares, tmp_path / "counting", config)
    with pytest.raises(CorpusError, match=r"a\.jsonl, line 100001, is not JSON"):
        count_share(corpus, shares[-1], tmp_path / "counting", "words")


def test_a_pipe_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder, "pipe")
        os.mkfifo(pipe)
        with pytest.raises(ConfigError, match="pipe can be read once, by one process; write it"):
            cut_into_shares(Corpus(pipe))


def test_no_word_and_none_that_is_frequent_are_told(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("one two\n")
    with pytest.raises(VocabularyError, match="no word occurs 2 times in 2 tokens"):
        in_shares(Corpus(text), tmp_path, VocabularyConfig(min_count=2), 4)
    text.write_text(" \n.\n")
    with pytest.raises(CorpusError, match="the corpus has no word in it"):
        in_shares(Corpus(text), tmp_path, VocabularyConfig(), 4)
