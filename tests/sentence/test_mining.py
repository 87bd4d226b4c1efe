"""Hard negatives, against scoring everything with everything."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.sentence import mining
from rowspace.sentence.example import Example
from rowspace.sentence.mining import MiningConfig, mine_negatives
from tests.naive_mining import naive_negatives

DIM = 6


class Table:
    """An encoder of a random vector for each text."""

    dim = DIM

    def __init__(self, seed: int = 0) -> None:
        self.fingerprint = str(seed)
        self.n_encoded = 0

    def __getitem__(self, text: str) -> NDArray[np.float32]:
        seeds = [int(self.fingerprint), *text.encode()]
        return np.random.default_rng(seeds).normal(size=DIM).astype(np.float32)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.n_encoded += len(texts)
        return np.stack([self[text] for text in texts])


class Vectors(dict[str, NDArray[np.float32]]):
    def __init__(self, table: Table) -> None:
        self.table = table

    def __missing__(self, text: str) -> NDArray[np.float32]:
        return self.table[text]


PAIRS = [(f"anchor {i // 2}", f"text {i}") for i in range(40)]
CORPUS = [f"text {i}" for i in range(20, 90)] + ["anchor 3", "anchor 4"]
ALL = [*(positive for _, positive in PAIRS), *CORPUS]
EXAMPLES = [Example(*pair, negatives=("old",), score=1.0) for pair in PAIRS]


@pytest.mark.parametrize("has_teacher", [False, True])
@pytest.mark.parametrize(("ranks", "margin"), [((0, 200), 0.05), ((10, 30), 0.0), ((3, 50), 0.5)])
def test_negatives_are_those_of_scoring_everything(
    ranks: tuple[int, int], margin: float, has_teacher: bool
) -> None:
    encoder, teacher = Table(1), Table(2) if has_teacher else None
    config = MiningConfig(n_negatives=4, ranks=ranks, relative_margin=margin, with_scores=True)
    mined = mine_negatives(EXAMPLES, CORPUS, encoder, config, teacher=teacher)
    wanted = naive_negatives(
        PAIRS, ALL, Vectors(encoder), Vectors(teacher or encoder), ranks, margin
    )
    assert max(map(len, wanted)) > 4
    for pair, example, texts in zip(PAIRS, mined.examples, wanted, strict=True):
        assert (example.anchor, example.positive, example.score) == (*pair, None)
        assert list(example.negatives) == [text for text, _ in texts[:4]]
        assert example.scores[1:] == pytest.approx([score for _, score in texts[:4]], abs=2e-6)
    assert mined.n_short == sum(len(texts) < 4 for texts in wanted)
    assert mined.n_without == sum(not texts for texts in wanted)
    assert mined.n_texts == len(set(ALL))


def test_a_random_sample_is_of_the_same_texts_and_the_same_again() -> None:
    encoder = Table(1)
    wanted = naive_negatives(PAIRS, ALL, Vectors(encoder), Vectors(encoder), (0, 50), 0.05)
    config = MiningConfig(n_negatives=4, ranks=(0, 50), sampling="random", seed=3)
    mined = mine_negatives(EXAMPLES, CORPUS, encoder, config)
    for example, texts in zip(mined.examples, wanted, strict=True):
        assert set(example.negatives) <= {text for text, _ in texts}
        assert len(example.negatives) == min(4, len(texts))
        assert example.scores == ()
    assert mined == mine_negatives(EXAMPLES, CORPUS, encoder, config)
    other = MiningConfig(n_negatives=4, ranks=(0, 50), sampling="random", seed=4)
    assert mined != mine_negatives(EXAMPLES, CORPUS, encoder, other)


def test_every_bound_holds_at_once() -> None:
    config = MiningConfig(
        n_negatives=90, relative_margin=0.1, absolute_margin=0.2, max_score=0.3, with_scores=True
    )
    mined = mine_negatives(EXAMPLES, CORPUS, Table(1), config)
    bounds = np.zeros(3, int)
    for example in mined.examples:
        positive, *scores = example.scores
        limits = (positive - 0.1 * abs(positive), positive - 0.2, 0.3)
        assert all(score < min(limits) for score in scores)
        bounds[np.argmin(limits)] += 1
    assert (bounds[1:] > 0).all()


def test_the_same_text_in_other_case_and_spacing_is_no_negative() -> None:
    examples = [Example("Green  tea", "A drink"), Example("green tea", "Leaves")]
    texts = ["a  DRINK", "leaves", "GREEN TEA", "an oak", "An Oak"]
    config = MiningConfig(relative_margin=None)
    mined = mine_negatives(examples, texts, Table(), config)
    assert [example.negatives for example in mined.examples] == [("an oak",)] * 2
    assert (mined.n_short, mined.n_without) == (2, 0)


def test_queries_and_documents_are_encoded_each_in_their_way() -> None:
    class Prompted(Table):
        def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return self.encode([f"query: {text}" for text in texts])

        def encode_document(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return self.encode([f"passage: {text}" for text in texts])

    encoder = Prompted(1)
    config = MiningConfig(n_negatives=1, relative_margin=None, with_scores=True)
    (example, *_) = mine_negatives(EXAMPLES, CORPUS, encoder, config).examples
    query, best = encoder["query: anchor 0"], encoder[f"passage: {example.negatives[0]}"]
    cosine = query @ best / np.linalg.norm(query) / np.linalg.norm(best)
    assert example.scores[1] == pytest.approx(cosine, abs=2e-6)


def test_a_run_goes_on_with_the_vectors_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mining, "_TEXTS_AT_ONCE", 8)

    class Interrupted(Table):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if self.n_encoded >= 60:
                raise KeyboardInterrupt
            return super().encode(texts)

    with pytest.raises(KeyboardInterrupt):
        mine_negatives(EXAMPLES, CORPUS, Interrupted(1), folder=tmp_path)
    encoder = Table(1)
    mined = mine_negatives(EXAMPLES, CORPUS, encoder, folder=tmp_path)
    n_texts = 20 + len(set(ALL))
    assert encoder.n_encoded == n_texts - 60  # a block that was begun is whole by then
    assert mined == mine_negatives(EXAMPLES, CORPUS, Table(1))
    with pytest.raises(ConfigError, match="holds vectors of other texts or another model"):
        mine_negatives(EXAMPLES, CORPUS, Table(2), folder=tmp_path)


def test_texts_that_are_cut_are_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mining, "_TEXTS_AT_ONCE", 8)

    class Short(Table):
        n_truncated = 2

        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            said = f"2 of {len(texts)} texts are longer than 3 tokens, and the rest was not read"
            warnings.warn(said, stacklevel=1)
            return super().encode(texts)

    with pytest.warns(UserWarning) as told:
        mine_negatives(EXAMPLES, CORPUS, Short())
    messages = [str(each.message).split(" were ")[0] for each in told]
    assert messages == [
        "the ends of 6 of 20 texts",
        "the ends of 24 of 92 texts",
    ]  # anchors, then the others


def test_what_cannot_be_is_told() -> None:
    class Broken(Table):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.full((len(texts), DIM), np.nan, np.float32)

    with pytest.raises(ConfigError, match="the encoder gave a vector with NaN"):
        mine_negatives(EXAMPLES, CORPUS, Broken())
    with pytest.raises(ConfigError, match="n_negatives is 0; give 1 or more"):
        MiningConfig(n_negatives=0)
    with pytest.raises(ConfigError, match="ranks is 10-10, which holds none; give such as 10-210"):
        MiningConfig(ranks=(10, 10))
    with pytest.raises(ConfigError, match="sampling is 'best'; give one of top, random"):
        MiningConfig(sampling="best")
