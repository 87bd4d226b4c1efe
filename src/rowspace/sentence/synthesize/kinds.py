"""The ways to make a training pair out of a document alone, one function each.

title       its title, and its first paragraph
heading     a heading, and the paragraph below
lead        the first sentence, and what follows it
cloze       a sentence, and the paragraph it was taken out of (Lee et al. 2019,
            https://arxiv.org/abs/1906.00300: the Inverse Cloze Task)
keywords    what is most specific in a paragraph, as people type it, and the paragraph
definition  "what is X" or "who was X", and the paragraph that says so of the title (English)

The negative is another paragraph of the document; for titles, leads and definitions, where that
would answer too, the first paragraph of another document whose title shares a word.
"""

from __future__ import annotations

import random
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rowspace.sentence.synthesize.paragraphs import Paragraph
from rowspace.sentence.synthesize.synthetic_pair import SyntheticPair
from rowspace.sentence.synthesize.terms import TermWeights
from rowspace.text.passages import split_sentences
from rowspace.text.tokenizer import words

_KEPT_IN = 0.1  # of the cloze sentences stay in their paragraph too, as in the paper
_LEAST_WORDS = 5  # of a sentence that is an anchor
_LEAST_REST = 12  # words that must be left of a paragraph
_MOST_PHRASES = 3  # of a query
_MOST_TITLES = 20_000
_OPENINGS = re.compile(
    r"(?:he|she|it|they|his|her|its|their|this|these|that|those|there|here|some of|other)\b", re.I
)

# "X (born …), also called Y, is a …": the subject, what stands between, and the verb.
_DEFINITION = re.compile(
    r"(?P<subject>[^.,;:(\[]{1,80}?)(?P<between>\s*[\[(,].{0,200}?)?\s+"
    r"(?P<verb>is|was|are|were)\s+"
    r"(?:an?|any|some|used|when|what|called|the(?!\s+(?:site|scene|seat|home|center|centre|setting|first)\b))\b"
)
_MOST_MORE = 4  # words of the subject that the title does not have
_PERSON = re.compile(r"\bborn\b|\b[12]\d{3}\s*[–—-]\s*(?:.{0,40}\d{4})?\s*\)")
_GOES_ON = re.compile(r"(?:He|She|His|Her)\b")  # the sentence after one about a person
_REMARK = re.compile(r"\s*\([^)]*\)\s*$")  # Mercury (planet)


@dataclass
class Source:
    """A document as the kinds see it."""

    title: str
    paragraphs: list[Paragraph]
    terms: TermWeights
    random: random.Random
    neighbor: str | None
    """The first paragraph of a document with a title like this one's."""
    n_negatives: int

    def example(
        self, kind: str, anchor: str, positive: str, at: int, *, by_title: bool = False
    ) -> SyntheticPair:
        """A pair with its negatives; `at` is the paragraph that the positive is of."""
        negatives = self._neighbors() if by_title else self._others(at)
        return SyntheticPair(anchor, positive, negatives, kind)

    def _neighbors(self) -> tuple[str, ...]:
        return (self.neighbor,) if self.neighbor and self.n_negatives else ()

    def _others(self, at: int) -> tuple[str, ...]:
        others = [place for place in range(len(self.paragraphs)) if place != at]
        chosen = self.random.sample(others, min(self.n_negatives, len(others)))
        return tuple(self.paragraphs[place].text for place in chosen)


def titles(source: Source) -> Iterator[SyntheticPair]:
    """The title, and the first paragraph."""
    if _has_letters(source.title):
        text = source.paragraphs[0].text
        yield source.example("title", source.title, text, 0, by_title=True)


def headings(source: Source) -> Iterator[SyntheticPair]:
    """A heading, after the title if there is one, and the paragraph below.

    One that is not marked as a heading, or has no title, must share a term with its paragraph.
    """
    for place, paragraph in enumerate(source.paragraphs):
        heading = paragraph.heading
        if not _has_letters(heading):
            continue
        is_sure = bool(paragraph.is_marked and source.title)
        if not is_sure and not source.terms.shared(words(heading), words(paragraph.text)):
            continue
        anchor = f"{source.title}: {heading}" if source.title else heading
        yield source.example("heading", anchor, paragraph.text, place)


def leads(source: Source) -> Iterator[SyntheticPair]:
    """The first sentence, and what follows it."""
    first, *rest = split_sentences(source.paragraphs[0].text)
    text = " ".join(rest)
    if _is_enough(first, text):
        yield source.example("lead", first, text, 0, by_title=True)


