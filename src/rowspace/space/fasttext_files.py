"""fastText's `.bin` and `.ftz`: settings, dictionary and both matrices, byte for byte.

Little-endian: magic and version; twelve int32 settings and a float64; the dictionary; the input
matrix (words, then buckets) and the output matrix, each dense float32 or product-quantised (Joulin
et al. 2016, https://arxiv.org/abs/1612.03651). Versions 11 and 12 are read, 12 is written. Dense
matrices are memory-mapped, so that only the dictionary is read at once.
"""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_atomically
from rowspace.progress import track
from rowspace.space.similarity import Floats
from rowspace.space.subword import SubwordVectors
from rowspace.space.vectors import Vectors
from rowspace.text.ngrams import encode_word

MAGIC, VERSION = 793712314, 12
_ROWS_AT_ONCE = 1 << 14
_SETTINGS = "<12id"


@dataclasses.dataclass
class FastTextSettings:
    """The settings that a `.bin` file holds, under the official program's names."""

    dim: int
    ws: int = 5
    epoch: int = 5
    min_count: int = 5
    neg: int = 5
    word_ngrams: int = 1
    loss: int = 2
    """1 hierarchical softmax, 2 negative sampling, 3 softmax, 4 one-versus-all."""
    model: int = 2
    """1 CBOW, 2 skip-gram, 3 supervised."""
    bucket: int = 0
    minn: int = 0
    maxn: int = 0
    lr_update_rate: int = 100
    t: float = 1e-4


