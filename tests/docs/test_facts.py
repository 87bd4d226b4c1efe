"""What pages say in tables, held against the code."""

from __future__ import annotations

import re

from rowspace.serve.config import ServeConfig
from rowspace.space.formats import FORMATS
from rowspace.space.sources import COMPRESSED
from rowspace.text import listing
from tests.docs.pages import ROOT


def test_the_limits_of_the_server_are_its_own() -> None:
    text = (ROOT / "docs/guide/serve.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \| ([\d,]+) \|", text, re.MULTILINE)
    told = {name: int(value.replace(",", "")) for name, value in rows}
    assert {"max_body", "queue_tokens", "deadline"} <= set(told)
    assert told == {name: getattr(ServeConfig(), name) for name in told}


def test_every_suffix_that_is_read_is_told() -> None:
    text = (ROOT / "docs/formats.md").read_text()
    suffixes = {suffix for format in FORMATS for suffix in format.suffixes}
    suffixes |= {*COMPRESSED, *listing.JSONL_SUFFIXES, *listing.TABLE_SUFFIXES} - {""}
    assert {suffix for suffix in suffixes if f"`{suffix}`" not in text} == set()
