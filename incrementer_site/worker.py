"""The gunicorn worker class: uvicorn's, with the increment lane."""

from __future__ import annotations

import os
import signal
from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

GRACEFUL_SHUTDOWN = 10
"""Seconds that requests in progress get at shutdown, before the last flush."""


class IncrementWorker(UvicornWorker):
    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        # By name, so that gunicorn's master loads no Django.
        "http": "incrementer_site.lane:IncrementProtocol",
        "ws": "none",
        "server_header": False,
        "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN,
        # uvicorn looks once a second whether this has passed: so callback_notify comes each second.
        "timeout_notify": 0.5,
    }

    async def callback_notify(self) -> None:
        await super().callback_notify()
        # Without its master a worker would serve for ever, and hold the port against the next one.
        if os.getppid() != self.ppid:
            os.kill(os.getpid(), signal.SIGTERM)
        self.config.http_protocol_class.tick()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End as on SIGTERM: uvicorn ignores SIGQUIT, which the master makes of its SIGINT."""
        signal.raise_signal(signal.SIGTERM)
