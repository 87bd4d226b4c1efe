"""Batches over requests: turns, bounds, deadlines, clients that leave, failures, the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.serve.batching import Batcher, Embedded
from rowspace.serve.config import ServeConfig
from rowspace.serve.errors import ApiError
from rowspace.serve.served import Served
from tests.serve.gated import PATIENCE, GatedEncoder


@contextlib.asynccontextmanager
async def batching(encoder: GatedEncoder, **settings: Any) -> AsyncIterator[Batcher]:
    batcher = Batcher(Served("m", Path(), encoder=encoder), ServeConfig(**settings))
    batcher.start()
    try:
        yield batcher
    finally:
        encoder.open()
        await batcher.close()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), PATIENCE))


def asked(batcher: Batcher, *texts: str, **settings: Any) -> asyncio.Task[Embedded]:
    return asyncio.ensure_future(batcher.embed("m", texts, **settings))


async def started(encoder: GatedEncoder) -> None:
    """Until the encoder was called once more."""
    assert await asyncio.to_thread(encoder.started.acquire, timeout=PATIENCE)


async def queued(batcher: Batcher, n_requests: int) -> None:
    """Until so many requests wait."""
    while batcher.stats.queued_requests != n_requests:
        await asyncio.sleep(0.001)


def test_what_came_meanwhile_is_computed_together_and_each_gets_its_own() -> None:
    async def test() -> None:
        encoder = GatedEncoder()
        async with batching(encoder) as batcher:
            first = asked(batcher, "a")
            await started(encoder)
            others = [asked(batcher, *["a" * (i + 1)] * (i + 1)) for i in range(5)]
            await queued(batcher, 5)
            encoder.open()
            assert (await first).vectors.tolist() == [[1, 1]]
            for i, other in enumerate(others):
                found = await other
                assert found.vectors.tolist() == [[i + 1, i + 1]] * (i + 1)
                assert found.n_tokens.tolist() == [1] * (i + 1)
            while batcher.stats.batches != 2:  # they are counted once they are handed out
                await asyncio.sleep(0.001)
            assert batcher.stats.texts == batcher.stats.tokens == 16
            assert batcher.stats.queued_tokens == 0

    run(test)


def test_a_small_request_does_not_wait_for_a_large_one() -> None:
    async def test() -> None:
        encoder = GatedEncoder()
        async with batching(encoder, batch_tokens=8) as batcher:
            large = asked(batcher, *[f"large{i}" for i in range(400)])
            await started(encoder)
            small = asked(batcher, "small")
            await queued(batcher, 2)
            while not small.done():
                encoder.go()
                await asyncio.sleep(0.001)
            assert len(encoder.texts) < 40
            assert not large.done()
            encoder.open()
            assert len((await large).vectors) == 400
            assert [text for text in encoder.texts if text != "small"] == [
                f"large{i}" for i in range(400)
            ]

    run(test)


def test_a_full_queue_refuses_and_says_when_to_come_again() -> None:
    async def test() -> None:
        encoder = GatedEncoder()
        async with batching(encoder, queue_tokens=20, batch_tokens=4) as batcher:
            first = asked(batcher, *["a"] * 12)
            await started(encoder)
            batcher._computing.rate = 5.0
            with pytest.raises(ApiError, match="12 tokens to compute") as refused:
                await batcher.embed("m", ["b"] * 12)
            assert refused.value.status == 429
            assert refused.value.headers["Retry-After"] == "3"  # 12 tokens at 5 a second
            assert batcher.stats.refused == 1
            encoder.open()
            await first
            assert len((await batcher.embed("m", ["b"] * 12)).vectors) == 12
            assert len((await batcher.embed("m", ["c"] * 100)).vectors) == 100  # alone it may

    run(test)


def test_what_waits_too_long_is_given_up_and_never_computed() -> None:
    async def test() -> None:
        encoder = GatedEncoder()
        async with batching(encoder, deadline=0.05) as batcher:
            stuck = asked(batcher, "stuck")
            await started(encoder)
            waits = asked(batcher, "waits")
            for one in (stuck, waits):
                with pytest.raises(ApiError, match=r"computed for 0\.05 s") as expired:
                    await one
                assert expired.value.status == 503
            assert batcher.stats.queued_tokens == 0
            assert batcher.stats.expired == 2
            encoder.open()
            assert (await batcher.embed("m", ["after"])).vectors.tolist() == [[5, 1]]
            assert encoder.texts == ["stuck", "after"]

    run(test)


def test_what_a_client_wanted_that_left_is_never_computed() -> None:
    async def test() -> None:
        encoder = GatedEncoder()
        is_gone = asyncio.Event()

        async def gone() -> bool:
            return is_gone.is_set()

        async with batching(encoder) as batcher:
            first = asked(batcher, "first")
            await started(encoder)
            cancelled, left = asked(batcher, "cancelled"), asked(batcher, "left", is_gone=gone)
            last = asked(batcher, "last", is_gone=gone)
            await queued(batcher, 3)
            cancelled.cancel()
            is_gone.set()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            with pytest.raises(ApiError, match="the client left"):
                await left
            is_gone.clear()
            with contextlib.suppress(ApiError):  # it may have been looked for meanwhile
                encoder.open()
                await last
            await first
            assert "cancelled" not in encoder.texts
            assert "left" not in encoder.texts
            assert batcher.stats.queued_tokens == 0
            assert batcher.stats.dropped >= 2

    run(test)


def test_a_failure_is_of_the_request_alone_and_the_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        encoder = GatedEncoder()
        async with batching(encoder) as batcher:
            first = asked(batcher, "first")
            await started(encoder)
            good, bad, better = asked(batcher, "good"), asked(batcher, "bad"), asked(batcher, "b")
            await queued(batcher, 3)
            encoder.open()
            assert (await good).vectors.tolist() == [[4, 0]]
            assert (await better).vectors.tolist() == [[1, 0]]
            await first
            with pytest.raises(ApiError, match=r"failed at this request \(ZeroDiv") as failed:
                await bad
            assert failed.value.status == 500
            assert "secret" not in failed.value.message
            assert "ZeroDivisionError" in caplog.text
            assert "gated.py" in caplog.text
            assert "ZeroDivisionError: secret" not in caplog.text
            assert batcher.is_alive
            assert batcher.stats.failed == 1
            assert batcher.stats.queued_tokens == 0
            assert len((await batcher.embed("m", ["again"])).vectors) == 1

    run(test)


@pytest.mark.parametrize("wrong", [[[np.nan, 1]], [[1, 2], [3, 4]], [[1, 2, 3]], [1, 2]])
def test_what_is_no_vector_of_the_text_is_never_an_answer(wrong: Any) -> None:
    class Broken(GatedEncoder):
        def encode(self, texts: Sequence[str]) -> Any:
            return np.array(wrong, np.float32) if texts[0] == "b" else super().encode(texts)

    async def test() -> None:
        async with batching(Broken(is_open=True)) as batcher:
            good, broken = asked(batcher, "a"), asked(batcher, "b")
            with pytest.raises(ApiError, match="not finite") as failed:
                await broken
            assert failed.value.status == 500
            assert (await good).vectors.tolist() == [[1, 1]]
            assert batcher.stats.queued_tokens == 0

    run(test)


def test_a_failure_in_the_middle_of_a_request_ends_it() -> None:
    async def test() -> None:
        encoder = GatedEncoder(is_open=True)
        async with batching(encoder, batch_tokens=4) as batcher:
            with pytest.raises(ApiError, match="failed"):
                await batcher.embed("m", [*"abcdefgh", "bad", *"ijklmnop"])
            assert batcher.stats.queued_tokens == batcher.stats.queued_requests == 0
            assert not {"m", "n", "o", "p"} & set(encoder.texts)

    run(test)


def test_the_end_lets_what_is_there_be_computed_and_takes_nothing_more() -> None:
    async def test() -> None:
        encoder = GatedEncoder()
        async with batching(encoder) as batcher:
            first = asked(batcher, "first")
            await started(encoder)
            second = asked(batcher, "second")
            await queued(batcher, 1)
            ending = asyncio.ensure_future(batcher.close(PATIENCE))
            while batcher.is_alive:
                await asyncio.sleep(0.001)
            with pytest.raises(ApiError, match="about to end") as refused:
                await batcher.embed("m", ["late"])
            assert refused.value.status == 503
            encoder.open()
            await ending
            assert len((await first).vectors) == len((await second).vectors) == 1

    run(test)


def test_what_is_left_at_the_end_is_told_so() -> None:
    async def test() -> None:
        encoder = GatedEncoder()
        async with batching(encoder) as batcher:
            asked(batcher, "first")
            await started(encoder)
            second = asked(batcher, "second")
            await queued(batcher, 1)
            ending = asyncio.ensure_future(batcher.close())
            with pytest.raises(ApiError, match="about to end"):
                await second
            encoder.open()
            await ending
            assert encoder.texts == ["first"]

    run(test)


def test_a_queued_encoder_blocks_its_thread_and_gives_the_encoders_vectors() -> None:
    async def test() -> None:
        encoder = GatedEncoder()
        async with batching(encoder) as batcher:
            queued = batcher.queued("m")
            assert (queued.dim, queued.fingerprint) == (encoder.dim, encoder.fingerprint)
            threads = [
                asyncio.ensure_future(asyncio.to_thread(encode, ["aa", "b"]))
                for encode in (queued.encode, queued.encode_query, queued.encode_document)
            ]
            await started(encoder)
            assert not any(thread.done() for thread in threads)
            encoder.open()
            for found in await asyncio.gather(*threads):
                np.testing.assert_array_equal(found, [[2, 2], [1, 0]])
            assert queued.encode([]).shape == (0, 2)

    run(test)
