"""Classification: can a linear classifier tell from a text's vector what people said of it?

Conneau & Kiela (2018), SentEval, https://arxiv.org/abs/1803.05449, and MTEB, Muennighoff et al.
(2023), https://aclanthology.org/2023.eacl-main.148: a logistic regression on vectors that stay as
they are. As in SentEval, and unlike MTEB's 8 to 16 texts a label, it learns from all texts and the
strength of its penalty is chosen by cross-validation. Unlike both, each dimension is scaled to mean
0 and variance 1: so the score does not depend on the length of a model's vectors, and the few huge
dimensions of a transformer's raw states do not hide the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rowspace.errors import ConfigError
from rowspace.evaluate.labelled_texts import TextTask
from rowspace.evaluate.sense import Labels, macro_f1
from rowspace.sentence.alike import encode_alike
from rowspace.space.encoder import Encoder

N_FOLDS = 5
_N_ROUNDS = 1_000  # of L-BFGS, which stops by itself long before
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class ClassificationSettings:
    """How texts are classified."""

    n_train: int | None = None
    """Texts that the classifier learns from at most, about as many of each label as its share;
    None for all."""

    n_test: int | None = None
    """Texts that it is tried on at most."""

    seed: int = 0
    """Of the split, where the files have none, and of which texts are taken."""

    penalties: tuple[float, ...] = (0.0001, 0.001, 0.01, 0.1, 1.0)
    """The values of C, the inverse of the penalty's strength, of which the best in cross-validation
    on the training texts is taken."""

    def __post_init__(self) -> None:
        if not self.penalties or min(self.penalties) <= 0:
            raise ConfigError(f"penalties are {self.penalties}; give one number above 0 or more")


@dataclass(frozen=True, kw_only=True)
class ClassificationResult:
    """How well one encoder's vectors tell the labels of one task."""

    accuracy: float
    """Share of the test texts whose label was told, in [0, 1]."""

    macro_f1: float
    """Mean of the labels' F1, so that rare ones count as much, in [0, 1]."""

    most_frequent_accuracy: float
    """Of the training texts' most frequent label for all."""

    n_train: int
    """Texts that the classifier learned from."""

    n_test: int
    """Texts behind the scores."""

    n_labels: int

    n_zero: int
    """Test texts with a zero vector; all get the same label."""

    penalty: float
    """The C that was taken."""

    notes: tuple[str, ...] = ()
    """What a reader must know to trust the numbers."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the classifier said of each test text."""

    truth: Labels
    """(n_test,): labels by number, in their alphabetical order."""

    said: Labels
    """(n_test,)."""

    is_zero: NDArray[np.bool_]
    """(n_test,): whether the text has a zero vector."""

    train: Labels
    """(n_train,): the labels that were learned from."""

    penalty: float

    notes: tuple[str, ...] = ()


def evaluate_classification(
    encoder: Encoder, task: TextTask, settings: ClassificationSettings | None = None
) -> ClassificationResult:
    """Learn to tell labels from vectors of texts, and try it on others.

    Parameters
    ----------
    encoder : Encoder
    task : TextTask
        Cut to the settings' limits here.
    settings : ClassificationSettings, optional

    Returns
    -------
    ClassificationResult

    Examples
    --------
    >>> import numpy as np
    >>> from rowspace.evaluate.labelled_texts import LabelledTexts, TextTask
    >>> from rowspace.space.vectors import Vectors
    >>> from rowspace.static.mean import MeanEncoder
    >>> matrix = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], dtype=np.float32)
    >>> encoder = MeanEncoder(Vectors(["cat", "dog", "tax", "law"], matrix))
    >>> train = LabelledTexts(texts=["cat", "the cat", "tax", "the tax"], labels=list("aabb"))
    >>> test = LabelledTexts(texts=["dog", "law"], labels=list("ab"))
    >>> evaluate_classification(encoder, TextTask(name="x", train=train, test=test)).accuracy
    1.0
    """
    told = tell_labels(encoder, task, settings)
    usual = np.bincount(told.train).argmax()
    return ClassificationResult(
        accuracy=float((told.truth == told.said).mean()),
        macro_f1=macro_f1(told.truth, told.said),
        most_frequent_accuracy=float((told.truth == usual).mean()),
        n_train=len(told.train),
        n_test=len(told.truth),
        n_labels=len(set(told.train.tolist())),
        n_zero=int(told.is_zero.sum()),
        penalty=told.penalty,
        notes=told.notes,
    )


def tell_labels(
    encoder: Encoder, task: TextTask, settings: ClassificationSettings | None = None
) -> Told:
    """As `evaluate_classification`: what was said of each test text."""
    settings = settings or ClassificationSettings()
    task = task.limited(settings.n_train, settings.n_test, settings.seed)
    vectors, notes = encode_alike(encoder, [*task.train.texts, *task.test.texts])
    train, test = np.split(vectors.astype(np.float64), [len(task.train)])
    names = sorted({*task.train.labels, *task.test.labels})
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[label] for label in task.train.labels])
    with threadpool_limits(1):  # the sums of several threads are not always the same
        said, penalty = _classify(train, labels, test, settings.penalties)
    return Told(
        truth=np.array([numbers[label] for label in task.test.labels]),
        said=said,
        is_zero=~np.asarray(test.any(axis=1)),
        train=labels,
        penalty=penalty,
        notes=(*task.notes, *notes),
    )


def _classify(
    train: NDArray[np.float64],
    labels: Labels,
    test: NDArray[np.float64],
    penalties: tuple[float, ...],
) -> tuple[Labels, float]:
    """The labels of `test`, and the C that they were told with."""
    best = max(penalties, key=lambda c: (_cross_validated(train, labels, c), -c))
    said: Labels = _classifier(best).fit(train, labels).predict(test)
    return said, best


def _cross_validated(train: NDArray[np.float64], labels: Labels, penalty: float) -> float:
    """Accuracy over all folds."""
    from sklearn.model_selection import KFold

    hits = 0
    n_folds = min(N_FOLDS, len(labels))
    for kept, held in KFold(n_folds, shuffle=True, random_state=_SEED).split(train):
        if len(set(labels[kept].tolist())) < 2:
            said = labels[kept][:1]
        else:
            said = _classifier(penalty).fit(train[kept], labels[kept]).predict(train[held])
        hits += int((said == labels[held]).sum())
    return hits / len(labels)


def _classifier(penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=_N_ROUNDS))
