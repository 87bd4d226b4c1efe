from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import ConfigError, FormatError
from rowspace.static import cooccurrence as module
from rowspace.static import pair_sums
from rowspace.static.cooccurrence import (
    CooccurrenceConfig,
    Cooccurrences,
    count_cooccurrences,
)
from rowspace.text.vocabulary import SENTENCE_END, TokenIds, Vocabulary
from tests.conftest import SmallDisk
from tests.naive_glove import naive_cooccurrences

N_WORDS = 30


def _tokens(n: int, n_words: int = N_WORDS, seed: int = 0) -> list[int]:
    """Words by Zipf's law, in sentences of some ten words, one of them empty, one of one word."""
    generator = np.random.default_rng(seed)
    likely = 1 / np.arange(1, n_words + 1)
    tokens = generator.choice(n_words, n, p=likely / likely.sum())
    tokens[generator.random(n) < 0.1] = SENTENCE_END
    tokens[:4] = (SENTENCE_END, 3, SENTENCE_END, SENTENCE_END)
    return [int(token) for token in tokens]


def _scanned(
    folder: Path, tokens: list[int], n_words: int = N_WORDS
) -> tuple[Vocabulary, TokenIds]:
    path = folder / "ids.i32"
    path.write_bytes(np.array(tokens, dtype=np.int32).tobytes())
    counts = np.bincount([token for token in tokens if token >= 0], minlength=n_words)
    words = [f"w{i}" for i in range(n_words)]
    return Vocabulary(words, counts, int(counts.sum()), n_words), TokenIds(path, len(tokens))


def _as_dict(counts: Cooccurrences) -> dict[tuple[int, int], float]:
    found = {}
    for word, context, count in counts.open().tolist():
        assert (word, context) not in found
        found[word, context] = count
        if counts.symmetric:
            assert word <= context
            found[context, word] = count
    return found


@pytest.mark.parametrize(
    ("symmetric", "distance_weighting", "window"),
    list(itertools.product([True, False], [True, False], [1, 2, 7, 255])),
)
def test_counts_are_those_of_the_definition(
    tmp_path: Path, symmetric: bool, distance_weighting: bool, window: int
) -> None:
    tokens = _tokens(700)
    config = CooccurrenceConfig(
        window=window, symmetric=symmetric, distance_weighting=distance_weighting
    )
    counts = count_cooccurrences(*_scanned(tmp_path, tokens), tmp_path / "counts", config)
    expected = naive_cooccurrences(tokens, window, symmetric, distance_weighting)
    assert _as_dict(counts) == pytest.approx({k: float(v) for k, v in expected.items()}, rel=1e-6)


def test_a_sentence_worked_by_hand(tmp_path: Path) -> None:
    # 0 1 0 2 | 1: 0-1 at 1, 1-0 at 1, 0-0 at 2, 0-2 at 1 and 3, 1-2 at 2
    scanned = _scanned(tmp_path, [0, 1, 0, 2, SENTENCE_END, 1])
    counts = count_cooccurrences(*scanned, tmp_path / "counts", CooccurrenceConfig(window=3))
    half = {(0, 0): 2 / 2, (0, 1): 2.0, (0, 2): 1 + 1 / 3, (1, 2): 0.5}
    mirrored = {(j, i): count for (i, j), count in half.items()}
    assert _as_dict(counts) == pytest.approx(half | mirrored)


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_file_depends_on_neither_table_nor_disk_nor_groups_nor_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, symmetric: bool
) -> None:
    tokens = _tokens(3000)
    vocabulary, ids = _scanned(tmp_path, tokens)
    config = CooccurrenceConfig(window=5, symmetric=symmetric)
    whole = count_cooccurrences(vocabulary, ids, tmp_path / "whole", config, n_threads=1)
    expected = whole.path.read_bytes()
    assert len(expected) == 12 * len(whole) > 0
    seen = set()
    for cells, held, group, block, threads in itertools.product(
        [0, 40, 10_000], [10, 1000], [1, 5000], [64, 10_000], [1, 3]
    ):
        monkeypatch.setattr(pair_sums, "_DENSE_CELLS", cells)
        monkeypatch.setattr(pair_sums, "_HELD_PAIRS", held)
        monkeypatch.setattr(pair_sums, "_LEAST_GROUP_PAIRS", group)
        monkeypatch.setattr(pair_sums, "_BLOCK", block)
        plan = pair_sums.Plan(vocabulary.counts, ids.n_ids, config, 1 << 30, threads)
        seen.add((plan.n_cells, plan.n_pairs, plan.n_bins))
        counts = count_cooccurrences(
            vocabulary, ids, tmp_path / "counts", config, n_threads=threads
        )
        assert counts.path.read_bytes() == expected
        np.testing.assert_array_equal(counts.ends, whole.ends)
    assert len({cells for cells, _, _ in seen}) == 3
    assert len({held for _, held, _ in seen}) == 2
    assert len({bins for _, _, bins in seen}) > 1


