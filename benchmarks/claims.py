"""What is claimed, held against what was measured: `python -m benchmarks.claims`.

Reads the numbers out of results.md, writes the table of claims at its top and the README's table of
results, and fails, naming them, where claims do not hold.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import RESULTS, ROOT

CLAIMS = ROOT / "benchmarks" / "claims.toml"
README = ROOT / "README.md"
ROWS = ROOT / "benchmarks" / "readme_rows.toml"
_HEAD = re.compile(r"^`(?P<command>python -m benchmarks\.[^`]+)`, (?P<date>\d{4}-\d\d-\d\d)")
_MACHINE = re.compile(r"Machine: (?P<machine>.*)\.$", re.MULTILINE)
_SCORES = {"ratio", "difference", "count", "least", "most"}


@dataclass(frozen=True, kw_only=True)
class Section:
    """One run in results.md."""

    title: str
    command: str
    date: str
    machine: str
    text: str
    """What it printed."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One number that is claimed; claims.toml says what the fields are."""

    name: str
    says: str
    title: str
    pattern: str
    how: str
    at_least: float | None
    at_most: float | None

    @property
    def bound(self) -> str:
        """What holds, in words."""
        bounds = (("≥", self.at_least), ("≤", self.at_most))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)

    def holds(self, value: float) -> bool:
        """Whether a value is as claimed."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    def value(self, section: Section) -> float:
        """The number in what a run printed.

        Raises
        ------
        SystemExit
            If it is not there.
        """
        found = list(re.finditer(self.pattern, section.text, re.MULTILINE))
        if self.how == "count":
            return float(len(found))
        if not found:
            sys.exit(f"{self.name}: {self.pattern!r} is not in the section {self.title!r}")
        values = [_number(match, self.how) for match in found]
        if self.how in ("least", "most"):
            return min(values) if self.how == "least" else max(values)
        if len(values) > 1:
            sys.exit(
                f"{self.name}: {self.pattern!r} is in the section {self.title!r} {len(values)} "
                "times, and only one number can be meant"
            )
        return values[0]


def main() -> None:
    """Write both tables; exit with 1 where a claim does not hold."""
    sections, claims = read_sections(), read_claims()
    write_tables(sections, claims)
    failed = broken(sections, claims)
    for line in failed:
        print(f"DOES NOT HOLD: {line}")
    if failed:
        sys.exit(f"{len(failed)} of {len(claims)} claims do not hold")
    print(all_hold(sections, claims))


def all_hold(sections: Mapping[str, Section], claims: list[Claim]) -> str:
    """That all claims hold, and since when."""
    dates = sorted({sections[claim.title].date for claim in claims})
    return f"all {len(claims)} claims hold, by runs of {' to '.join({dates[0]: 0, dates[-1]: 0})}"


def read_sections(path: Path = RESULTS) -> dict[str, Section]:
    """The runs in results.md by title."""
    found = {}
    for part in re.split(r"(?m)^## ", path.read_text())[1:]:
        title, body = part.split("\n", 1)
        head = _HEAD.search(body.strip())
        if head is None:  # the table of claims
            continue
        machine = _MACHINE.search(body)
        blocks = re.findall(r"```(?:text)?\n(.*?)```", body, re.DOTALL)
        found[title] = Section(
            title=title,
            command=head["command"],
            date=head["date"],
            machine=machine["machine"] if machine else "",
            text="\n".join(blocks),
        )
    return found


def read_claims(path: Path = CLAIMS) -> list[Claim]:
    """The claims, in the file's order."""
    found = []
    for name, fields in tomllib.loads(path.read_text()).items():
        how = fields.get("is", "ratio")
        bounds = [fields.get("at_least"), fields.get("at_most")]
        if how not in _SCORES or bounds == [None, None]:
            sys.exit(f"{path.name}, {name}: give at_least or at_most, `is` of {_SCORES}")
        found.append(
            Claim(
                name=name,
                says=fields["says"],
                title=fields["title"],
                pattern=fields["pattern"],
                how=how,
                at_least=bounds[0],
                at_most=bounds[1],
            )
        )
    return found


