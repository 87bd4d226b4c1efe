"""Spaces in object storage: they answer as the same space on the disk, whatever goes wrong."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest

from rowspace.errors import (
    ConfigError,
    RowspaceError,
    SpaceCorruptError,
    SpaceError,
    SpaceLockedError,
    StorageError,
)
from rowspace.search.remote import fetching, home, old
from rowspace.search.remote.building import build_at
from rowspace.search.remote.copying import copy_space
from rowspace.search.remote.home import Home
from rowspace.search.remote.place import RemotePlace
from rowspace.search.space import Space, open_space
from rowspace.search.store import Store, open_store
from rowspace.search.writer import writing
from rowspace.storage import lease
from rowspace.storage.address import parse_address
from rowspace.storage.objects import Objects
from rowspace.storage.settings import read_settings
from tests import storage
from tests.program import RunMain, finish, start, start_and_wait
from tests.search.stub import document, make_space
from tests.storage import Proxy

WORDS = ["lake", "river", "mountain", "island", "desert", "forest", "valley", "coast", "harbour"]
QUERIES = ("lake island", "valley of the river", "nothing here")


@pytest.fixture(scope="module")
def server() -> Iterator[Proxy]:
    with storage.s3_server() as proxy:
        yield proxy


@pytest.fixture
def proxy(server: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Proxy:
    storage.use(monkeypatch, server, tmp_path / "cache")
    return server


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace("[", "-").rstrip("]")
    return f"s3://{storage.BUCKET}/{name}/docs.space"


def _documents(start: int, end: int) -> list[Any]:
    texts = [" ".join(WORDS[(n * k) % len(WORDS)] for k in range(1, 9)) for n in range(start, end)]
    return [
        document(f"d{n}", text, title=f"Number {n}", year=1900 + n)
        for n, text in enumerate(texts, start)
    ]


def _local(tmp_path: Path) -> Space:
    return make_space(tmp_path / "docs.space", _documents(0, 20))


def _published(tmp_path: Path, address: str) -> tuple[Space, Space]:
    local = _local(tmp_path)
    copy_space(local.path, address)
    return local, open_space(address)


def _answers(space: Space) -> list[Any]:
    return [
        [[hit.as_dict() for hit in hits] for hits in space.search_batch(QUERIES, 5, mode, where)]
        for mode, where in (("hybrid", None), ("dense", "year < 1910"), ("lexical", "year < 1910"))
    ]


def _ids(space: Space) -> list[str]:
    return sorted(space.snapshot.store.texts("passage_id"))


def _live(space: Space) -> Iterator[Space]:
    """A life, step by step."""
    yield space
    space.add(_documents(20, 24))
    yield space
    space.add([document("d3", "harbour of the lake", year=1)])
    space.delete(["d1", "d22"])
    yield space
    space.compact()
    yield space
    space.delete(where="year > 1915")
    space.add(_documents(30, 31))
    yield space


@pytest.mark.slow
def test_a_life_in_storage_that_fails_one_request_in_ten_is_as_on_the_disk(
    proxy: Proxy, tmp_path: Path, address: str
) -> None:
    local = _local(tmp_path)
    with proxy.failing(0.1, seed=3) as seen:
        copy_space(local.path, address)
        there = open_space(address)
        for here, remote in zip(_live(local), _live(there), strict=True):
            assert _answers(remote) == _answers(here)
        assert _answers(open_space(address)) == _answers(local)
        assert there.verify() == []
    assert set(seen.faults) == set(storage.FAULTS)
    assert there.status()["documents"] == local.status()["documents"]
    copy_space(address, tmp_path / "back.space")
    back = open_space(tmp_path / "back.space")
    assert back.verify() == []
    assert _answers(back) == _answers(local)
    back.add(_documents(40, 41))
    assert len(_ids(back)) == len(_ids(local)) + 1


def test_a_reader_sees_each_commit_and_none_before(
    proxy: Proxy, tmp_path: Path, address: str
) -> None:
    _, writer = _published(tmp_path, address)
    reader = open_space(address)
    before = _ids(reader)
    path = writer.path
    with pytest.raises(ZeroDivisionError), writing(path, 1.0) as (_, store):
        store.delete("true")
        assert _ids(reader) == _ids(open_space(address)) == before
        raise ZeroDivisionError
    assert _ids(open_space(address)) == before
    writer.delete(["d5"])  # what was left unfinished is gone
    assert _ids(reader) == [name for name in before if name != "d5#0"]


@pytest.mark.slow
def test_two_writers_at_once_lose_nothing_that_was_acknowledged(
    proxy: Proxy, tmp_path: Path, address: str
) -> None:
    _published(tmp_path, address)
    wanted = {f"d{n}#0" for n in range(20)}
    errors: list[BaseException] = []

    def write(start: int) -> None:
        try:
            space = open_space(address)
            for n in range(start, start + 3):
                space.add(_documents(n, n + 1))
                wanted.add(f"d{n}#0")
        except BaseException as error:
            errors.append(error)

    with proxy.failing(0.03, seed=5):
        threads = [threading.Thread(target=write, args=(start,)) for start in (100, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert _ids(open_space(address)) == sorted(wanted)


def test_a_writer_whose_lease_ran_out_cannot_commit(
    proxy: Proxy, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, slow = _published(tmp_path, address)
    before = set(_ids(slow))
    monkeypatch.setattr(lease.Lease, "_renew", lambda self: None)
    monkeypatch.setattr(lease.Lease, "is_held", True)  # it does not notice
    monkeypatch.setattr(home, "Lease", _Short)
    fast = open_space(address)
    with pytest.raises(SpaceLockedError, match=r"another process .* run the same command again"):
        _add_between(slow, fast)
    assert set(_ids(open_space(address))) == before | {"d60#0"}
    slow.add(_documents(50, 51))
    assert set(_ids(open_space(address))) == before | {"d50#0", "d60#0"}


class _Short(lease.Lease):
    """A lease of a moment."""

    def __init__(self, objects: Objects, name: str, timeout: float) -> None:
        super().__init__(objects, name, timeout, seconds=0.1)


def _add_between(slow: Space, fast: Space) -> None:
    """While one adds, the other takes the lease over and adds too."""
    change = RemotePlace.change
    is_first = True

    def meet(self: RemotePlace, store: Any, step: Any) -> None:
        nonlocal is_first
        change(self, store, step)
        if is_first:
            is_first = False
            fast.add(_documents(60, 61))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RemotePlace, "change", meet)
        slow.add(_documents(50, 51))


def test_rows_of_an_unfinished_write_get_into_no_commit_of_another(
    proxy: Proxy, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one = _published(tmp_path, address)
    monkeypatch.setattr(home, "Lease", _Short)
    monkeypatch.setattr(lease.Lease, "is_held", True)
    monkeypatch.setattr(lease.Lease, "_renew", lambda self: None)
    before = set(_ids(one))
    other = open_space(address)
    with ExitStack() as stack:
        stack.enter_context(writing(other.path, 5.0))
        change = RemotePlace.change
        steps = 0

        def meet(self: RemotePlace, store: Any, step: Any) -> None:
            nonlocal steps
            steps += 1
            if steps == 2:  # after our rows are there: rows that nobody ever commits
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(RemotePlace, "change", change)
                    open_store(other.path).delete("document_id = 'd2'")
            change(self, store, step)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RemotePlace, "change", meet)
            one.add(_documents(50, 51))
    assert steps >= 2
    assert set(_ids(open_space(address))) == before | {"d50#0"}


class _Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["add", "compact"])
def test_a_writer_killed_at_any_step_leaves_what_was_committed(
    proxy: Proxy, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    _, space = _published(tmp_path, address)
    space.delete(["d0"])
    monkeypatch.setattr(home, "Lease", _Short)
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.02)
    expected = _ids(space)
    puts = 0
    while True:
        limit, done = puts, 0

        def die(*_: object, limit: int = limit) -> None:
            nonlocal done
            done += 1
            if done > limit:
                raise _Killed

        try:
            with pytest.MonkeyPatch.context() as patch:
                _dying(patch, die)
                if verb == "add":
                    space.add([document("new", "a lake that is new")])
                else:
                    space.compact()
            break
        except _Killed:
            assert _ids(open_space(address)) in (expected, sorted({*expected, "new#0"}))
        puts += 1
    assert puts >= 4
    assert space.verify() == []
    open_space(address).add([document("last", "a desert")])
    added = {"last#0"} | ({"new#0"} if verb == "add" else set())
    assert _ids(space) == sorted({*expected, *added})


@pytest.mark.slow
def test_a_process_is_killed_while_another_writes(
    proxy: Proxy, tmp_path: Path, address: str
) -> None:
    _, space = _published(tmp_path, address)
    before = set(_ids(space))
    moment = "tests.search.remote_process:Home.replace"  # the rows are deleted, not committed
    killed = start_and_wait(moment, 1, "delete", address, "d1", "d2")
    other = start("delete", address, "d3")
    assert set(_ids(open_space(address))) == before
    killed.kill()
    assert finish(killed).code == -signal.SIGKILL
    ran = finish(other)
    assert ran.out == "deleted 1 of 1 documents\n", ran
    assert set(_ids(open_space(address))) == before - {"d3#0"}
    assert space.verify() == []
    assert space.delete(["d1", "d2"]) == 2
    assert set(_ids(open_space(address))) == before - {"d1#0", "d2#0", "d3#0"}


def _dying(patch: pytest.MonkeyPatch, die: Any) -> None:
    """Call `die` before each change and each put, and give no lease back."""
    change, put_if, put = RemotePlace.change, Objects.put_if, Objects.put

    def dying(function: Any) -> Any:
        def call(self: Any, *arguments: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                die()
            return function(self, *arguments)

        return call

    def leave(self: lease.Lease, *_: object) -> None:
        self._stop.set()

    patch.setattr(RemotePlace, "change", dying(change))
    patch.setattr(Objects, "put_if", dying(put_if))
    patch.setattr(Objects, "put", dying(put))
    patch.setattr(lease.Lease, "__exit__", leave)


def test_a_dead_writers_lease_runs_out_and_a_living_ones_does_not(
    proxy: Proxy, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Objects(parse_address(address))
    with (
        lease.Lease(objects, "lease.json", 0.0, seconds=0.4),
        pytest.raises(SpaceLockedError, match=r"being written by another process \(pid \d+ on "),
    ):
        lease.Lease(objects, "lease.json", 1.0, seconds=0.4).__enter__()
    dead = lease.Lease(objects, "lease.json", 0.0, seconds=0.4)
    dead.__enter__()
    dead._stop.set()  # it is not renewed any more
    with lease.Lease(objects, "lease.json", 5.0) as taken:
        assert taken.is_held
        assert not dead.is_held
        dead.__exit__(None, None, None)  # takes nothing away
        assert not lease.is_free(objects.get("lease.json"))
    assert lease.is_free(objects.get("lease.json"))


def test_old_versions_go_a_day_after_a_compaction_and_no_sooner(
    proxy: Proxy, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, space = _published(tmp_path, address)
    objects = Objects(parse_address(address))
    reader = open_space(address).snapshot  # of the version before
    before = {state.name for state in objects.list()}
    space.compact()
    assert before - {"lease.json"} <= {state.name for state in objects.list()}
    assert len(list(reader.store.texts("passage_id"))) == 20
    monkeypatch.setattr(old, "KEPT_SECONDS", 0.0)
    space.compact()
    left = {state.name for state in objects.list()}
    data = {name for name in before if "/data/" in name}
    assert data and not data & left
    assert space.verify() == []
    assert len(_ids(space)) == 20


def test_what_others_keep_below_the_address_is_left_alone(
    proxy: Proxy, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, space = _published(tmp_path, address)
    copy_space(local.path, f"{address}/inner.space")
    objects = Objects(parse_address(address))
    objects.put("texts/a.txt", b"of somebody")
    theirs = {state.name for state in objects.list("inner.space/")} | {"texts/a.txt"}
    assert space.status()["bytes"] < sum(state.size for state in objects.list())
    monkeypatch.setattr(old, "KEPT_SECONDS", 0.0)
    for _ in range(2):
        space.compact()
    assert theirs <= {state.name for state in objects.list()}
    assert open_space(f"{address}/inner.space").verify() == []


def test_what_is_damaged_is_named(proxy: Proxy, tmp_path: Path, address: str) -> None:
    _, space = _published(tmp_path, address)
    objects = Objects(parse_address(address))
    data = next(state.name for state in objects.list() if "/data/" in state.name)
    content = objects.get(data)
    assert content is not None
    objects.put(data, content.data[:-1] + b"x")
    assert any(f"{data} is altered" in problem for problem in space.verify())
    with pytest.raises(SpaceCorruptError, match="is altered"):
        open_space(address)
    objects.delete([data])
    with pytest.raises(SpaceCorruptError, match="is missing; publish the space again"):
        open_space(address)


def test_a_file_that_was_written_there_is_read_and_compared_with_its_tag(
    proxy: Proxy, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, space = _published(tmp_path, address)
    space.add(_documents(20, 21))
    known = open_space(address).snapshot.commit.files
    written = next(n for n, state in known.items() if "/data/" in n and "tag" in state.sha256)
    chunks = Objects.chunks

    def flipped(self: Objects, name: str) -> Iterator[bytes]:
        for chunk in chunks(self, name):
            yield chunk[:-1] + b"x" if name == written else chunk

    monkeypatch.setattr(Objects, "chunks", flipped)
    assert [written in problem for problem in space.verify()] == [True]
    monkeypatch.setattr(Home, "tags_are_md5", lambda self, name: False)
    assert space.verify() == []


def test_a_model_is_fetched_once_and_checked(proxy: Proxy, tmp_path: Path, address: str) -> None:
    _, space = _published(tmp_path, address)
    space.search("lake")
    seen: list[str] = []
    proxy.before = lambda method, path: seen.append(path)
    open_space(address).search("lake")
    proxy.before = lambda method, path: None
    assert not any("weights.bin" in path for path in seen)
    objects = Objects(parse_address(address))
    name = next(state.name for state in objects.list() if state.name.endswith("weights.bin"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROWSPACE_CACHE", str(tmp_path / "another"))
        found = Home(parse_address(address)).current
        objects.put(name, b"x" * found.commit.files["model/weights.bin"].size)
        with pytest.raises(SpaceCorruptError, match=r"weights\.bin is altered"):
            open_space(address).search("lake")


def test_of_two_that_share_a_cache_one_fetches(
    proxy: Proxy, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _published(tmp_path, address)
    monkeypatch.setattr(fetching, "_fetching", nullcontext())  # as if in two processes
    asked: list[str] = []

    def watch(method: str, path: str) -> None:
        if method == "GET" and "weights.bin" in path:
            asked.append(path)
            time.sleep(0.2)

    monkeypatch.setattr(proxy, "before", watch)
    spaces = [open_space(address), open_space(address)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda space: _answers(space), spaces))
    assert found[0] == found[1]
    assert len(asked) == 1


def test_passages_of_a_batch_are_fetched_at_once(
    proxy: Proxy, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, space = _published(tmp_path, address)
    alone = [space.search(query, mode="dense") for query in QUERIES]
    fetched: list[int] = []
    fetch = Store.fetch

    def counted(self: Store, row_ids: Any) -> Any:
        fetched.append(len(row_ids))
        return fetch(self, row_ids)

    monkeypatch.setattr(Store, "fetch", counted)
    assert space.search_batch(QUERIES, mode="dense") == alone
    assert len(fetched) == 1


def test_an_upload_that_was_stopped_goes_on_without_a_new_build(
    proxy: Proxy, tmp_path: Path, address: str
) -> None:
    built: list[Path] = []

    def build(here: Path) -> None:
        built.append(here)
        make_space(here, _documents(0, 20))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Home, "publish", _kill)
        with pytest.raises(_Killed):
            build_at(address, resume=False, build=build)
    with pytest.raises(SpaceError, match=r"is whole in .* add --resume to upload it"):
        build_at(address, resume=False, build=build)
    with pytest.raises(SpaceError, match="there is no space"):
        open_space(address)
    space = build_at(address, resume=True, build=build)
    assert len(_ids(space)) == 20
    assert space.verify() == []
    assert len(built) == 1
    assert not built[0].exists()


def _kill(*_: object) -> None:
    raise _Killed


def test_what_cannot_be_there_is_told(proxy: Proxy, tmp_path: Path, address: str) -> None:
    local, space = _published(tmp_path, address)
    with pytest.raises(SpaceError, match="is a space already; give another address"):
        copy_space(local.path, address)
    with pytest.raises(SpaceError, match=r"there is no space at s3://bucket/none\.space; make"):
        open_space("s3://bucket/none.space")
    with pytest.raises(ConfigError, match="both in the same kind of place"):
        copy_space(local.path, tmp_path / "other.space")
    with pytest.raises(ConfigError, match=r"cannot repair it; copy it to the disk with"):
        space.repair()
    with pytest.raises(StorageError, match=r"gs://bucket/x is no address that is known"):
        open_space("gs://bucket/x")


def test_a_store_that_ignores_conditions_is_refused(
    proxy: Proxy, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = _local(tmp_path)
    monkeypatch.setattr(Objects, "put_if", lambda self, name, data, etag: self.put(name, data))
    with pytest.raises(StorageError, match="overwrites an object although"):
        copy_space(local.path, address)


def test_the_program_works_with_addresses(
    proxy: Proxy, tmp_path: Path, address: str, run_main: RunMain
) -> None:
    local = _local(tmp_path)
    assert run_main("copy", local.path, address).out.endswith(f"bytes: {address}\n")
    (tmp_path / "new.txt").write_text("A harbour that nobody knew")
    assert "added 1 documents" in run_main("add", address, tmp_path / "new.txt").out
    assert "[new.txt]" in run_main("search", address, "harbour nobody").out
    assert run_main("delete", address, "new.txt").out == "deleted 1 of 1 documents\n"
    state = json.loads(run_main("status", address, "--json").out)
    assert (state["path"], state["documents"]) == (address, 20)
    assert run_main("verify", address).out == f"{address} is whole\n"
    assert run_main("compact", address).code == 0
    assert "a folder and an address" in run_main("copy", address, "s3://bucket/other").err


def test_errors_are_rowspace_errors_within_seconds(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error() -> str:
        with pytest.raises(RowspaceError) as raised:
            open_space("s3://bucket/docs.space")
        assert "\n" not in str(raised.value)
        return str(raised.value)

    with pytest.raises(StorageError, match="there is no bucket 'elsewhere' at http"):
        open_space("s3://elsewhere/docs.space")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "does not answer" in error()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://storage.example.org")
    assert "set AWS_ALLOW_HTTP=true" in error()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert error().startswith("no credentials for object storage: AWS_SECRET_ACCESS_KEY is not set")


def test_a_secret_is_in_no_message() -> None:
    assert "secret" not in repr(read_settings(storage.KEYS))
    for url in ("https://me:hidden@storage.example.org", "http://hidden@127.0.0.1:9"):
        with pytest.raises(StorageError, match="has a name or a password in it") as raised:
            read_settings(storage.KEYS | {"AWS_ENDPOINT_URL": url})
        assert "hidden" not in str(raised.value)
