"""Forks and signals in the middle of counting, in a project of somebody else's."""

from __future__ import annotations

import pytest

from tests.packaging.project import Project

WAL = """
DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL"
COUNTERS["FLUSH_INTERVAL"] = 0.02
"""


def test_a_fork_in_the_middle_of_a_flush_loses_nothing_and_breaks_no_database(
    project: Project,
) -> None:
    """A child must not inherit SQLite's connection: it would inherit the locks that it holds."""
    project.add_settings(WAL)
    said = project.script("""
import os, threading, time
from counters.recorder import recorder, stop_recorder

stop = False
counted = 0

def load():
    global counted
    while not stop:
        counters.increment_many([(f"load {number}", 1) for number in range(1000)])
        counted += 1
        time.sleep(0.002)

def child(name):
    for number in range(30):
        counters.increment_many([(f"{name} {key}", 1) for key in range(300)])
        time.sleep(0.01)
    assert not recorder().state().flusher.failures
    stop_recorder()

thread = threading.Thread(target=load)
thread.start()
time.sleep(0.3)
children = []
for name in range(10):
    until = time.monotonic() + 2
    while not recorder().state().flusher.seconds_in_flush > 0.002 and time.monotonic() < until:
        time.sleep(0.0002)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            child(name)
            code = 0
        finally:
            os._exit(code)
    children.append(pid)
    time.sleep(0.05)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop = True
thread.join()
print("codes", codes, "counted", counted)
""")
    assert f"codes {[0] * 10}" in said
    counted = int(said.rpartition("counted ")[2])
    project.manage("flushnumbers")
    assert project.integrity() == "ok"
    totals = project.totals()
    assert totals == {
        **{f"load {number}": counted for number in range(1000)},
        **{f"{name} {key}": 30 for name in range(10) for key in range(300)},
    }


@pytest.mark.parametrize("moment", ["start", "end"])
def test_an_increment_from_a_signal_handler_never_waits_for_its_own_thread(
    project: Project, moment: str
) -> None:
    said = project.script(f"""
import signal
from counters import recorder
from counters.recorder import stop_recorder
from counters.flusher import Flusher

def handle(*_):
    try:
        counters.increment("handler")
    except counters.NotRecorded:
        print("not recorded")

def interrupted(step):
    def run(self):
        signal.raise_signal(signal.SIGALRM)
        step(self)
    return run

signal.signal(signal.SIGALRM, handle)
if {moment == "start"}:
    Flusher.start = interrupted(Flusher.start)
else:
    Flusher.stop = interrupted(Flusher.stop)
counters.increment("own")
stop_recorder()
print("ended")
""")
    assert said.count("not recorded") == 1
    assert "ended" in said
    assert project.totals() == {"own": 1}


def test_a_time_limit_in_a_call_keeps_nobody_else_from_counting(project: Project) -> None:
    project.add_settings('COUNTERS["JOURNAL_FSYNC"] = "always"')
    said = project.script("""
import random, signal, threading, time

class TimeLimit(Exception):
    pass

def limit(*_):
    raise TimeLimit

def count():
    while not stop:
        counters.increment("other")
        others.append(1)

stop = False
others = []
counters.increment("warm")
thread = threading.Thread(target=count, daemon=True)
thread.start()
signal.signal(signal.SIGALRM, limit)
until = time.monotonic() + 4
while time.monotonic() < until:
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00005, 0.0006))
        counters.increment("limited")
        signal.setitimer(signal.ITIMER_REAL, 0)
    except (TimeLimit, counters.NotRecorded):
        time.sleep(0.001)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
stop = True
thread.join(10)
print("alive" if thread.is_alive() else "counted", len(others))
""")
    assert "alive" not in said
    project.manage("flushnumbers")
    assert project.totals()["other"] == int(said.rpartition("counted ")[2])


def test_a_fork_waits_for_the_last_flush_too(project: Project) -> None:
    said = project.script("""
import os, threading, time
from counters import flusher
from counters.recorder import stop_recorder

def slow(*arguments):
    inside.set()
    time.sleep(0.5)
    real(*arguments)
    flushed.append(True)

inside, flushed, real = threading.Event(), [], flusher.count_contents
flusher.count_contents = slow
counters.increment("a")
thread = threading.Thread(target=stop_recorder)
thread.start()
inside.wait(10)
pid = os.fork()
if not pid:
    os._exit(0)
print("flushed" if flushed else "forked in the middle of a flush")
os.waitpid(pid, 0)
thread.join()
""")
    assert "flushed" in said
    assert "middle" not in said
    assert project.totals() == {"a": 1}
