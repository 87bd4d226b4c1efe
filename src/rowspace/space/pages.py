"""HTML pages and SVG drawings that need nothing else: no network, no other file.

The templates beside this hold what pages share: the style, the plots, the map of words. Everything
shown is computed before; a template only places it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rowspace.files import write_atomically
from rowspace.space.plots import duration, short_number

if TYPE_CHECKING:
    from jinja2 import Template

_HOME = "rowspace.space"


def page_template(package: str, name: str) -> Template:
    """The template `name` of a package, which may extend and include those here."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(home) for home in dict.fromkeys([package, _HOME])]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda n: f"{n:,}"
    environment.filters["short"] = short_number
    environment.filters["duration"] = duration
    return environment.get_template(name)


def write_page(path: Path, text: str) -> None:
    """Write a page or drawing, atomically."""
    with write_atomically(path) as file:
        file.write(text.encode("utf-8", "replace"))  # words may hold lone surrogates
