from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import (
    ConfigError,
    CorpusError,
    FilterError,
    SpaceCorruptError,
    SpaceError,
)
from rowspace.search.space import Space, open_space
from rowspace.search.store import content
from rowspace.text.corpus import Document
from tests.search.stub import HashEncoder, batches, document, make_space

DOCUMENTS = [
    document("heat", "Heat flows from hot to cold.", "Thermodynamics", year=1850, country="France"),
    document("wing", "A wing in a supersonic flow.", "Aerodynamics", year=1958, country="Chad"),
    document("shock", "Shock waves. " * 15, "Waves", year=1958, good=True),
    document("cafe", "Le café est à la gare d'Orléans.", year=1990.5, tags=["a", {"b": 1}]),
    document("unknown", "zzqx zzqy", country="Chad"),
    document("日本", "機械学習の研究は面白い。", source="日本.txt"),
]


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return make_space(tmp_path / "a.space", DOCUMENTS)


def _ids(space: Space, query: str, **options: object) -> list[str]:
    return [hit.document_id for hit in space.search(query, **options)]  # type: ignore[arg-type]


def test_a_hit_gives_back_what_was_put_in(space: Space) -> None:
    hit = space.search("supersonic wing", k=1)[0]
    assert (hit.document_id, hit.passage_id, hit.title) == ("wing", "wing#0", "Aerodynamics")
    assert hit.text == "A wing in a supersonic flow."
    assert hit.metadata == {"year": 1958, "country": "Chad"}
    assert (hit.dense_rank, hit.lexical_rank) == (1, 1)
    assert hit.score == pytest.approx(2 / 61)
    assert space.search("gare", k=1)[0].metadata == {"year": 1990.5, "tags": ["a", {"b": 1}]}


def test_words_are_found_in_titles_without_accents_stemmed_and_in_chinese_script(
    space: Space,
) -> None:
    for query, expected in [
        ("thermodynamics", ["heat"]),
        ("flowing", ["wing", "heat"]),
        ("CAFE", ["cafe"]),
        ("学習", ["日本"]),
        ("zzqx", ["unknown"]),
    ]:
        assert _ids(space, query, mode="lexical") == expected


def test_a_query_is_plain_words_whatever_is_in_it(space: Space) -> None:
    for query in ['wing" OR (', "title:wing", "+wing -flow", "wing~2^3", "wing AND NOT wing", "*"]:
        found = _ids(space, query, mode="lexical")
        assert found[:1] == (["wing"] if "wing" in query else [])
    for query in ["", "   ", "the of and", "?!", "\0", "\ud800"]:
        assert _ids(space, query, mode="lexical") == []
        space.search(query)


class AsksWithPrompt(HashEncoder):
    """Reads a query as another text, as encoders with prompts do."""

    def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.encode(["Heat flows from hot to cold." for _ in texts])


def test_queries_are_encoded_as_queries_where_the_encoder_tells_them_apart(space: Space) -> None:
    asking = open_space(space.path, AsksWithPrompt())
    assert asking.search("supersonic wing", k=1, mode="dense")[0].document_id == "heat"


def test_a_document_without_known_words_is_found_by_words_and_never_by_meaning(
    space: Space,
) -> None:
    assert "unknown" not in _ids(space, "supersonic wing", k=100, mode="dense")
    assert _ids(space, "zzqx", mode="dense") == []
    assert _ids(space, "zzqx", mode="hybrid") == ["unknown"]


def test_dense_search_is_the_cosine_of_the_encoded_content(space: Space) -> None:
    encoder = HashEncoder()
    query = encoder.encode(["shock flow"])[0]
    expected = {}
    for passages, vectors in batches(DOCUMENTS):
        for passage, vector in zip(passages, vectors, strict=True):
            assert np.array_equal(vector, encoder.encode([content(passage.title, passage.text)])[0])
            norm = np.linalg.norm(vector) * np.linalg.norm(query)
            if norm:
                expected[f"{passage.document_id}#{passage.position}"] = float(vector @ query / norm)
    hits = space.search("shock flow", k=100, mode="dense")
    assert {hit.passage_id: pytest.approx(hit.score, abs=1e-6) for hit in hits} == expected
    assert [hit.score for hit in hits] == sorted(expected.values(), reverse=True) or all(
        math.isclose(hit.score, score, abs_tol=1e-6)
        for hit, score in zip(hits, sorted(expected.values(), reverse=True), strict=True)
    )


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_k_hits_are_found_under_a_filter(tmp_path: Path, mode: str) -> None:
    documents = [document(f"d{i}", f"common word{i}", n=i) for i in range(300)]
    space = make_space(tmp_path / "a.space", documents)
    for where, n in [
        ("n >= 295", 5),
        ("n < 200", 7),
        ("n in (3, 77) or n = 299", 3),
        ("n > 999", 0),
    ]:
        assert len(_ids(space, "common", k=7, mode=mode, where=where)) == n
    found = _ids(space, "common", k=10, mode=mode, where="not (n < 298)")
    assert sorted(found) == ["d298", "d299"]


