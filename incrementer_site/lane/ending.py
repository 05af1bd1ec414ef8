"""The end of a connection: so that no reply is lost that its client has not read yet."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios


def end(transport: asyncio.Transport, linger_seconds: float) -> None:
    """Send no more, and close `transport` once its client had time to read.

    If it were closed at once, with bytes of the client's unread, the kernel would reset the
    connection, and what it had not sent yet would be lost: the latest replies. What arrives
    meanwhile has to be read and thrown away.

    Args:
        linger_seconds: how long the client gets, and as long again while there is something that
            it has not taken. It is the caller's to end that.
    """
    loop = asyncio.get_running_loop()

    def close() -> None:
        if transport.is_closing() or not _count_unsent_bytes(transport):
            transport.abort()
        else:
            loop.call_later(linger_seconds, close)

    transport.write_eof()
    loop.call_later(linger_seconds, close)


def is_quiet(transport: asyncio.Transport) -> bool:
    """Return whether the client has all that was sent, and nothing of the client's is unread.

    Then nothing is lost when `transport` is closed at once.
    """
    return not _count_unsent_bytes(transport) and not _count_bytes(transport, termios.FIONREAD)


def _count_unsent_bytes(transport: asyncio.Transport) -> int:
    return transport.get_write_buffer_size() + _count_bytes(transport, termios.TIOCOUTQ)


def _count_bytes(transport: asyncio.Transport, request: int) -> int:
    file = transport.get_extra_info("socket").fileno()
    (count,) = struct.unpack("i", fcntl.ioctl(file, request, struct.pack("i", 0)))
    return int(count)
