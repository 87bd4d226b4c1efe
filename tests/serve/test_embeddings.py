"""`/v1/embeddings` and `/v1/models` by OpenAI's own client, against the library's vectors."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from openai import OpenAI

from rowspace.serve import run
from rowspace.serve.app import create_app
from rowspace.serve.batching import Batcher
from rowspace.serve.config import ServeConfig
from rowspace.serve.embedder import embedder_of
from rowspace.serve.embeddings import floats_text
from rowspace.serve.run import running
from rowspace.serve.served import Served, load_served
from rowspace.space.vectors import Vectors
from rowspace.static.sif import SIFEncoder
from rowspace.text.tokenizer import words
from tests.minilm import minilm_folder
from tests.serve.gated import GatedEncoder
from tests.serve.servers import connect

TEXTS = ["the muddy river bank", "a bank robbed", "unheard words", "river river river the"]
DIM = 24


def sif() -> SIFEncoder:
    draw = np.random.default_rng(0)
    vocabulary = ["the", "a", "river", "bank", "muddy", "robbed", "money"]
    matrix = draw.normal(size=(len(vocabulary), DIM)).astype(np.float32)
    vectors = Vectors(vocabulary, matrix, np.arange(len(vocabulary), 0, -1))
    return SIFEncoder.from_vectors(vectors, TEXTS)


@pytest.fixture(scope="module")
def encoder() -> SIFEncoder:
    return sif()


@pytest.fixture(scope="module")
def address(encoder: SIFEncoder) -> Iterator[str]:
    config = ServeConfig(port=0, max_items=5, max_characters=1000, max_tokens=100)
    with running(Served("words", Path(), encoder=encoder), config) as found:
        yield found


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[OpenAI]:
    with client_of(address) as found:
        yield found


def client_of(address: str) -> OpenAI:
    return OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def asked(client: OpenAI, **fields: Any) -> NDArray[np.float32]:
    """(n, dim): the vectors of an answer, whose form is checked."""
    answer = client.embeddings.create(**{"model": "words", **fields})
    assert answer.object == "list"
    assert [one.index for one in answer.data] == list(range(len(answer.data)))
    assert {one.object for one in answer.data} == {"embedding"}
    return np.array([one.embedding for one in answer.data], dtype=np.float32)


# --- What is answered ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_texts_get_the_librarys_vectors(
    form: dict[str, Any], client: OpenAI, encoder: SIFEncoder
) -> None:
    if form.get("encoding_format") == "base64":  # asked for by name, the client leaves it as it is
        answer = client.embeddings.create(model="words", input=TEXTS, **form)
        found = np.array([np.frombuffer(base64.b64decode(str(one.embedding)), "<f4")
                          for one in answer.data])  # fmt: skip
    else:
        found = asked(client, input=TEXTS, **form)
    np.testing.assert_array_equal(found, encoder.encode(TEXTS))
    assert not found[2].any()
    for i, text in enumerate(TEXTS):
        np.testing.assert_array_equal(asked(client, input=text)[0], found[i])


def test_token_ids_are_rows_of_the_vocabulary(client: OpenAI, encoder: SIFEncoder) -> None:
    ids = [[encoder.vectors.key_to_index[word] for word in words(text)] for text in TEXTS[:2]]
    np.testing.assert_array_equal(asked(client, input=ids), encoder.encode(TEXTS[:2]))
    np.testing.assert_array_equal(asked(client, input=ids[1]), encoder.encode(TEXTS[1:2]))


def test_usage_counts_what_was_read(client: OpenAI) -> None:
    usage = client.embeddings.create(model="words", input=TEXTS).usage
    assert usage.prompt_tokens == usage.total_tokens == 4 + 3 + 0 + 4


def test_models_are_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["words"]
    assert client.models.retrieve("words").owned_by == "rowspace"
    with pytest.raises(openai.NotFoundError, match="'other' is not served; there is 'words'"):
        client.models.retrieve("other")


def test_floats_read_back_to_the_same_bits() -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 200_000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    odd = [0.0, -0.0, 1.0, 1e-45, 3.4028235e38, 1.1754944e-38, 16777216.0, 0.1]
    numbers = np.concatenate([numbers, np.array(odd, dtype=np.float32)])
    back = np.array(json.loads(floats_text(numbers)), dtype=np.float32)
    np.testing.assert_array_equal(back.view(np.uint32), numbers.view(np.uint32))


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"input": ""}, "input", "input[0] is an empty string"),
        ({"input": []}, "input", "none of them empty"),
        ({"input": ["a", ""]}, "input", "input[1] is an empty string"),
        ({"input": [[]]}, "input", "input[0] is an empty array"),
        ({"input": None}, "input", "input must be a string"),
        ({"input": 7}, "input", "input must be a string"),
        ({"input": {"a": 1}}, "input", "input must be a string"),
        ({"input": ["a", 7]}, "input", "input[1] is no string"),
        ({"input": [1, "a"]}, "input", "input[0] is no string"),
        ({"input": [True]}, "input", "input[0] is no string"),
        ({"input": [1.0]}, "input", "input[0] is no string"),
        ({"input": [[1, None]]}, "input", "input[0] is no string"),
        ({"input": ["a"] * 6}, "input", "5 items or fewer, and has 6"),
        ({"input": "a" * 1001}, "input", "has 1,001 characters, and the most is 1,000"),
        ({"input": [[0] * 60, [0] * 60]}, "input", "has 120 tokens, and the most is 100"),
        ({"input": [7]}, "input", "the token id 7 of text 0 is not one of the 7 there are"),
        ({"input": [[0], [0, -1]]}, "input", "the token id -1 of text 1"),
        ({"input": [10**40]}, "input", "the token id of many digits"),
        ({"dimensions": 12}, "dimensions", "have 24 numbers and cannot be shortened"),
        ({"dimensions": 0}, "dimensions", "a whole number above 0"),
        ({"dimensions": True}, "dimensions", "a whole number above 0"),
        ({"dimensions": "24"}, "dimensions", "a whole number above 0"),
        ({"dimensions": 10**400}, "dimensions", "a whole number above 0"),
        ({"encoding_format": "hex"}, "encoding_format", "one of 'float', 'base64'"),
        ({"encoding_format": ["float"]}, "encoding_format", "one of 'float', 'base64'"),
        ({"user": 7}, "user", "user must be a string"),
        ({"model": 7}, "model", "model must be a string"),
        ({"model": None}, "model", "model must be a string"),
        ({"input_type": "clustering"}, "input_type", "this model has no such prompt"),
        ({"on_truncate": "warn"}, "on_truncate", "one of 'error', 'cut', 'chunk'"),
        ({"inputs": "a"}, None, "Unrecognized request argument supplied: inputs"),
    ],
)
def test_what_cannot_be_is_refused(
    fields: dict[str, Any], param: str | None, said: str, address: str
) -> None:
    body = {"model": "words", "input": "a", **fields}
    answer = httpx.post(f"{address}/v1/embeddings", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert error["type"] == "invalid_request_error"
    assert said in error["message"]
    assert len(error["message"]) < 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'"a"',
        b"\xff\xfe",
        b'{"model": "words", "input": ' + b"1" * 5000 + b"}",
        b'{"model": "words", "input": ' + b"[" * 100_000 + b"}",
        b'{"model": "words", "input": NaN}',
        b'{"model": "words", "input": [1e999]}',
        b'{"model": "words"}',
        b'{"input": "a"}',
    ],
)
def test_what_is_no_request_is_refused(body: bytes, address: str) -> None:
    answer = httpx.post(
        f"{address}/v1/embeddings", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_odd_characters_are_answered_or_refused(address: str) -> None:
    for text, statuses in (("nul \0 river", {200}), (r"half \ud800 river", {200, 400})):
        escaped = text.replace("\0", r"\u0000").encode()
        answer = httpx.post(
            f"{address}/v1/embeddings",
            content=b'{"model": "words", "input": "' + escaped + b'"}',
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code in statuses


def test_the_clients_errors_are_of_their_classes(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="the model 'other' is not served") as unknown:
        asked(client, input="a", model="other")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="empty string") as empty:
        asked(client, input="")
    assert empty.value.param == "input"


def test_a_full_queue_and_a_failure_have_their_classes() -> None:
    encoder = GatedEncoder(is_open=True)
    config = ServeConfig(port=0, queue_tokens=8, drain=5)
    with (
        running(Served("words", Path(), encoder=encoder), config) as address,
        client_of(address) as client,
        ThreadPoolExecutor(1) as beside,
    ):
        encoder.close()  # it was tried before the server took requests
        first = beside.submit(asked, client, input=["a"] * 2)
        assert encoder.started.acquire(timeout=30)
        with pytest.raises(openai.RateLimitError, match="takes no more now") as full:
            asked(client, input=["b"] * 8)
        assert int(full.value.response.headers["Retry-After"]) >= 1
        encoder.open()
        assert first.result().tolist() == [[1, 1], [1, 1]]
        with pytest.raises(openai.InternalServerError, match="the model failed") as failed:
            asked(client, input="bad")
        assert "secret" not in str(failed.value)


def test_what_a_client_wanted_that_hung_up_is_never_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder, apps = GatedEncoder(is_open=True), list[FastAPI]()

    def create(*arguments: Any) -> FastAPI:
        apps.append(create_app(*arguments))
        return apps[-1]

    monkeypatch.setattr(run, "create_app", create)
    with (
        running(Served("words", Path(), encoder=encoder), ServeConfig(port=0, drain=5)) as address,
        client_of(address) as client,
        ThreadPoolExecutor(1) as beside,
    ):
        batcher: Batcher = apps[0].state.batcher
        encoder.close()
        first = beside.submit(asked, client, input="first")
        assert encoder.started.acquire(timeout=30)
        body = json.dumps({"model": "words", "input": "hung up"}).encode()
        head = f"Host: {address[7:]}\r\nContent-Type: application/json\r\n"
        with connect(address) as connection:
            request = f"POST /v1/embeddings HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n"
            connection.sendall(request.encode() + body)
            wait_until(lambda: batcher.stats.queued_requests == 1)
        wait_until(lambda: batcher.stats.dropped == 1)
        encoder.open()
        first.result()
        asked(client, input="after")
    assert encoder.texts == ["first", "after"]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Give the server's threads the time they need."""
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


