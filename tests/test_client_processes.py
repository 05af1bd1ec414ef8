"""The client in programs: at their end, after forks, in asyncio."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from incrementer_client import Counter
from tests.testbed.client_programs import client_process, run_client
from tests.testbed.ports import free_port
from tests.testbed.stand_in import Order, StandIn


@pytest.mark.parametrize(
    "end",
    ["", "sys.exit(0)", "import atexit; atexit.register(counter.increment, 'a')"],
    ids=["by itself", "sys.exit", "with an increment at exit"],
)
def test_a_program_that_ends_has_counted_all(stand_in: StandIn, end: str) -> None:
    code = """
counter = Counter(url)
for i in range(10_000):
    counter.increment("a")
"""
    run_client(code + end, url=stand_in.url)
    assert stand_in.totals == {"a": 10_000 + ("atexit" in end)}


def test_a_first_increment_at_exit_counts(stand_in: StandIn) -> None:
    code = 'import atexit; atexit.register(Counter(url).increment, "a")'
    run_client(code, url=stand_in.url)
    assert stand_in.totals == {"a": 1}


def test_many_batches_count_where_no_thread_can_be_started_any_more(
    stand_in: StandIn, tmp_path: Path
) -> None:
    """As in Python 3.12 and later, at exit."""
    code = """
