"""Make examples/factbook from a text of blocks: a country a block, its name on the first line.

Usage: python examples/make_factbook.py factbook.txt.xz

The CIA World Factbook is in the public domain. Each country becomes a line of jsonl with the
fields that the README's filters use.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path

from rowspace.text.corpus import Document, read_documents

# Blocks whose first line is no name, by how their text begins.
NAMES = {
    "The Central African Republic": "Central African Republic",
    "Saint Helena is": "Saint Helena, Ascension, and Tristan da Cunha",
    "Each of the four states": "Micronesia",
    "The European Union's": "European Union",
    "The Trucial States": "United Arab Emirates",
    "A large body of recent oceanographic": "Southern Ocean",
    "The Indian Ocean is": "Indian Ocean",
    "The Arctic Ocean is": "Arctic Ocean",
    "The Atlantic Ocean is": "Atlantic Ocean",
    "The Pacific Ocean is": "Pacific Ocean",
    "Formerly administered as part": "British Indian Ocean Territory",
    "Globally, the 20th century": "World",
}
OUT = Path(__file__).parent / "factbook" / "factbook.jsonl.gz"


def to_record(document: Document) -> dict[str, str | int]:
    """The jsonl fields of one country."""
    name = next((n for start, n in NAMES.items() if document.text.startswith(start)), "")
    name = name or document.title
    identifier = re.sub(r"[^a-z]+", "-", name.lower()).strip("-")
    record: dict[str, str | int] = {
        "_id": identifier,
        "title": name,
        "country": name,
        "text": document.text,
    }
    if capital := re.search(r"^name: ([^;(\n]+)", document.text, re.MULTILINE):
        record["capital"] = capital.group(1).strip()
    if year := re.search(r"^\d{1,2} [A-Z][a-z]+ (\d{4}) \(from", document.text, re.MULTILINE):
        record["independence"] = int(year.group(1))
    return record


def main(source: str) -> None:
    """Write the jsonl, with nothing in it that changes from run to run."""
    OUT.parent.mkdir(exist_ok=True)
    records = [to_record(document) for document in read_documents(source, documents="blocks")]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    with OUT.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(lines.encode())


if __name__ == "__main__":
    main(sys.argv[1])