def test_impossible_questions_are_refused(space: Space) -> None:
    with pytest.raises(ConfigError, match=r"k is 0; give 1"):
        space.search("a", k=0)
    with pytest.raises(ConfigError, match="mode is 'fuzzy'; give one of hybrid"):
        space.search("a", mode="fuzzy")
    with pytest.raises(FilterError, match="no field 'yaer'; the fields are year, "):
        space.search("a", where="yaer = 3")


def test_search_batch_answers_each_query(space: Space) -> None:
    found = space.search_batch(["wing", "", "café"], k=1, mode="lexical")
    assert [[hit.document_id for hit in hits] for hits in found] == [["wing"], [], ["cafe"]]
    assert space.search_batch([]) == []


def test_adding_a_document_again_replaces_all_its_passages(space: Space) -> None:
    before = space.status()
    added = space.add(
        [document("shock", "One short sentence.", year=3), document("new", "Brand new.")]
    )
    assert (added.documents, added.passages, added.replaced, added.empty) == (2, 2, 1, ())
    assert _ids(space, "shock", mode="lexical") == []
    assert _ids(space, "short", mode="lexical") == ["shock"]
    assert _ids(space, "brand", mode="lexical") == ["new"]
    after = open_space(space.path).status()
    assert (before["documents"], after["documents"]) == (6, 7)
    assert after["unindexed"] == 0
    assert space.verify() == []


def test_an_empty_document_removes_the_one_with_its_id(space: Space) -> None:
    added = space.add([document("wing", "  ")])
    assert (added.documents, added.replaced, added.empty) == (0, 1, ("wing",))
    assert "wing" not in _ids(space, "wing", k=100)
    assert space.add([]).documents == 0


def test_new_fields_can_be_filtered_by_and_are_missing_elsewhere(space: Space) -> None:
    space.add(
        [
            Document("x", "", "extra", "", {"Größe in m": 3, "select": "it's", "mixed": 1}),
            document("y", "extra", mixed="two", year=7),
        ]
    )
    assert space.fields["Größe in m"] == "int"
    assert space.fields["mixed"] == "string"
    assert _ids(space, "extra", where="`Größe in m` = 3") == ["x"]
    assert _ids(space, "extra", where="select = 'it\\'s'") == ["x"]
    assert _ids(space, "extra", where='mixed = "1"') == ["x"]
    assert _ids(space, "extra", mode="lexical", where="select is null") == ["y"]
    assert open_space(space.path).fields == space.fields


def test_a_value_that_does_not_fit_its_field_changes_nothing(space: Space) -> None:
    before = space.status()
    with pytest.raises(
        CorpusError, match="field 'good' holds bool in this space, but document 'z'"
    ):
        space.add([document("ok", "fine"), document("z", "text", good="yes")])
    with pytest.raises(CorpusError, match="two documents have the id 'ok'"):
        space.add([document("ok", "fine"), document("ok", "twice")])
    with pytest.raises(CorpusError, match="metadata that JSON cannot hold"):
        space.add([document("ok", "fine", when=object())])
    after = space.status()
    assert after == before


def test_deleting_by_id_and_by_filter(space: Space) -> None:
    assert space.delete(["wing", "nobody", "日本"]) == 2
    assert "wing" not in _ids(space, "supersonic wing", k=100)
    assert space.delete(where='country = "Chad" or year = 1850') == 2
    assert space.status()["documents"] == 2
    assert space.delete(where="not document_id = 'x'") == 2
    assert space.search("heat") == []
    space.add([document("again", "Heat again.")])
    assert _ids(space, "heat") == ["again"]
    assert space.verify() == []
    with pytest.raises(ConfigError, match="one of the two"):
        space.delete()


