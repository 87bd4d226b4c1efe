"""Keys and a matrix: the one thing every trainer hands on and everything else reads.

The names are gensim's KeyedVectors', so code that queries one queries the other. Differs from it:
keys are strings only, never row numbers; `distances` of a zero vector are 1 and not NaN; words
left out because they are unknown are said in a warning; many queries go in one call.
The matrix may be memory-mapped: it is never copied or normalised, only its (n,) norms are kept,
and of a large one that is searched more than once a sketch of a quarter of its size.
"""

from __future__ import annotations

import functools
import numbers
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rowspace.errors import ConfigError, VocabularyError
from rowspace.space.analogy import cosmul_scores
from rowspace.space.key_index import KeyIndex
from rowspace.space.similarity import Doubles, Floats, largest, nearest_rows, row_norms, unit_rows
from rowspace.space.sketch import Sketch, fits_memory, is_worthwhile, make_sketch

KeyOrVector: TypeAlias = "str | NDArray[Any]"
QueryItem: TypeAlias = "KeyOrVector | tuple[KeyOrVector, float]"
Query: TypeAlias = "QueryItem | Sequence[QueryItem] | None"
"""A key, a vector, a (key or vector, weight) pair, or a list of these."""
Neighbors: TypeAlias = "list[tuple[str, float]]"