def clozes(source: Source) -> Iterator[SyntheticPair]:
    """Of each paragraph one sentence, and the others.

    One that shares a term with the others, and does not begin as if it went on from one before.
    """
    for place, paragraph in enumerate(source.paragraphs):
        sentences = list(split_sentences(paragraph.text))
        first = 1 if place == 0 else 0  # `leads` has that one
        found = [at for at in range(first, len(sentences)) if _is_about(source, sentences, at)]
        if not found:
            continue
        at = source.random.choice(found)
        rest = " ".join(_without(sentences, at))
        is_kept = source.random.random() < _KEPT_IN
        positive = paragraph.text if is_kept else rest
        yield source.example("cloze", sentences[at], positive, place)


def keywords(source: Source) -> Iterator[SyntheticPair]:
    """Of each paragraph a query of its most specific phrases, and the paragraph."""
    of_title = words(source.title)
    for place, paragraph in enumerate(source.paragraphs):
        phrases = source.terms.phrases(paragraph.text, _MOST_PHRASES, of_title)
        if query := _query(source, phrases):
            yield source.example("keywords", query, paragraph.text, place)


def definitions(source: Source) -> Iterator[SyntheticPair]:
    """The question that the first sentence answers, if it says what the title is."""
    text = source.paragraphs[0].text
    first, *rest = split_sentences(text)
    match = _DEFINITION.match(first)
    if match is None or not source.title:
        return
    name, subject = _REMARK.sub("", source.title), words(match["subject"])
    is_of_title = set(words(name)) <= set(subject)
    if not words(name) or not is_of_title or len(subject) > len(words(name)) + _MOST_MORE:
        return
    if subject[0] == "the" and words(name)[0] != "the":
        name = f"the {name}"
    has_dates = _PERSON.search(match["between"] or "")
    is_person = match["verb"] in ("is", "was") and (has_dates or _GOES_ON.match("".join(rest[:1])))
    question = f"{'who' if is_person else 'what'} {match['verb']} {name}"
    if source.random.random() < 0.5:
        question = question[0].upper() + question[1:] + "?"
    yield source.example("definition", question, text, 0, by_title=True)


KINDS: dict[str, Callable[[Source], Iterator[SyntheticPair]]] = {
    "title": titles,
    "heading": headings,
    "lead": leads,
    "cloze": clozes,
    "keywords": keywords,
    "definition": definitions,
}


class TitleNeighbors:
    """First paragraphs of the documents seen lately, by the words of their titles."""

    def __init__(self, terms: TermWeights) -> None:
        self._terms = terms
        self._by_word: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def exchange(self, title: str, text: str) -> str | None:
        """The paragraph of a title that shares a word with this one; and remember this one."""
        found = [word for word in words(title) if not self._terms.is_common(word)]
        found.sort(key=lambda word: (-self._terms.idf(word), word))
        neighbor = None
        for word in found:
            other, paragraph = self._by_word.get(word, (title, ""))
            if neighbor is None and other != title:
                neighbor = paragraph
            self._by_word[word] = (title, text)
            self._by_word.move_to_end(word)
        while len(self._by_word) > _MOST_TITLES:
            self._by_word.popitem(last=False)
        return neighbor


def _query(source: Source, phrases: list[str]) -> str:
    """The phrases as people type them; with fewer of them, after the title if there is one."""
    chance = source.random.random()
    if source.title and phrases and chance < 0.5:
        n = 2 if chance < 0.2 else 1
        return " ".join([_REMARK.sub("", source.title), *phrases[:n]])
    if len(phrases) >= 3 and chance < 0.8:
        return " ".join(phrases[:3])
    if len(phrases) >= 2:
        return " and ".join(phrases[:2]) if chance > 0.95 else " ".join(phrases[:2])
    return ""


def _is_about(source: Source, sentences: list[str], at: int) -> bool:
    sentence, rest = sentences[at], " ".join(_without(sentences, at))
    if _OPENINGS.match(sentence) or not _is_enough(sentence, rest):
        return False
    return source.terms.shared(words(sentence), [*words(rest), *words(source.title)]) > 0


def _without(sentences: list[str], at: int) -> list[str]:
    return sentences[:at] + sentences[at + 1 :]


def _is_enough(sentence: str, rest: str) -> bool:
    return len(sentence.split()) >= _LEAST_WORDS and len(rest.split()) >= _LEAST_REST


def _has_letters(text: str) -> bool:
    return any(character.isalpha() for character in text)
