from __future__ import annotations

import subprocess
import sys

import pytest

import rowspace

HEAVY = ("torch", "lancedb", "pyarrow", "numba", "llvmlite", "sklearn", "scipy", "numpy", "rich")


def _modules_after(program: str) -> set[str]:
    code = program + "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_rowspace_loads_no_heavy_package() -> None:
    modules = _modules_after("import rowspace\ndir(rowspace)")
    assert "rowspace" in modules
    assert not modules & set(HEAVY)


@pytest.mark.parametrize(
    "name", ["Vectors", "load", "read_documents", "Word2Vec", "Word2VecConfig", "SIFEncoder"]
)
def test_a_name_loads_neither_torch_nor_the_store(name: str) -> None:
    modules = _modules_after(f"from rowspace import {name}")
    assert not modules & {"torch", "lancedb", "sklearn"}


@pytest.mark.parametrize("name", rowspace.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(rowspace, name)
    assert name == "__version__" or value.__name__ == name
    assert name in dir(rowspace)


def test_every_public_name_has_a_docstring() -> None:
    for name in rowspace.__all__:
        if name != "__version__":
            assert getattr(rowspace, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rowspace' has no attribute 'nothing'"):
        _ = rowspace.nothing


def test_the_names_of_a_transformer_are_there_and_some_load_no_torch() -> None:
    from rowspace import transformer

    for name in transformer.__all__:
        assert getattr(transformer, name).__name__ == name
        assert name in dir(transformer)
        assert getattr(transformer, name).__doc__, name
    names = "PretrainConfig, SubwordTokenizer, TransformerConfig"
    assert "torch" not in _modules_after(f"from rowspace.transformer import {names}")
    with pytest.raises(AttributeError, match=r"'rowspace\.transformer' has no attribute 'none'"):
        _ = transformer.none


def test_without_torch_a_transformer_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from rowspace.errors import MissingExtraError\n"
        "try: from rowspace.transformer import LanguageModel\n"
        "except MissingExtraError as error: print('[torch]' in str(error))"
    )
    assert "True" in _modules_after(program)


def test_the_names_of_a_space_are_there_and_load_no_geometry() -> None:
    from rowspace import space

    for name in space.__all__:
        assert getattr(space, name).__name__ == name
        assert name in dir(space)
        assert getattr(space, name).__doc__, name
    modules = _modules_after("from rowspace.space import Vectors, load")
    assert not modules & {"rowspace.space.geometry", "rowspace.space.clusters", "sklearn", "scipy"}
    with pytest.raises(AttributeError, match=r"module 'rowspace\.space' has no attribute 'none'"):
        _ = space.none
