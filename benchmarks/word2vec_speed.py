"""word2vec with negative sampling against gensim: words/s, vocabulary scan, and quality.

    python -m benchmarks.word2vec_speed [--words 25000000] [--epochs 3] [--seeds 1 2 3]
                                        [--architecture skipgram|cbow]

Both read the same file of lower-case words (gensim by `corpus_file`), with the same settings and
threads, and take turns. Words/s are raw words read; gensim's own clock is not used. Quality is the
Spearman correlation on word similarity and the accuracy of the Google analogies among the 30,000
most frequent words, by Rowspace's evaluation, which the tests hold equal to gensim's.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gensim.models.word2vec import Word2Vec

import rowspace as rs
from benchmarks.common import data_folder, record, wikipedia_text
from rowspace.evaluate.analogy import evaluate_analogies, read_analogies
from rowspace.evaluate.similarity import read_pairs, word_similarity
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import VocabularyConfig, scan_corpus

SETS = ("wordsim353", "simlex999", "mturk771")
THREADS = 2
SETTINGS: dict[str, Any] = {
    "dim": 100,
    "window": 5,
    "n_negative": 5,
    "learning_rate": 0.05,
    "subsample": 1e-4,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=25_000_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--architecture", choices=["skipgram", "cbow"], default="skipgram")
    arguments = parser.parse_args()

    text = wikipedia_text(arguments.words)
    small = wikipedia_text(100_000)
    architecture = arguments.architecture
    ours(small, 1, 1, architecture)  # compile
    if architecture == "skipgram":
        compare_scans(text)
    speeds: dict[str, list[float]] = {"gensim": [], "rowspace": []}
    scores: dict[str, list[list[float]]] = {"gensim": [], "rowspace": []}
    for seed in arguments.seeds:
        for name, train in (("gensim", theirs), ("rowspace", ours)):
            vectors, seconds = train(text, arguments.epochs, seed, architecture)
            speeds[name].append(arguments.words * arguments.epochs / seconds)
            scores[name].append(quality(vectors))
            print(name, seed, f"{speeds[name][-1]:,.0f} words/s", scores[name][-1], flush=True)

    ratios = [o / t for o, t in zip(speeds["rowspace"], speeds["gensim"], strict=True)]
    lines = [
        f"{arguments.words:,} words, {arguments.epochs} epochs, d100 w5 n5 t=1e-4 lr .05 "
        f"min_count 5, {THREADS} threads, seeds {arguments.seeds}",
        f"{'':10} {'M words/s':>22} {'WordSim':>8} {'SimLex':>8} {'MTurk':>8} {'Google':>8}",
    ]
    for name in ("gensim", "rowspace"):
        means = [statistics.mean(column) for column in zip(*scores[name], strict=True)]
        shown = " ".join(f"{speed / 1e6:.2f}" for speed in speeds[name])
        lines.append(f"{name:10} {shown:>22} " + " ".join(f"{mean:8.3f}" for mean in means))
    lines.append(
        f"ratio of words/s: {' '.join(f'{ratio:.2f}' for ratio in ratios)}, "
        f"median {statistics.median(ratios):.2f}"
    )
    name = {"skipgram": "skip-gram", "cbow": "CBOW"}[architecture]
    record(f"word2vec: {name} speed and quality", lines, ["gensim"])


def theirs(text: Path, epochs: int, seed: int, architecture: str) -> tuple[rs.Vectors, float]:
    model = Word2Vec(
        vector_size=100, window=5, negative=5, sg=int(architecture == "skipgram"), min_count=5,
        sample=1e-4, alpha=0.05,
        min_alpha=1e-4, workers=THREADS, seed=seed,
    )  # fmt: skip
    model.build_vocab(corpus_file=str(text))
    started = time.perf_counter()
    model.train(
        corpus_file=str(text),
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
        epochs=epochs,
    )
    seconds = time.perf_counter() - started
    return rs.Vectors(model.wv.index_to_key, model.wv.vectors), seconds


def ours(text: Path, epochs: int, seed: int, architecture: str) -> tuple[rs.Vectors, float]:
    trainer = rs.Word2Vec(
        epochs=epochs,
        seed=seed,
        n_threads=THREADS,
        tokenizer="whitespace",
        architecture=architecture,
        cbow_gradient="classic",
        **SETTINGS,  # gensim's gradient
    )
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, ids = scan_corpus(
            Corpus(text), Path(folder), trainer.config.vocabulary_config(), THREADS
        )
        started = time.perf_counter()
        vectors = trainer.fit_ids(vocabulary, ids)
        return vectors, time.perf_counter() - started


def quality(vectors: rs.Vectors) -> list[float]:
    word = data_folder() / "word"
    results = [
        word_similarity(vectors, read_pairs(word / "similarity" / f"{name}.tsv")).spearman
        for name in SETS
    ]
    sections = read_analogies(word / "analogy" / "questions-words.txt")
    total = evaluate_analogies(vectors, sections, restrict_vocab=30_000).total
    return [*results, total.accuracy]


def compare_scans(text: Path) -> None:
    def gensim_scan() -> int:
        model = Word2Vec(min_count=5)
        model.build_vocab(corpus_file=str(text))
        return len(model.wv)

    def rowspace_scan() -> int:
        with tempfile.TemporaryDirectory() as folder:
            config = VocabularyConfig(min_count=5, tokenizer="whitespace")
            return len(scan_corpus(Corpus(text), Path(folder), config, THREADS)[0])

    assert gensim_scan() == rowspace_scan(), "the two vocabularies differ"
    pairs = [(seconds(gensim_scan), seconds(rowspace_scan)) for _ in range(5)]
    ratios = sorted(theirs / ours for theirs, ours in pairs)
    lines = [
        f"{text.name}, {THREADS} threads; ours also writes every token's id, gensim's does not",
        "gensim   " + " ".join(f"{theirs:5.2f} s" for theirs, _ in pairs),
        "rowspace " + " ".join(f"{ours:5.2f} s" for _, ours in pairs),
        f"ratio: median {statistics.median(ratios):.1f}, lowest {ratios[0]:.1f}",
    ]
    record("word2vec: vocabulary scan", lines, ["gensim"])


def seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