class Vectors:
    """Keys, each with a row of a matrix.

    Parameters
    ----------
    keys : sequence of str
        All different; usually words, the most frequent first.
    matrix : (n, dim) float32
        Kept without a copy where it is float32 already, and never changed. Other types are
        converted.
    counts : (n,) int array, optional
        How often each key occurred.
    metadata : mapping, optional
        Anything JSON can hold: how the vectors were made.

    Raises
    ------
    VocabularyError
        If there are no keys.
    ConfigError
        If keys, matrix and counts do not fit together, a key occurs twice, or the matrix holds
        NaN or infinity (a memory-mapped one is checked at its first search).

    Examples
    --------
    >>> vectors = Vectors(["cat", "dog", "car"], [[1, 0.2], [1, 0.3], [-0.1, 1]])
    >>> vectors.most_similar("cat", topn=1)[0][0]
    'dog'
    >>> "cat" in vectors, len(vectors), vectors.dim
    (True, 3, 2)
    """

    def __init__(
        self,
        keys: Sequence[str],
        matrix: ArrayLike,
        counts: ArrayLike | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._matrix = _as_matrix(matrix)
        self._keys = list(keys)
        self._key_to_index = dict(zip(self._keys, range(len(self._keys)), strict=True))
        self._check_keys()
        self._counts = None if counts is None else np.asarray(counts, dtype=np.int64)
        if self._counts is not None and self._counts.shape != (len(self),):
            raise ConfigError(
                f"counts have shape {self._counts.shape} for {len(self):,} keys; "
                "give one count a key"
            )
        self.metadata: dict[str, Any] = dict(metadata or {})
        self._norms: Floats | None = None
        if not isinstance(matrix, np.memmap):
            self._norms = self._finite_norms()

    @classmethod
    def prepared(
        cls,
        keys: list[str] | Callable[[], list[str]],
        matrix: Floats,
        *,
        norms: Floats | None = None,
        index: KeyIndex | None = None,
        counts: NDArray[np.int64] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Vectors:
        """Vectors of parts that are known to fit together, without another look at them.

        For readers of files, which check while they read. Keys may be a function, called when a
        key is first asked for; `index` finds them until a dict is asked for.
        """
        self = cls.__new__(cls)
        self._matrix = _as_matrix(matrix)
        if callable(keys):
            self._read_keys = keys
        else:
            self._keys = keys
        self._index = index
        self._counts = counts
        self.metadata = dict(metadata or {})
        self._norms = norms
        if norms is not None:
            norms.flags.writeable = False
        return self

    _read_keys: Callable[[], list[str]]
    _index: KeyIndex | None = None
    _sketch: Sketch | None = None
    _n_queries = 0

    @functools.cached_property
    def _keys(self) -> list[str]:
        return self._read_keys()

    @functools.cached_property
    def _key_to_index(self) -> dict[str, int]:
        return dict(zip(self._keys, range(len(self._keys)), strict=True))

    def _check_keys(self) -> None:
        if not self._keys:
            raise VocabularyError("there are no keys, so nothing can be found; give at least one")
        if len(self._keys) != len(self._matrix):
            raise ConfigError(
                f"{len(self._keys):,} keys for a matrix of {len(self._matrix):,} rows; "
                "give one key a row"
            )
        if not all(issubclass(kind, str) for kind in set(map(type, self._keys))):
            wrong = next(key for key in self._keys if not isinstance(key, str))
            raise ConfigError(f"key {wrong!r} is not a string; give strings as keys")
        if len(self._key_to_index) != len(self._keys):
            twice = next(k for row, k in enumerate(self._keys) if self._key_to_index[k] != row)
            raise ConfigError(f"key {twice!r} occurs more than once; keep one row of each key")

    def _finite_norms(self) -> Floats:
        norms = row_norms(self._matrix)
        norms.flags.writeable = False
        wrong = np.flatnonzero(~np.isfinite(norms))
        if len(wrong):
            raise ConfigError(
                f"the vector of {self._keys[wrong[0]]!r} (row {wrong[0]}) holds NaN, infinity or "
                f"values beyond float32, as {len(wrong):,} of {len(self):,} do; train again with "
                "a lower learning rate, or drop these rows"
            )
        return norms

    # What it holds

    @property
    def index_to_key(self) -> list[str]:
        """The keys in the order of the rows. Not to be changed."""
        return self._keys

    @property
    def key_to_index(self) -> dict[str, int]:
        """The row of each key. Not to be changed."""
        return self._key_to_index

    @property
    def matrix(self) -> Floats:
        """The (n, dim) float32 matrix, read-only."""
        return self._matrix

    @property
    def vectors(self) -> Floats:
        """The matrix under gensim's name."""
        return self._matrix

    @property
    def counts(self) -> NDArray[np.int64] | None:
        """How often each key occurred, (n,) int64, or None where it is not known."""
        return self._counts

    @property
    def norms(self) -> Floats:
        """Length of each row, (n,) float32, computed when first asked for.

        Raises
        ------
        ConfigError
            If a row holds NaN or infinity.
        """
        if self._norms is None:
            self._norms = self._finite_norms()
        return self._norms

    @property
    def index(self) -> KeyIndex | None:
        """What finds keys where they were read from a file; for those who store it."""
        return self._index

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._matrix.shape[1])

    @property
    def vector_size(self) -> int:
        """Length of a vector, under gensim's name."""
        return self.dim

    def __len__(self) -> int:
        return len(self._matrix)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._find(key) is not None

    def __repr__(self) -> str:
        return f"Vectors({len(self):,} keys, dim {self.dim})"

    def __getitem__(self, key_or_keys: str | Sequence[str]) -> Floats:
        """The vector of a key, (dim,), or of several, (n_keys, dim)."""
        if isinstance(key_or_keys, str):
            return self.get_vector(key_or_keys)
        return self._matrix[self._rows(key_or_keys)]

    def get_vector(self, key: str, norm: bool = False) -> Floats:
        """The vector of `key`, (dim,) float32, read-only; scaled to length 1 with `norm`.

        Raises
        ------
        VocabularyError
            If there is no such key; the message names a near miss.
        """
        vector: Floats = self._matrix[self.get_index(key)]
        return unit_rows(vector[None])[0].astype(np.float32) if norm else vector

    def get_index(self, key: str) -> int:
        """The row of `key`.

        Raises
        ------
        VocabularyError
            If there is no such key; the message names a near miss.
        """
        row = self._find(key) if isinstance(key, str) else None
        if row is None:
            raise VocabularyError(self._explain_unknown(key))
        return row

    def _find(self, key: str) -> int | None:
        if self._index is None or "_key_to_index" in vars(self):
            return self._key_to_index.get(key)
        return self._index.find(key, self._keys)

    def _rows(self, keys: Iterable[Any]) -> NDArray[np.int64]:
        return np.array([self.get_index(key) for key in keys], dtype=np.int64)

    def _explain_unknown(self, key: object) -> str:
        if not isinstance(key, str):
            return f"{key!r} is not a key, which are strings; for a row by number use .matrix"
        near = _near_miss(key, self._find)
        advice = f"did you mean {near!r}?" if near else "check its spelling and case"
        return f"no vector for {key!r} among {len(self):,} keys; {advice}"

    # Nearest keys

    def n_frequent(self, min_count: int) -> int | None:
        """How many keys, the first ones, occur `min_count` times: what `restrict_vocab` takes.

        None without counts, or where the keys are not in the order of their counts.
        """
        if self._counts is None or np.any(np.diff(self._counts) > 0):
            return None
        return max(1, int(np.count_nonzero(self._counts >= min_count)))

    def most_similar(
        self,
        positive: Query = None,
        negative: Query = None,
        topn: int = 10,
        restrict_vocab: int | None = None,
        metric: str = "cosine",
    ) -> Neighbors:
        """The keys nearest to a sum of vectors; the keys asked about are left out.

        With two positive keys and a negative one this is 3CosAdd (Mikolov et al. 2013): each
        key's vector is scaled to length 1 before they are summed. A vector given as an array is
        summed as it is. For "euclidean" and "dot" the raw vectors are summed and, where the
        weights add up to more than 0, divided by that: several positives mean their centroid.

        Parameters
        ----------
        positive, negative : key, (dim,) array, (key or array, weight), or a list of these
            Weight 1 where positive and -1 where negative. A weight that is given counts as it is,
            in `negative` too, as in gensim.
        topn : int
            More than there are keys means all.
        restrict_vocab : int, optional
            Search only the first so many keys, the most frequent ones in most files.
        metric : {"cosine", "euclidean", "dot"}

        Returns
        -------
        list of (str, float)
            Best first. Cosine in [-1, 1] or dot product; with "euclidean" the distance.

        Raises
        ------
        VocabularyError
            If a key is unknown.
        ConfigError
            If nothing is asked, topn is below 1, or the metric is unknown.

        Examples
        --------
        >>> vectors = Vectors(["a", "b", "c"], [[1, 0], [3, 4], [0, 1]])
        >>> [(key, round(score, 3)) for key, score in vectors.most_similar("a")]
        [('b', 0.6), ('c', 0.0)]
        >>> [(key, round(d, 3)) for key, d in vectors.most_similar("a", metric="euclidean")]
        [('c', 1.414), ('b', 4.472)]
        """
        items = _weigh(positive, 1.0) + _weigh(negative, -1.0)
        if not items:
            raise ConfigError("nothing to look for; give a key or a vector as positive or negative")
        total = np.zeros(self.dim)
        for item, weight in items:
            total += weight * self._operand(item, normalise=metric == "cosine")
        weights = sum(weight for _, weight in items)
        if metric != "cosine" and weights > 0:
            total /= weights
        asked = np.array([[self.get_index(item) for item, _ in items if isinstance(item, str)]])
        return self._nearest(total[None], topn, metric, restrict_vocab, asked.astype(np.int64))[0]

    def most_similar_batch(
        self,
        queries: Sequence[str] | NDArray[Any],
        topn: int = 10,
        restrict_vocab: int | None = None,
        metric: str = "cosine",
    ) -> list[Neighbors]:
        """`most_similar` of many queries at once, much faster than one by one.

        Parameters
        ----------
        queries : sequence of str, or (n_queries, dim) array
            A key is left out of its own answer.
        topn, restrict_vocab, metric
            As in `most_similar`.

        Returns
        -------
        list of list of (str, float)
            One list a query.
        """
        if isinstance(queries, str):
            raise ConfigError(f"queries is one string, {queries!r}; give a list of keys")
        if isinstance(queries, np.ndarray) and queries.dtype.kind in "fiu":
            if queries.ndim != 2:
                raise ConfigError(f"queries have shape {queries.shape}; give a vector a row")
            for query in queries:
                self._check_vector(query)
            return self._nearest(queries, topn, metric, restrict_vocab, None)
        rows = self._rows(queries)
        return self._nearest(self._matrix[rows], topn, metric, restrict_vocab, rows[:, None])

    def _nearest(
        self,
        queries: NDArray[Any],
        topn: int,
        metric: str,
        restrict_vocab: int | None,
        exclude: NDArray[np.int64] | None,
    ) -> list[Neighbors]:
        """Neighbours of (n_queries, dim) queries among the first `restrict_vocab` rows."""
        n = self._searched(restrict_vocab)
        norms = self.norms[:n]
        sketch = self._find_sketch(n, len(queries)) if metric == "cosine" else None
        rows, scores = nearest_rows(
            self._matrix[:n],
            queries,
            topn,
            metric=metric,
            norms=norms,
            exclude=exclude,
            sketch=sketch,
        )
        return [
            [(self._keys[row], score) for row, score in zip(found, values, strict=True) if row >= 0]
            for found, values in zip(rows.tolist(), scores.tolist(), strict=True)
        ]

    def _find_sketch(self, n: int, n_queries: int) -> Sketch | None:
        """A sketch of the first n rows, where these are many and it is not for one query only.

        To make it takes as long as some queries without it.
        """
        if not is_worthwhile(n, self.dim):
            return None
        self._n_queries += n_queries
        if self._sketch is None and self._n_queries > 1 and fits_memory(len(self), self.dim):
            self._sketch = make_sketch(self._matrix)
        return None if self._sketch is None else self._sketch.part(slice(n))

    def _searched(self, restrict_vocab: int | None) -> int:
        if restrict_vocab is not None and restrict_vocab < 1:
            raise ConfigError(
                f"restrict_vocab is {restrict_vocab}, so nothing is searched; give 1 or more"
            )
        return min(restrict_vocab or len(self), len(self))

    def most_similar_cosmul(
        self,
        positive: Query = None,
        negative: Query = None,
        topn: int = 10,
        restrict_vocab: int | None = None,
    ) -> Neighbors:
        """The keys nearest by the product of cosines: 3CosMul (Levy & Goldberg 2014, eq. 4).

        Parameters
        ----------
        positive, negative : key, (dim,) array, or a list of these
            At least one positive. Arrays are scaled to length 1 too; weights make no sense here.
        topn, restrict_vocab
            As in `most_similar`.

        Returns
        -------
        list of (str, float)
            Best first; the score has no upper limit.

        Raises
        ------
        VocabularyError, ConfigError
            As `most_similar`.
        """
        items = _weigh(positive, 1.0), _weigh(negative, -1.0)
        if not items[0]:
            raise ConfigError("3CosMul has nothing to multiply; give at least one positive")
        if any(w != sign for side, sign in zip(items, (1.0, -1.0), strict=True) for _, w in side):
            raise ConfigError("3CosMul takes no weights; use most_similar for weighted keys")
        if topn < 1:
            raise ConfigError(f"topn is {topn}, so nothing can be returned; give 1 or more")
        n = self._searched(restrict_vocab)
        operands = [
            np.array([self._operand(item, normalise=True) for item, _ in side]).reshape(
                -1, self.dim
            )
            for side in items
        ]
        scores = cosmul_scores(
            self._matrix[:n], self.norms[:n], unit_rows(operands[0]), unit_rows(operands[1])
        )
        asked = {
            self.get_index(item) for side in items for item, _ in side if isinstance(item, str)
        }
        scores[[row for row in asked if row < n]] = -np.inf
        return [(self._keys[row], float(scores[row])) for row in largest(scores, topn)]

    def similar_by_key(
        self, key: str, topn: int = 10, restrict_vocab: int | None = None
    ) -> Neighbors:
        """`most_similar` to one key."""
        return self.most_similar([key], topn=topn, restrict_vocab=restrict_vocab)

    similar_by_word = similar_by_key

    def similar_by_vector(
        self, vector: NDArray[Any], topn: int = 10, restrict_vocab: int | None = None
    ) -> Neighbors:
        """`most_similar` to one vector, (dim,)."""
        return self.most_similar([np.asarray(vector)], topn=topn, restrict_vocab=restrict_vocab)

    # Similarity of given keys

    def similarity(self, key1: str, key2: str) -> float:
        """Cosine of two keys' vectors, in [-1, 1]; 0 where one is a zero vector."""
        unit1, unit2 = unit_rows(self[[key1, key2]])
        return float(np.clip(unit1 @ unit2, -1.0, 1.0))

    def distance(self, key1: str, key2: str) -> float:
        """1 - cosine of two keys' vectors, in [0, 2]."""
        return 1.0 - self.similarity(key1, key2)

    def distances(self, key_or_vector: KeyOrVector, other_keys: Sequence[str] = ()) -> Floats:
        """1 - cosine of one vector with all others, (n,), or with those of `other_keys`."""
        unit = unit_rows(self._operand(key_or_vector, normalise=False)[None])[0]
        if len(other_keys):
            return _float32(1.0 - unit_rows(self[other_keys]) @ unit)
        products = self._matrix @ unit.astype(np.float32)
        cosines = np.divide(products, self.norms, out=products, where=self.norms > 0)
        return _float32(1.0 - cosines)

    def n_similarity(self, keys1: Sequence[str], keys2: Sequence[str]) -> float:
        """Cosine of the mean vectors of two sets of keys; unknown keys are left out.

        Raises
        ------
        VocabularyError
            If a set has no known key.
        """
        means = [self[self._known(keys)].mean(axis=0, dtype=np.float64) for keys in (keys1, keys2)]
        unit1, unit2 = unit_rows(np.array(means))
        return float(np.clip(unit1 @ unit2, -1.0, 1.0))

    @staticmethod
    def cosine_similarities(vector: NDArray[Any], vectors: NDArray[Any]) -> Floats:
        """Cosine of one vector (dim,) with each row of (n, dim): (n,) float32."""
        return _float32(unit_rows(vectors) @ unit_rows(vector[None])[0])

    def doesnt_match(self, keys: Sequence[str]) -> str:
        """The key farthest by cosine from the mean of all; unknown keys are left out.

        Raises
        ------
        VocabularyError
            If no key is known.

        Examples
        --------
        >>> vectors = Vectors(["cat", "dog", "car"], [[1, 0.2], [1, 0.3], [-0.1, 1]])
        >>> vectors.doesnt_match(["cat", "dog", "car"])
        'car'
        """
        known = self._known(keys)
        units = unit_rows(self[known])
        return known[int(np.argmin(units @ units.mean(axis=0)))]

    def closer_than(self, key1: str, key2: str) -> list[str]:
        """All keys closer to `key1` by cosine than `key2` is, in the order of the rows."""
        row1, row2 = self.get_index(key1), self.get_index(key2)
        distances = self.distances(key1)
        closer = np.flatnonzero(distances < distances[row2])
        return [self._keys[row] for row in closer.tolist() if row != row1]

    def rank(self, key1: str, key2: str) -> int:
        """Place of `key2` among the neighbours of `key1`; the nearest has rank 1."""
        return len(self.closer_than(key1, key2)) + 1

    def _known(self, keys: Sequence[str]) -> list[str]:
        if isinstance(keys, str):
            raise ConfigError(f"keys is one string, {keys!r}; give a list of keys")
        known = [key for key in keys if key in self]
        unknown = [key for key in keys if key not in self]
        if not known:
            what = f"none of {', '.join(map(repr, unknown))} has" if unknown else "no keys have"
            raise VocabularyError(f"{what} a vector; give at least one key of this vocabulary")
        if unknown:
            warnings.warn(
                f"left out, as they have no vector: {', '.join(map(repr, unknown))}", stacklevel=3
            )
        return known

    def _operand(self, item: KeyOrVector, *, normalise: bool) -> Doubles:
        """A key's vector (dim,), of length 1 with `normalise`; or a given vector as it is."""
        if isinstance(item, np.ndarray):
            self._check_vector(item)
            return item.astype(np.float64)
        vector = self.get_vector(item)
        return unit_rows(vector[None])[0] if normalise else vector.astype(np.float64)

    def _check_vector(self, vector: NDArray[Any]) -> None:
        if vector.shape != (self.dim,):
            raise ConfigError(
                f"the query vector has shape {vector.shape}; give one of dimension {self.dim}"
            )
        if not np.isfinite(vector).all():
            raise ConfigError("the query vector holds NaN or infinity; give finite numbers")

    # Files

    def save(self, path: Path | str, format: str | None = None) -> None:
        """Write to `path` in the format its suffix says; see `rowspace.space.formats.save`."""
        from rowspace.space.formats import save

        save(self, path, format=format)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        limit: int | None = None,
        mmap: bool = True,
        format: str | None = None,
        cache: bool | None = None,
    ) -> Vectors:
        """Read vectors of any known format; see `rowspace.space.formats.load`."""
        from rowspace.space.formats import load

        return load(path, limit=limit, mmap=mmap, format=format, cache=cache)