# --- Sentence encoders ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, OpenAI]]:
    """A small BERT that reads queries and documents with different prompts, and a client."""
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("openvino")
    from tests.sentence.folders import write_sentence_folder

    prompts = {"query": "the muddy bank: ", "document": "river: ", "task": "she robbed "}
    folder = write_sentence_folder(
        tmp_path_factory.mktemp("prompted") / "words", normalize=True, prompts=prompts
    )
    served = load_served(folder)
    with running(served) as address, client_of(address) as client:
        yield served.encoder, client


def test_prompts_are_those_of_the_library(prompted: tuple[Any, OpenAI]) -> None:
    encoder, client = prompted
    texts = ["the bank", "she robbed the other bank " * 3]
    for name in ("query", "document", "task"):
        found = asked(client, input=texts, extra_body={"input_type": name})
        np.testing.assert_array_equal(found, encoder.encode(texts, prompt_name=name))
    with pytest.raises(openai.BadRequestError, match="with different prompts; give") as unsaid:
        asked(client, input=texts)
    assert unsaid.value.param == "input_type"
    with pytest.raises(openai.BadRequestError, match='one of "query", "document", "task"'):
        asked(client, input=texts, extra_body={"input_type": "other"})


def test_what_is_looked_at_is_counted_before_it_is(prompted: tuple[Any, OpenAI]) -> None:
    """By that the server sees what is too long to be read in the event loop."""
    embedder = embedder_of(prompted[0])
    text, ids = ["river " * 10_000], [[1] * 10_000]
    assert embedder.most_tokens(text, "cut") == prompted[0].max_length
    assert embedder.most_tokens(text, "chunk") > 10_000
    assert embedder.most_tokens(ids, "cut") > 10_000


