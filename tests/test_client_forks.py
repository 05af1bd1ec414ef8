"""The client in children that something else than `os.fork` begins or ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testbed.client_programs import run_client
from tests.testbed.stand_in import StandIn


def _run_module(folder: Path, code: str) -> None:
    path = folder / "module.py"
    path.write_text("import sys, threading\n" + code)
    run_client("import runpy; runpy.run_path(path, run_name='__main__')", path=str(path))


@pytest.mark.parametrize("hooks", ["its own", "its own and Python's"])
@pytest.mark.parametrize("has_spool", [False, True], ids=["in memory", "in a spool"])
def test_a_worker_of_uwsgi_begins_with_nothing_and_counts_its_own(
    stand_in: StandIn, tmp_path: Path, hooks: str, has_spool: bool
) -> None:
    """It forks in C, without Python's hooks, or with the one that a child has."""
    code = f"""
import ctypes, os, types
for name in [name for name in sys.modules if name.startswith("incrementer_client")]:
    del sys.modules[name]
after_fork = []
sys.modules["uwsgi"] = types.ModuleType("uwsgi")
sys.modules["uwsgidecorators"] = types.ModuleType("uwsgidecorators")
sys.modules["uwsgidecorators"].postfork = after_fork.append
from incrementer_client import Counter

spool = {str(tmp_path / "spool") if has_spool else None!r}
counter = Counter({stand_in.url!r}, spool=spool, interval_seconds=3600)
def refuse(thread):
    raise RuntimeError("no thread may wait for the interpreter's lock while C forks")

start, threading.Thread.start = threading.Thread.start, refuse
counter.increment("master")
threading.Thread.start = start
pid = ctypes.PyDLL(None).fork()
if not pid:
    if {"Python" in hooks}:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    for function in after_fork:
        function()
    counter.increment("worker")
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    _run_module(tmp_path, code)
    assert stand_in.totals == {"master": 1, "worker": 1}
    assert not list(tmp_path.rglob("*.waiting"))


@pytest.mark.parametrize(
    ("method", "imports"), [("fork", 1), ("spawn", 3), ("forkserver", 3)], ids=str
)
def test_children_of_multiprocessing_count_at_import_and_in_threads_that_go_on(
    stand_in: StandIn, tmp_path: Path, method: str, imports: int
) -> None:
    code = f"""
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context, util
from incrementer_client import Counter

counter = Counter({stand_in.url!r}, interval_seconds=3600)
counter.increment("import")

child_ends = threading.Event()

def count_after_child():
    child_ends.wait()
    counter.increment("thread")

def child():
    counter.increment("child")
    threading.Thread(target=count_after_child).start()
    global executor
    executor = ThreadPoolExecutor(1)
    executor.submit(count_after_child)
    util.Finalize(None, child_ends.set, exitpriority=-1)

if __name__ == "__main__":
    processes = [get_context({method!r}).Process(target=child) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
"""
    _run_module(tmp_path, code)
    assert stand_in.totals == {"import": imports, "child": 2, "thread": 4}
