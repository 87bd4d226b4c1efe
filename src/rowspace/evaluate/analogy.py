"""Analogies: is "a is to b as c is to …" answered with the expected word?

Mikolov et al. (2013), https://arxiv.org/abs/1301.3781, and its file questions-words.txt. With
3CosAdd equal to gensim's `KeyedVectors.evaluate_word_analogies` on the same vectors, except that a
line that cannot be read is an error here, where gensim passes over it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.lines import numbered_lines
from rowspace.evaluate.lookup import fold, row_of_words
from rowspace.space.analogy import METHODS, answer_analogies
from rowspace.space.similarity import Floats, Rows, inverse, unit_rows
from rowspace.space.vectors import Vectors

Question = tuple[str, str, str, str]
"""a, b, c and the expected word: "Athens Greece Oslo Norway"."""

Method = Literal["3cosadd", "3cosmul"]

_QUESTIONS_AT_ONCE = 16  # of those answered again; each takes three rows of scores over all words


@dataclass(frozen=True, kw_only=True)
class AnalogySection:
    """Questions of one kind."""

    name: str
    """As in the file: "capital-common-countries"."""

    questions: tuple[Question, ...]


@dataclass(frozen=True, kw_only=True)
class SectionResult:
    """How many questions of one section, or of several together, were answered right."""

    name: str
    """The section's name, or "total", "semantic", "syntactic"."""

    n_questions: int
    """Questions in the section."""

    n_scored: int
    """Questions behind the accuracy: those whose four words are all known, or all with
    `dummy4unknown`."""

    n_correct: int
    """Questions answered with the expected word."""

    @property
    def accuracy(self) -> float:
        """Share of the scored questions answered right, in [0, 1]; NaN where none was scored."""
        return self.n_correct / self.n_scored if self.n_scored else math.nan


@dataclass(frozen=True, kw_only=True)
class AnalogyResult:
    """Accuracy by section and in total."""

    method: Method
    """How the questions were answered."""

    sections: tuple[SectionResult, ...]
    """In the file's order."""

    n_unknown: int
    """Questions with a word that is not among the known ones."""

    @property
    def total(self) -> SectionResult:
        """All sections together: each question counts once, whatever its section."""
        return _sum("total", self.sections)

    @property
    def semantic(self) -> SectionResult | None:
        """Sections of a Google-style set that are not grammar; None in a set without `gram…`."""
        return self._part("semantic", is_grammar=False)

    @property
    def syntactic(self) -> SectionResult | None:
        """Sections whose name starts with `gram`, as in the Google set; None without any."""
        return self._part("syntactic", is_grammar=True)

    def _part(self, name: str, *, is_grammar: bool) -> SectionResult | None:
        if not any(_is_grammar(section) for section in self.sections):
            return None
        return _sum(name, [s for s in self.sections if _is_grammar(s) == is_grammar])


