"""The site: Markdown by MyST, the Python reference by autodoc, offline from end to end.

`sphinx-build -W --keep-going -n -q -d .cache/doctrees docs .cache/site`
"""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx_click.ext import ClickDirective

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import rowspace  # noqa: E402

project = "Rowspace"
copyright = "the authors of Rowspace; Apache-2.0"
version = release = rowspace.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
smartquotes = False  # they would make a dash of `--resume` in a help text
default_role = "literal"  # docstrings write `name`, as Markdown does
suppress_warnings = [
    "ref.python",  # `Encoder` and `dim` are names of several
    "misc.highlighting_failure",  # commands with JSON of several lines
]
nitpick_ignore_regex = [(r"py:.*", r".*")]  # types in signatures: most have no page of their own

myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_class_signature = "mixed"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_param = False  # a type is prose, as "(n, dim) float array"
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "Rowspace"
html_favicon = "static/icon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = "$ "

PAGES_OF_FILES = {
    "benchmarks/results.md": "results.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
}
"""Files outside of the site that a page includes; links to them go to that page."""
_NOTE = re.compile(r"^<!--\s*(?:needs|run|setup)\b.*?-->$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(((?:\.\./)*)([\w./-]+)(#[^)]*)?\)")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_directive("click-options", _Options)
    app.connect("source-read", _prepare)
    app.connect("sphinx-click-process-epilog", _keep_lines)
    app.connect("html-page-context", _reach_by_keyboard)
    app.connect("html-page-context", _tell_levels, priority=900)  # after the theme
    app.connect("include-read", _prepare_included)


def _prepare(app: Sphinx, name: str, source: list[str]) -> None:
    text = _NOTE.sub(lambda note: "\n" * note[0].count("\n"), source[0])
    folder = (Path(app.srcdir) / name).parent
    text = _with_pages(text, folder, folder)
    if name.startswith("commands/"):
        text += _options_of(name.removeprefix("commands/").replace("-", " "))
    source[0] = text


def _prepare_included(app: Sphinx, path: Path, parent: str, source: list[str]) -> None:
    """A file from outside links from where it is, and is read where the page is."""
    included = (Path(app.srcdir) / path).resolve()
    source[0] = _with_pages(source[0], included.parent, (Path(app.srcdir) / parent).parent)


def _with_pages(text: str, source: Path, page: Path) -> str:
    def turned(link: re.Match[str]) -> str:
        target = (source / link[1] / link[2]).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return link[0]
        inside = PAGES_OF_FILES.get(str(target.relative_to(ROOT)))
        if inside is not None:
            return f"](/{inside}{link[3] or ''})"
        return f"]({_relative(target, page)}{link[3] or ''})"

    return _LINK.sub(turned, text)


def _relative(target: Path, folder: Path) -> str:
    n_up = 0
    while not target.is_relative_to(folder):
        folder, n_up = folder.parent, n_up + 1
    return "../" * n_up + str(target.relative_to(folder))


def _options_of(command: str) -> str:
    """All options of a command, as it tells them itself."""
    from rowspace.cli import _COMMANDS

    first, *_, last = command.split() * 2
    last += "_" * keyword.iskeyword(last)  # as `import`
    return f"""
```{{eval-rst}}
.. click-options:: {_COMMANDS[first][0]}:{last}
   :prog: rowspace {command}
```
"""


def _reach_by_keyboard(app: Sphinx, name: str, template: str, context: Any, tree: Any) -> None:
    """Code that is wider than the page is scrolled by keys too."""
    if "body" in context:
        context["body"] = context["body"].replace("<pre>", '<pre tabindex="0">')


def _tell_levels(app: Sphinx, name: str, template: str, context: Any, tree: Any) -> None:
    """Sphinx calls the captions of the navigation headings, and does not say of which level."""
    found = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = found.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )


def _keep_lines(app: Sphinx, context: Any, lines: list[str]) -> None:
    """An epilog is set in columns."""
    if lines:
        lines[:] = ["::", "", *(f"   {line}" for line in lines)]


class _Options(ClickDirective):
    """sphinx-click's section of a command, named for what it is."""

    def run(self) -> Any:
        sections = super().run()
        for section in sections:
            section[0].replace_self(nodes.title(text="All options"))
            section["ids"], section["names"] = ["all-options"], []  # the same on every page
        return sections
