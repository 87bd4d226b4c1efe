"""A static embedder distilled from a transformer: what is left of it, and how fast it is.

    python -m benchmarks.distill_static [--teacher DIR] [--max-texts N] [--rounds N]

Distils anew from sentences of the Wikipedia corpora, scores both on STS-B (dev, and train, which
nothing is trained on here), then encodes the same texts with both by turns: 20,000 sentences of the
corpora, of which the teacher reads the first 1,000. The first round's texts are new to the static
one, whose cache of words is empty then; `speed` is texts/s against the teacher's.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import rowspace as rs
from benchmarks.common import data_folder, record
from benchmarks.contextual_speed import minilm
from rowspace.evaluate.sentence_data import read_sentence_task
from rowspace.evaluate.sts import evaluate_sts_task
from rowspace.sentence import SentenceEncoder, StaticDistillConfig, distill_embedder
from rowspace.text.corpus import Corpus
from rowspace.text.passages import split_sentences

CORPORA = ("simplewiki-00.txt.xz", "simplewiki-01.txt.xz", "enwiki2015a-00.txt.xz")
N_FAST, N_SLOW = 20_000, 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--teacher", help="all-MiniLM-L6-v2 if not given")
    parser.add_argument("--max-texts", type=int, default=StaticDistillConfig.max_texts)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    teacher = rs.load_encoder(arguments.teacher or minilm())
    corpus = Corpus([data_folder() / "corpora" / name for name in CORPORA], "blocks")
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        config = StaticDistillConfig(max_texts=arguments.max_texts)
        distill_embedder(teacher, Path(folder, "static"), corpus, config)
        minutes = (time.monotonic() - started) / 60
        static = rs.load_encoder(Path(folder, "static"))
        lines = [f"distilled in {minutes:.1f} min from {arguments.max_texts:,} sentences"]
        lines += quality({"teacher": teacher, "static": static})
        lines += speed(teacher, static, list(islice(sentences(corpus), N_FAST)), arguments.rounds)
    record("A static embedder distilled", lines)


def sentences(corpus: Corpus) -> Iterator[str]:
    """The sentences of a corpus, as they come."""
    for document in corpus:
        yield from split_sentences(corpus.text_of(document))


def quality(encoders: dict[str, SentenceEncoder]) -> list[str]:
    """STS-B of each, and the share that is left."""
    lines = []
    for split in ("dev", "train"):
        task = read_sentence_task(data_folder() / "sentence" / "stsb", split)
        teacher, static = (evaluate_sts_task(e, task).spearman for e in encoders.values())
        lines.append(
            f"STS-B {split}, Spearman: teacher {teacher:.3f}, static {static:.3f}, "
            f"{static / teacher:.1%} of it"
        )
    return lines


def speed(
    teacher: SentenceEncoder, static: SentenceEncoder, texts: Sequence[str], n_rounds: int
) -> list[str]:
    """Texts/s by turns, and the ratio of each round."""
    ratios = []
    for _ in range(n_rounds):
        slow = N_SLOW / seconds(teacher, texts[:N_SLOW])
        fast = len(texts) / seconds(static, texts)
        ratios.append(fast / slow)
    shown = ", ".join(f"{ratio:.0f}" for ratio in ratios)
    return [f"speed: {shown} times the teacher's; median {statistics.median(ratios):.0f}"]


def seconds(encoder: SentenceEncoder, texts: Sequence[str]) -> float:
    """To encode texts."""
    started = time.perf_counter()
    encoder.encode(texts)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
