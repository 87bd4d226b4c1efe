from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from rowspace.errors import ConfigError, CorpusError
from rowspace.sentence.synthesize.kinds import KINDS, Source, TitleNeighbors
from rowspace.sentence.synthesize.leaks import Leaks
from rowspace.sentence.synthesize.offline import OfflineConfig, synthesize_offline
from rowspace.sentence.synthesize.paragraphs import Paragraph, paragraphs_of
from rowspace.sentence.synthesize.terms import TermWeights
from rowspace.text.corpus import Corpus, Document
from rowspace.text.passages import split_sentences
from tests.data import shared_data

KURT = (
    "Kurt Huber (October 24, 1898 – July 13, 1943) was a professor of Munich. He wrote the last "
    "leaflet of the White Rose group. The leaflet called the students of Munich to resist."
)
LATER = (
    "After his death the leaflet was smuggled to Britain in the autumn. There it was copied, and "
    "aircraft dropped the copies over many German cities in the winter that followed."
)


def _source(title: str, *texts: str, seed: int = 1, neighbor: str | None = "N") -> Source:
    terms = TermWeights()
    for text in texts:
        terms.count(text)
    paragraphs = [Paragraph(text, "") for text in texts]
    return Source(title, paragraphs, terms, random.Random(seed), neighbor, 1)


def test_a_title_goes_with_the_first_paragraph() -> None:
    (example,) = KINDS["title"](_source("Kurt Huber", KURT, LATER))
    assert (example.anchor, example.positive, example.negatives) == ("Kurt Huber", KURT, ("N",))
    assert not list(KINDS["title"](_source("1943", KURT)))
    assert not list(KINDS["title"](_source("", KURT)))


def test_the_first_sentence_goes_with_what_follows() -> None:
    (example,) = KINDS["lead"](_source("Kurt Huber", KURT, LATER))
    assert example.anchor == KURT[: KURT.index(" He wrote")]
    assert f"{example.anchor} {example.positive}" == KURT
    assert not list(KINDS["lead"](_source("", "One sentence that is all there is in this text.")))


@pytest.mark.parametrize(
    ("title", "text", "question"),
    [
        ("Kurt Huber", KURT, "who was Kurt Huber"),
        ("Oslo", "Oslo is the capital of Norway.", "what is Oslo"),
        ("Mercury (planet)", "Mercury is the first planet.", None),
        ("Mercury (planet)", "Mercury is a planet near the sun.", "what is Mercury"),
        ("Pacific Ocean", "The Pacific Ocean is the largest.", "what is the Pacific Ocean"),
        ("Cats", "Cats are an old kind of pet.", "what are Cats"),
        ("Adin Steinsaltz", "Rabbi Adin Steinsaltz (born 1937) is a rabbi.", "who is Adin Stein"),
        ("Ann Lee", "Ann Lee is a former minister. She lives in Oslo.", "who is Ann Lee"),
        ("Belize", "Belize was the site of several Mayan cities.", None),
        ("Oslo", "Bergen is a city in Norway.", None),
        ("Oslo", "The town north of the large fjord near Oslo is a harbour.", None),
        ("Oslo", "In winter it snows. Oslo is a city.", None),
        ("", "Oslo is a city.", None),
    ],
)
def test_a_definition_answers_its_question(title: str, text: str, question: str | None) -> None:
    found = list(KINDS["definition"](_source(title, text)))
    assert len(found) == (question is not None)
    if question:
        assert found[0].anchor.lower().startswith(question.lower())
        assert found[0].positive == text


def test_a_cloze_sentence_is_taken_out_nine_times_of_ten() -> None:
    n_kept = 0
    for seed in range(200):
        (example,) = KINDS["cloze"](_source("", LATER[:1], LATER[1:] + " " + KURT, seed=seed))
        whole = LATER[1:] + " " + KURT
        assert example.anchor in whole
        is_kept = example.anchor in example.positive
        n_kept += is_kept
        rest = [s for s in split_sentences(whole) if s != example.anchor]
        assert example.positive == (whole if is_kept else " ".join(rest))
        assert example.negatives == (LATER[:1],)
        assert not example.anchor.startswith("He ")  # goes on from a sentence that is not there
    assert 5 <= n_kept <= 40  # 20 expected, deviation 4.2


