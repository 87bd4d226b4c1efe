"""Positions: the plotted numbers are those of the papers' formulas."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from rowspace.explore.extrapolation import COMMAND
from rowspace.explore.subject import open_subject
from rowspace.space.vectors import Vectors
from tests.explore.asked import API, client_of, looking_at, refusal
from tests.naive_position import naive_frequencies, naive_ntk, naive_sinusoidal, naive_slopes

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("positions") / "words"
    Vectors(["a", "b"], np.eye(2, dtype=np.float32)).save(folder, format="rowspace")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> TestClient:
    with looking_at(folder) as client:
        return client


def asked(client: TestClient, path: str, **params: Any) -> dict[str, Any]:
    response = client.get(f"{API}positions/{path}", params=params)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_sinusoidal_values_are_the_papers(client: TestClient) -> None:
    found = asked(client, "sinusoidal", dim=6, length=9)
    by_hand = [naive_sinusoidal(position, 6) for position in range(9)]
    np.testing.assert_allclose(found["values"], by_hand, atol=5.1e-5)
    np.testing.assert_allclose(
        found["wavelengths"], [2 * math.pi * 10_000 ** (i / 3) for i in range(3)], rtol=1e-4
    )
    expected = [sum(math.cos(d / 10_000 ** (i / 3)) for i in range(3)) / 3 for d in range(9)]
    np.testing.assert_allclose(found["likeness"], expected, atol=5.1e-5)


def test_fairseqs_layout_ends_with_the_base(client: TestClient) -> None:
    found = asked(client, "sinusoidal", dim=8, length=4, base=1000, layout="concatenated")
    assert found["wavelengths"][0] == pytest.approx(2 * math.pi, rel=1e-4)
    assert found["wavelengths"][-1] == pytest.approx(2 * math.pi * 1000, rel=1e-4)


def test_scores_of_ones_are_mean_cosines_of_angles(client: TestClient) -> None:
    found = asked(client, "rope", head_dim=8, train_length=64, factor=4, span=100)
    assert found["distances"] == list(range(101))
    of = {
        "none": naive_frequencies(10_000, 8),
        "linear": [f / 4 for f in naive_frequencies(10_000, 8)],
        "ntk": naive_ntk(10_000, 8, 4),
    }
    for name, frequencies in of.items():
        np.testing.assert_allclose(found["frequencies"][name], frequencies, rtol=1e-4)
        expected = [np.mean([math.cos(d * f) for f in frequencies]) for d in range(101)]
        np.testing.assert_allclose(found["scores"][name], expected, atol=5.1e-5)
    assert found["layouts"]["half"] == found["layouts"]["interleaved"] == found["scores"]["none"]


def test_yarn_sharpens_all_scores(client: TestClient) -> None:
    found = asked(client, "rope", factor=4)
    temperature = 0.1 * math.log(4) + 1
    assert found["temperatures"]["yarn"] == pytest.approx(temperature)
    assert found["scores"]["yarn"][0] == pytest.approx(temperature**2, abs=5.1e-5)
    assert {name: row[0] for name, row in found["scores"].items() if name != "yarn"} == {
        "none": 1, "linear": 1, "ntk": 1, "llama3": 1,
    }  # fmt: skip


def test_layouts_pair_other_values_and_give_other_scores(client: TestClient) -> None:
    found = asked(client, "rope", head_dim=6, vector="random", seed=3, span=40)
    assert found["pairs"] == {
        "half": [[0, 3], [1, 4], [2, 5]], "interleaved": [[0, 1], [2, 3], [4, 5]],
    }  # fmt: skip
    query = np.random.default_rng(3).normal(size=6)
    for layout, pairs in found["pairs"].items():
        weights = [query[a] ** 2 + query[b] ** 2 for a, b in pairs]
        angles = [[d * f for f in naive_frequencies(10_000, 6)] for d in range(41)]
        expected = np.cos(angles) @ weights / (query @ query)
        np.testing.assert_allclose(found["layouts"][layout], expected, atol=5.1e-5)
    assert found["layouts"]["half"] != found["layouts"]["interleaved"]


@pytest.mark.parametrize("n_heads", [1, 8, 12])
def test_slopes_and_penalties_are_the_papers(client: TestClient, n_heads: int) -> None:
    found = asked(client, "alibi", n_heads=n_heads, length=20)
    np.testing.assert_allclose(found["slopes"], naive_slopes(n_heads))
    if n_heads == 8:
        assert found["slopes"] == [2.0**-k for k in range(1, 9)]
    assert found["distances"] == list(range(20))
    for slope, penalties, weights, reach in zip(
        found["slopes"], found["penalties"], found["weights"], found["reach"], strict=True
    ):
        np.testing.assert_allclose(penalties, [-slope * d for d in range(20)], atol=1e-5)
        shares = np.exp(-slope * np.arange(20.0))
        shares /= shares.sum()
        np.testing.assert_allclose(weights, shares, rtol=1e-4)
        assert shares[:reach].sum() >= 0.5 > shares[: reach - 1].sum()


def test_buckets_are_t5s(client: TestClient) -> None:
    found = asked(client, "t5", n_buckets=32, max_distance=128, length=200)
    bucket = dict(zip(found["distances"], found["buckets"], strict=True))
    assert [bucket[d] for d in (0, 1, 7, 8, 11, 12, 127, 200)] == [0, 1, 7, 8, 8, 9, 15, 15]
    assert all(bucket[-d] == bucket[d] + 16 for d in range(1, 201))
    decoder = asked(client, "t5", n_buckets=32, max_distance=128, length=200, bidirectional=False)
    assert decoder["distances"] == list(range(201))
    assert decoder["buckets"][:17] == list(range(17))
    assert decoder["buckets"][-1] == 31


HOSTILE: dict[str, list[dict[str, Any]]] = {
    "sinusoidal": [
        {"dim": 0}, {"dim": -2}, {"dim": 3}, {"dim": 10**9}, {"dim": "nan"}, {"dim": 2.5},
        {"length": 0}, {"length": 10**9}, {"base": "nan"}, {"base": "inf"}, {"base": 0},
        {"base": -1}, {"layout": "other"}, {"dim": 2, "layout": "concatenated"},
    ],
    "rope": [
        {"head_dim": 0}, {"head_dim": 5}, {"head_dim": 10**9}, {"base": "nan"}, {"base": 1},
        {"base": "inf"}, {"train_length": 0}, {"factor": 0}, {"factor": "nan"}, {"factor": 1e9},
        {"span": 0}, {"span": 10**9}, {"vector": "other"}, {"seed": -1}, {"seed": 10**30},
    ],
    "alibi": [{"n_heads": 0}, {"n_heads": 10**9}, {"length": 1}, {"length": 10**9}],
    "t5": [
        {"n_buckets": 0}, {"n_buckets": 5}, {"n_buckets": 10**9}, {"max_distance": 4},
        {"max_distance": 10**9}, {"length": 0}, {"length": 10**9}, {"bidirectional": "perhaps"},
    ],
    "extrapolation": [{"subject": 1}, {"subject": -1}, {"subject": "x"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "params"), [(path, params) for path, each in HOSTILE.items() for params in each]
)
def test_hostile_settings_are_refused_in_a_line(
    client: TestClient, path: str, params: dict[str, Any]
) -> None:
    refusal(client, f"positions/{path}", params=params)


def test_without_torch_a_line_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowspace.extras.importlib.util.find_spec", lambda name: None)
    assert "rowspace[torch]" in refusal(client, "positions/alibi")


RESULT = {
    "config": {"train_length": 8, "eval_lengths": [8, 16], "seeds": 2, "more": 1},
    "methods": [
        {
            "name": "learned", "method": "learned", "is_tuned": False, "refused_beyond": 8,
            "perplexity": {"8": {"mean": 9.5, "std": 0.5}, "16": None}, "ratio": None,
            "sliding": {"mean": 9.0, "std": 0.1}, "against_sliding": None,
            "places": [[0, 8, {"mean": 2.2, "std": 0.0}]],
        }
    ],
}  # fmt: skip


def test_an_experiment_is_shown_where_one_was_given(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(RESULT))
    subject = open_subject(folder)
    subject.extrapolation = tmp_path
    found = asked(client_of(subject), "extrapolation")["found"]
    assert (found["train_length"], found["lengths"], found["seeds"]) == (8, [8, 16], 2)
    method = found["methods"][0]
    assert method["perplexity"] == {"8": {"mean": 9.5, "std": 0.5}, "16": None}
    assert method["refused_beyond"] == 8
    assert method["places"] == [[0, 8, 2.2]]


def test_an_experiment_inside_is_found_and_none_is_explained(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "words"
    shutil.copytree(folder, own)
    with looking_at(own) as client:
        assert asked(client, "extrapolation") == {"command": COMMAND, "found": None}
        (own / "extrapolation").mkdir()
        (own / "extrapolation" / "results.json").write_text(json.dumps(RESULT))
        assert asked(client, "extrapolation")["found"]["seeds"] == 2


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": 1, "methods": 2}', "\x00"])
def test_a_damaged_experiment_is_told(folder: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    subject = open_subject(folder)
    subject.extrapolation = tmp_path
    assert "is damaged" in refusal(client_of(subject), "positions/extrapolation")


def test_the_shown_command_is_one_that_is_understood() -> None:
    from click.testing import CliRunner

    from rowspace.cli import cli

    options = [part for part in COMMAND.split() if part.startswith("--")]
    said = CliRunner().invoke(cli, ["extrapolate", "--help"]).output
    assert options
    assert all(option in said for option in options)


def test_the_explorer_says_at_its_start_what_is_amiss_with_an_experiment(
    folder: Path, tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from rowspace.cli import cli

    asked = ["explore", str(folder), "--port", "0", "--extrapolation", str(tmp_path)]
    result = CliRunner().invoke(cli, asked)
    assert result.exit_code != 0
    assert "has no results.json" in str(result.exception)
