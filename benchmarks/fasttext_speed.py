"""fastText skip-gram with subwords against the official program: time, memory and quality.

    python -m benchmarks.fasttext_speed [--words 25000000] [--epochs 1] [--seeds 1 2 3]

Both read the same file with the same settings and threads, and take turns. Times are of the whole
run, reading and counting included, since the official program does not tell them apart. Each
run is a process of its own, so that its peak memory can be told. Quality as in word2vec_speed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import rowspace as rs
from benchmarks.common import record, wikipedia_text
from benchmarks.word2vec_speed import quality

THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=25_000_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--run", choices=["fasttext", "rowspace"], help="one run, for main")
    arguments = parser.parse_args()
    text = wikipedia_text(arguments.words)
    if arguments.run:
        run = theirs if arguments.run == "fasttext" else ours
        print(json.dumps(run(text, arguments.epochs, arguments.seeds[0])))
        return
    ours(wikipedia_text(100_000), 1, 1)  # compile
    found: dict[str, list[dict[str, float]]] = {"fasttext": [], "rowspace": []}
    for seed in arguments.seeds:
        for name, results in found.items():
            results.append(in_process(name, arguments.words, arguments.epochs, seed))
            print(name, seed, results[-1], flush=True)
    ratios = [
        theirs["seconds"] / ours["seconds"]
        for theirs, ours in zip(found["fasttext"], found["rowspace"], strict=True)
    ]
    lines = [
        f"{arguments.words:,} words, {arguments.epochs} epochs, d100 w5 n5 t=1e-4 lr .05 "
        f"min_count 5, n-grams 3-6, bucket 2,000,000, {THREADS} threads, seeds {arguments.seeds}",
        f"{'':10} {'seconds':>20} {'MB':>6} {'WordSim':>8} {'SimLex':>8} {'MTurk':>8} "
        f"{'Google':>8}",
    ]
    for name, results in found.items():
        shown = " ".join(f"{result['seconds']:.1f}" for result in results)
        means = [
            statistics.mean(result[key] for result in results)
            for key in ("wordsim", "simlex", "mturk", "google")
        ]
        peak = max(result["megabytes"] for result in results)
        lines.append(
            f"{name:10} {shown:>20} {peak:6.0f} " + " ".join(f"{mean:8.3f}" for mean in means)
        )
    lines.append(
        f"times as fast: {' '.join(f'{ratio:.2f}' for ratio in ratios)}, "
        f"median {statistics.median(ratios):.2f}"
    )
    record("fastText: skip-gram with subwords", lines, ["fasttext-numpy2-wheel"])


def in_process(name: str, words: int, epochs: int, seed: int) -> dict[str, float]:
    command = [
        sys.executable, "-m", "benchmarks.fasttext_speed", "--run", name, "--words", str(words),
        "--epochs", str(epochs), "--seeds", str(seed),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def theirs(text: Path, epochs: int, seed: int) -> dict[str, float]:
    import fasttext

    for _ in range(20):  # the wheel now and then meets NaN in memory that it did not set
        try:
            started = time.perf_counter()
            model = fasttext.train_unsupervised(
                str(text), model="skipgram", dim=100, ws=5, neg=5, minCount=5, t=1e-4, lr=0.05,
                epoch=epochs, thread=THREADS, verbose=0,  # it takes no seed
            )  # fmt: skip
            break
        except RuntimeError:
            continue
    seconds, megabytes = time.perf_counter() - started, peak()
    words = [word for word in model.get_words() if word != "</s>"]
    matrix = np.array([model.get_word_vector(word) for word in words])
    return scored(rs.Vectors(words, matrix), seconds, megabytes)


def ours(text: Path, epochs: int, seed: int) -> dict[str, float]:
    started = time.perf_counter()
    trainer = rs.FastText(epochs=epochs, seed=seed, n_threads=THREADS, tokenizer="whitespace")
    vectors = trainer.fit(text)
    seconds, megabytes = time.perf_counter() - started, peak()
    return scored(vectors, seconds, megabytes)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def scored(vectors: rs.Vectors, seconds: float, megabytes: float) -> dict[str, float]:
    names = ("wordsim", "simlex", "mturk", "google")
    scores = dict(zip(names, quality(vectors), strict=True))
    return {"seconds": seconds, "megabytes": megabytes, **scores}


if __name__ == "__main__":
    main()
