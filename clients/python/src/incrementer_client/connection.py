"""The connection to the service, which stays open between batches."""

from __future__ import annotations

import codecs
import socket
from contextlib import suppress
from http.client import HTTP_PORT, HTTPS_PORT, HTTPConnection, HTTPException, HTTPSConnection
from ssl import SSLContext
from urllib.parse import urlsplit

from incrementer_client.answer import Answer
from incrementer_client.reply import ReplyInTime

FAILURES = (OSError, HTTPException)
"""What `open` and `post` raise where no whole reply came."""
_MAX_REPLY_BYTES = 65536

codecs.lookup("idna")
"""Looks hosts' names up. Python would import it with the first connection, in the sender's thread;
a child that is forked in the middle of that would wait for the import's lock for ever."""


class Connection:
    """A connection to the service at `url`.

    Raises:
        ValueError: the address or the token is none.
    """

    def __init__(self, url: str, token: str | None, ssl_context: SSLContext | None) -> None:
        no_address = "the url is no address that begins with http:// or https://"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # What these errors say may have a password in it.
            raise ValueError(no_address) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(no_address)
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("the url has more than a host, a port and a path")
        if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
            raise ValueError("the token is empty, or not printable ASCII")
        self._path = parts.path.rstrip("/") + "/increment"
        if not self._path.isascii() or not self._path.isprintable() or " " in self._path:
            raise ValueError("the path of the url has characters that have to be escaped")
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "incrementer-client",
        }
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        # With a port, http.client does not look for one in the host, which may be an IPv6 address.
        if parts.scheme == "https":
            self._http: HTTPConnection = HTTPSConnection(
                parts.hostname, HTTPS_PORT if port is None else port, context=ssl_context
            )
        else:
            self._http = HTTPConnection(parts.hostname, HTTP_PORT if port is None else port)
        self._http.response_class = ReplyInTime

    def open(self, timeout_seconds: float) -> bool:
        """Connect, unless it is connected; return whether it was. No byte of a request is sent."""
        self._http.timeout = timeout_seconds
        if self._http.sock is not None:
            self._http.sock.settimeout(timeout_seconds)
            return True
        self._http.connect()
        return False

    def post(self, body: bytes, id_: str) -> Answer:
        """Send a batch and return the service's answer; `open` comes before it."""
        headers = {**self._headers, "Idempotency-Key": f'"{id_}"'}
        self._http.request("POST", self._path, body, headers)
        response = self._http.getresponse()
        reply = response.read(_MAX_REPLY_BYTES)
        if not response.isclosed():
            self.close()  # there is more of it, which nobody reads
        return Answer(response.status, reply, response.getheader("Retry-After"))

    def close(self) -> None:
        self._http.close()

    def abort(self) -> None:
        """Have a call that another thread waits in fail at once."""
        sock = self._http.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
