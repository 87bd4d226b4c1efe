from __future__ import annotations

import gzip
import json
import lzma
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError, CorpusError
from rowspace.text import corpus as corpus_module
from rowspace.text.corpus import Corpus, Document, read_documents
from rowspace.text.streams import read_blocks
from tests.naive import naive_clean

BLOCKS = "A title\nFirst line.\nSecond line.\n\n\n  \nOnly one line\n\nLast\nend"


def _write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _read(path: Path, **options: str) -> list[Document]:
    return list(read_documents(path, **options))


def _texts(path: Path, **options: str) -> list[str]:
    return [document.text for document in _read(path, **options)]


def test_a_file_is_one_document_named_by_its_path(tmp_path: Path) -> None:
    path = _write(tmp_path / "notes.md", "One.\n\nTwo.\n")
    assert _read(path) == [Document("notes.md", "notes", "One.\n\nTwo.\n", "notes.md")]


def test_blocks_have_their_first_line_as_title_and_the_number_of_it_as_name(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.txt", BLOCKS)
    assert _read(path, documents="blocks") == [
        Document("a.txt:1", "A title", "First line.\nSecond line.", "a.txt"),
        Document("a.txt:7", "", "Only one line", "a.txt"),
        Document("a.txt:9", "Last", "end", "a.txt"),
    ]


def test_a_long_first_line_is_text_and_no_title(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.txt", "x" * 201 + "\nmore")
    assert _read(path, documents="blocks")[0].title == ""
    assert _texts(path, documents="blocks") == ["x" * 201 + "\nmore"]


def test_lines_that_are_not_blank_are_documents_numbered_as_in_an_editor(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.txt", "one\r\n\r\n two \rthree")
    assert [(d.document_id, d.text) for d in _read(path, documents="lines")] == [
        ("a.txt:1", "one"),
        ("a.txt:3", " two "),
        ("a.txt:4", "three"),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet="ab é東\n\r\t😀\ufeff\u0301", max_size=60),
    st.integers(12, 40),
    st.booleans(),
)
def test_no_text_is_lost_between_small_blocks(text: str, block_bytes: int, breaks: bool) -> None:
    text = text.replace("\u0301", "\n" if breaks else "")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        path = _write(Path(folder, "a.txt"), text)
        monkeypatch.setattr(
            corpus_module, "read_blocks", lambda file, _=0: read_blocks(file, block_bytes)
        )
        lines = [document.text for document in read_documents(path, documents="lines")]
        assert lines == [line for line in naive_clean(text).split("\n") if line.strip()]
        raw = b"".join(block for _, _, block in Corpus(path).blocks())
        assert raw == text.encode() + b"\n"


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_compressed_files_are_read_as_what_they_hold(
    tmp_path: Path, suffix: str, name: str
) -> None:
    compress: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".xz": lzma.compress,
        ".zst": zstandard.ZstdCompressor().compress,
    }
    text = '{"text": "Ünïcode"}' if name.endswith("jsonl") else "Ünïcode"
    path = _write(tmp_path / (name + suffix), compress[suffix](text.encode()))
    assert _texts(path) == _texts(tmp_path) == ["Ünïcode"]
    if name == "a.txt":
        assert _read(path)[0].title == "a"


def test_stdin_is_read_as_it_comes() -> None:
    program = (
        "from rowspace.text.corpus import read_documents\n"
        "for d in read_documents('-', documents='lines'):\n"
        "    print(d.document_id, d.title == '', ascii(d.text), d.source)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input="é one\n\ntwo".encode(), capture_output=True
    )
    assert done.stdout.decode().splitlines() == [
        r"stdin:1 True '\xe9 one' stdin",
        "stdin:3 True 'two' stdin",
    ], done.stderr


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["sh", "-c", f"echo hello > {path}"]):
        assert _texts(path) == ["hello\n"]


def test_a_folder_is_read_in_order_and_says_what_it_skipped(tmp_path: Path) -> None:
    for name in ["b.txt", "a.md", "sub/z.rst", "sub/c.jsonl", "README", "B.TXT"]:
        _write(tmp_path / name, '{"text": "t"}')
    for name in ["photo.png", ".hidden.txt", ".git/config.txt", "sub/page.html"]:
        _write(tmp_path / name, "x")
    _write(tmp_path / "tool", b"\x7fELF\0\1")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.txt")
    corpus = Corpus(tmp_path)
    for _ in range(2):  # each iteration reads anew
        assert [document.document_id for document in corpus] == [
            "B.TXT",
            "README",
            "a.md",
            "b.txt",
            "sub/c.jsonl:1",
            "sub/z.rst",
        ]
        assert sorted(corpus.skipped) == [
            (".hidden.txt", "hidden"),
            ("gone.txt", "not a file"),
            ("photo.png", "no text suffix (.png)"),
            ("pipe.txt", "not a file"),
            ("sub/page.html", "no text suffix (.html)"),
            ("tool", "binary (a zero byte at 4)"),
        ]