def test_an_open_space_sees_what_another_one_commits(space: Space) -> None:
    assert _ids(space, "penguin", mode="lexical") == []
    other = open_space(space.path)
    other.add([document("bird", "A penguin.")])
    assert _ids(space, "penguin")[0] == "bird"
    other.delete("bird")
    assert _ids(space, "penguin", mode="lexical") == []


def test_unusual_ids_and_texts_survive(tmp_path: Path) -> None:
    names = ["a'b", 'say "hi"', "back\\slash", "nul\0x", "line\nend", "", "a#1", "é 日", "--", "%"]
    space = make_space(
        tmp_path / "a.space", [document(name, f"text {i}", name) for i, name in enumerate(names)]
    )
    hits = space.search("text", k=100, mode="lexical")
    assert sorted(hit.document_id for hit in hits) == sorted(names)
    assert {hit.document_id: hit.title for hit in hits} == dict(zip(names, names, strict=True))
    assert space.add([document(name, "text again", name) for name in names]).replaced == len(names)
    space.add([document("lone \ud800", "text \udfff", f="\ud800")])
    assert space.delete(names) == len(names)
    assert [hit.document_id for hit in space.search("text", k=100)] == ["lone ?"]


def test_long_words_are_found(tmp_path: Path) -> None:
    word = "Donaudampfschifffahrtsgesellschaftskapitän" * 3
    space = make_space(tmp_path / "a.space", [document("long", word), document("b", "other")])
    assert _ids(space, word, mode="lexical") == ["long"]


@pytest.mark.parametrize(
    ("language", "query", "found"),
    [
        ("german", "Häuser und", ["de"]),
        (None, "maison", []),
        (None, "und", ["de"]),
        ("French", "maison", ["fr"]),
    ],
)
def test_the_language_decides_what_is_stemmed_and_stopped(
    tmp_path: Path, language: str | None, query: str, found: list[str]
) -> None:
    documents = [document("de", "Das Haus und der Hof"), document("fr", "Les maisons")]
    space = make_space(tmp_path / "a.space", documents, language=language)
    assert _ids(space, query, mode="lexical") == found
    assert open_space(space.path).status()["language"] == (language and language.lower())


def test_a_space_is_made_once_from_text_in_a_known_language(tmp_path: Path, space: Space) -> None:
    from rowspace.search.writer import create_space

    options = {"encoder_kind": "stub", "field_types": {}}
    with pytest.raises(SpaceError, match="is a space already"):
        create_space(space.path, HashEncoder(), [], **options)  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match="no text"):
        create_space(tmp_path / "b", HashEncoder(), [], **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no stemmer for 'klingon'"):
        create_space(tmp_path / "c", HashEncoder(), [], language="klingon", **options)  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match="two documents have the id 'a'"):
        make_space(tmp_path / "d", [document("a", "x"), document("b", "x"), document("a", "y")])
    with pytest.raises(SpaceError, match="is not a space"):
        open_space(tmp_path / "d")


def test_an_encoder_that_did_not_make_the_vectors_is_refused(space: Space) -> None:
    with pytest.raises(SpaceCorruptError, match="is not the one that made the vectors"):
        open_space(space.path, HashEncoder("other"))


def test_status_tells_what_a_space_holds(space: Space) -> None:
    state = space.status()
    assert state["documents"] == 6
    assert state["passages"] == 6 + 1  # shock waves take two
    assert state["fields"] == {"year": "float", "country": "string", "good": "bool"}
    assert state["writer_active"] is False
    assert state["bytes"] > 10_000
    assert state["dim"] == 16


def test_the_bytes_of_a_space_do_not_depend_on_who_wrote_it_last(space: Space) -> None:
    before = space.status()["bytes"]
    (space.path / "lock").write_text("1234567")  # a process id of more digits
    assert space.status()["bytes"] == before > 0


def test_no_weight_for_meaning_leaves_words_alone(tmp_path: Path) -> None:
    documents = [document("a", "heat flows"), document("b", "cold water"), document("c", "zzz")]
    space = make_space(tmp_path / "w.space", documents)
    by_words = [hit.document_id for hit in space.search("heat", mode="lexical")]
    found = space.search("heat", dense_weight=0)
    assert [hit.document_id for hit in found] == by_words == ["a"]
    assert space.search("of the which", dense_weight=0, diversity=0.5) == []
