"""The models that some benchmarks compare, made from nothing but the shared data.

    python -m benchmarks.models [NAME ...]

They go to .cache/benchmarks/models; without names all are made, which takes hours, each after those
that it is made of. What is there already is kept, and what was interrupted goes on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.common import CACHE, ROOT, data_folder

HOME = CACHE / "models"
_MINILM = "all-MiniLM-L6-v2"
_SHAPE = "--dim 256 --n-layers 3 --n-heads 4 --max-length 128 --batch-size 32"
_STEPS = "--learning-rate 0.0015 --held-out 0.005 --no-row-record"

# Each by commands of `rowspace` in that folder; WIKI stands for the eight files of Wikipedia.
RECIPES: dict[str, tuple[str, ...]] = {
    _MINILM: (),
    "wiki.words": ("train word2vec WIKI --documents blocks --dim 256 --epochs 3 --out wiki.words",),
    "wiki.glove": ("train glove WIKI --documents blocks --dim 256 --epochs 10 --out wiki.glove",),
    "wiki.fasttext.bin": (
        "train fasttext WIKI --documents blocks --dim 256 --epochs 2 --out wiki.fasttext.bin",
    ),
    "wiki.mlm": (
        f"train mlm WIKI --tokenizer wordpiece --vocab-size 16384 --start-vectors wiki.words "
        f"{_SHAPE} --mask-share 0.3 --mask-sample 0.0001 --steps 7000 --warmup 300 {_STEPS} "
        "--out wiki.mlm",
    ),
    "wiki.lm": (
        f"train lm WIKI --tokenizer wiki.mlm --start-vectors wiki.words {_SHAPE} --steps 1000 "
        f"--warmup 100 {_STEPS} --out wiki.lm",
    ),
    "wiki.pairs.jsonl": ("pairs WIKI --paragraphs 3 --out wiki.pairs.jsonl",),
    "wiki.made.jsonl": (
        "synthesize WIKI --documents blocks --kinds lead,cloze,keywords --negatives 0 --n 150000 "
        "--out wiki.made.jsonl",
    ),
    "wiki.llm2vec": (  # recorded with 60,000 of the pairs, drawn at random
        "llm2vec wiki.lm DATA/corpora/simplewiki-00.txt.xz --documents blocks "
        "--pairs wiki.pairs.jsonl --contrastive supervised --rank 0 --mntp-steps 250 "
        "--mntp-length 128 --mntp-learning-rate 0.0005 --contrastive-steps 250 "
        "--contrastive-batch-size 64 --contrastive-length 64 --contrastive-learning-rate 0.0003 "
        "--out wiki.llm2vec",
    ),
    "wiki.embedder": (
        "train sentence wiki.pairs.jsonl wiki.made.jsonl --base wiki.words --batch-size 512 "
        "--chunk-size 512 --steps 1000 --learning-rate 0.002 --out wiki.embedder",
    ),
    "minilm.static": (
        f"distill --embedder {_MINILM} DATA/corpora/simplewiki-00.txt.xz --documents blocks "
        "--dim 384 --max-texts 50000 --out minilm.static",
    ),
    "minilm.scifact": (
        "pairs DATA/retrieval/scifact --out scifact.pairs.jsonl",
        f"mine scifact.pairs.jsonl --model {_MINILM} --corpus DATA/retrieval/scifact "
        "--n-negatives 2 --out scifact.hard.jsonl",
        f"train sentence scifact.hard.jsonl --base {_MINILM} --batch-size 32 --chunk-size 16 "
        "--n-negatives 1 --max-length 256 --epochs 2 --learning-rate 2e-5 --out minilm.scifact",
    ),
}
_MADE_OF = {
    "wiki.mlm": ("wiki.words",),
    "wiki.lm": ("wiki.mlm", "wiki.words"),
    "wiki.llm2vec": ("wiki.lm", "wiki.pairs.jsonl"),
    "wiki.embedder": ("wiki.words", "wiki.pairs.jsonl", "wiki.made.jsonl"),
    "minilm.static": (_MINILM,),
    "minilm.scifact": (_MINILM,),
}
_WHOLE = {"wiki.llm2vec": "wiki.llm2vec/contrastive/modules.json"}
"""What tells that a folder is whole that is filled step by step."""


def main() -> None:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    asked = parser.parse_args().names or list(RECIPES)
    unknown = [name for name in asked if name not in RECIPES]
    if unknown:
        parser.error(f"there is no model {unknown[0]!r}; give some of {', '.join(RECIPES)}")
    HOME.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(part for one in asked for part in with_parts(one)):
        make(name)


def with_parts(name: str) -> Iterator[str]:
    """A model after those that it is made of."""
    for part in _MADE_OF.get(name, ()):
        yield from with_parts(part)
    yield name


def missing(command: str) -> list[str]:
    """The models that a benchmark's command names and that are not made."""
    specs = (word.split("=")[-1] for word in command.split())
    named = {spec.split("@")[0].split("/")[0] for spec in specs}
    return [name for name in RECIPES if name in named and not is_made(name)]


def is_made(name: str) -> bool:
    """Whether a model is there, whole."""
    return (HOME / _WHOLE.get(name, name)).exists()


def make(name: str) -> None:
    """Run a model's commands, if it is not there."""
    if is_made(name):
        print(f"{name} is there")
        return
    if name == _MINILM:
        from tests.minilm import minilm_folder

        (HOME / name).symlink_to(minilm_folder())
        return
    for command in RECIPES[name]:
        run(command)


def run(command: str) -> None:
    """One command of rowspace, in the folder of models."""
    print(f"$ rowspace {command}", flush=True)
    arguments = [word for part in command.split() for word in _expanded(part)]
    out = HOME / arguments[-1]
    if arguments[0] != "pairs" and (out.exists() or (HOME / f"{out.name}.training").exists()):
        arguments.append("--resume")
    subprocess.run(
        [sys.executable, "-m", "rowspace", *arguments],
        cwd=HOME,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=True,
    )


def _expanded(part: str) -> list[str]:
    data = data_folder().resolve()
    if part == "WIKI":
        return [str(path) for path in sorted((data / "corpora").glob("*wiki*.txt.xz"))]
    return [str(data / part.removeprefix("DATA/"))] if part.startswith("DATA/") else [part]


if __name__ == "__main__":
    main()
