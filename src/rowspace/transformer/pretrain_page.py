"""How a pretraining run went, as one HTML page that needs nothing else: no network, no file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rowspace.space.pages import page_template
from rowspace.space.plots import Plot, short_number, step_plot
from rowspace.version import __version__

if TYPE_CHECKING:
    from rowspace.transformer.pretrained import PretrainReport
    from rowspace.transformer.rows import FrequencyBand


def render_page(name: str, report: PretrainReport, made: datetime | None = None) -> str:
    """The page as text."""
    return page_template("rowspace.transformer", "pretrain.html").render(
        name=name,
        report=report,
        result=report.result,
        loss=loss_plot(report),
        rates=rate_plot(report),
        bands=[BandView(band) for band in report.rows],
        settings=settings(report),
        tokens_per_second=report.tokens_per_second,
        map=None,
        version=__version__,
        made=made or datetime.now(UTC),
    )


def loss_plot(report: PretrainReport) -> Plot:
    """Training and held-out loss, beside that of a guess."""
    guess = math.log(report.vocab_size)
    return step_plot(
        [(entry.step, entry.loss) for entry in report.history],
        "Loss",
        "nats per predicted token",
        second=[(entry.step, entry.loss) for entry in report.held_out],
        reference=(guess, f"a guess among all tokens, {guess:.2f}"),
    )


def rate_plot(report: PretrainReport) -> Plot:
    """The learning rate of each noted step."""
    return step_plot(
        [(entry.step, 1000 * entry.learning_rate) for entry in report.history],
        "Learning rate",
        "learning rate, thousandths",
    )


class BandView:
    """A band of tokens, as the page and the terminal show it."""

    def __init__(self, band: FrequencyBand) -> None:
        self.n_tokens = f"{band.n_rows:,}"
        self.occurrences = _range(band.lowest, band.highest)
        self.reads = _mean(band.reads)
        self.norm_per_read = _number(band.norm_per_read)
        self.norm_read = _number(band.norm_read)
        self.outputs = _mean(band.outputs)
        self.norm_output = _number(band.norm_output)
        self.moved = _number(band.moved)

    def cells(self) -> tuple[str, ...]:
        """What the terminal shows."""
        gradients = self.norm_read, self.norm_output
        return (self.occurrences, self.n_tokens, self.reads, *gradients, self.moved)


def band_lines(bands: Sequence[FrequencyBand]) -> list[str]:
    """The bands as a table of plain text."""
    head = ("occurrences", "tokens", "read in steps", "gradient by reading", "as output", "moved")
    rows = [head, *(BandView(band).cells() for band in bands)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return ["  ".join(map(str.rjust, row, widths)) for row in rows]


def settings(report: PretrainReport) -> list[tuple[str, str]]:
    """What the run was made with, as names and short values."""
    values: dict[str, Any] = report.config.as_dict()
    return [(name, v if isinstance(v, str) else json.dumps(v)) for name, v in values.items()]


def _range(lowest: int, highest: int | None) -> str:
    if highest is None:
        return f"{lowest:,} or more"
    return f"{lowest:,}" if lowest == highest else f"{lowest:,} to {highest:,}"


def _mean(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else short_number(value)
