"""A reply that has to be there in time as a whole: a socket's timeout is for each piece of it."""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any


class ReplyInTime(HTTPResponse):
    """A reply to be read within the timeout that its socket has.

    Raises:
        TimeoutError: by reading later than that.
    """

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        # All that it wants of the socket is its `makefile`.
        super().__init__(_Pieces(sock), *arguments, **named)  # type: ignore[arg-type]


class _Pieces(io.RawIOBase):
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + (sock.gettimeout() or 0.0)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the reply takes too long")
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
