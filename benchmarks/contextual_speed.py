"""Words' vectors out of sentences: `extract` against a plain loop of the transformers library.

    python -m benchmarks.contextual_speed [--sentences 400] [--rounds 5] [--threads 2]

The sentences are CoarseWSD-20's, one of each ambiguous noun in turn; the words are these nouns.
The plain loop takes batches of 32 as the sentences come, padded by the tokenizer, asks the model
for all hidden states, and takes the mean of the last ones of a word's tokens. It has the texts in
memory and is told where the words stand. Ours reads the file, finds the words, and writes vectors
and their places to a folder. Both run MiniLM (or a random model of GPT-2's or LLaMA's shape, with
MiniLM's tokenizer) in float32 in one process, in turns, first one and then the other first; the
ratio is the median of the rounds'. Before the clock starts the vectors are compared.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from benchmarks.common import ROOT, data_folder, record
from rowspace.machine import has_native_bfloat16
from rowspace.text.corpus import Corpus
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.extraction import Extraction, extract
from rowspace.transformer.load_encoder import load_encoder

BATCH = 32
TOLERANCE = 1e-4
Floats = NDArray[np.float32]
_SHAPES: dict[str, Any] = {
    "gpt2": lambda n: transformers.GPT2Config(vocab_size=n, n_embd=384, n_layer=6, n_head=6),
    "llama": lambda n: transformers.LlamaConfig(
        vocab_size=n,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=1024,
    ),
}


@dataclass(frozen=True)
class Task:
    """Sentences, the words wanted in them, and where they stand."""

    file: Path
    texts: list[str]
    words: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=["minilm", *_SHAPES])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lines = [
        f"{arguments.sentences} sentences, medians of {arguments.rounds} rounds, "
        f"{arguments.threads} threads, float32",
        f"{'model':10} {'plain, texts/s':>15} {'ours, texts/s':>14} {'ours/plain':>11} "
        f"{'largest difference':>19}",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task = make_task(folder, arguments.sentences)
        for model in arguments.models:
            lines += measure(model, model_folder(model, folder), task, folder, arguments.rounds)
            print(lines[-1], flush=True)
    record("Words' vectors in their sentences: speed", lines, ["transformers"])


def make_task(folder: Path, n_sentences: int) -> Task:
    """One sentence of each noun in turn, in a file of lines."""
    files = sorted((data_folder() / "context" / "coarsewsd20").glob("*.test.tsv"))
    by_word = [[row.split("\t")[2] for row in f.read_text().splitlines()[1:]] for f in files]
    turns = range(max(map(len, by_word)))
    texts = [sentences[i] for i in turns for sentences in by_word if i < len(sentences)]
    path = folder / "sentences.txt"
    path.write_text("\n".join(texts[:n_sentences]) + "\n")
    kept = [document.text for document in Corpus(path, "lines")]
    return Task(path, kept, [file.name.split(".")[0] for file in files])


def minilm() -> Path:
    home = Path(os.environ.get("ROWSPACE_MODELS", ROOT / ".cache" / "models"))
    if not (home / "all-MiniLM-L6-v2").exists():
        sys.exit(f"no all-MiniLM-L6-v2 in {home}; set ROWSPACE_MODELS to the folder it is in")
    return home / "all-MiniLM-L6-v2"


def model_folder(name: str, folder: Path) -> Path:
    """MiniLM, or a random model of a shape, with MiniLM's tokenizer."""
    if name == "minilm":
        return minilm()
    torch.manual_seed(1)
    shape = _SHAPES[name](30_522)
    made = transformers.AutoModel.from_config(shape)
    made.save_pretrained(folder / name)
    shutil.copy(minilm() / "tokenizer.json", folder / name)
    return folder / name


def measure(name: str, model: Path, task: Task, folder: Path, rounds: int) -> list[str]:
    """A line of float32, and one of bfloat16 where the processor has it."""
    encoder = load_encoder(model)
    found = run_extract(encoder, task, folder)
    plain = PlainLoop(model, task, found)
    worst = float(np.abs(plain.run() - found.vectors).max())
    if worst > TOLERANCE:
        sys.exit(f"{name}: the vectors differ by {worst:.2g}")
    ways = {"plain": plain.run, "ours": lambda: run_extract(encoder, task, folder)}
    half = None
    if has_native_bfloat16():
        half = load_encoder(model, dtype="bfloat16")
        ways["bfloat16"] = lambda: run_extract(half, task, folder)
    seconds = times(ways, rounds)
    n = len(task.texts)
    lines = [line(name, seconds["plain"], seconds["ours"], n) + f" {worst:>19.1e}"]
    if half is not None:
        cosine = least_cosine(run_extract(half, task, folder).vectors, found.vectors)
        lines.append(
            line("  bfloat16", seconds["plain"], seconds["bfloat16"], n)
            + f"   least cosine {cosine:.5f}"
        )
    return lines


def run_extract(encoder: ContextualEncoder, task: Task, folder: Path) -> Extraction:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    return extract(encoder, Corpus(task.file, "lines"), out, task.words)


class PlainLoop:
    """What one writes with the transformers library."""

    def __init__(self, model: Path, task: Task, found: Extraction) -> None:
        self.texts = task.texts
        self.spans: list[list[list[int]]] = [[] for _ in task.texts]
        for text_id, span in zip(found.text_ids.tolist(), found.spans.tolist(), strict=True):
            self.spans[text_id].append(span)
        self.tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(model / "tokenizer.json"),
            pad_token="[PAD]",
            padding_side="right",
            model_max_length=512,
        )
        transformers.logging.disable_progress_bar()
        self.model = transformers.AutoModel.from_pretrained(model).eval()

    @torch.inference_mode()
    def run(self) -> Floats:
        rows = []
        for start in range(0, len(self.texts), BATCH):
            batch = self.tokenizer(
                self.texts[start : start + BATCH],
                padding=True,
                truncation=True,
                return_tensors="pt",
                return_offsets_mapping=True,
            )
            offsets = batch["offset_mapping"]  # (B, T, 2)
            states = self.model(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                output_hidden_states=True,
            ).hidden_states[-1]
            for i, spans in enumerate(self.spans[start : start + BATCH]):
                for first, after in spans:
                    inside = (offsets[i, :, 0] < after) & (offsets[i, :, 1] > first)
                    rows.append(states[i, inside].mean(dim=0))
        vectors: Floats = torch.stack(rows).numpy()
        return vectors


def times(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, in turns."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in list(ways)[:: 1 if turn % 2 else -1]:
            started = time.perf_counter()
            ways[way]()
            seconds[way].append(time.perf_counter() - started)
    return seconds


def line(name: str, plain: list[float], ours: list[float], n_texts: int) -> str:
    ratio = statistics.median(a / b for a, b in zip(plain, ours, strict=True))
    speeds = (n_texts / statistics.median(seconds) for seconds in (plain, ours))
    return f"{name:10} {next(speeds):>15,.0f} {next(speeds):>14,.0f} {ratio:>11.2f}"


def least_cosine(a: Floats, b: Floats) -> float:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / lengths).min())


if __name__ == "__main__":
    main()
