"""GloVe against a compiled peer: counting, training, memory and quality.

    python -m benchmarks.glove_speed [--words 25000000] [--epochs 15] [--seeds 1 2 3]
                                     [--stanford DIR]

The peer is glove-python (Cython and OpenMP, float64), by the package bicleaner-ai-glove. It learns
one vector a word and takes one step for each pair of words; Rowspace and the authors' program learn
two vectors a word and take two steps, one each way round, so that an epoch is twice the work.
With --stanford, a folder of the authors' compiled programs (vocab_count, cooccur, shuffle, glove),
these run too.

All read the same file with the same settings and threads, and take turns; glove-python is given
Rowspace's vocabulary and only its words. Counting includes reading the text, and, but for
glove-python, counting the words. Each run is a process of its own, so that its peak memory can be
told. Quality as in word2vec_speed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rowspace as rs
from benchmarks.common import in_process, record, wikipedia_text
from benchmarks.word2vec_speed import quality
from rowspace.static.cooccurrence import count_cooccurrences
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import scan_corpus

THREADS = 2
DIM, WINDOW, X_MAX, ALPHA, RATE, MIN_COUNT = 100, 15, 100, 0.75, 0.05, 5
MEMORY_MB = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=25_000_000)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--stanford", type=Path, help="folder of the authors' programs")
    parser.add_argument("--run", choices=["glove-python", "stanford", "rowspace"], help="for main")
    arguments = parser.parse_args()
    text, epochs = wikipedia_text(arguments.words), arguments.epochs
    if arguments.run:
        print(json.dumps(run(arguments.run, text, epochs, arguments.seeds[0], arguments.stanford)))
        return
    ours(wikipedia_text(100_000), 1, 1)  # compile
    names = ["glove-python", *(["stanford"] if arguments.stanford else []), "rowspace"]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed in arguments.seeds:
        for name, results in found.items():
            more = ["--stanford", arguments.stanford] if name == "stanford" else []
            result = in_process(
                "benchmarks.glove_speed", "--run", name, "--words", arguments.words, "--epochs",
                epochs, "--seeds", seed, *more,
            )  # fmt: skip
            results.append(result)
            print(name, seed, result, flush=True)
    lines = [
        f"{arguments.words:,} words, {epochs} epochs, d{DIM} w{WINDOW} x_max {X_MAX} alpha {ALPHA} "
        f"lr {RATE} min_count {MIN_COUNT}, {THREADS} threads, seeds {arguments.seeds}",
        f"{'':12} {'counting s':>20} {'training s':>20} {'MB':>6} {'M pairs':>8} {'steps':>6} "
        f"{'WordSim':>8} {'SimLex':>8} {'MTurk':>8} {'Google':>8}",
        *(table_line(name, results) for name, results in found.items()),
    ]
    for name in names[:-1]:
        lines += ratio_lines(name, found[name], found["rowspace"])
    record("GloVe: speed and quality", lines, ["bicleaner-ai-glove"])


def run(name: str, text: Path, epochs: int, seed: int, stanford: Path | None) -> dict[str, Any]:
    if name == "glove-python":
        return theirs(text, epochs, seed)
    if name == "stanford":
        assert stanford is not None, "give --stanford"
        return authors(stanford, text, epochs, seed)
    return ours(text, epochs, seed)


def table_line(name: str, results: list[dict[str, float]]) -> str:
    def column(key: str) -> list[float]:
        return [result[key] for result in results]

    times = " ".join(
        f"{' '.join(f'{seconds:.1f}' for seconds in column(key)):>20}"
        for key in ("counting", "training")
    )
    scores = " ".join(
        f"{statistics.mean(column(key)):8.3f}" for key in ("wordsim", "simlex", "mturk", "google")
    )
    first = results[0]
    return (
        f"{name:12} {times} {max(column('megabytes')):6.0f} {first['pairs'] / 1e6:8.2f} "
        f"{first['steps']:6.0f} {scores}"
    )


def ratio_lines(
    name: str, theirs: list[dict[str, float]], ours: list[dict[str, float]]
) -> Iterator[str]:
    """How many times as fast as a peer each part is, and a step of training."""
    parts: dict[str, Callable[[dict[str, float]], float]] = {
        "counting": lambda run: run["counting"],
        "training": lambda run: run["training"],
        "together": lambda run: run["counting"] + run["training"],
        "one step": lambda run: run["training"] / run["pairs"] / run["steps"],
    }
    for part, seconds in parts.items():
        ratios = [seconds(peer) / seconds(own) for peer, own in zip(theirs, ours, strict=True)]
        yield (
            f"{part}, times as fast as {name}: {' '.join(f'{ratio:.2f}' for ratio in ratios)}, "
            f"median {statistics.median(ratios):.2f}"
        )


def theirs(text: Path, epochs: int, seed: int) -> dict[str, Any]:
    from glove import Corpus as TheirCorpus
    from glove import Glove

    with tempfile.TemporaryDirectory() as folder:
        vocabulary, _ = scan_corpus(Corpus(text), Path(folder), config(1, 1).vocabulary_config(), 2)
    dictionary = {word: i for i, word in enumerate(vocabulary.words)}
    started = time.perf_counter()
    corpus = TheirCorpus(dictionary)
    corpus.fit(sentences(text, dictionary), window=WINDOW)
    counted = time.perf_counter() - started
    corpus.matrix.sum_duplicates()  # it has some, which would only give it more to do
    started = time.perf_counter()
    model = Glove(DIM, learning_rate=RATE, alpha=ALPHA, max_count=X_MAX, random_state=seed)
    model.fit(corpus.matrix, epochs=epochs, no_threads=THREADS)
    trained = time.perf_counter() - started
    vectors = rs.Vectors(vocabulary.words, model.word_vectors.astype("float32"))
    return result(vectors, counted, trained, corpus.matrix.nnz, 1)


def sentences(text: Path, dictionary: dict[str, int]) -> Iterator[list[str]]:
    with text.open(encoding="utf-8") as lines:
        for line in lines:
            yield [word for word in line.split() if word in dictionary]


def config(epochs: int, seed: int) -> rs.GloVeConfig:
    return rs.GloVeConfig(
        dim=DIM, window=WINDOW, x_max=X_MAX, alpha=ALPHA, learning_rate=RATE, min_count=MIN_COUNT,
        epochs=epochs, seed=seed, n_threads=THREADS, memory_mb=MEMORY_MB, tokenizer="whitespace",
    )  # fmt: skip


def ours(text: Path, epochs: int, seed: int) -> dict[str, Any]:
    settings = config(epochs, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        vocabulary, ids = scan_corpus(Corpus(text), folder, settings.vocabulary_config(), THREADS)
        counts = count_cooccurrences(
            vocabulary, ids, folder / "counts.bin", settings.cooccurrence_config(), MEMORY_MB,
            THREADS,
        )  # fmt: skip
        counted = time.perf_counter()
        vectors = rs.GloVe(settings).fit_counts(vocabulary, counts)
        trained = time.perf_counter()
        return result(vectors, counted - started, trained - counted, len(counts), 2)


def authors(programs: Path, text: Path, epochs: int, seed: int) -> dict[str, Any]:
    """The authors' programs, with the settings of their demo.sh."""
    memory = f"{MEMORY_MB / 1024:.1f}"
    with tempfile.TemporaryDirectory() as name:
        vocabulary, counts, shuffled, vectors = (
            Path(name, part) for part in ("vocab", "counts", "shuffled", "vectors")
        )

        def call(program: str, source: Path | None, target: Path | None, *flags: object) -> None:
            with (
                (source or Path("/dev/null")).open("rb") as stdin,
                (target or Path("/dev/null")).open("wb") as stdout,
            ):
                subprocess.run(
                    [programs.resolve() / program, *map(str, flags), "-verbose", "0"],
                    stdin=stdin, stdout=stdout, check=True, cwd=name,
                )  # fmt: skip

        started = time.perf_counter()
        call("vocab_count", text, vocabulary, "-min-count", MIN_COUNT)
        call(
            "cooccur", text, counts, "-memory", memory, "-vocab-file", vocabulary, "-window-size",
            WINDOW, "-symmetric", 1,
        )  # fmt: skip
        call("shuffle", counts, shuffled, "-memory", memory, "-seed", seed)
        counted = time.perf_counter()
        call(
            "glove", None, None, "-input-file", shuffled, "-vocab-file", vocabulary, "-save-file",
            vectors, "-threads", THREADS, "-x-max", X_MAX, "-alpha", ALPHA, "-eta", RATE, "-iter",
            epochs, "-vector-size", DIM, "-binary", 0, "-seed", seed,
        )  # fmt: skip
        trained = time.perf_counter()
        n_pairs = shuffled.stat().st_size // 16  # two int32 and a float64, each way round
        loaded = rs.load(vectors.with_suffix(".txt"), format="glove")
    return result(loaded, counted - started, trained - counted, n_pairs, 1)


def result(
    vectors: rs.Vectors, counting: float, training: float, n_pairs: int, n_steps: int
) -> dict[str, Any]:
    """`n_steps` is what an epoch takes for each of the pairs that were counted."""
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    scores = dict(zip(("wordsim", "simlex", "mturk", "google"), quality(vectors), strict=True))
    return {
        "counting": counting, "training": training, "pairs": n_pairs, "steps": n_steps,
        "megabytes": peak / 1024, **scores,
    }  # fmt: skip


if __name__ == "__main__":
    main()
