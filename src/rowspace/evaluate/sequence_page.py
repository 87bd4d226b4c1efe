"""Learning curves of sequence models as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rowspace.evaluate.next_word import NextWordConfig
from rowspace.evaluate.sequence_config import SequenceConfig
from rowspace.evaluate.sequence_results import Curves
from rowspace.space.pages import page_template
from rowspace.space.plots import Plot, Series, curves_plot
from rowspace.version import __version__

_CELLS = {"gru": "a GRU", "lstm": "an LSTM", "mean": "the mean of the words"}


def render_sequence_page(
    name: str,
    curves: Sequence[Curves],
    config: SequenceConfig,
    next_words: Mapping[str, Mapping[str, float | str]],
    next_word_config: NextWordConfig,
    made: datetime,
) -> str:
    """The page as text.

    Parameters
    ----------
    name : str
        Of the model.
    curves : sequence of Curves
        One a task.
    config : SequenceConfig
    next_words : mapping
        By text, then by embedding: the perplexity, or why there is none.
    next_word_config : NextWordConfig
    made : datetime
    """
    return page_template("rowspace.evaluate", "sequence.html").render(
        name=name,
        curves=curves,
        cells=[_CELLS[cell] for cell in config.cells],
        plots={
            one.task: [accuracy_plot(one, cell) for cell in one.cells if len(one.sizes) > 1]
            for one in curves
        },
        config=config,
        next_words=next_words,
        next_word_config=next_word_config,
        map=None,
        version=__version__,
        made=made,
    )


def accuracy_plot(curves: Curves, cell: str) -> Plot:
    """Accuracy by labelled texts, a curve an embedding; of two sizes or more."""
    shown = [point for name in curves.names for point in curves.points(name, cell)]
    series = [
        Series(
            name,
            [(point.size, point.mean) for point in curves.points(name, cell)],
            color,
            "frozen" not in name and "contextual" not in name,
            spread=[(point.low, point.high) for point in curves.points(name, cell)]
            if shown[0].n_seeds > 1
            else (),
        )
        for color, name in enumerate(curves.names)
    ]
    return curves_plot(
        series,
        f"{curves.task}, {cell}",
        "labelled texts (log)",
        f"accuracy of the {cell}",
        x_ticks=[(n, f"{n:,}") for n in curves.sizes],
        reference=(curves.usual_accuracy, "most frequent label"),
    )
