"""Phrases against gensim's: time to find them and join them, and whether they are the same.

    python -m benchmarks.phrases_speed [--words 5000000] [--rounds 3] [--score original|npmi]

Both read the same file of lower-case words and write it again with the phrases of one pass joined.
The text has no underscores, since gensim takes the word a_b and the pair a b for one. gensim's
words come from `LineSentence`; it has no threads. Ours are what `rowspace phrases` does: the scan
that writes token ids, the pairs counted, the ids joined, and the file written.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from gensim.models.phrases import Phrases as GensimPhrases
from gensim.models.word2vec import LineSentence

from benchmarks.common import record, wikipedia_text
from rowspace.text.corpus import Corpus
from rowspace.text.phrases import PhrasesConfig, join_phrases, write_text
from rowspace.text.vocabulary import VocabularyConfig, scan_corpus

THREADS = 2
EVERY_WORD = VocabularyConfig(min_count=1, tokenizer="whitespace")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--score", choices=["original", "npmi"], default="original")
    arguments = parser.parse_args()

    config = PhrasesConfig(score=arguments.score)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours(wikipedia_text(100_000), folder, config)  # compile
        text = folder / "text"
        text.write_text(wikipedia_text(arguments.words).read_text().replace("_", ""))
        find: dict[str, list[float]] = {"gensim": [], "rowspace": []}
        total: dict[str, list[float]] = {"gensim": [], "rowspace": []}
        for _ in range(arguments.rounds):
            for program, run in (("gensim", theirs), ("rowspace", ours)):
                started = time.perf_counter()
                find[program].append(run(text, folder, config))
                total[program].append(time.perf_counter() - started)
        same = (folder / "gensim").read_bytes() == (folder / "rowspace").read_bytes()

    lines = [
        f"{arguments.words:,} words, one pass, {arguments.score}, min_count 5, threshold "
        f"{config.least}; gensim one thread, ours {THREADS}; the joined texts are "
        f"{'equal' if same else 'DIFFERENT'}",
        f"{'':10} {'find, M words/s':>24} {'find, join and write':>24}",
    ]
    for program in find:
        shown = [
            " ".join(f"{arguments.words / seconds / 1e6:.2f}" for seconds in times[program])
            for times in (find, total)
        ]
        lines.append(f"{program:10} {shown[0]:>24} {shown[1]:>24}")
    for what, times in (("find", find), ("find, join and write", total)):
        ratios = [t / o for t, o in zip(times["gensim"], times["rowspace"], strict=True)]
        lines.append(
            f"ratio, {what}: {' '.join(f'{ratio:.1f}' for ratio in ratios)}, "
            f"median {statistics.median(ratios):.1f}"
        )
    record("Phrases", lines, ["gensim"])


def theirs(text: Path, folder: Path, config: PhrasesConfig) -> float:
    """Seconds to find the phrases; writes the joined text."""
    started = time.perf_counter()
    found = GensimPhrases(
        LineSentence(str(text)),
        min_count=config.min_count,
        threshold=config.least,
        scoring="default" if config.score == "original" else config.score,
    ).freeze()
    seconds = time.perf_counter() - started
    with (folder / "gensim").open("w", encoding="utf-8") as file:
        for sentence in LineSentence(str(text)):
            file.write(" ".join(found[sentence]) + "\n")
    return seconds


def ours(text: Path, folder: Path, config: PhrasesConfig) -> float:
    """Seconds to find the phrases, and to join them in the ids; writes the joined text."""
    started = time.perf_counter()
    vocabulary, ids = scan_corpus(Corpus(text), folder, EVERY_WORD, THREADS, keep_rare=True)
    vocabulary, ids, _ = join_phrases(vocabulary, ids, config, EVERY_WORD, THREADS)
    seconds = time.perf_counter() - started
    with (folder / "rowspace").open("wb") as file:
        write_text(vocabulary, ids, file)
    return seconds


if __name__ == "__main__":
    main()