def evaluate_analogies(
    vectors: Vectors,
    sections: Sequence[AnalogySection],
    *,
    method: Method = "3cosadd",
    case_insensitive: bool = True,
    dummy4unknown: bool = False,
    restrict_vocab: int | None = 300_000,
) -> AnalogyResult:
    """Answer analogy questions and count how many answers are the expected word.

    The words of a question, in any case if case is folded, are never its answer.

    Parameters
    ----------
    vectors : Vectors
        The most frequent word first.
    sections : sequence of AnalogySection
    method : {"3cosadd", "3cosmul"}
        Vector offset, or Levy & Goldberg's (2014) product of cosines.
    case_insensitive : bool
        Fold case on both sides; a question's word is the first, most frequent, of its variants,
        and an answer in any variant counts.
    dummy4unknown : bool
        Count a question with an unknown word as wrong instead of leaving it out.
    restrict_vocab : int or None
        Know only this many words, the most frequent, in questions and answers; None for all. The
        published numbers of word2vec's `compute-accuracy` use 30,000, gensim 300,000.

    Returns
    -------
    AnalogyResult

    Raises
    ------
    EvaluationError
        If no question has four known words.

    References
    ----------
    Mikolov et al. (2013), section 4.1; Levy & Goldberg (2014),
    https://aclanthology.org/W14-1618.

    Examples
    --------
    >>> import numpy as np
    >>> from rowspace.space.vectors import Vectors
    >>> matrix = np.array([[1, 0, 1], [0, 1, 1], [1, 0, -1], [0, 1, -1]], dtype=np.float32)
    >>> section = AnalogySection(name="family", questions=(("man", "woman", "king", "queen"),))
    >>> vectors = Vectors(["man", "woman", "king", "queen"], matrix)
    >>> evaluate_analogies(vectors, [section]).total.accuracy
    1.0
    """
    answered = answer_questions(
        vectors,
        sections,
        method=method,
        case_insensitive=case_insensitive,
        restrict_vocab=restrict_vocab,
    )
    is_scored = np.logical_or(answered.is_known, dummy4unknown)
    return AnalogyResult(
        method=method,
        sections=_count(sections, is_scored, answered.is_correct),
        n_unknown=int((~answered.is_known).sum()),
    )


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What became of each question, section after section."""

    is_known: NDArray[np.bool_]
    """(n_questions,): whether its four words are known."""

    is_correct: NDArray[np.bool_]
    """(n_questions,)."""


def answer_questions(
    vectors: Vectors,
    sections: Sequence[AnalogySection],
    *,
    method: Method = "3cosadd",
    case_insensitive: bool = True,
    restrict_vocab: int | None = None,
) -> Answered:
    """As `evaluate_analogies`, question by question."""
    keys = vectors.index_to_key[:restrict_vocab]
    rows = row_of_words(keys, case_insensitive=case_insensitive)
    questions = [question for section in sections for question in section.questions]
    asked = np.array(
        [
            [rows.get(fold(word, case_insensitive=case_insensitive), -1) for word in question]
            for question in questions
        ],
        dtype=np.int64,
    ).reshape(-1, 4)  # (n_questions, 4), -1 for an unknown word
    is_known = np.asarray((asked >= 0).all(axis=1))
    if not is_known.any():
        raise EvaluationError(
            f"none of {len(questions):,} questions has four words among the {len(keys):,} known; "
            "give vectors with a larger vocabulary or questions from their domain"
        )
    # Variants of a word share its first row: what is compared is the word, not its spelling.
    first_rows = np.array([rows[fold(key, case_insensitive=case_insensitive)] for key in keys])
    answers = _answer(
        vectors.matrix[: len(keys)],
        vectors.norms[: len(keys)],
        asked[is_known, :3],
        first_rows,
        method,
    )
    is_correct = np.zeros(len(questions), dtype=bool)
    is_correct[is_known] = (answers >= 0) & (first_rows[answers] == asked[is_known, 3])
    return Answered(is_known=is_known, is_correct=is_correct)


def read_analogies(path: Path | str) -> list[AnalogySection]:
    """Read questions in the format of questions-words.txt: `: section` lines, then four words each.

    Questions before the first section line form a section with the file's name.

    Returns
    -------
    list of AnalogySection

    Raises
    ------
    EvaluationError
        If a line has other than four words; the message names the line.
    """
    path = Path(path)
    names: list[str] = []
    questions: list[list[Question]] = []
    for number, line in numbered_lines(path):
        if line.startswith(":"):
            names.append(line.strip(": \t"))
            questions.append([])
            continue
        words = line.split()
        if len(words) != 4:
            raise EvaluationError(
                f"{path.name} line {number} has {len(words)} words, a question has four "
                f"(`Athens Greece Oslo Norway`): {line[:80]!r}; correct or remove it"
            )
        if not names:
            names.append(path.stem)
            questions.append([])
        questions[-1].append((words[0], words[1], words[2], words[3]))
    if not any(questions):
        raise EvaluationError(f"{path.name} holds no questions; give lines of four words")
    return [
        AnalogySection(name=name, questions=tuple(section))
        for name, section in zip(names, questions, strict=True)
    ]


def _answer(
    matrix: Floats, norms: Floats, questions: Rows, first_rows: Rows, method: Method
) -> Rows:
    """The row that answers each question (n_questions, 3) and is no variant of its words; or -1.

    first_rows : (n,) int64
        The first variant of each row's word; equal for variants of one word.
    """
    answers = answer_analogies(matrix, questions, method, norms=norms)
    is_own = (first_rows[answers][:, None] == questions).any(axis=1) & (answers >= 0)
    again = np.flatnonzero(is_own)  # few: answered by "King" where "king" was asked
    for start in range(0, len(again), _QUESTIONS_AT_ONCE):
        part = again[start : start + _QUESTIONS_AT_ONCE]
        answers[part] = _answer_without_variants(matrix, norms, questions[part], first_rows, method)
    return answers


def _answer_without_variants(
    matrix: Floats, norms: Floats, questions: Rows, first_rows: Rows, method: Method
) -> Rows:
    units = unit_rows(matrix[questions.ravel()]).astype(np.float32)  # (3q, dim)
    cosines = units @ matrix.T * inverse(norms)  # (3q, n)
    a, b, c = np.arange(questions.size).reshape(questions.shape).T
    scores = METHODS[method](cosines, a, b, c)  # (q, n)
    for row, question in zip(scores, questions, strict=True):
        row[np.isin(first_rows, question)] = -np.inf
    return np.where(scores.max(axis=1) > -np.inf, scores.argmax(axis=1), -1)


def _is_grammar(section: SectionResult) -> bool:
    return section.name.startswith("gram")


def _sum(name: str, sections: Sequence[SectionResult]) -> SectionResult:
    return SectionResult(
        name=name,
        n_questions=sum(section.n_questions for section in sections),
        n_scored=sum(section.n_scored for section in sections),
        n_correct=sum(section.n_correct for section in sections),
    )


def _count(
    sections: Sequence[AnalogySection], is_scored: NDArray[np.bool_], is_correct: NDArray[np.bool_]
) -> tuple[SectionResult, ...]:
    results = []
    start = 0
    for section in sections:
        end = start + len(section.questions)
        results.append(
            SectionResult(
                name=section.name,
                n_questions=end - start,
                n_scored=int(is_scored[start:end].sum()),
                n_correct=int(is_correct[start:end].sum()),
            )
        )
        start = end
    return tuple(results)