def test_ids_come_between_the_prompt_and_the_special_tokens(prompted: tuple[Any, OpenAI]) -> None:
    encoder, client = prompted
    texts = ["the river bank", "bank"]
    ids = encoder.embedding.tokenizer.encode_batch(texts)
    kind = {"input_type": "query"}
    answer = client.embeddings.create(model="words", input=ids, extra_body=kind)
    found = np.array([one.embedding for one in answer.data], np.float32)
    np.testing.assert_array_equal(found, encoder.encode_query(texts))
    same = client.embeddings.create(model="words", input=texts, extra_body=kind)
    assert same.usage == answer.usage
    read = encoder.embedding.read([encoder.prompts["query"] + text for text in texts])
    assert answer.usage.prompt_tokens == sum(map(len, read.ids))
    assert read.ids[1][0] != ids[1][0]  # special tokens are counted


def test_dimensions_are_those_of_the_library(prompted: tuple[Any, OpenAI]) -> None:
    encoder, client = prompted
    found = asked(client, input="the bank", dimensions=10, extra_body={"input_type": "query"})
    np.testing.assert_array_equal(found[0], encoder.encode_query("the bank", truncate_dim=10))
    with pytest.raises(openai.BadRequestError, match="dimensions is 49, and vectors have 48"):
        asked(client, input="the bank", dimensions=49, extra_body={"input_type": "query"})


