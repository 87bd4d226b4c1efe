"""What one core does in a second, of each kind of work; `benchmarks.capacity` runs each part.

    python -m benchmarks.capacity_rates PART [--scale 1.0]

Each part is a process of its own that `benchmarks.capacity` gives one core. It prints JSON: rates
by their names.
Sizes are such that a part takes some seconds to a minute; `--scale` makes them smaller.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rates = dict[str, float]
Floats = NDArray[np.float32]
RECALL = 0.95
"""Of the ten nearest, that searches are timed at, or the first effort above it."""
N_QUERIES = 200


def seconds(call: Callable[[], object]) -> float:
    """Of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def encode(scale: float) -> Rates:
    """Sentences of Wikipedia to vectors: a transformer, and a table of word vectors."""
    import rowspace as rs
    from benchmarks.contextual_speed import minilm
    from benchmarks.million_vectors import distinct_sentences, encoder

    texts = list(islice(distinct_sentences(), int(40_000 * scale)))
    few = texts[: len(texts) // 40]
    transformer, static = rs.load_encoder(minilm()), encoder()
    for model in (transformer, static):
        model.encode(texts[:64])
    return {
        "minilm_texts": len(few) / seconds(lambda: transformer.encode(few)),
        "static_texts": len(texts) / seconds(lambda: static.encode(texts)),
        "bytes_a_text": float(np.mean([len(text.encode()) for text in texts])),
    }


def graph(scale: float) -> Rates:
    """HNSW: rows a second at two sizes, queries at a recall, bytes a row."""
    from rowspace.search.index.config import IndexConfig
    from rowspace.search.index.hnsw import FaissHNSW

    found: Rates = {}
    for name, n in (("small", int(20_000 * scale)), ("large", int(160_000 * scale))):
        rows, queries = rows_and_queries(n)
        index = FaissHNSW.new(rows.shape[1], n, rows[:1000], IndexConfig())
        found[f"hnsw_rows_{name}"] = n / seconds(partial(index.add, rows))
        found[f"hnsw_{name}_n"] = n
        rate, recall = search_rate(index, rows, queries, lambda _, best: best)
        found |= {f"hnsw_queries_{name}": rate, f"hnsw_recall_{name}": recall}
    return found | {"hnsw_bytes": file_bytes(index) / n}


def codes(scale: float) -> Rates:
    """Inverted lists of codes, what they propose compared exactly: product quantization, bits."""
    from rowspace.search.index.config import IndexConfig
    from rowspace.search.index.inverted import IVFPQ, IVFRaBitQ

    n = int(100_000 * scale)
    rows, queries = rows_and_queries(n)
    found: Rates = {"codes_n": n}
    for name, kind in (("pq", IVFPQ), ("rabitq", IVFRaBitQ)):
        sample = rows[: max(1000, n // 10)]
        started = time.perf_counter()
        index = kind.new(rows.shape[1], n, sample, IndexConfig())
        found[f"{name}_learn_rows"] = len(sample) / (time.perf_counter() - started)
        found[f"{name}_rows"] = n / seconds(partial(index.add, rows))

        def nearest(queries: Floats, proposed: NDArray[np.int64]) -> NDArray[np.int64]:
            scores = np.einsum("qd,qkd->qk", queries, rows[proposed])
            order = np.argsort(-scores, axis=1)[:, :10]
            return np.take_along_axis(proposed, order, axis=1)

        rate, recall = search_rate(index, rows, queries, nearest, index.depth)
        found |= {f"{name}_queries": rate, f"{name}_recall": recall}
        found[f"{name}_bytes"] = file_bytes(index) / n
    return found


def scan(scale: float) -> Rates:
    """All compared, most by a sketch of a quarter: bytes of float32, for one query, for many."""
    from rowspace.search.index.exact import ExactIndex

    rows, queries = rows_and_queries(int(200_000 * scale))
    index = ExactIndex(rows, is_unit=True)
    index.search(queries[:2], 10)
    one = float(np.median([seconds(partial(index.search, one[None], 10)) for one in queries[:20]]))
    many = seconds(lambda: index.search(queries, 10)) / len(queries)
    return {"scan_bytes": rows.nbytes / one, "scan_queries_at_once": 1 / many * len(rows)}


def store(scale: float) -> Rates:
    """A space's table: bytes written and flushed, and vectors read back."""
    from rowspace.search.commit import flush_and_hash
    from rowspace.search.store import Store, base_schema, to_batch
    from rowspace.text.passages import Passage

    n = int(50_000 * scale)
    rows, _ = rows_and_queries(n)
    passages = [Passage(str(i), 0, "", "a text " * 20, "s", {}) for i in range(n)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "store"

        def write(place: Path, n: int) -> None:
            batches = (
                to_batch(passages[i : i + 5000], {"vector": rows[i : i + 5000]})
                for i in range(0, n, 5000)
            )
            Store.create(place, base_schema({"vector": rows.shape[1]}), batches)
            flush_and_hash(place, {})

        write(Path(folder) / "first", 100)  # what is imported
        spent = seconds(partial(write, place, n))
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        table = Store.open(place)
        read = seconds(lambda: table.vectors())
    return {"write_bytes": size / spent, "read_bytes": rows.nbytes / read}


def words(scale: float) -> Rates:
    """Words: counted and numbered, pairs counted, word2vec trained."""
    import rowspace as rs
    from benchmarks.common import wikipedia_text
    from rowspace.static.cooccurrence import count_cooccurrences
    from rowspace.text.corpus import Corpus
    from rowspace.text.vocabulary import scan_corpus

    text = wikipedia_text(max(100_000, int(2_000_000 * scale)))
    small = wikipedia_text(100_000)
    trainer = rs.Word2Vec(dim=100, epochs=1, n_threads=1, min_count=5, tokenizer="whitespace")
    trainer.fit(small)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        config = trainer.config.vocabulary_config()
        started = time.perf_counter()
        vocabulary, ids = scan_corpus(Corpus(text), home, config, 1)
        counting = time.perf_counter() - started
        (home / "small").mkdir()
        few, few_ids = scan_corpus(Corpus(small), home / "small", config, 1)
        count_cooccurrences(few, few_ids, home / "s", n_threads=1)
        pairs = seconds(lambda: count_cooccurrences(vocabulary, ids, home / "p", n_threads=1))
        training = seconds(lambda: trainer.fit_ids(vocabulary, ids))
        return {
            "count_bytes": text.stat().st_size / counting,
            "count_words": ids.n_ids / counting,
            "pair_words": ids.n_ids / pairs,
            "word2vec_words": ids.n_ids / training,
        }


def language(scale: float) -> Rates:
    """A GPT of 4 layers of 128 trained on characters: tokens."""
    import torch

    from benchmarks.lm_speed import OurLoop, write_ids
    from benchmarks.plain_gpt import Setup

    torch.set_num_threads(1)
    setup = Setup()
    with tempfile.TemporaryDirectory() as folder:
        train, _ = write_ids(Path(folder))
        loop = OurLoop(setup, train, 1, 1)
        n = max(5, int(100 * scale))
        for _ in range(5):
            loop.step()
        spent = seconds(lambda: [loop.step() for _ in range(n)])
        loop.replicas.close()
    parameters = sum(one.numel() for one in loop.model.parameters())
    return {"lm_tokens": n * setup.batch * setup.length / spent, "lm_parameters": parameters}


PARTS: dict[str, Callable[[float], Rates]] = {
    part.__name__: part for part in (encode, graph, codes, scan, store, words, language)
}


def rows_and_queries(n: int) -> tuple[Floats, Floats]:
    """n unit vectors of sentences, and others' as queries."""
    from benchmarks.million_vectors import ROWS, vectors

    size = ROWS if n + N_QUERIES > 20_000 else 20_000
    found = vectors(size)
    return np.array(found[:n]), np.array(found[-N_QUERIES:])


def search_rate(
    index: Any,
    rows: Floats,
    queries: Floats,
    choose: Callable[[Floats, NDArray[np.int64]], NDArray[np.int64]],
    depth: int = 1,
) -> tuple[float, float]:
    """Queries a second, one by one, at the first effort that finds enough; and what it finds."""
    from rowspace.search.index.exact import ExactIndex
    from rowspace.search.index.recall import recall_at_k

    truth = ExactIndex(rows, is_unit=True).search(queries, 10)[1].astype(np.int64)

    def found(some: Floats, effort: int) -> NDArray[np.int64]:
        return choose(some, index.search(some, 10 * depth, effort, None))

    effort, recall = 0, 0.0
    for effort in index.efforts:
        recall = recall_at_k(found(queries, effort), truth)
        if recall >= RECALL:
            break
    spent = seconds(lambda: [found(queries[i : i + 1], effort) for i in range(len(queries))])
    return len(queries) / spent, recall


def file_bytes(index: Any) -> int:
    """Of an index that is saved."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index"
        index.save(file)
        return file.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    print(json.dumps(PARTS[arguments.part](arguments.scale)))


if __name__ == "__main__":
    main()
