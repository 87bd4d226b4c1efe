"""Every error a user can meet.

RowspaceError
├── ConfigError            a setting that cannot work (also ValueError)
├── CorpusError            text that cannot be read (also ValueError)
├── VocabularyError        a word or a vocabulary that is not there (also KeyError)
├── FormatError            a vector or model file that is not what it should be (also ValueError)
├── TrainingError          training that diverged (also ArithmeticError)
├── EvaluationError        a task that cannot be scored (also ValueError)
├── FilterError            a `--where` expression that does not parse or fit (also ValueError)
├── RemoteError            a server that does not answer as it should (also RuntimeError)
├── ClusterError           workers that are not there or cannot do the work (also RuntimeError)
├── StorageError           object storage that refuses or is out of reach (also OSError)
├── MissingExtraError      a package that an optional feature needs (also ImportError)
└── SpaceError             a space that cannot be used
    ├── SpaceLockedError   another process is writing it
    ├── SpaceVersionError  a newer Rowspace wrote it
    ├── SpaceChangedError  the version of it that is shown is gone
    └── SpaceCorruptError  its files are damaged

The message is one line: what happened, with the value, then what to do.
"""

from __future__ import annotations


class RowspaceError(Exception):
    """Base of every error that Rowspace raises on purpose."""

    def __str__(self) -> str:  # KeyError would print the message's repr
        return str(self.args[0]) if self.args else ""


class ConfigError(RowspaceError, ValueError):
    """A setting that cannot work."""


class CorpusError(RowspaceError, ValueError):
    """Text that cannot be read: missing, empty, binary, or in another encoding."""


class VocabularyError(RowspaceError, KeyError):
    """A word that has no vector, or a vocabulary with no words in it."""


class FormatError(RowspaceError, ValueError):
    """A vector or model file that is damaged or in another format."""


class TrainingError(RowspaceError, ArithmeticError):
    """Training that diverged: a loss, a gradient or a weight is no number any more."""


class EvaluationError(RowspaceError, ValueError):
    """A task that cannot be scored."""


class FilterError(RowspaceError, ValueError):
    """A filter expression that does not parse, or names an unknown field."""


class RemoteError(RowspaceError, RuntimeError):
    """A server that refuses, is out of reach, or answers with what makes no sense."""


class ClusterError(RowspaceError, RuntimeError):
    """A cluster that is not there, or whose workers cannot do the work."""


class StorageError(RowspaceError, OSError):
    """Object storage that refuses, is out of reach, or has changed under a write."""


class MissingExtraError(RowspaceError, ImportError):
    """An optional package that is not installed."""


class SpaceError(RowspaceError):
    """A space that cannot be used."""


class SpaceLockedError(SpaceError):
    """Another process is writing this space."""


class SpaceVersionError(SpaceError):
    """A space in a format newer than this Rowspace reads."""


class SpaceChangedError(SpaceError):
    """A version of a space that a writer has removed while it was shown."""


class SpaceCorruptError(SpaceError):
    """A space whose files are damaged."""
