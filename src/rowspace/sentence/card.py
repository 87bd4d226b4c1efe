"""The card of a trained model: what it was made of, with what, and how to use it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rowspace.sentence.finetune_config import FinetuneConfig
from rowspace.version import __version__

if TYPE_CHECKING:
    from rowspace.sentence.finetune import FinetuneReport

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(FinetuneConfig)}


def model_card(
    report: FinetuneReport, config: FinetuneConfig, sources: Sequence[str], base: str
) -> str:
    """The README.md of a model's folder, in Markdown."""
    changed = {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if value != _DEFAULTS[name] and name not in ("n_threads", "device")
    }
    lines = [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "tags: [sentence-transformers, sentence-similarity, rowspace]",
        "---",
        "# A sentence embedder",
        "",
        f"Trained with Rowspace {__version__} from `{base or 'a model in memory'}`.",
        "",
        "```python",
        "import rowspace as rs",
        'encoder = rs.load_encoder("this folder")  # or SentenceTransformer("this folder")',
        'encoder.encode(["a text"])',
        "```",
        "",
        "## What it was trained on",
        "",
        f"{report.n_examples:,} examples of {', '.join(f'`{name}`' for name in sources)}; "
        f"{report.n_empty:,} with an empty text were left out.",
        "",
        f"{report.n_steps:,} steps of {config.batch_size} examples, in {report.seconds:,.0f} s.",
    ]
    if report.losses:
        first, last = report.losses[0][1], report.losses[-1][1]
        lines += ["", f"Loss: {first:.4f} at first, {last:.4f} in the end."]
    if report.scores:
        best = max(score for _, score in report.scores)
        lines += [
            "",
            f"Development set, {report.metric}: {report.scores[0][1]:.4f} before, {best:.4f} at "
            f"step {report.best_step:,}, whose weights these are.",
        ]
    lines += ["", "## Settings that are not the defaults", ""]
    lines += [f"- `{name}`: {value!r}" for name, value in changed.items()] or ["None."]
    return "\n".join(lines) + "\n"
