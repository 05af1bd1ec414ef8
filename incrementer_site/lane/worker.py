"""The gunicorn worker class: uvicorn's, with the increment lane."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

from incrementer_site.lane.limits import Limits

_GRACEFUL_SHUTDOWN_SECONDS = 10
"""What requests in progress get at shutdown, before the last flush."""


class IncrementWorker(UvicornWorker):
    limits: ClassVar[Limits] = Limits()

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "ws": "none",
        "server_header": False,
        "timeout_graceful_shutdown": _GRACEFUL_SHUTDOWN_SECONDS,
        # uvicorn looks once a second whether this has passed: so callback_notify comes each second.
        "timeout_notify": 0.5,
    }

    def run(self) -> None:
        # Imported here, so that gunicorn's master loads no Django.
        from incrementer_site.lane.lane import Lane
        from incrementer_site.lane.protocol import IncrementProtocol

        self._lane = Lane(self.limits)
        self.config.http = partial(IncrementProtocol, self._lane)
        super().run()

    async def callback_notify(self) -> None:
        await super().callback_notify()
        # Without its master a worker would serve for ever, and hold the port against the next one.
        if os.getppid() != self.ppid:
            os.kill(os.getpid(), signal.SIGTERM)
        self._lane.tick()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End as on SIGTERM: uvicorn ignores SIGQUIT, which the master makes of its SIGINT."""
        signal.raise_signal(signal.SIGTERM)
