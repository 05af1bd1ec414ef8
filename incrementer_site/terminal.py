"""The terminal that the service was started in, if it was: the service ends with it.

gunicorn takes the SIGHUP of a terminal that is closed for the order to reload, and would go on
without one, and hold the port.
"""

from __future__ import annotations

import os
import signal
from typing import Any


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return True


# As it was at the start: gunicorn reads its configuration anew at each reload, and not this module.
# A program started by nohup ignores SIGHUP, and is meant to outlive its terminal.
_ENDS_WITH_TERMINAL = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


def end_with_terminal(server: Any) -> None:
    """End, if the SIGHUP says that the terminal is gone; gunicorn's hook `on_reload`."""
    if _ENDS_WITH_TERMINAL and not _has_terminal():
        server.log.info("The terminal is closed.")
        os.kill(os.getpid(), signal.SIGTERM)