def test_a_row_too_large_for_the_memory_is_added_up_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = _tokens(5000, 8)
    scanned = _scanned(tmp_path, tokens, 8)
    monkeypatch.setattr(pair_sums, "_DENSE_CELLS", 0)
    expected = naive_cooccurrences(tokens, 15, True, True)
    monkeypatch.setattr(pair_sums, "_LEAST_GROUP_PAIRS", 16)
    monkeypatch.setattr(pair_sums, "_GROUPS", 1 << 40)
    chunks = []
    original = pair_sums.PairSums._chunks

    def noting(self: Any, first: int, last: int) -> Any:
        parts = list(original(self, first, last))
        chunks.append(len(parts))
        return parts

    monkeypatch.setattr(pair_sums.PairSums, "_chunks", noting)
    counts = count_cooccurrences(*scanned, tmp_path / "counts")
    assert max(chunks) > 100
    assert _as_dict(counts) == pytest.approx({k: float(v) for k, v in expected.items()}, rel=1e-6)


def test_a_piece_holds_its_share_of_the_records_in_the_order_of_their_words(
    tmp_path: Path,
) -> None:
    counts = count_cooccurrences(
        *_scanned(tmp_path, _tokens(20_000, 400), 400), tmp_path / "counts"
    )
    sizes = np.diff(counts.ends)
    assert counts.n_pieces == 32 and sizes.sum() == len(counts) > 20_000
    assert sizes.max() < 1.5 * sizes.mean()
    joined = []
    for number in range(counts.n_pieces):
        records = counts.read_piece(number).reshape(-1, 3)
        pairs = records[:, :2].tolist()
        assert pairs == sorted(pairs)
        joined.append(records)
    assert np.concatenate(joined).tobytes() == counts.path.read_bytes()


@pytest.mark.parametrize("tokens", [[], [SENTENCE_END], [0, SENTENCE_END, 1]])
def test_words_that_stand_alone_have_no_counts(tmp_path: Path, tokens: list[int]) -> None:
    counts = count_cooccurrences(*_scanned(tmp_path, tokens), tmp_path / "counts")
    assert len(counts) == 0 == len(counts.open())
    assert counts.read_piece(0).shape == (0,)


MEASURED = """
import json, sys
from pathlib import Path
import numpy as np
from rowspace.machine import return_free_memory
from rowspace.static.cooccurrence import count_cooccurrences
from rowspace.text.vocabulary import TokenIds, Vocabulary

def kilobytes(name):
    status = Path("/proc/self/status").read_text()
    return int(status.split(name + ":")[1].split()[0])

path, n_ids, memory_mb, n_threads = Path(sys.argv[1]), *map(int, sys.argv[2:])
counts = np.bincount(np.fromfile(path, dtype=np.int32))
vocabulary = Vocabulary([str(i) for i in range(len(counts))], counts, n_ids, len(counts))
count_cooccurrences(vocabulary, TokenIds(path, 200), path.with_name("warm"), n_threads=n_threads)
return_free_memory()
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = kilobytes("VmHWM")
out = path.with_name(f"counts-{memory_mb}-{n_threads}")
counted = count_cooccurrences(
    vocabulary, TokenIds(path, n_ids), out, memory_mb=memory_mb, n_threads=n_threads
)
print(json.dumps({"peak": (kilobytes("VmHWM") - before) / 1024, "records": len(counted)}))
"""