def test_several_paths_are_read_in_the_order_given(tmp_path: Path) -> None:
    first, second = _write(tmp_path / "z.txt", "one"), _write(tmp_path / "a.txt", "two")
    assert [document.text for document in Corpus([first, str(second)])] == ["one", "two"]


def test_files_of_several_paths_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    for name in ["a/notes.txt", "b/notes.txt", "b/sub/x.txt"]:
        _write(tmp_path / name, "text")
    corpus = Corpus([tmp_path / "a" / "notes.txt", tmp_path / "b"])
    assert [document.source for document in corpus] == [
        "a/notes.txt",
        "b/notes.txt",
        "b/sub/x.txt",
    ]
    assert [d.source for d in Corpus([tmp_path / "b/notes.txt", tmp_path / "b/sub/x.txt"])] == [
        "notes.txt",
        "sub/x.txt",
    ]
    assert [document.source for document in Corpus(tmp_path / "b")] == ["notes.txt", "sub/x.txt"]


def test_jsonl_gives_ids_titles_and_metadata(tmp_path: Path) -> None:
    rows = [
        {"_id": "x", "id": 7, "title": "T", "text": "one", "year": 1999, "tags": ["a"]},
        {"id": 8, "text": "two", "title": None},
        {"text": ""},
        {"document_id": "d", "text": "é\n4"},
    ]
    text = "\n".join([*map(json.dumps, rows[:2]), "", *map(json.dumps, rows[2:])])
    assert _read(_write(tmp_path / "a.jsonl", "\ufeff" + text)) == [
        Document("x", "T", "one", "a.jsonl", {"id": 7, "year": 1999, "tags": ["a"]}),
        Document("8", "", "two", "a.jsonl", {"title": None}),
        Document("a.jsonl:4", "", "", "a.jsonl"),
        Document("d", "", "é\n4", "a.jsonl"),
    ]


def test_what_json_escapes_is_normalised_too(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", r'{"title": "\ufeffT", "text": "e\u0301\r\n\u0000x"}')
    assert (_read(path)[0].title, _read(path)[0].text) == ("T", "é\nx")


def test_half_a_character_in_json_is_an_error_or_replaced(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", '{"text": "ok \\ud83d\\ude00"}\n{"text": "cut \\ud83d"}')
    with pytest.raises(CorpusError, match=r"a.jsonl, line 2, has half a character \(\\ud83d\)"):
        _read(path)
    with pytest.raises(CorpusError, match="line 2, has half a character"):
        list(Corpus(path).blocks())
    assert _texts(path, errors="replace") == ["ok 😀", "cut \ufffd"]
    path = _write(tmp_path / "a.jsonl", '{"_id": "\\udfff", "text": "ok"}')
    with pytest.raises(CorpusError, match=r"line 1, has half a character \(\\udfff\)"):
        _read(path)
    assert next(iter(Corpus(path, errors="replace"))).document_id == "\ufffd"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'text': 1}", r"a.jsonl, line 3, is not JSON \(Expecting property name.* at column 2\)"),
        ('{"text": "cut', "a.jsonl, line 3, is not JSON .*; mend the line, or rename the file"),
        ('{"body": "x"}', "a.jsonl, line 3, has no string field `text`; each line must be"),
        ('{"text": 5}', "a.jsonl, line 3, has no string field `text`"),
        ("[1]", "a.jsonl, line 3, has no string field `text`"),
    ],
)
def test_a_bad_line_of_jsonl_is_numbered(tmp_path: Path, line: str, message: str) -> None:
    path = _write(tmp_path / "a.jsonl", '{"text": "fine"}\n\n' + line + "\n")
    with pytest.raises(CorpusError, match=message):
        _read(path)