def values_of(sections: Mapping[str, Section], claims: list[Claim]) -> dict[str, float]:
    """Each claim's number; a claim without its section is an error."""
    _check_sections(sections, claims)
    return {claim.name: claim.value(sections[claim.title]) for claim in claims}


def _check_sections(sections: Mapping[str, Section], claims: list[Claim]) -> None:
    missing = [claim.title for claim in claims if claim.title not in sections]
    if missing:
        sys.exit(f"results.md has no section {missing[0]!r}; run its benchmark")


def broken(sections: Mapping[str, Section], claims: list[Claim]) -> list[str]:
    """The claims that do not hold, each with its number and its command."""
    values = values_of(sections, claims)
    return [
        f"{claim.says}: {_said(values[claim.name])}, claimed {claim.bound} "
        f"({sections[claim.title].command})"
        for claim in claims
        if not claim.holds(values[claim.name])
    ]


def claims_table(sections: Mapping[str, Section], claims: list[Claim]) -> str:
    """All claims as a table of Markdown."""
    values = values_of(sections, claims)
    machines = list(dict.fromkeys(sections[claim.title].machine for claim in claims))
    rows = ["| claim | measured | holds if | command | date |", "|---|---|---|---|---|"]
    for claim in claims:
        section = sections[claim.title]
        where = f", machine {1 + machines.index(section.machine)}" if len(machines) > 1 else ""
        rows.append(
            f"| {claim.says} | {_said(values[claim.name])} | {claim.bound} "
            f"| `{section.command}` | {section.date}{where} |"
        )
    told = [f"{number}: {name}" for number, name in enumerate(machines, start=1)]
    return "\n".join([*rows, "", f"Measured on: {'; '.join(told if len(told) > 1 else machines)}."])


def readme_table(values: Mapping[str, float], path: Path = ROWS) -> str:
    """The README's table: rows of text with the claims' numbers put in."""
    rows = ["| | | `python -m` |", "|---|---|---|"]
    rows += [
        f"| {row['what']} | {row['says'].format_map(values)} | `{row['command']}` |"
        for row in tomllib.loads(path.read_text())["row"]
    ]
    return "\n".join(rows)


def write_tables(sections: Mapping[str, Section], claims: list[Claim]) -> None:
    """Put both tables where they belong."""
    values = values_of(sections, claims)
    table = f"## Claims\n\n{claims_table(sections, claims)}\n"
    parts = re.split(r"(?m)^(?=## )", RESULTS.read_text())
    kept = [part for part in parts[1:] if not part.startswith("## Claims\n")]
    RESULTS.write_text(parts[0] + "".join([table + "\n", *kept]))
    README.write_text(in_markers(README.read_text(), readme_table(values)))


def in_markers(text: str, table: str) -> str:
    """The text with the table between its two comments."""
    start, end = "<!-- results: made by python -m benchmarks.claims -->", "<!-- end of results -->"
    before, rest = text.split(start)
    return f"{before}{start}\n\n{table}\n\n{end}{rest.split(end)[1]}"


def commands(sections: Mapping[str, Section], claims: list[Claim]) -> Iterator[str]:
    """What was run for the claims, each once, in their order."""
    _check_sections(sections, claims)
    yield from dict.fromkeys(sections[claim.title].command for claim in claims)


def titles_of(command: str, sections: Mapping[str, Section], claims: list[Claim]) -> list[str]:
    """The sections that a command records and claims rest on."""
    titles = dict.fromkeys(claim.title for claim in claims)
    return [title for title in titles if sections[title].command == command]


def _number(match: re.Match[str], how: str) -> float:
    if "ours" not in match.groupdict():
        return float(match[1].replace(",", ""))
    ours, peer = (float(match[name].replace(",", "")) for name in ("ours", "peer"))
    return ours - peer if how == "difference" else ours / peer


def _said(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"


if __name__ == "__main__":
    main()
