"""Training pairs out of files: what is read, what is counted, what is refused."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from rowspace.errors import CorpusError
from rowspace.sentence.example import Example, kind_of, text_keys, write_pairs
from rowspace.sentence.pairs import PairFile, beir_pairs, examples_of, read_pairs, title_pairs
from rowspace.text.corpus import Corpus
from tests.data import shared_data
from tests.evaluate.test_beir import write_task


def write_lines(path: Path, *lines: dict[str, Any] | str) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n")
    return path


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ({"anchor": "a", "positive": "p"}, [Example("a", "p")]),
        ({"query": "a", "pos": ["p", "q"], "neg": ["n"]},
         [Example("a", "p", ("n",)), Example("a", "q", ("n",))]),
        ({"query": "a", "document": "p", "score": 1}, [Example("a", "p", score=1.0)]),
        ({"sentence1": "a", "sentence2": "p", "label": "0.5"}, [Example("a", "p", score=0.5)]),
        ({"anchor": " a\n", "positive": "p", "negative_1": "n", "negative_2": "m", "id": 7},
         [Example("a", "p", ("n", "m"))]),
        ({"anchor": "a", "positive": "p", "negatives": ["n", "m"], "scores": [3, 2, 0.5]},
         [Example("a", "p", ("n", "m"), scores=(3.0, 2.0, 0.5))]),
        ({"query": "a", "pos": ["p", "q"], "neg": ["n"], "pos_scores": [3, 2], "neg_scores": [1]},
         [Example("a", "p", ("n",), scores=(3, 1)), Example("a", "q", ("n",), scores=(2, 1))]),
    ],
)  # fmt: skip
def test_the_usual_names_of_json_are_read(
    tmp_path: Path, line: dict[str, Any], wanted: list[Example]
) -> None:
    assert list(PairFile(write_lines(tmp_path / "a.jsonl", line))) == wanted


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["a\tp", "b\tq"], [Example("a", "p"), Example("b", "q")]),
        (["a\tp\tn", "b\tq\t7"], [Example("a", "p", ("n",)), Example("b", "q", ("7",))]),
        (["a\tp\t0.5", "b\tq\t-1"], [Example("a", "p", score=0.5), Example("b", "q", score=-1)]),
        (["Query\tx\tDocument", "a\tz\tp"], [Example("a", "p")]),
        (["score\tsentence1\tsentence2", "5.000\ta\tp"], [Example("a", "p", score=5.0)]),
        (["query\tpos\tnegative_1\tnegative_2", "a\tp\tn\tm"], [Example("a", "p", ("n", "m"))]),
    ],
)
def test_columns_are_read_with_and_without_names(
    tmp_path: Path, lines: list[str], wanted: list[Example]
) -> None:
    assert list(PairFile(write_lines(tmp_path / "a.tsv", *lines))) == wanted


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_any_example_of_a_packed_file_is_read_by_its_number(tmp_path: Path, suffix: str) -> None:
    lines = [f'{{"anchor": "{i} ä €", "positive": ["{i}", "{i}’"]}}\n\n' for i in range(50)]
    data = ("\ufeff" + "".join(lines)).encode()
    packers: dict[str, Callable[[bytes], bytes]] = {
        "": bytes, ".gz": gzip.compress, ".xz": lzma.compress,
        ".zst": zstandard.ZstdCompressor().compress,
    }  # fmt: skip
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(packers[suffix](data))
    pairs = PairFile(path)
    assert len(pairs) == 100
    for i in (99, 0, 41, 42):
        assert pairs[i] == Example(f"{i // 2} ä €", f"{i // 2}" + "’" * (i % 2))
    assert pairs[-1] == pairs[99]
    assert pairs[97:] == [pairs[97], pairs[98], pairs[99]]
    with pytest.raises(IndexError):
        pairs[100]


def test_empty_texts_are_left_out_and_counted(tmp_path: Path) -> None:
    pairs = PairFile(
        write_lines(
            tmp_path / "a.jsonl",
            {"anchor": "", "positive": "p", "negatives": ["n"], "scores": [1, 0]},
            {"anchor": "a", "positive": [" ", "p"], "negatives": ["n", "", "m"],
             "scores": [4, 3, 2, 1, 0]},
        )
    )  # fmt: skip
    assert list(pairs) == [Example("a", "p", ("n", "m"), scores=(3.0, 2.0, 0.0))]
    assert pairs.n_empty == 3
    assert pairs[0].margins == (1.0, 3.0)
    held = examples_of([Example("a", " "), Example("a", "p", ("", "n"))])
    assert (list(held), held.n_empty) == ([Example("a", "p", ("n",))], 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", r"is not JSON \(.* column 2\); correct or remove it"),
        ("[1]", "is not a JSON object"),
        ({"positive": "p"}, r"has no `anchor` \(or query, sentence1\)"),
        ({"anchor": "a"}, r"has no `positive` \(or pos, document, sentence2\)"),
        ({"anchor": 3, "positive": "p"}, "has '3' as `anchor`, which is no text"),
        ({"anchor": "a", "positive": "\ud800"}, "has half a character in `positive`"),
        ('{"anchor": "a", "positive": "p", "score": NaN}', "has the score 'nan', which is no"),
        ('{"anchor": "a", "positive": "p", "scores": [1e999]}', "has the score 'inf', which is no"),
        ({"anchor": "a", "positive": "p", "label": "neutral"}, "has the score 'neutral'"),
        ({"anchor": "a", "positive": "p", "neg": ["n"], "scores": [1]},
         "has 1 teacher scores for 1 positives and 1 negatives"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path: Path, line: dict[str, Any] | str, message: str) -> None:
    good = {"anchor": "a", "positive": "p"}
    path = write_lines(tmp_path / "a.jsonl", good, "", line)
    with pytest.raises(CorpusError, match=rf"a\.jsonl line 3 {message}"):
        PairFile(path)


def test_bad_columns_and_bytes_are_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.tsv", "a\tp", "a\tp\tq")
    with pytest.raises(CorpusError, match=r"line 2 has 3 columns where 2 are wanted"):
        PairFile(path)
    with pytest.raises(CorpusError, match=r"line 1 has 1 columns where 2 or 3 are wanted"):
        PairFile(write_lines(tmp_path / "a.tsv", "no tab"))
    with pytest.raises(CorpusError, match=r"line 2 has the score 'x'"):
        PairFile(write_lines(tmp_path / "a.tsv", "a\tp\t1", "a\tp\tx"))
    path.write_bytes(b"a\tp\nb\t\xff\n")
    with pytest.raises(CorpusError, match=r"a\.tsv line 2 is not UTF-8"):
        PairFile(path)
    path.write_text("\n")
    with pytest.raises(CorpusError, match=r"a\.tsv has no example in it"):
        PairFile(path)
    with pytest.raises(CorpusError, match=r"there is no file .*none\.jsonl"):
        PairFile(tmp_path / "none.jsonl")
    packed = tmp_path / "a.tsv.gz"
    packed.write_bytes(gzip.compress(b"a\tp\n" * 99)[:-9])
    with pytest.raises(CorpusError, match="damaged or cut short"):
        PairFile(packed)


def test_the_kind_is_told_by_the_fields() -> None:
    pair, triplet = Example("a", "p"), Example("a", "p", ("n",))
    scored, margin = Example("a", "p", score=0.0), Example("a", "p", ("n",), scores=(2.0, 0.5))
    one_margin = Example("a", "p", ("n",), score=1.5)
    assert kind_of([pair, pair]) == "pairs"
    assert kind_of([pair, triplet]) == "triplets"
    assert kind_of([scored, scored]) == "scored"
    assert kind_of([margin, one_margin]) == "margins"
    assert (margin.margins, one_margin.margins, pair.margins) == ((1.5,), (1.5,), ())
    with pytest.raises(CorpusError, match="has a score on 1 of 2 examples; give one on all"):
        kind_of([scored, triplet])
    with pytest.raises(CorpusError, match="has 1 scored pairs and 1 with a teacher's scores"):
        kind_of([scored, margin])
    with pytest.raises(CorpusError, match="f has no example in it"):
        kind_of([], "f")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    examples = [
        Example("a „ä“ \t \n b", "p", ("n", "m"), scores=(0.25, 0.5, -1.0)),
        Example("b", "q", scores=(1.0,)),
    ]
    path = tmp_path / "a.jsonl"
    assert write_pairs(examples, path) == 2
    assert list(PairFile(path)) == examples
    with pytest.raises(CorpusError, match="there is no example to write"):
        write_pairs([], path)
    assert list(PairFile(path)) == examples
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


def test_equal_texts_have_equal_keys_and_no_others() -> None:
    examples = [Example("a", "p"), Example("b", "p", ("a", "long text"))]
    keys = text_keys(examples)
    assert keys.starts.tolist() == [0, 2, 6]
    a, p, b, p2, a2, long = keys.keys.tolist()
    assert (a, p) == (a2, p2)
    assert len({a, p, b, long}) == 4
    assert keys.lengths.tolist() == [1, 9]


def test_a_beir_folder_gives_its_relevant_judgements(tmp_path: Path) -> None:
    qrels = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td3\t1\nq2\td9\t1\nq8\td1\t1\n"
    folder = write_task(tmp_path / "drinks", qrels=qrels)
    pairs = beir_pairs(folder, "test")
    assert list(pairs) == [
        Example("hot drink", "Tea leaves in hot water"),
        Example("fresh water", "rivers and lakes"),
    ]
    assert (pairs.kind, pairs.n_empty) == ("pairs", 2)
    with pytest.raises(CorpusError, match=r"no qrels/train\.tsv; it has test"):
        read_pairs(folder)
    (folder / "queries.jsonl").write_text("{broken\n")
    with pytest.raises(CorpusError, match=r"queries\.jsonl line 1 is not JSON"):
        beir_pairs(folder, "test")


def test_several_paths_stay_apart(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.tsv", "a\tp")
    found = read_pairs([file, write_task(tmp_path / "drinks")], split="test")
    assert [(each.name, len(each)) for each in found] == [
        ("a.tsv", 1),
        ("drinks/qrels/test.tsv", 3),
    ]
    with pytest.raises(CorpusError, match="no file of pairs is given"):
        read_pairs([])


def test_titles_go_with_the_first_paragraphs(tmp_path: Path) -> None:
    path = tmp_path / "wiki.txt"
    path.write_text("Tea\nTea is a drink.\nIt is hot.\nIt is old.\n\nalone\n\nOak\nOak\nA tree.\n")
    found = list(title_pairs(Corpus(path, "blocks"), n_paragraphs=2))
    assert found == [
        Example("Tea", "Tea is a drink."), Example("Tea", "It is hot."), Example("Oak", "A tree."),
    ]  # fmt: skip
    with pytest.raises(CorpusError, match=r"no document has a title .* give --documents blocks"):
        list(title_pairs(Corpus(path)))


@pytest.mark.slow
def test_the_shared_files_are_read_whole() -> None:
    scored = PairFile(shared_data("sentence", "stsb", "train.tsv.gz"))
    assert (len(scored), scored.kind) == (5749, "scored")
    assert scored[0] == Example("A plane is taking off.", "An air plane is taking off.", score=5.0)
    (scifact,) = read_pairs(shared_data("retrieval", "scifact"))
    assert (len(scifact), scifact.n_empty) == (919, 0)
