"""What embedding quality does to a sequence model, from few labelled texts to many.

Random tables, word vectors (frozen and fine-tuned), and the states of transformers, under a GRU and
an LSTM, on TREC, SST-2 and SUBJ; and next words of WikiText-2. The runs are kept in
`.cache/benchmarks/sequence`, so that it can be interrupted, and the numbers of the curves go into
`docs/plots/data/sequence.json`.

Run as `python -m benchmarks.sequence_curves WORDS MLM LM`, models made by `rowspace train
word2vec|mlm|lm` on one corpus. `--quick` is TREC and an LSTM alone, and changes no file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.common import CACHE, ROOT, data_folder, record
from rowspace.evaluate.next_word import NextWordConfig
from rowspace.evaluate.sequence_config import SequenceConfig
from rowspace.evaluate.sequence_report import SequenceReport, evaluate_sequences
from rowspace.evaluate.sequence_results import Curves
from rowspace.evaluate.sequence_tasks import USUAL
from rowspace.evaluate.sequence_tokens import open_token_vectors
from rowspace.files import write_json

TITLE = "What embedding quality does to a sequence model"
PLOTTED = ROOT / "docs" / "plots" / "data" / "sequence.json"
WHOLE = SequenceConfig(sizes=(50, 200, 1000, 4000), seeds=3)
QUICK = SequenceConfig(sizes=(50, 200, 1000), seeds=3, cells=("lstm",))


def run(models: list[str], config: SequenceConfig, only: tuple[str, ...]) -> SequenceReport:
    """Train all that is not kept from before."""
    readers = {Path(model).name: open_token_vectors(model) for model in models}
    out = CACHE / "sequence"
    out.mkdir(parents=True, exist_ok=True)
    return evaluate_sequences(
        readers,
        data_folder(),
        only=only,
        config=config,
        next_word_config=NextWordConfig(),
        out=out,
    )


def lines_of(report: SequenceReport) -> list[str]:
    """Tables of text."""
    lines = []
    for curves in report.curves:
        lines += _curves_lines(curves)
    for task, values in report.next_words.items():
        lines += [f"next word, {task}", f"{'':30s}perplexity"]
        lines += [
            f"{name:30s}" + (f"{value:10.1f}" if isinstance(value, float) else "   refused")
            for name, value in values.items()
        ]
    return lines


def _curves_lines(curves: Curves) -> list[str]:
    lines = [f"{curves.task}: accuracy on {curves.n_test:,} texts, ± half of the 95 % interval"]
    lines.append(f"{'labelled texts':30s}{'':6s}" + "".join(f"{n:>15,}" for n in curves.sizes))
    for name in curves.names:
        for cell in curves.cells:
            points = curves.points(name, cell)
            values = [f"{p.mean:.3f} ±{p.high - p.mean:.3f}" for p in points]
            lines.append(f"{name:30s}{cell:6s}" + "".join(f"{value:>15s}" for value in values))
    return [*lines, f"most frequent label for all: {curves.usual_accuracy:.3f}", ""]


def main(arguments: list[str]) -> None:
    """Run, print, record."""
    models = [argument for argument in arguments if argument != "--quick"]
    if not models:
        sys.exit("give the models: WORDS MLM LM")
    if "--quick" in arguments:
        print("\n".join(lines_of(run(models, QUICK, USUAL[:1]))))
        return
    report = run(models, WHOLE, (*USUAL, "wikitext2"))
    write_json(PLOTTED, report.as_dict()["curves"])
    record(TITLE, lines_of(report))


if __name__ == "__main__":
    main(sys.argv[1:])
