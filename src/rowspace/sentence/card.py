"""The card of a trained model: what it was made of, with what, and how to use it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rowspace.sentence.finetune_config import FinetuneConfig
from rowspace.version import __version__

if TYPE_CHECKING:
    from rowspace.sentence.finetune import FinetuneReport

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(FinetuneConfig)}


@dataclass(frozen=True)
class Ingredients:
    """What a model was made of, without paths of the machine it was made on."""

    base: str
    """The name of what it was trained on."""
    sources: list[str]
    """Names of the files of examples."""
    losses: list[str]
    has_teacher: bool
    """Whether vectors were drawn to another model's."""


def model_card(report: FinetuneReport, config: FinetuneConfig, made_of: Ingredients) -> str:
    """The README.md of a model's folder, in Markdown."""
    lines = [*_head(made_of), *_data(report, config, made_of), *_results(report)]
    return "\n".join([*lines, *_settings(config)]) + "\n"


def _head(made_of: Ingredients) -> list[str]:
    return [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "tags: [sentence-transformers, sentence-similarity, rowspace]",
        "---",
        "# A sentence embedder",
        "",
        f"Trained with Rowspace {__version__} from `{made_of.base or 'a model in memory'}`.",
        "",
        "```python",
        "import rowspace as rs",
        'encoder = rs.load_encoder("this folder")  # or SentenceTransformer("this folder")',
        'encoder.encode(["a text"])',
        "```",
        "",
    ]


def _data(report: FinetuneReport, config: FinetuneConfig, made_of: Ingredients) -> list[str]:
    teacher = ", drawn to a teacher's vectors" if made_of.has_teacher else ""
    return [
        "## What it was trained on",
        "",
        f"{report.n_examples:,} examples of {', '.join(f'`{name}`' for name in made_of.sources)}, "
        f"by {', '.join(made_of.losses)}{teacher}.",
        "",
        f"- {report.n_empty:,} empty texts were left out.",
        f"- {report.n_left_out:,} examples found no batch in the first epoch.",
        f"- {report.n_truncated:,} times the end of a text was not read.",
        "",
        f"{report.n_steps:,} steps of {config.batch_size} examples, in {report.seconds:,.0f} s.",
        "",
    ]


def _results(report: FinetuneReport) -> list[str]:
    lines = []
    if report.losses:
        first, last = report.losses[0][1], report.losses[-1][1]
        lines += [f"Loss: {first:.4f} at first, {last:.4f} in the end.", ""]
    if report.scores:
        best = max(score for _, score in report.scores)
        lines += [
            f"Development set, {report.metric}: {report.scores[0][1]:.4f} before, {best:.4f} at "
            f"step {report.best_step:,}, whose weights these are.",
            "",
        ]
    return lines


def _settings(config: FinetuneConfig) -> list[str]:
    changed = {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if value != _DEFAULTS[name] and name not in ("n_threads", "device")
    }
    lines = ["## Settings that are not the defaults", ""]
    return lines + ([f"- `{name}`: {value!r}" for name, value in changed.items()] or ["None."])