def _as_matrix(matrix: ArrayLike) -> Floats:
    """`matrix` as a read-only (n, dim) float32 view, copied only to convert it."""
    try:
        array = np.asarray(matrix, dtype=np.float32).view()
    except ValueError as error:
        raise ConfigError(f"the vectors do not form a matrix ({error})") from error
    if array.ndim != 2 or array.shape[1] == 0:
        raise ConfigError(f"the matrix has shape {array.shape}; give (number of keys, dimension)")
    array.flags.writeable = False
    return array


def _float32(values: NDArray[Any]) -> Floats:
    return values.astype(np.float32, copy=False)


def _weigh(query: Query, weight: float) -> list[tuple[KeyOrVector, float]]:
    """Each key or vector of a query with its weight, `weight` where none is given."""
    if query is None:
        return []
    if isinstance(query, str) or _is_weighted(query):
        items: Sequence[Any] = [query]
    elif isinstance(query, np.ndarray):
        items = list(np.atleast_2d(query))
    else:
        items = query
    return [(i[0], float(i[1])) if _is_weighted(i) else (i, weight) for i in items]


def _is_weighted(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], numbers.Real)


def _near_miss(key: str, find: Callable[[str], int | None]) -> str | None:
    """A key that differs in case, in spaces, or by one letter; the one with the lowest row.

    Tries the spellings instead of the keys, so it costs the same on any vocabulary (Norvig 2007,
    https://norvig.com/spell-correct.html).
    """

    def rows(spellings: Iterable[str]) -> dict[str, int]:
        return {each: row for each in spellings if (row := find(each)) is not None}

    spaced = key.strip().replace(" ", "_")
    cases = [key.strip(), key.lower(), key.capitalize(), key.title(), key.upper(), spaced]
    begins = ("Ġ", "▁")  # how subword tokenizers spell the space before a word
    cases += [space + word for space in begins for word in (key.strip(), key.strip().lower())]
    near = rows([*cases, spaced.lower(), spaced.title()]) or rows(_one_edit(key.lower()))
    return min(near, key=near.__getitem__, default=None)


def _one_edit(key: str) -> Iterator[str]:
    """Spellings of `key` with one letter dropped, swapped, replaced or added."""
    if not 2 <= len(key) <= 40:
        return
    letters = sorted({*key, *"abcdefghijklmnopqrstuvwxyz"})
    for i in range(len(key) + 1):
        head, tail = key[:i], key[i:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in letters:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]