def refuse(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")

threading.Thread.start = refuse
counter = Counter(url, batch_keys=2, spool=spool)
for i in range(9):
    counter.increment(f"key:{i}")
"""
    for spool in (None, str(tmp_path)):
        run_client(code, url=stand_in.url, spool=spool)
    assert stand_in.totals == {f"key:{i}": 2 for i in range(9)}


def test_the_end_of_a_program_waits_no_longer_than_it_says() -> None:
    began = time.monotonic()
    said = run_client(
        'Counter(url, exit_seconds=0.2).increment("a", 3)', url=f"http://127.0.0.1:{free_port()}"
    )
    assert time.monotonic() - began < 10
    assert 'do not count: [{"key":"a","value":3}]' in said


def test_an_unhandled_sigterm_costs_only_what_no_spool_has(
    stand_in: StandIn, tmp_path: Path
) -> None:
    code = """
counter = Counter(url, spool=spool, interval_seconds=0)
counter.increment("a")
while True:
    signal.pause()
"""
    url = f"http://127.0.0.1:{free_port()}"
    with client_process(tmp_path, code, url=url, spool=str(tmp_path / "spool")) as program:
        program.wait_until(lambda: list(tmp_path.rglob("*.waiting")), "its batch")
        program.stop()
    with Counter(stand_in.url, spool=tmp_path / "spool") as counter:
        counter.increment("b")
    assert stand_in.totals == {"a": 1, "b": 1}


@pytest.mark.parametrize("has_spool", [False, True], ids=["in memory", "in a spool"])
def test_a_forked_child_begins_with_nothing_and_counts_its_own(
    stand_in: StandIn, tmp_path: Path, has_spool: bool
) -> None:
    code = """
counter = Counter(url, spool=spool, interval_seconds=3600)
counter.increment("parent", 10)
children = []
for number in range(3):
    pid = os.fork()
    if not pid:
        assert counter.stats().queued == 0
        counter.increment("child")
        sys.exit(0)
    children.append(pid)
counter.increment("parent", 10)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
assert counter.stats().queued == 2
"""
    run_client(code, url=stand_in.url, spool=str(tmp_path / "spool") if has_spool else None)
    assert stand_in.totals == {"parent": 20, "child": 3}
    assert not list(tmp_path.rglob("*.*"))


def test_forks_while_threads_count_and_send_lose_nothing(stand_in: StandIn, tmp_path: Path) -> None:
    code = """
counter = Counter(url, spool=spool, interval_seconds=0, batch_keys=3)

def count():
    for i in range(4000):
        counter.increment(f"thread:{i % 20}")

threads = [threading.Thread(target=count) for _ in range(2)]
for thread in threads:
    thread.start()
children = []
for number in range(15):
    pid = os.fork()
    if not pid:
        counter.increment("child")
        sys.exit(0)
    children.append(pid)
for thread in threads:
    thread.join()
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
"""
    run_client(code, url=stand_in.url, spool=str(tmp_path / "spool"))
    assert stand_in.totals == {"child": 15} | {f"thread:{i}": 400 for i in range(20)}
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_count_though_they_skip_atexit(
    stand_in: StandIn, tmp_path: Path, method: str
) -> None:
    module = tmp_path / "children.py"
    module.write_text(f"""
import sys
from multiprocessing import get_context
from incrementer_client import Counter

counter = Counter({stand_in.url!r}, interval_seconds=3600)

def child():
    counter.increment("child")

if __name__ == "__main__":
    counter.increment("parent")
    processes = [get_context({method!r}).Process(target=child) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
""")
    run_client("import runpy; runpy.run_path(path, run_name='__main__')", path=str(module))
    assert stand_in.totals == {"parent": 1, "child": 3}


def test_a_parent_that_dies_leaves_its_batches_though_its_child_lives(
    stand_in: StandIn, tmp_path: Path
) -> None:
    """The child has the parent's lock by inheritance, and has to let go of it."""
    spool = tmp_path / "spool"
    code = """
counter = Counter(url, spool=spool, interval_seconds=0)
counter.increment("parent")
while not counter.stats().spool_bytes:
    time.sleep(0.01)
if os.fork():
    signal.pause()
print("forked", flush=True)
signal.pause()
"""
    url = f"http://127.0.0.1:{free_port()}"
    with client_process(tmp_path, code, url=url, spool=str(spool)) as program:
        program.wait_for_log("forked")
        program.process.kill()  # type: ignore[union-attr]
        program.process.wait()  # type: ignore[union-attr]
        assert program.processes()
        with Counter(stand_in.url, spool=spool) as counter:
            counter.increment("own")
    assert stand_in.totals == {"own": 1, "parent": 1}


def test_asyncio_is_not_held_up_by_the_end(stand_in: StandIn) -> None:
    async def main() -> int:
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        away = Counter(f"http://127.0.0.1:{free_port()}", exit_seconds=0.5)
        ticking = asyncio.create_task(tick())
        async with Counter(stand_in.url) as counter, away:
            counter.increment("a")
            away.increment("b")
        ticking.cancel()
        assert await counter.aclose() == 0
        return turns

    assert asyncio.run(main()) > 10
    assert stand_in.totals == {"a": 1}


def test_a_counter_that_nobody_uses_has_no_threads_and_no_folder(tmp_path: Path) -> None:
    code = "Counter(url, spool=spool); print(threading.active_count(), os.path.exists(spool))"
    said = run_client(code, url="http://localhost:1", spool=str(tmp_path / "spool"))
    assert said == "1 False\n"


def test_importing_the_client_imports_the_standard_library_only() -> None:
    said = run_client("print(*sorted({name.partition('.')[0] for name in sys.modules}))")
    others = set(said.split()) - set(sys.stdlib_module_names) - {"__main__", "incrementer_client"}
    assert not {name for name in others if not name.startswith("_")}


def test_the_threads_import_nothing(stand_in: StandIn, tmp_path: Path) -> None:
    """A child that is forked in the middle of an import waits for that import's lock for ever."""
    code = """
counter = Counter(url, spool=spool, interval_seconds=0)
Counter("https://localhost")
before = set(sys.modules)
for key in ("a", "é"):
    counter.increment(key)
    while counter.stats().queued:
        time.sleep(0.01)
print(*sorted(set(sys.modules) - before))
"""
    stand_in.orders.extend([Order(503, {"Retry-After": "0"}), Order(400)])
    said = run_client(code, url=stand_in.url, spool=str(tmp_path / "spool"))
    assert said.splitlines()[-1] == ""
