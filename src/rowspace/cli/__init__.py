"""The command line: `rowspace COMMAND`.

A command parses, calls one public function and prints. Results go to stdout, progress to stderr,
an expected error is one line on stderr and exit status 1.
"""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import sys
import time
import warnings
from typing import Any

import click

from rowspace.errors import ClusterError, RowspaceError
from rowspace.version import __version__

# Each command with its home, imported only when the command runs.
_COMMANDS = {
    "examples": ("rowspace.cli.examples", "Texts to try the commands on."),
    "build": ("rowspace.cli.build", "Turn text into a searchable space: the main job."),
    "search": ("rowspace.cli.search", "Find passages of a space."),
    "retrieve": ("rowspace.cli.retrieve", "Passages with citations, for a prompt."),
    "tune": ("rowspace.cli.tune", "How much meaning is to count in a hybrid search."),
    "add": ("rowspace.cli.search", "Add documents to a space."),
    "delete": ("rowspace.cli.search", "Delete documents from a space."),
    "status": ("rowspace.cli.search", "Tell what a space holds and in which state it is."),
    "copy": ("rowspace.cli.copy", "A space from the disk to object storage, or back."),
    "export": ("rowspace.cli.export", "Write a space's passages to a file, or to Milvus."),
    "import": ("rowspace.cli.importing", "A space out of one whose rows are in Milvus."),
    "verify": ("rowspace.cli.search", "Check every file of a space for damage."),
    "index": ("rowspace.cli.index", "Make a space's vector index, and measure its recall."),
    "reembed": ("rowspace.cli.reembed", "Other models for a space, beside its own or instead."),
    "compact": ("rowspace.cli.search", "A space's store in few pieces, without what is deleted."),
    "repair": ("rowspace.cli.search", "Put right what is damaged in a space."),
    "train": ("rowspace.cli.train", "Train word vectors or a language model on text."),
    "llm2vec": ("rowspace.cli.llm2vec", "A language model made a sentence embedder."),
    "pairs": ("rowspace.cli.pairs", "Training pairs out of titles, or of judged queries."),
    "mine": ("rowspace.cli.pairs", "Hard negatives for training pairs, found by a model."),
    "distill": ("rowspace.cli.distill", "Static word vectors out of a transformer."),
    "synthesize": (
        "rowspace.cli.synthesize",
        "Training pairs from a corpus, or written by a language model.",
    ),
    "phrases": ("rowspace.cli.phrases", "Find words that stand together, and join them."),
    "neighbors": ("rowspace.cli.vectors", "The words nearest to a word."),
    "analogy": (
        "rowspace.cli.vectors",
        "The words nearest to A - B + C (`king man woman`).",
    ),
    "similarity": ("rowspace.cli.vectors", "How close two words are."),
    "senses": ("rowspace.cli.senses", "What a word means where it stands, by its sentences."),
    "geometry": (
        "rowspace.cli.geometry",
        "How a space is shaped: hubs, clusters, drift, bias; or a transformer's layers.",
    ),
    "transform": ("rowspace.cli.transform", "Cleaned, smaller, aligned or quantized vectors."),
    "encode": ("rowspace.cli.encode", "Vectors of texts, or of words where they occur."),
    "convert": ("rowspace.cli.convert", "Vectors from one file format to another."),
    "eval": ("rowspace.cli.evaluate", "Measure a model on words, senses and retrieval."),
    "compare": ("rowspace.cli.compare", "Models side by side: quality, cost, which to take."),
    "serve": ("rowspace.cli.serve", "An OpenAI-compatible server over a space."),
    "explore": ("rowspace.cli.serve", "A space in the browser: maps, neighbours, analogies."),
    "extrapolate": (
        "rowspace.cli.extrapolate",
        "Which methods of position read longer texts than in training.",
    ),
}


# Those whose work the processes of torchrun share.
_SHARED = (["train", "lm"], ["train", "mlm"], ["train", "sentence"])


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        attribute = f"{name}_" if keyword.iskeyword(name) else name
        command: click.Command = getattr(importlib.import_module(_COMMANDS[name][0]), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rowspace")
def cli() -> None:
    """Train, measure and search embeddings you own, on one machine, offline."""


def main() -> None:
    """Run the command line; the entry point of the `rowspace` program."""
    warnings.showwarning = _show_warning
    try:
        # Not cli.main(), which answers interrupts and closed pipes in its own way before we can.
        with cli.make_context("rowspace", sys.argv[1:]) as context:
            _check_is_shared(sys.argv[1:3])
            code = cli.invoke(context)
    except click.exceptions.Exit as error:  # after --help and --version
        code = error.exit_code
    except click.ClickException as error:
        _wait_if_told_by_another()
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        is_told = _is_told_by_another() and not str(error)
        code = 130 if is_told else _fail(str(error) or "interrupted", 130)
    except RowspaceError as error:
        code = _fail(str(error))
    except BrokenPipeError:  # `| head` closed our stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        code = _fail(_describe_os_error(error))
    except MemoryError:
        code = _fail("out of memory; give a smaller corpus, vocabulary or dimension")
    sys.exit(code or 0)


def _wait_if_told_by_another() -> None:
    """Let the first process of torchrun say what is wrong with the command, the same in all.

    torchrun ends the others then.
    """
    if _is_told_by_another():
        time.sleep(1.0)


def _is_told_by_another() -> bool:
    """Whether this is a process of torchrun, and not the first."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK") != "0"


def _check_is_shared(command: list[str]) -> None:
    """Raise ClusterError where several processes would each do all the work of a command."""
    n_processes = os.environ.get("WORLD_SIZE", "1")
    if n_processes == "1" or "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    if command in _SHARED or command[0] not in _COMMANDS:
        return
    _wait_if_told_by_another()
    name = " ".join(command[: 2 if command[0] == "train" else 1])
    raise ClusterError(
        f"{name} cannot be shared by the {n_processes} processes that torchrun started: each would "
        "do all of it and write the same files; run it without torchrun"
    )


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"rowspace: warning: {message}", err=True)


def _describe_os_error(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC or "No space left" in str(error):
        return f"the disk is full{where}; free some space and run the same command again"
    return f"{error.strerror or error}{where}"


def _fail(message: str, code: int = 1) -> int:
    click.echo(f"rowspace: {' '.join(message.split())}", err=True)
    return code
