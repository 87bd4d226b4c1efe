"""docs/capacity.md: its rates are those that were recorded, its tables what its Python prints."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from types import ModuleType

import pytest
from benchmarks.capacity import TITLE

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "capacity.md"


@pytest.fixture(scope="module")
def plots() -> ModuleType:
    spec = importlib.util.spec_from_file_location("capacity_plots", ROOT / "docs/plots/capacity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_rates_are_those_that_were_recorded() -> None:
    results = (ROOT / "benchmarks/results.md").read_text()
    section = results.split(f"## {TITLE}\n")[1].split("\n## ")[0]
    told = re.findall(r"^(\w+) +([\d_.]+)  \S", section, re.MULTILINE)
    kept = tomllib.loads((ROOT / "docs/capacity.toml").read_text())["rates"]
    assert kept == {name: float(value) for name, value in told}


def test_the_tables_are_what_the_page_prints(plots: ModuleType) -> None:
    text = PAGE.read_text()
    assert plots.with_outputs(text) == text
    assert plots.with_outputs(text.replace("15.4 TB", "15.5 TB")) == text


@pytest.mark.parametrize(
    ("name", "cells"),
    [  # by hand: 1,536 bytes; 768; that and 2 x 32 + 4 links of 4 bytes and 20; 384 / 4 + 8;
        # 384 / 8 + 16; times 10^7, 10^9, 10^11
        ("float32, on the disk", ["1.54 kB", "15.4 GB", "1.54 TB", "154 TB"]),
        ("float16", ["768 B", "7.68 GB", "768 GB", "76.8 TB"]),
        ("HNSW over float16 (hnsw)", ["1.06 kB", "10.6 GB", "1.06 TB", "106 TB"]),
        ("product codes (ivfpq)", ["104 B", "1.04 GB", "104 GB", "10.4 TB"]),
        ("one bit a number (rabitq)", ["64 B", "640 MB", "64 GB", "6.4 TB"]),
    ],
)
def test_bytes_are_right_by_hand(name: str, cells: list[str]) -> None:
    (line,) = re.findall(rf"^{re.escape(name)} {{2,}}(.*)$", PAGE.read_text(), re.MULTILINE)[:1]
    assert re.split(r" {2,}", line) == cells


def test_machines_are_right_by_hand() -> None:
    # 64 B x 10^11 / (0.7 x 256 GB) = 35.7; (1,536 + 500) x 10^11 / 7.5 TB = 27.1
    text = PAGE.read_text()
    (bits,) = re.findall(r"^one bit a number \(rabitq\) +1 +1 +(\d+)$", text, re.MULTILINE)
    (disks,) = re.findall(r"^float32 and text, by the disk +1 +1 +(\d+)$", text, re.MULTILINE)
    assert (bits, disks) == ("36", "28")


def test_an_index_takes_no_more_machines_than_hold_it(plots: ModuleType) -> None:
    # a billion rows at 1,000 a second and core: 277.8 core-hours, on one machine of 32 cores 8.7 h;
    # 20 machines would take 26 min, and their bits would not be one index
    given = plots.with_outputs(PAGE.read_text(), {"rabitq_rows": 1000.0})
    table = given.split("the same on 20 x 32 cores  ")[1]
    (bits,) = re.findall(r"^one bit a number \(rabitq\) +(.*)$", table, re.MULTILINE)[:1]
    assert re.split(r" {2,}", bits)[1] == "8.7 h"
