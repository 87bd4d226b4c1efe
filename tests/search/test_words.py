"""The words that are highlighted against Lance's index, which has them from its own analyzers."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import snowballstemmer
import Stemmer

from rowspace.search.lexical import LANGUAGES
from rowspace.search.words import WordFinder, strip_accents
from tests.search.stub import document, make_space

VOCABULARY = """
very does doing naïve naively naivety cafés café cafe running runs run other Él élèves eleves élève
straße strasse don't dont isn't 3,000 3000 e.g eg U.S us IL-2 foo_bar foo O'Reilly reilly été ete
fine I a s generously generation generic flies fly dying die happily happiness universe university
Thermodynamics supersonic landlocked exporting exports İstanbul 1990 3.5 35 état Œuvre oeuvre
ångström aether æther Chad's Chad Москва москвы Αθήνα naïveté señor senor niños niño
""".split()  # noqa: SIM905


@pytest.mark.parametrize("language", ["english", "french", "spanish", "swedish", "russian", None])
def test_two_words_are_one_where_the_text_index_finds_one_by_the_other(
    tmp_path: Path, language: str | None
) -> None:
    words = list(dict.fromkeys(VOCABULARY))
    documents = [document(str(i), word) for i, word in enumerate(words)]
    space = make_space(tmp_path / "a.space", documents, language=language)
    finder = WordFinder(language)
    ours = {word: {found for found, _ in finder.words(word)} for word in words}
    for word in words:
        found = space.search(word, k=1000, mode="lexical")
        theirs = {words[int(hit.document_id)] for hit in found}
        mine = {other for other in words if ours[word] & ours[other]}
        if language in ("english", None):
            assert mine == theirs, word
        else:  # whose stop words, as the French t of don't, are not left out here
            assert mine >= theirs, word


@pytest.mark.parametrize("language", LANGUAGES)
def test_stems_without_compiled_code_are_those_of_pystemmer(language: str) -> None:
    module = importlib.import_module(f"snowballstemmer.{language}_stemmer")
    plain = getattr(module, f"{language.title()}Stemmer")()
    compiled = Stemmer.Stemmer(language)
    words = ["running", "nationalité", "Häuser".lower(), "kaupungissa", "москвами", "olarak"]
    words += ["bibliotheken", "generaliseren", "cantábamos", "felicità", "kitaplar", "στη"]
    assert [plain.stemWord(word) for word in words] == compiled.stemWords(words)
    assert language in snowballstemmer.algorithms()


def test_words_stand_where_they_are() -> None:
    text = "The O'Reilly café, 3,000 km; IL-2 (foo_bar) cafe\u0301s."
    found = [(text[a:b], word) for word, (a, b) in WordFinder("english").words(text)]
    assert found == [
        ("O'Reilly", "o'reilli"),
        ("café", "cafe"),
        ("3,000", "3,000"),
        ("km", "km"),
        ("IL", "il"),
        ("2", "2"),
        ("foo_bar", "foo_bar"),
        ("cafe\u0301s", "cafe"),
    ]


@pytest.mark.parametrize("language", ["english", None])
def test_scripts_without_spaces_go_by_pairs(language: str | None) -> None:
    text = "機械学習 AI猫"
    found = [(word, text[a:b]) for word, (a, b) in WordFinder(language).words(text)]
    assert found == [
        ("機械", "機械"),
        ("械学", "械学"),
        ("学習", "学習"),
        ("AI".lower(), "AI"),
        ("猫", "猫"),
    ]


def test_accents_go_from_latin_letters_only() -> None:
    assert strip_accents("čśøßæı") == "csossaei"
    assert strip_accents("йώが한") == "йώが한"
