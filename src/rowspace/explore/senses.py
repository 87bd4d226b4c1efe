"""`senses`: what a word means where it stands, found by a transformer of what is looked at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from rowspace.errors import ConfigError
from rowspace.explore.asked import SubjectNumber, subject_of
from rowspace.explore.sense_finding import Sentences, compare, find, from_space, from_text
from rowspace.explore.sense_jobs import SenseJob, SenseJobs
from rowspace.explore.sense_models import SenseModels
from rowspace.explore.subject import Subject

MOST_CHARACTERS = 200_000
"""Of sentences that are given."""
LONGEST_WORD = 100
LONGEST_SENTENCE = 1_000
MOST_SENSES = 12


class Question(BaseModel):
    """What is asked of `senses`."""

    word: str
    model: str | None = None
    sentences: str | None = None
    """Text to look in, instead of the space's passages."""
    n_senses: int | None = Field(None, ge=1, le=MOST_SENSES)
    hidden: bool = False
    """Whether the word is hidden when its sentences are read."""


class Comparison(BaseModel):
    """A word in two sentences."""

    word: str
    a: str
    b: str
    model: str | None = None


def routes(subjects: Sequence[Subject]) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(prefix="/senses", tags=["explorer"])
    models, jobs = SenseModels(subjects), SenseJobs()

    @router.post("")
    def senses(asked: Question, subject: SubjectNumber = 0) -> dict[str, Any]:
        """Begin to find the senses of a word; what was asked before is given up."""
        _, folder = models.find(subject, asked.model)
        _check(asked.word, asked.sentences or "")
        chosen = subject_of(subjects, subject)
        if chosen.space is None and not asked.sentences:
            raise ConfigError(f"{chosen.name} has no passages to look in; give sentences")

        def work(job: SenseJob) -> dict[str, Any]:
            sentences = _sentences(chosen, asked)
            return find(
                models.load(folder),
                asked.word,
                sentences,
                n_senses=asked.n_senses,
                hidden=asked.hidden,
                tell=job.tell,
            )

        return jobs.start(_number(chosen, str(folder), asked), work).as_dict()

    @router.get("/{number}")
    def state(number: str) -> dict[str, Any]:
        """How far a question is, or what was found."""
        return _known(number).as_dict()

    @router.post("/{number}/stop")
    def stop(number: str) -> dict[str, Any]:
        """Take a question back."""
        job = _known(number)
        job.stop()
        return job.as_dict()

    @router.post("/compare")
    def compared(asked: Comparison, subject: SubjectNumber = 0) -> dict[str, Any]:
        """The cosine of a word's vectors in two sentences."""
        name, folder = models.find(subject, asked.model)
        for sentence in (asked.a, asked.b):
            _check(asked.word, sentence)
            if len(sentence) > LONGEST_SENTENCE:
                raise ConfigError(
                    f"a sentence has {len(sentence):,} characters; give {LONGEST_SENTENCE:,} or "
                    "fewer"
                )
        return {"model": name, **compare(models.load(folder), asked.word, asked.a, asked.b)}

    def _known(number: str) -> SenseJob:
        job = jobs.get(number)
        if job is None:
            raise HTTPException(404, f"nothing was asked under {number!r:.60}; ask anew")
        return job

    return router


def _check(word: str, text: str) -> None:
    if not word.strip():
        raise ConfigError("the word is empty; give one")
    if len(word) > LONGEST_WORD:
        raise ConfigError(
            f"the word has {len(word):,} characters; give a word or phrase of {LONGEST_WORD} or "
            "fewer"
        )
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(
            f"the sentences have {len(text):,} characters; give {MOST_CHARACTERS:,} or fewer"
        )
    try:
        f"{word}{text}".encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            "the text has half a surrogate pair, which is no character; leave it out"
        ) from error


def _sentences(subject: Subject, asked: Question) -> Sentences:
    if asked.sentences:
        return from_text(asked.sentences)
    assert subject.space is not None
    return from_space(subject.space, asked.word)


def _number(subject: Subject, folder: str, asked: Question) -> str:
    """The same for the same question of the same passages."""
    version = "" if subject.space is None else str(subject.space.snapshot.commit.version)
    parts = [str(subject.path), version, folder, asked.model_dump()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