def test_keywords_are_specific_words_of_their_paragraph() -> None:
    others = [f"The town number {i} has a church and a school of its own." for i in range(60)]
    text = "The school of Tampines teaches astronomy and the history of glass to the town."
    for seed in range(20):
        examples = list(KINDS["keywords"](_source("Singapore", *others, text, seed=seed)))
        (example,) = [example for example in examples if example.positive == text]
        found = set(example.anchor.split()) - {"Singapore", "and"}
        assert found <= {"tampines", "teaches", "astronomy", "history", "glass"}
        assert found


def test_phrases_share_no_word_and_leave_out_common_ones() -> None:
    terms = TermWeights()
    for i in range(100):
        terms.count(f"the common word and number {i}")
    text = "The solar eclipse: common solar panels and 42 number-crunching babies, v2"
    phrases = terms.phrases(text, 9)
    assert "solar eclipse" in phrases or "solar panels" in phrases
    used = [word for phrase in phrases for word in phrase.replace("-", " ").split()]
    assert len(used) == len(set(used))
    assert terms.phrases(text, 2) == phrases[:2]
    assert not {"the", "common", "and", "42", "number", "v2"} & set(used)
    assert terms.phrases(text, 9, but=["solar", "eclipse", "panels", "crunching", "babies"]) == []


def test_headings_go_with_the_paragraph_below() -> None:
    text = (
        f"# Life\n\n{KURT}\n\nThe leaflet\n\n{LATER}\n\nUnrelated matters\n\n{KURT[:100]}\n\n"
        "Too short."
    )
    paragraphs = paragraphs_of(Document("a", "", text, "a"), 5, 120)
    assert [paragraph.heading for paragraph in paragraphs] == [
        "Life", "The leaflet", "Unrelated matters",
    ]  # fmt: skip
    terms = TermWeights()
    for i in range(100):
        terms.count(f"the paragraph {i}")
    for title, expected in (
        ("", ["The leaflet"]),
        ("Kurt Huber", ["Kurt Huber: Life", "Kurt Huber: The leaflet"]),
    ):
        source = Source(title, paragraphs, terms, random.Random(1), None, 1)
        assert [example.anchor for example in KINDS["heading"](source)] == expected
    lines = Document("a", "", f"A short line\n{KURT}\n# Marked\n{LATER}", "a")
    found = paragraphs_of(lines, 5, 120)
    assert [(p.text, p.heading) for p in found] == [(KURT, ""), (LATER, "Marked")]


def test_long_paragraphs_are_cut_between_sentences() -> None:
    found = paragraphs_of(Document("a", "", KURT, "a"), 5, 20)
    assert len(found) == 2
    assert " ".join(paragraph.text for paragraph in found) == KURT


def test_a_title_that_shares_a_rare_word_is_a_neighbor() -> None:
    terms = TermWeights()
    for text in ["kurt huber", "anna", "lake", *["of"] * 97]:
        terms.count(text)
    neighbors = TitleNeighbors(terms)
    assert neighbors.exchange("Kurt Huber", "first") is None
    assert neighbors.exchange("Kurt Huber", "again") is None  # no neighbour of itself
    assert neighbors.exchange("Anna Huber", "second") == "again"
    assert neighbors.exchange("Lake of Oslo", "third") is None


def _write_corpus(path: Path, n: int = 40) -> Path:
    draw = random.Random(5)
    syllables = ["ka", "lo", "mi", "ter", "van", "os", "pel", "dra"]

    def word() -> str:
        return "".join(draw.choice(syllables) for _ in range(4))

    lines = []
    for _ in range(n):
        title = f"{word()} {word()}".title()
        paragraphs = []
        for _ in range(3):
            shared = word()
            some = [f"The {shared} of {word()} has {word()} and a {word()} too." for _ in range(4)]
            paragraphs.append(" ".join(some))
        text = f"{title} is a town. {paragraphs[0]}\n" + "\n".join(paragraphs[1:])
        lines.append(json.dumps({"title": title, "text": text}))
    path.write_text("\n".join(lines))
    return path


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_corpus_becomes_pairs_of_all_kinds(tmp_path: Path) -> None:
    corpus = Corpus(_write_corpus(tmp_path / "a.jsonl"))
    report = synthesize_offline(corpus, tmp_path / "pairs.jsonl")
    rows = _read(tmp_path / "pairs.jsonl")
    assert report.n_written == len(rows) == sum(report.by_kind.values())
    assert report.by_kind["title"] == report.by_kind["definition"] == 40
    assert report.n_with_negatives == sum(bool(row["negatives"]) for row in rows)
    whole = (tmp_path / "a.jsonl").read_text()
    for row in rows:
        assert list(row) == ["anchor", "positive", "negatives", "kind"]
        assert row["positive"] not in row["negatives"]
        assert len(row["negatives"]) <= 1
        assert all(negative in whole for negative in row["negatives"])
    assert len({row["anchor"] for row in rows}) == len(rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "pairs.jsonl"]


