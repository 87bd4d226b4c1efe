"""The tensors of a folder: `model.safetensors`, whole or in shards, read one at a time.

The shards of a large model are named by `model.safetensors.index.json`, which says which tensor is
in which (https://huggingface.co/docs/safetensors). Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from rowspace.errors import FormatError
from rowspace.transformer.model_folder import read_json

TENSORS = "model.safetensors"
_INDEX = TENSORS + ".index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


class Checkpoint:
    """Named tensors in open files; `open_checkpoint` makes one.

    Parameters
    ----------
    path : Path
        The folder, for messages.
    files : dict of str to Any
        Each tensor's open safetensors file.
    """

    def __init__(self, path: Path, files: dict[str, Any]) -> None:
        self.path = path
        self._files = files
        self._names = {name: name for name in files}

    def rename(self, ours: Callable[[str], str]) -> None:
        """Call the tensors by other names from here on."""
        self._names = {ours(name): name for name in self._files}

    @property
    def names(self) -> list[str]:
        """What the tensors are called."""
        return list(self._names)

    def name_in_file(self, name: str) -> str:
        """What the file calls a tensor."""
        return self._names.get(name, name)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, which is not read."""
        name = self._names[name]
        return tuple(self._files[name].get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        """One tensor."""
        name = self._names[name]
        tensor: Tensor = self._files[name].get_tensor(name)
        return tensor


@contextlib.contextmanager
def open_checkpoint(folder: Path) -> Iterator[Checkpoint]:
    """Open all safetensors files of a model's folder.

    Raises
    ------
    FormatError
        If there are none, or one is missing or damaged.
    """
    with contextlib.ExitStack() as stack:
        files: dict[str, Any] = {}
        for path, names in _homes(folder).items():
            file = _open(path, stack)
            held = list(file.keys())
            if missing := sorted(set(names or held) - set(held)):
                raise FormatError(
                    f"{path} does not hold {missing[0]!r}, which {_INDEX} says it does; "
                    "copy or download the folder again"
                )
            files |= dict.fromkeys(names or held, file)
        yield Checkpoint(folder, files)


def _homes(folder: Path) -> dict[Path, list[str] | None]:
    """The files and the tensors to be taken of each; None for all."""
    if (folder / TENSORS).exists():
        return {folder / TENSORS: None}
    if (folder / _INDEX).exists():
        return _shards(folder)
    if pickles := sorted(path.name for kind in _PICKLES for path in folder.glob(kind)):
        raise FormatError(
            f"{folder}: {pickles[0]} is a pickle, which may run any code, so it is not read; "
            "convert it once where you trust it: save_pretrained of transformers "
            f"writes {TENSORS}"
        )
    raise FormatError(f"{folder} holds no {TENSORS}; give the folder of a transformer")


def _shards(folder: Path) -> dict[Path, list[str] | None]:
    homes: dict[Path, list[str] | None] = {}
    weight_map = read_json(folder / _INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise FormatError(f"{folder / _INDEX} has no 'weight_map'; download it again")
    for name, file in weight_map.items():
        path = folder / str(file)
        if path.parent != folder or not path.exists():
            raise FormatError(
                f"{path} is missing, which {_INDEX} names for {name!r}; copy or download all shards"
            )
        names = homes.setdefault(path, [])
        assert names is not None
        names.append(name)
    return homes


def _open(path: Path, stack: contextlib.ExitStack) -> Any:
    try:
        return stack.enter_context(safe_open(path, framework="pt"))
    except SafetensorError as error:
        raise FormatError(f"{path} is damaged ({error}); copy or download it again") from error
