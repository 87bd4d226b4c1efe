"""Which methods of position read on beyond the length of training: the figures to reach.

Trained on Wikipedia's longer articles, 128 tokens at a time, and read in windows of up to 2,048.
ALiBi's perplexity should grow by less than a tenth, RoPE's by half or more, and YaRN's should lie
between the two. YaRN's borders were chosen on other articles (docs/guide/position.md).

A run that was stopped goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import lzma
import shutil
import sys
from pathlib import Path

from benchmarks.common import CACHE, data_folder, record
from rowspace.cli.extrapolate import tell_finished
from rowspace.evaluate.extrapolation import extrapolate
from rowspace.evaluate.extrapolation_config import POSITIONS, ExtrapolationConfig
from rowspace.evaluate.extrapolation_results import Results, table_lines
from rowspace.text.corpus import Corpus

SOURCE = "enwiki2015a-00"
MIN_WORDS = 2000
N_WORDS = 2_500_000
MOST_ALIBI, LEAST_ROPE = 1.1, 1.5


def long_articles(n_words: int) -> Path:
    """A file of whole articles of at least 2,000 words, with blank lines between them."""
    path = CACHE / f"articles-{n_words}.txt"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    left, article = n_words, list[str]()
    temporary = path.with_suffix(".tmp")
    source = data_folder() / "corpora" / f"{SOURCE}.txt.xz"
    with lzma.open(source, "rt", encoding="utf-8") as lines, temporary.open("w") as out:
        for line in lines:
            if line.strip():
                article.append(line)
                continue
            n = sum(len(part.split()) for part in article)
            if n >= MIN_WORDS:
                out.write("".join([*article, "\n"]))
                left -= n
            article = []
            if left <= 0:
                break
    temporary.rename(path)
    return path


def verdicts(results: Results) -> list[str]:
    """The figures to reach, and what there was."""
    ratios = {m.name: m.ratio.mean for m in results.methods if m.ratio is not None}
    lines = []
    if "alibi" in ratios:
        lines.append(f"alibi {ratios['alibi']:.3f}, to be under {MOST_ALIBI}")
    if "rope" in ratios:
        lines.append(f"rope {ratios['rope']:.3f}, to be above {LEAST_ROPE}")
    lines += [
        f"{name} {ratio:.3f}, to be between alibi and rope: "
        f"{'yes' if ratios['alibi'] < ratio < ratios['rope'] else 'no'}"
        for name, ratio in ratios.items()
        if name.startswith("rope + yarn") and {"alibi", "rope"} <= ratios.keys()
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positions", default=",".join(POSITIONS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=ExtrapolationConfig.steps)
    parser.add_argument("--eval-tokens", type=int, default=ExtrapolationConfig.eval_tokens)
    parser.add_argument("--tune", default=",".join(ExtrapolationConfig.finetune_scalings))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=CACHE / "extrapolation")
    given = parser.parse_args()
    config = ExtrapolationConfig(
        positions=tuple(given.positions.split(",")),
        seeds=given.seeds,
        steps=given.steps,
        eval_tokens=given.eval_tokens,
        finetune_scalings=tuple(given.tune.split(",")),
        n_threads=given.threads,
    )
    corpus = Corpus(long_articles(N_WORDS), documents="blocks")
    shutil.rmtree(given.out, ignore_errors=True)
    results = extrapolate(corpus, given.out, config, resume=True, on_finished=tell_finished)
    print(f"{given.out}/report.html", file=sys.stderr)
    title = "Extrapolation: trained at 128 tokens, read at 2,048"
    record(f"{title}; {len(config.positions)} methods, {config.seeds} seeds", lines_of(results))


def lines_of(results: Results) -> list[str]:
    """What results.md has: how it was trained, the tables, the figures to reach."""
    config = results.config
    n_tokens = config.steps * config.batch_size * config.train_length
    return [
        f"{config.n_layers} layers of {config.dim}, {config.n_heads} heads of "
        f"{config.head_dim or config.dim // config.n_heads}, "
        f"{config.vocab_size:,} tokens; {config.steps:,} steps, {n_tokens:,} tokens; "
        f"{config.seeds} seeds, mean ± std; {results.n_measured:,} tokens told",
        "",
        *table_lines(results),
        "",
        *verdicts(results),
    ]


if __name__ == "__main__":
    main()