def test_the_seed_draws_pairs_of_all_kinds_alike(tmp_path: Path) -> None:
    corpus = Corpus(_write_corpus(tmp_path / "a.jsonl"))
    outs = []
    for name, seed in (("b", 1), ("c", 1), ("d", 2)):
        config = OfflineConfig(n=50, seed=seed)
        report = synthesize_offline(corpus, tmp_path / name, config)
        assert report.n_written == 50
        assert report.by_kind == {
            "title": 10, "heading": 0, "lead": 10, "cloze": 10, "keywords": 10, "definition": 10,
        }  # fmt: skip
        outs.append((tmp_path / name).read_bytes())
    assert outs[0] == outs[1] != outs[2]
    few = OfflineConfig(n=200, kinds=("title", "cloze"))
    report = synthesize_offline(corpus, tmp_path / "e", few)
    assert report.by_kind["title"] == 40  # all that there are
    assert report.by_kind["cloze"] == report.n_written - 40


def test_what_repeats_or_leaks_is_left_out(tmp_path: Path) -> None:
    path = _write_corpus(tmp_path / "a.jsonl", 5)
    title = json.loads(path.read_text().splitlines()[0])["title"]
    config = OfflineConfig(kinds=("title",))
    twice = tmp_path / "twice.jsonl"
    twice.write_text(path.read_text() + "\n" + path.read_text())
    report = synthesize_offline(Corpus(twice), tmp_path / "b", config)
    assert (report.n_written, report.rejected) == (5, {"repeats an anchor": 5})
    report = synthesize_offline(Corpus(path), tmp_path / "b", config, Leaks([title]))
    assert (report.n_written, report.rejected) == (4, {"is in a test set": 1})


def test_a_corpus_that_makes_no_pair_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Too short.\n")
    with pytest.raises(CorpusError, match="it has no paragraph long enough"):
        synthesize_offline(Corpus(tmp_path / "a.txt"), tmp_path / "b")
    with pytest.raises(ConfigError, match="read twice"):
        synthesize_offline(Corpus("-"), tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": ("titel",)}, "no kind 'titel'; give some of title, heading"),
        ({"kinds": ()}, "no kind is given"),
        ({"n": 0}, "n is 0"),
        ({"min_words": 5, "max_words": 4}, "leaves no paragraph"),
        ({"n_negatives": -1}, "n_negatives is -1"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OfflineConfig(**settings)


@pytest.mark.slow
def test_pairs_of_an_encyclopedia_find_each_other(tmp_path: Path) -> None:
    """By shared words alone an anchor is nearer its own positive than another one."""
    import itertools
    import lzma

    from rowspace.text.tokenizer import words

    with lzma.open(shared_data("corpora", "simplewiki-02.txt.xz"), "rt") as file:
        (tmp_path / "a.txt").write_text("".join(itertools.islice(file, 12_000)))
    report = synthesize_offline(Corpus(tmp_path / "a.txt", "blocks"), tmp_path / "b")
    assert min(report.by_kind[kind] for kind in ("title", "lead", "cloze", "definition")) > 500
    rows = _read(tmp_path / "b")

    def overlap(one: str, other: str) -> float:
        a, b = set(words(one)), set(words(other))
        return len(a & b) / len(a)

    for kind in ("title", "lead", "cloze", "keywords", "definition"):
        some = [row for row in rows if row["kind"] == kind]
        wrong = [*some[1:], some[0]]
        near = sum(overlap(row["anchor"], row["positive"]) for row in some)
        far = sum(
            overlap(row["anchor"], other["positive"])
            for row, other in zip(some, wrong, strict=True)
        )
        assert near > 1.3 * far, kind