class _File:
    """A file read from front to back that knows where it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        self.at = 0

    def take(self, n: int, what: str) -> bytes:
        if n < 0 or self.at + n > len(self.data):
            raise FormatError(
                f"{self.path}: {what} at byte {self.at:,} needs {n:,} bytes, and the file ends at "
                f"{len(self.data):,}; it is truncated or damaged: copy or download it again"
            )
        self.at += n
        return self.data[self.at - n : self.at].tobytes()

    def unpack(self, layout: str, what: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))

    def floats(self, shape: tuple[int, ...], what: str) -> Floats:
        """A mapped array of float32."""
        n = int(np.prod(shape, dtype=object))
        start = self.at
        if min(shape) < 0 or start + 4 * n > len(self.data):
            raise FormatError(
                f"{self.path}: {what} at byte {start:,} claims {' x '.join(map(str, shape))} "
                f"numbers, and the file ends at {len(self.data):,}; it is truncated or damaged: "
                "copy or download it again"
            )
        self.at += 4 * n
        if n == 0:
            return np.empty(shape, dtype=np.float32)
        return np.memmap(self.path, "<f4", "r", start, shape)


def read_bin(path: Path, limit: int | None = None, mmap: bool = True) -> SubwordVectors:
    """Read a `.bin` or `.ftz` file.

    Parameters
    ----------
    path : Path
    limit : int, optional
        Only the first so many words; all n-grams stay.
    mmap : bool
        Map the matrices instead of reading them.

    Returns
    -------
    SubwordVectors
        Words only, without a supervised model's labels.

    Raises
    ------
    FormatError
        If it is damaged, or of another program or version; with the byte.
    """
    file = _File(path) if path.stat().st_size else None
    if file is None:
        raise FormatError(f"{path}: empty; give a fastText .bin file")
    magic, version = file.unpack("<2i", "the magic number")
    if magic != MAGIC:
        raise FormatError(
            f"{path}: starts with {magic}, not fastText's {MAGIC}; it is another kind"
        )
    if version not in (11, 12):
        raise FormatError(f"{path}: fastText version {version}; versions 11 and 12 can be read")
    settings = FastTextSettings(*file.unpack(_SETTINGS, "the settings"))
    _check_settings(path, settings)
    if version == 11 and settings.model == 3:
        settings.maxn = 0
    words, counts, n_tokens, pruned = _read_dictionary(file)
    input_matrix = _read_matrix(file, settings.dim, "the input matrix")
    output = _read_matrix(file, settings.dim, "the output matrix")
    if file.at != len(file.data):
        raise FormatError(
            f"{path}: goes on at byte {file.at:,} of {len(file.data):,}, where it should end; it "
            "is damaged or of another program: download it again"
        )
    if settings.maxn > 0 and settings.bucket == 0 and pruned is None:
        settings.maxn = 0  # no bucket, so no n-gram has a row: the words' own are all there is
    n_rows = len(words) + (len(pruned) if pruned is not None else settings.bucket)
    if len(input_matrix) < len(words) or (settings.maxn > 0 and len(input_matrix) < n_rows):
        raise FormatError(
            f"{path}: {len(input_matrix):,} input rows for {len(words):,} words and "
            f"{settings.bucket:,} buckets; it is damaged: download it again"
        )
    bucket_rows = None
    if pruned is not None and settings.maxn > 0:
        bucket_rows = np.full(settings.bucket, -1, dtype=np.int32)
        if len(pruned) and not (
            pruned.min() >= 0 and pruned[:, 0].max() < settings.bucket
            and pruned[:, 1].max() < len(pruned)
        ):  # fmt: skip
            raise FormatError(f"{path}: its table of pruned n-grams is damaged; download it again")
        bucket_rows[pruned[:, 0]] = pruned[:, 1]
    if limit is not None and limit < len(words):
        words, counts, input_matrix, bucket_rows = _first_words(
            limit, words, counts, input_matrix, bucket_rows, settings
        )
    try:
        return SubwordVectors(
            words,
            input_matrix if mmap else np.array(input_matrix),
            minn=settings.minn,
            maxn=settings.maxn,
            bucket=settings.bucket,
            bucket_rows=bucket_rows,
            is_pruned=pruned is not None,
            counts=counts,
            metadata={
                "method": "fasttext",
                "fasttext": dataclasses.asdict(settings),
                "n_tokens": n_tokens,
            },
            output=output if mmap else np.array(output),
        )
    except (ConfigError, KeyError) as error:
        raise FormatError(f"{path}: {error}") from error


def _check_settings(path: Path, settings: FastTextSettings) -> None:
    plausible = (
        0 < settings.dim < 1 << 20
        and settings.loss in (1, 2, 3, 4)
        and settings.model in (1, 2, 3)
        and settings.bucket >= 0
        and 0 <= settings.minn < 1 << 10
        and 0 <= settings.maxn < 1 << 10
        and 0 <= settings.t < 1e9
    )
    if not plausible:
        raise FormatError(
            f"{path}: its settings at byte 8 make no sense (dim {settings.dim}, loss "
            f"{settings.loss}, model {settings.model}, bucket {settings.bucket}); it is damaged, "
            "or of floret, which uses the same magic number"
        )


def _read_dictionary(
    file: _File,
) -> tuple[list[str], NDArray[np.int64], int, NDArray[np.int32] | None]:
    """Words, counts, number of tokens, and the (bucket, row) pairs where n-grams were pruned."""
    size, n_words, n_labels, n_tokens, n_pruned = file.unpack("<3i2q", "the dictionary's sizes")
    if min(size, n_words, n_labels) < 0 or size != n_words + n_labels or n_pruned < -1:
        raise FormatError(
            f"{file.path}: a dictionary of {size:,} entries, {n_words:,} words and {n_labels:,} "
            f"labels at byte {file.at - 28:,}; it is damaged, or of floret: download it again"
        )
    if size * 10 > len(file.data) - file.at:
        raise FormatError(
            f"{file.path}: {size:,} dictionary entries at byte {file.at:,} do not fit the file of "
            f"{len(file.data):,} bytes; it is truncated or damaged: download it again"
        )
    words: list[bytes] = []
    counts = np.empty(n_words, dtype=np.int64)
    block, start, position = b"", file.at, 0
    count_and_type = struct.Struct("<qb").unpack_from
    for entry in range(size):
        end = block.find(b"\0", position)
        if end < 0 or end + 10 > len(block):
            start, position = start + position, 0
            block = file.data[start : start + (1 << 22)].tobytes()
            end = block.find(b"\0")
            if end < 0 or end + 10 > len(block):
                raise FormatError(
                    f"{file.path}: dictionary entry {entry + 1:,} of {size:,}, at byte {start:,}, "
                    "is cut off; the file is truncated or damaged: download it again"
                )
        count, kind = count_and_type(block, end + 1)
        if kind not in (0, 1) or (kind == 0 and len(words) == n_words):
            raise FormatError(
                f"{file.path}: dictionary entry {entry + 1:,}, at byte {start + position:,}, is of "
                f"type {kind}; the file is damaged: download it again"
            )
        if kind == 0:
            counts[len(words)] = count
            words.append(block[position:end])
        position = end + 10
    file.at = start + position
    if len(words) != n_words:
        raise FormatError(
            f"{file.path}: {len(words):,} words in the dictionary where {n_words:,} are promised; "
            "it is damaged: download it again"
        )
    pruned = None
    if n_pruned >= 0:
        pairs = file.take(8 * n_pruned, "the pruned n-grams")
        pruned = np.frombuffer(pairs, dtype="<i4").reshape(-1, 2)
    # fastText writes -1 where nothing was pruned; 0 means that no n-gram was kept.
    names = [word.decode("utf-8", "surrogateescape") for word in words]
    return names, counts, n_tokens, pruned


def _read_matrix(file: _File, dim: int, what: str) -> Floats:
    is_quantised = file.take(1, what)[0]
    if is_quantised > 1:
        raise FormatError(
            f"{file.path}: {what} at byte {file.at - 1:,} is marked {is_quantised}, neither dense "
            "nor quantised; the file is damaged: download it again"
        )
    if is_quantised:
        matrix = _read_quantised(file, what)
    else:
        rows, width = file.unpack("<2q", what)
        matrix = file.floats((rows, width), what)
    if matrix.shape[1] != dim:
        raise FormatError(
            f"{file.path}: {what} has dimension {matrix.shape[1]:,} where the settings say "
            f"{dim:,}; the file is damaged: download it again"
        )
    return matrix


def _read_quantised(file: _File, what: str) -> Floats:
    has_norms = bool(file.take(1, what)[0])
    rows, dim, n_codes = file.unpack("<2qi", what)
    codes = np.frombuffer(file.take(n_codes, what), dtype=np.uint8)
    matrix = _decode(file, codes, rows, dim, what)
    if has_norms:
        norm_codes = np.frombuffer(file.take(rows, what), dtype=np.uint8)
        matrix *= _decode(file, norm_codes, rows, 1, what)
    return matrix


def _decode(file: _File, codes: NDArray[np.uint8], rows: int, dim: int, what: str) -> Floats:
    """The centroids that the codes name: (rows, dim)."""
    total, n_parts, width, last = file.unpack("<4i", what)
    fits = total == dim and n_parts > 0 and len(codes) == rows * n_parts
    if not fits or (n_parts - 1) * width + last != dim:
        raise FormatError(
            f"{file.path}: {what}: {n_parts} parts of {width} numbers do not make dimension {dim}; "
            "the file is damaged: download it again"
        )
    centroids = file.floats((256 * dim,), what)
    by_part = codes.reshape(rows, n_parts)
    matrix = np.empty((rows, dim), dtype=np.float32)
    for part in range(n_parts):
        size = last if part == n_parts - 1 else width
        table = centroids[256 * part * width :][: 256 * size].reshape(256, size)
        matrix[:, part * width : part * width + size] = table[by_part[:, part]]
    return matrix


def _first_words(
    limit: int,
    words: list[str],
    counts: NDArray[np.int64],
    rows: Floats,
    bucket_rows: NDArray[np.int32] | None,
    settings: FastTextSettings,
) -> tuple[list[str], NDArray[np.int64], Floats, NDArray[np.int32] | None]:
    """The first `limit` words with the n-grams that they use."""
    from rowspace.text.ngrams import subword_buckets

    n_words = len(words)
    words, counts = words[:limit], counts[:limit]
    _, buckets = subword_buckets(words, settings.minn, settings.maxn, settings.bucket)
    used = np.unique(buckets)
    places = used.astype(np.int64) if bucket_rows is None else bucket_rows[used].astype(np.int64)
    used, places = used[places >= 0], places[places >= 0]
    kept = np.full(settings.bucket, -1, dtype=np.int32)
    kept[used] = np.arange(len(used), dtype=np.int32)
    return words, counts, np.concatenate([rows[:limit], rows[n_words + places]]), kept


def write_bin(vectors: Vectors, path: Path) -> None:
    """Write version 12, which the official program and gensim read.

    Vectors without subwords become a model without n-grams (maxn 0). Buckets that a model has no
    row for are written as zeros, which is what they count as.

    Raises
    ------
    ConfigError
        If a key holds a NUL, which ends a word in this format, or n-grams are pruned.
    """
    if isinstance(vectors, SubwordVectors) and vectors.is_pruned:
        raise ConfigError(
            "these vectors' n-grams are pruned, which a .bin file cannot hold; save them in "
            "another format, or keep the .ftz file"
        )
    words = [encode_word(key) for key in vectors]
    for word in words:
        if b"\0" in word:
            raise ConfigError(f"the key {word!r} holds a NUL byte, which this format cannot keep")
    counts = vectors.counts if vectors.counts is not None else np.ones(len(words), dtype=np.int64)
    settings = _settings_of(vectors)
    n_tokens = vectors.metadata.get("n_tokens") or int(counts.sum())
    with write_atomically(path) as file, track("writing vectors", total=len(words)) as tracker:
        file.write(struct.pack("<2i", MAGIC, VERSION))
        file.write(struct.pack(_SETTINGS, *dataclasses.astuple(settings)))
        file.write(struct.pack("<3i2q", len(words), len(words), 0, n_tokens, -1))
        file.write(
            b"".join(
                b"%b\0%b" % (word, struct.pack("<qb", count, 0))
                for word, count in zip(words, counts.tolist(), strict=True)
            )
        )
        _write_input(vectors, settings, file)
        output = getattr(vectors, "output", None)
        n_out = len(words) if output is None else len(output)
        file.write(struct.pack("<?2q", False, n_out, vectors.dim))
        if output is None:
            output = np.zeros((n_out, vectors.dim), dtype=np.float32)
        _write_rows(output, file)
        tracker.set(len(words))


def _settings_of(vectors: Vectors) -> FastTextSettings:
    known = vectors.metadata.get("fasttext")
    if isinstance(vectors, SubwordVectors) and isinstance(known, dict):
        settings = FastTextSettings(**known)
    else:
        config = vectors.metadata.get("config") or {}
        settings = FastTextSettings(
            dim=vectors.dim,
            ws=config.get("window", 5),
            epoch=config.get("epochs", 5),
            min_count=config.get("min_count", 5),
            neg=config.get("n_negative", 5),
            loss=1 if config.get("loss") == "hierarchical_softmax" else 2,
            model=1 if config.get("architecture") == "cbow" else 2,
            t=config.get("subsample", 1e-4),
        )
    subwords = isinstance(vectors, SubwordVectors)
    settings.minn, settings.maxn, settings.bucket = (
        (vectors.minn, vectors.maxn, vectors.bucket) if subwords else (0, 0, 0)  # type: ignore[attr-defined]
    )
    if settings.maxn == 0:  # without n-grams the official program has no buckets either
        settings.bucket = 0
    if settings.model == 3:  # the labels are not kept, so neither is the classifier
        settings.model, settings.loss = 2, 2
    return settings


def _write_input(vectors: Vectors, settings: FastTextSettings, file: IO[bytes]) -> None:
    n_words = len(vectors)
    bucket = settings.bucket
    file.write(struct.pack("<?2q", False, n_words + bucket, vectors.dim))
    if not isinstance(vectors, SubwordVectors):
        _write_rows(vectors.matrix, file)
        return
    _write_rows(vectors.rows[:n_words], file)
    if vectors.bucket_rows is None:
        _write_rows(vectors.rows[n_words : n_words + bucket], file)
        return
    for first in range(0, bucket, _ROWS_AT_ONCE):
        places = vectors.bucket_rows[first : first + _ROWS_AT_ONCE]
        block = np.zeros((len(places), vectors.dim), dtype="<f4")
        block[places >= 0] = vectors.rows[n_words + places[places >= 0].astype(np.int64)]
        file.write(block.data)


def _write_rows(rows: Floats, file: IO[bytes]) -> None:
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        file.write(np.ascontiguousarray(rows[first : first + _ROWS_AT_ONCE], dtype="<f4").data)
