from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from rowspace.errors import CorpusError
from rowspace.text.streams import bare_suffix, open_bytes, read_blocks

TEXT = "".join(f"line {i}: œuvre 東京 {i * 7919}\n" for i in range(20_000)).encode()

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def _read(path: Path | str) -> bytes:
    with open_bytes(path) as file:
        return b"".join(read_blocks(file))


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_compressed_file_gives_its_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text.txt{suffix}"
    path.write_bytes(COMPRESSORS[suffix](TEXT))
    assert _read(path) == TEXT


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_members_one_after_the_other_are_read_as_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text{suffix}"
    path.write_bytes(COMPRESSORS[suffix](TEXT) + COMPRESSORS[suffix](b"the end"))
    assert _read(path) == TEXT + b"the end"


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9999])
def test_a_file_cut_short_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"text{suffix}"
    whole = COMPRESSORS[suffix](TEXT)
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CorpusError, match=rf"text\{suffix} is damaged or cut short"):
        _read(path)


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_file_that_is_not_what_its_name_says_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text{suffix}"
    path.write_bytes(b"plain words, not compressed")
    with pytest.raises(CorpusError, match="damaged or cut short"):
        _read(path)


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_flipped_byte_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text{suffix}"
    compress = zstandard.ZstdCompressor(write_checksum=True).compress
    damaged = bytearray((COMPRESSORS | {".zst": compress})[suffix](TEXT))
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(CorpusError, match="damaged or cut short"):
        _read(path)


@pytest.mark.parametrize("name", ["a.txt", "a.gz", "a.xz", "a.zst"])
def test_a_missing_file_and_a_folder_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError, match=rf"there is no file .*{name}; check the path"):
        _read(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(CorpusError, match=rf"{name} is a folder; give a file"):
        _read(tmp_path / name)


@given(
    st.lists(st.sampled_from([b"\n", b" ", b"a", "é".encode(), "東".encode(), "😀".encode()])),
    st.integers(1, 9),
)
@example([b"\x80"] * 9, 1)
def test_joined_blocks_are_the_file_and_cut_no_character(
    parts: list[bytes], block_bytes: int
) -> None:
    data = b"".join(parts)
    blocks = list(read_blocks(io.BytesIO(data), block_bytes))
    assert b"".join(blocks) == data
    assert all(blocks)
    if b"\x80" not in parts:
        for block in blocks:
            block.decode()


@given(st.binary(max_size=60), st.integers(1, 9))
def test_joined_blocks_are_the_file_whatever_its_bytes(data: bytes, block_bytes: int) -> None:
    assert b"".join(read_blocks(io.BytesIO(data), block_bytes)) == data


def test_a_block_ends_at_a_line_else_a_space_else_a_character() -> None:
    for text, block_bytes, blocks in [
        ("one two\nthree four five", 11, ["one two\n", "three four ", "five"]),
        ("one two three", 9, ["one two ", "three"]),
        ("é東é東", 4, ["é", "東é", "東"]),
        ("one\ntwo", 9, ["one\ntwo"]),
    ]:
        found = read_blocks(io.BytesIO(text.encode()), block_bytes)
        assert [block.decode() for block in found] == blocks


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.jsonl.gz", ".jsonl"), ("a.TXT", ".txt"), ("a.gz", ""), ("a", ""), ("a.b.md.zst", ".md")],
)
def test_the_bare_suffix_looks_under_the_compression(name: str, suffix: str) -> None:
    assert bare_suffix(Path(name)) == suffix