def test_what_is_too_long_is_refused_cut_or_read_in_pieces(prompted: tuple[Any, OpenAI]) -> None:
    encoder, client = prompted
    texts = ["the bank", "the muddy river " * 60]
    with pytest.raises(openai.BadRequestError, match="maximum context length is 64 tok") as long:
        asked(client, input=texts, extra_body={"input_type": "document"})
    assert long.value.code == "context_length_exceeded"
    assert "input[1]" in str(long.value)
    document = encoder.prompts["document"]
    ids = encoder.embedding.tokenizer.encode_batch(texts)
    with pytest.raises(openai.BadRequestError, match="maximum context length is 64 tokens"):
        asked(client, input=ids, extra_body={"input_type": "document"})
    with pytest.warns(UserWarning, match="1 of 2 texts is longer"):
        beginnings = encoder.encode(texts, prompt=document)
    whole = encoder.encode(texts, prompt=document, on_truncate="chunk")
    for way, expected in (("cut", beginnings), ("chunk", whole)):
        extra = {"input_type": "document", "on_truncate": way}
        for given in (texts, ids):
            found = asked(client, input=given, extra_body=extra)
            np.testing.assert_array_equal(found, expected)


# --- MiniLM --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_minilms_vectors_have_the_librarys_bits_whoever_else_asks() -> None:
    pytest.importorskip("openvino")
    from rowspace.sentence import load_encoder

    folder = minilm_folder()
    encoder = load_encoder(folder, deterministic=True)
    draw = np.random.default_rng(0)
    known = [word for word in encoder.embedding.tokenizer.tokens if word.isalpha()]
    lists = [
        [" ".join(draw.choice(known, draw.integers(1, 120))) for _ in range(draw.integers(1, 6))]
        for _ in range(96)
    ]
    expected = [np.array([encoder.encode(text) for text in texts]) for texts in lists]
    with running(load_served(folder)) as address, client_of(address) as client:

        def ask(texts: list[str]) -> NDArray[np.float32]:
            return asked(client, model=folder.name, input=texts)

        np.testing.assert_array_equal(ask(lists[0]), expected[0])
        with ThreadPoolExecutor(16) as clients:
            for found, own in zip(clients.map(ask, lists), expected, strict=True):
                np.testing.assert_array_equal(found, own)