@pytest.mark.parametrize("position", [0, 5, (1 << 20) + 17, (3 << 20) + 1])
@pytest.mark.parametrize("filler", [b"words of text\n", b"x"])
def test_the_byte_that_does_not_decode_is_named_exactly(
    tmp_path: Path, position: int, filler: bytes
) -> None:
    content = (filler * (position // len(filler) + 1))[:position] + b"\xe9t\xe9\n" + filler * 9
    path = _write(tmp_path / "a.txt", content)
    message = rf"a.txt is not utf-8 at byte {position:,} \(0xe9\); give its encoding .*latin-1"
    with pytest.raises(CorpusError, match=message):
        _read(path, documents="lines")
    assert "".join(_texts(path, errors="replace")) == content.decode("utf-8", "replace")
    assert "".join(_texts(path, encoding="latin-1")) == content.decode("latin-1")


def test_the_middle_of_a_character_cut_off_by_the_end_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.txt", b"ab \xe6\x9d")
    with pytest.raises(CorpusError, match=r"not utf-8 at byte 3 \(0xe6\)"):
        _read(path)


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf16", "UTF_16_LE", "utf-32", "cp1252", "utf-8-sig"]
)
def test_encodings_are_known_by_all_their_names(tmp_path: Path, encoding: str) -> None:
    path = _write(tmp_path / "a.txt", "Zoë\r\nnaïve".encode(encoding))
    for given_path in (path, tmp_path):
        assert _texts(given_path, encoding=encoding) == ["Zoë\nnaïve"]


def test_utf16_read_as_utf8_is_told_so_and_other_binary_files_too(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.txt", "text".encode("utf-16"))
    with pytest.raises(CorpusError, match=r"a.txt is UTF-16; give --encoding utf-16"):
        _read(path)
    path = _write(tmp_path / "b.txt", b"text " * 300_000 + b"\0\0")
    with pytest.raises(CorpusError, match=r"b.txt is a binary file \(a zero byte at 1,500,000\)"):
        _read(path)


def test_half_a_unit_of_utf16_is_an_error(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.txt", "text".encode("utf-16") + b"x")
    with pytest.raises(CorpusError, match=r"a.txt is not utf-16 at byte 10 \(0x78\)"):
        _read(path, encoding="utf-16")


@pytest.mark.parametrize("text", ["One.\nTwo.", "one two", "One.\n\nTwo.\n", "é"])
def test_a_last_line_without_end_is_no_document_of_its_own(tmp_path: Path, text: str) -> None:
    assert _texts(_write(tmp_path / "a.txt", text)) == [text]


@pytest.mark.parametrize("content", ["", " \n\t\n", "\ufeff"])
def test_an_empty_file_has_no_document(tmp_path: Path, content: str) -> None:
    path = _write(tmp_path / "a.txt", content)
    for documents in ("file", "blocks", "lines"):
        assert _read(path, documents=documents) == []


def test_a_word_alone_in_a_file_is_whole(tmp_path: Path) -> None:
    for text in ("é", "cafe\u0301", "안녕", "東京", "x"):
        assert _texts(_write(tmp_path / "a.txt", text)) == [naive_clean(text)]


def test_an_empty_folder_a_folder_without_text_and_a_missing_path_are_errors(
    tmp_path: Path,
) -> None:
    with pytest.raises(CorpusError, match=r"has no text file \(.txt, .*\.zst\); name the file"):
        _read(tmp_path)
    _write(tmp_path / "a.png", "x")
    with pytest.raises(CorpusError, match=r"has no text file .*; it has 1 other files; name"):
        _read(tmp_path)
    with pytest.raises(CorpusError, match=r"there is no file or folder .*nowhere; check the path"):
        _read(tmp_path / "nowhere")


@pytest.mark.parametrize("unit", ["word wörd ", "東京", "x", "é"])
def test_a_line_of_any_length_passes_whole(tmp_path: Path, unit: str) -> None:
    text = unit * (5_000_000 // len(unit.encode()))
    path = _write(tmp_path / "a.txt", text)
    assert _texts(path, documents="lines") == [text]
    assert _texts(path) == [text]
    assert b"".join(block for _, _, block in Corpus(path).blocks()) == text.encode() + b"\n"


def test_a_file_larger_than_a_part_is_several_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_module, "PART_BYTES", 100)
    text = "".join(f"This is line {i}.\n" for i in range(30))
    documents = _read(_write(tmp_path / "a.txt", text))
    assert "".join(document.text for document in documents) == text
    assert [d.document_id for d in documents] == ["a.txt", *(f"a.txt:{i}" for i in range(2, 6))]
    assert all(len(d.text) <= 119 and d.text.endswith(".\n") for d in documents)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"documents": "pages"}, "documents is 'pages'; give one of file, blocks, lines"),
        ({"encoding": "utf-9"}, "encoding 'utf-9' is not known; try utf-8 or latin-1"),
        ({"encoding": "hex"}, "encoding 'hex' is not known"),
        ({"errors": "guess"}, "errors is 'guess'; give one of strict, replace"),
    ],
)
def test_a_corpus_setting_that_cannot_work_is_named(setting: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Corpus("a.txt", **setting)  # type: ignore[arg-type]
