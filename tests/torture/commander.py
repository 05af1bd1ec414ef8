"""Runs flushnumbers and resetnumbers until SIGTERM, one or two at a time, and kills some of them.

    python -m tests.torture.commander SEED LEDGER

The ledger has one line of JSON for each command: its name, when it began, when it had ended (in
seconds of the system's monotonic clock), and whether it said that it succeeded. While another
process has an flock on the ledger, no command runs. A command is a fork of this process, which has
loaded Django already: so it takes only milliseconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import sys
import time
from typing import TextIO

import django
from django.core.management import call_command

from tests.torture.until_sigterm import until_sigterm

_FLUSH, _RESET = "flushnumbers", "resetnumbers"
_AT_ONCE = [[_FLUSH], [_RESET], [_FLUSH, _FLUSH], [_FLUSH, _RESET], [_RESET, _RESET]]


def main(seed: str, ledger: TextIO) -> None:
    chance = random.Random(seed)
    for _ in until_sigterm():
        time.sleep(chance.uniform(0, 0.5))
        names = chance.choice(_AT_ONCE)
        killed_after = chance.uniform(0, 0.05) if chance.random() < 0.3 else None
        fcntl.flock(ledger, fcntl.LOCK_EX)
        began = time.monotonic()
        commands = [_begin(name) for name in names]
        if killed_after is not None:
            time.sleep(killed_after)
            os.kill(commands[-1], signal.SIGKILL)
        successes = [os.waitpid(command, 0)[1] == 0 for command in commands]
        ended = time.monotonic()
        for name, success in zip(names, successes, strict=True):
            ledger.write(json.dumps([name, began, ended, success]) + "\n")
        ledger.flush()
        fcntl.flock(ledger, fcntl.LOCK_UN)


def _begin(name: str) -> int:
    """Begin a command in a child and return its process ID."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        call_command(name, **({"interactive": False} if name == _RESET else {}))
        code = 0
    except Exception as error:  # a command may fail: the faults are meant to break things
        print(f"{name}: {type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(code)


if __name__ == "__main__":
    django.setup()
    with open(sys.argv[2], "w") as ledger:
        main(sys.argv[1], ledger)
