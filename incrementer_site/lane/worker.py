"""The gunicorn worker class: uvicorn's, with the increment lane."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from gunicorn.arbiter import Arbiter
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from incrementer_site.lane.limits import Limits

if TYPE_CHECKING:
    import socket

    from uvicorn.config import Config

    from incrementer_site.lane.lane import Lane

_GRACEFUL_SHUTDOWN_SECONDS = 10
"""What requests in progress get at shutdown, before the last flush."""


class IncrementWorker(UvicornWorker):
    limits: ClassVar[Limits] = Limits()

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "ws": "none",
        "server_header": False,
        "access_log": False,  # uvicorn's: gunicorn's has another format, and all requests
        "timeout_graceful_shutdown": _GRACEFUL_SHUTDOWN_SECONDS,
        # uvicorn looks once a second whether this has passed: so callback_notify comes each second.
        "timeout_notify": 0.5,
    }

    def run(self) -> None:
        # Imported here, so that gunicorn's master loads no Django.
        from incrementer_site.lane.lane import Lane
        from incrementer_site.lane.protocol import IncrementProtocol

        self._lane = Lane(self.limits)
        self.config.app = self.wsgi
        self.config.http = partial(IncrementProtocol, self._lane)
        if self.log.access_log_enabled:
            from incrementer_site.lane.access_log import AccessLog, LoggedProtocol, logged

            access_log = AccessLog(self.log)
            self.config.app = logged(self.wsgi, access_log)
            self.config.http = partial(LoggedProtocol, access_log, self._lane)
        super().run()

    async def _serve(self) -> None:
        server = _Server(self.config, self._lane)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def callback_notify(self) -> None:
        await super().callback_notify()
        # Without its master a worker would serve for ever, and hold the port against the next one.
        if os.getppid() != self.ppid:
            os.kill(os.getpid(), signal.SIGTERM)
        self._lane.tick()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End as on SIGTERM: uvicorn ignores SIGQUIT, which the master makes of its SIGINT."""
        signal.raise_signal(signal.SIGTERM)


class _Server(Server):
    """uvicorn's server; it tells the lane that it shuts down, and always waits for the flush."""

    def __init__(self, config: Config, lane: Lane) -> None:
        super().__init__(config)
        self._lane = lane

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._lane.end()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: Any) -> None:
        # On Ctrl-C in a terminal a worker gets SIGINT, and its master's SIGQUIT, maybe before it.
        # uvicorn takes a SIGINT that comes second for the order not to wait for the flush.
        super().handle_exit(signal.SIGTERM, frame)
