"""GloVe's text files: a word and its values a line, and no line before them.

Pennington, Socher & Manning (2014), https://aclanthology.org/D14-1162
Words may hold spaces and be numbers (glove.840B has both), so the dimension is the one that most
of the first lines agree on, and values are counted from the right. GloVe writes `<unk>` last.
"""

from __future__ import annotations

from pathlib import Path

from rowspace.errors import FormatError
from rowspace.space.sources import infer_dim, is_header, open_input, read_head
from rowspace.space.text_rows import Layout, encode_lines, read_rows
from rowspace.space.vectors import Vectors
from rowspace.space.word2vec_files import check_lines, write_rows


def read(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """Read a GloVe file; see `rowspace.space.formats.load`."""
    head = read_head(path)
    if not head.strip():
        raise FormatError(f"{path}: empty; give a GloVe file")
    dim = infer_dim(head)
    if not dim:
        start = head[:40].partition(b"\n")[0].decode("utf-8", "replace").strip()
        raise FormatError(
            f"{path}: line 1 should be a word and its values; it starts with {start!r}: give the "
            "right format="
        )
    if dim > 1 and is_header(head.partition(b"\n")[0]):
        raise FormatError(
            f"{path}: line 1 has the number of vectors, as in word2vec's text; give "
            "format='word2vec'"
        )
    with open_input(path) as file:
        layout = Layout(path, dim, "most of the first lines have", 1, limit)
        rows, _ = read_rows(file, layout)
    return rows.to_vectors()


def write(vectors: Vectors, path: Path) -> None:
    """Write lines with 9 significant digits, in the order of the rows."""
    check_lines(vectors)
    write_rows(vectors, path, encode_lines(vectors.dim), b"")
