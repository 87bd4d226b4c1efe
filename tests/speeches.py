"""Five short speeches in the manner of inaugural addresses: every sentence has ten words."""

from __future__ import annotations

import json
import re
from pathlib import Path

SPEECHES = {
    "washington": "Fellow citizens, I answer your call with a trembling heart. "
    "The preservation of liberty is entrusted to the American people.",
    "lincoln": "We are not enemies but friends who share one country. "
    "No state may leave the Union upon its own motion. "
    "The mystic chords of memory reach from every patriot grave. "
    "Let the better angels of our nature swell the chorus.",
    "roosevelt": "The only thing that we must fear is fear itself. "
    "Values have shrunk, taxes have risen, and farmers find nothing. "
    "The money changers have fled from the temple of commerce. "
    "Our greatest primary task is to put people to work.",
    "kennedy": "The torch has passed to a new generation of Americans. "
    "We shall pay any price to assure that liberty survives. "
    "Civility is not weakness and sincerity always needs a proof. "
    "Never negotiate out of fear, but never fear to negotiate. "
    "Together let us explore the stars and conquer the deserts. "
    "Ask what together we can do for freedom and peace.",
    "carter": "Our nation can be strong abroad only if strong here. "
    "The passion for freedom is on the rise across continents. "
    "Because we are free we cannot be indifferent to freedom.",
}
YEARS = {"washington": 1789, "lincoln": 1861, "roosevelt": 1933, "kennedy": 1961, "carter": 1977}
N_SENTENCES = {"washington": 2, "lincoln": 4, "roosevelt": 4, "kennedy": 6, "carter": 3}

QUICK = {"dim": 8, "epochs": 2, "min_count": 1, "n_threads": 1}
"""Settings of word2vec that train in no time."""


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def write_jsonl(path: Path) -> Path:
    rows = [
        {"_id": name, "title": name.title(), "text": text, "year": YEARS[name],
         "party": "none" if name == "washington" else "some", "first": name == "washington",
         "share": 0.5, "tags": ["a", "b"]}
        for name, text in SPEECHES.items()
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_folder(path: Path) -> Path:
    path.mkdir()
    for name, text in SPEECHES.items():
        (path / f"{name}.txt").write_text(text)
    return path


def write_topics(path: Path) -> Path:
    """3,600 words of 60 kinds, enough to be trained on in several pieces."""
    lines = [
        " ".join(f"{topic}{(7 * i + j * j) % 20}" for j in range(12))
        for i in range(100)
        for topic in ("sea", "war", "tax")
    ]
    path.write_text("".join(f"{line}.\n" for line in lines))
    return path