@pytest.mark.slow
def test_the_memory_stays_within_the_budget_and_the_counts_do_not_change(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    n_words, n_ids = 40_000, 500_000  # 7 million pairs
    ids = np.minimum(generator.zipf(1.15, n_ids), n_words) - 1
    (tmp_path / "ids.i32").write_bytes(ids.astype(np.int32).tobytes())
    peaks = {}
    for memory_mb, n_threads in ((32, 1), (48, 2), (512, 2)):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, tmp_path / "ids.i32", str(n_ids), str(memory_mb),
             str(n_threads)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        told = json.loads(done.stdout)
        assert told["records"] > 1_000_000
        peaks[memory_mb] = told["peak"]
        assert told["peak"] <= memory_mb
    assert peaks[512] > 64, "the text is too small to tell"
    written = {(tmp_path / f"counts-{name}").read_bytes() for name in ("32-1", "48-2", "512-2")}
    assert len(written) == 1


def test_too_little_memory_says_how_much_is_enough(tmp_path: Path) -> None:
    _, ids = _scanned(tmp_path, [0, 1])
    vocabulary = Vocabulary(["w"] * 600_000, np.full(600_000, 5), 3_000_000, 600_000)
    ids = dataclasses.replace(ids, n_ids=3_000_000)
    with pytest.raises(ConfigError, match=r"memory_mb is 32, too little to count 3,000,000 tokens "
                       r"of 600,000 words with 2 threads; (\d+) is enough") as caught:  # fmt: skip
        count_cooccurrences(vocabulary, ids, tmp_path / "counts", memory_mb=32, n_threads=2)
    enough = int(str(caught.value).split("; ")[1].split()[0])
    plan = pair_sums.Plan(vocabulary.counts, ids.n_ids, CooccurrenceConfig(), enough << 20, 2)
    assert plan.fits and enough <= 256
    with pytest.raises(ConfigError, match="memory_mb is 31; give 32 or more, usually 1024"):
        count_cooccurrences(vocabulary, ids, tmp_path / "counts", memory_mb=31)


@pytest.mark.parametrize("window", [0, 256])
def test_windows_that_cannot_be_counted_are_refused(window: int) -> None:
    with pytest.raises(ConfigError, match=f"window is {window}; give 1 to 255"):
        CooccurrenceConfig(window=window)


@pytest.mark.parametrize("part", ["records", "_sums", "gather"])
def test_a_count_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    scanned = _scanned(tmp_path, _tokens(500))
    before = sorted(tmp_path.iterdir())

    def fails(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module if part == "gather" else pair_sums.PairSums, part, fails)
    with pytest.raises(KeyboardInterrupt):
        count_cooccurrences(*scanned, tmp_path / "counts", n_threads=2)
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_is_an_error_and_no_half_file(
    tmp_path: Path, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_disk.mount(64)
    monkeypatch.setattr(pair_sums, "_DENSE_CELLS", 0)
    with pytest.raises(OSError, match="No space left"):
        count_cooccurrences(*_scanned(tmp_path, _tokens(5000)), small_disk.path / "counts")
    assert list(small_disk.path.iterdir()) == []


def test_counts_are_loaded_only_if_they_are_whole_and_of_the_same_text(tmp_path: Path) -> None:
    counts = count_cooccurrences(*_scanned(tmp_path, _tokens(500)), tmp_path / "counts")
    about = tmp_path / "counts.json"
    counts.save(about, {"text": 1})
    loaded = Cooccurrences.load(about, counts.path, {"text": 1})
    assert loaded.open().tolist() == counts.open().tolist()
    np.testing.assert_array_equal(loaded.ends, counts.ends)
    assert loaded.symmetric == counts.symmetric
    with pytest.raises(FormatError, match="are of other settings or text; use the same, or remove"):
        Cooccurrences.load(about, counts.path, {"text": 2})
    whole = counts.path.read_bytes()
    counts.path.write_bytes(whole[:-12])
    with pytest.raises(FormatError, match=f"are not {len(whole):,} bytes long; remove"):
        Cooccurrences.load(about, counts.path, {"text": 1})
    with pytest.raises(FormatError, match="is cut short; remove"):
        counts.read_piece(counts.n_pieces - 1)
    for content in ("", "{", "[]", "{}", "null", '{"identity": {"text": 1}, "ends": []}'):
        about.write_text(content)
        with pytest.raises(FormatError, match=r"are damaged \(.*\); remove"):
            Cooccurrences.load(about, counts.path, {"text": 1})


@pytest.mark.parametrize("most", [0, 1, 7, 100, 10_000])
@pytest.mark.parametrize("is_symmetric", [True, False])
def test_the_table_holds_the_most_frequent_pairs_that_it_has_room_for(
    most: int, is_symmetric: bool
) -> None:
    n_words = 40
    starts, limits, n_cells = pair_sums.dense_corner(n_words, most, is_symmetric)
    cells = [
        int(starts[row]) + column
        for row in range(n_words)
        for column in range(row if is_symmetric else 0, limits[row])
    ]
    assert cells == list(range(n_cells)) and n_cells <= most
    inside = {
        (row + 1) * (column + 1)
        for row in range(n_words)
        for column in range(row if is_symmetric else 0, limits[row])
    }
    outside = {
        (row + 1) * (column + 1)
        for row in range(n_words)
        for column in range(max(limits[row], row if is_symmetric else 0), n_words)
    }
    assert max(inside, default=0) < min(outside, default=n_words**2 + 1)
