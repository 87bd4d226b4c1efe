"""The rates that docs/capacity.md plans by: what one core does, all in one run.

    python -m benchmarks.capacity [--rounds 2] [--scale 1.0] [--parts encode graph …]

Each part (`benchmarks.capacity_rates`) is a process of its own on one core, one after the other,
in rounds; a rate is the median of its rounds. They are recorded, and written to docs/capacity.toml,
which the page's Python reads; `python docs/plots/capacity.py` then makes the page's tables anew.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics

from benchmarks.capacity_rates import PARTS
from benchmarks.common import ROOT, in_process, machine, record
from rowspace.files import write_atomically
from rowspace.serve.workers import THREAD_VARIABLES

FILE = ROOT / "docs" / "capacity.toml"
TITLE = "Capacity: what one core does"
MEANING = {
    "minilm_texts": "sentences/s to vectors, all-MiniLM-L6-v2",
    "static_texts": "sentences/s to vectors, a static embedder of 384",
    "bytes_a_text": "bytes of such a sentence",
    "hnsw_small_n": "rows of the small graph",
    "hnsw_large_n": "rows of the large graph",
    "hnsw_rows_small": "rows/s into the small graph, all in all",
    "hnsw_rows_large": "rows/s into the large graph, all in all",
    "hnsw_queries_small": "queries/s, the small graph, one by one",
    "hnsw_queries_large": "queries/s, the large graph, one by one",
    "hnsw_recall_small": "recall@10 of these",
    "hnsw_recall_large": "recall@10 of these",
    "hnsw_bytes": "bytes a row of the graph (HNSW, float16)",
    "codes_n": "rows in the lists of codes",
    "pq_learn_rows": "rows/s of a sample that lists of product codes are learnt from",
    "pq_rows": "rows/s added to them",
    "pq_queries": "queries/s of these, the proposed compared exactly",
    "pq_recall": "recall@10 of these",
    "pq_bytes": "bytes a row",
    "rabitq_learn_rows": "rows/s of a sample that lists of bits are learnt from",
    "rabitq_rows": "rows/s added to them",
    "rabitq_queries": "queries/s of these, the proposed compared exactly",
    "rabitq_recall": "recall@10 of these",
    "rabitq_bytes": "bytes a row",
    "scan_bytes": "bytes/s of float32 compared with one query, most by their sketch",
    "scan_queries_at_once": "rows/s compared, of many queries at once",
    "write_bytes": "bytes/s into a space's table, flushed and hashed",
    "read_bytes": "bytes/s of vectors out of it",
    "count_bytes": "bytes/s of text whose words are counted and numbered",
    "count_words": "words/s of these",
    "pair_words": "words/s whose neighbours are counted (GloVe, window 10)",
    "word2vec_words": "words/s trained, skip-gram of 100 numbers",
    "lm_tokens": "tokens/s trained, a GPT of 4 layers of 128",
    "lm_parameters": "parameters of it",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})  # the processes started have it too
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    found: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        for part in arguments.parts:
            scale = ["--scale", arguments.scale]
            for name, value in in_process("benchmarks.capacity_rates", part, *scale).items():
                found.setdefault(name, []).append(value)
            print(part, "done", flush=True)
    rates = {name: statistics.median(found[name]) for name in MEANING if name in found}
    os.sched_setaffinity(0, cores)
    lines = [f"one core; medians of {arguments.rounds} rounds"]
    lines += [f"{name:22} {_shown(rate):>15}  {MEANING[name]}" for name, rate in rates.items()]
    record(TITLE, lines)
    if set(arguments.parts) == set(PARTS):
        write(rates)


def write(rates: dict[str, float]) -> None:
    """docs/capacity.toml, with the numbers as they are recorded."""
    lines = ["# Made by python -m benchmarks.capacity; results.md has what each is.", ""]
    lines += [f'date = "{datetime.date.today().isoformat()}"', f'machine = "{machine()}"']
    lines += ["", "[rates]", *(f"{name} = {_shown(rate)}" for name, rate in rates.items())]
    with write_atomically(FILE) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def _shown(rate: float) -> str:
    """Three digits."""
    return f"{float(f'{rate:.3g}'):.3f}" if rate < 10 else f"{float(f'{rate:.3g}'):_.0f}"


if __name__ == "__main__":
    main()
