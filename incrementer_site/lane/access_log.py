"""gunicorn's access log, for what the lane answers and for the rest; only where it is configured.

A worker without one uses nothing of this.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from counters.web.lookup import Lookup
from counters.web.replies import Reply
from incrementer_site.lane.heads import Head, Headers
from incrementer_site.lane.protocol import IncrementProtocol


@dataclass(frozen=True, slots=True)
class Request:
    """What the log needs of a request; where nothing of it could be read, it has dashes."""

    client: str
    method: str = "-"
    target: str = "-"
    version: str = "-"
    headers: Headers = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)


class AccessLog:
    """Writes a line for each reply, in the format of gunicorn's --access-logformat.

    Args:
        log: gunicorn's logger.
    """

    def __init__(self, log: Any) -> None:
        self._log = log

    def write(self, request: Request, status: int, headers: Headers, body_bytes: int) -> None:
        # gunicorn takes them from the environment that WSGI gives a program.
        path, _, query = request.target.partition("?")
        environ = {
            "REMOTE_ADDR": request.client,
            "REQUEST_METHOD": request.method,
            "RAW_URI": request.target,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": f"HTTP/{request.version}" if request.version != "-" else "-",
        }
        sent = _decoded(request.headers)
        for name, value in sent:
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        if not _has_plain_name(environ.get("HTTP_AUTHORIZATION", "")):
            environ.pop("HTTP_AUTHORIZATION", None)
        self._log.access(
            SimpleNamespace(status=str(status), sent=body_bytes, headers=_decoded(headers)),
            SimpleNamespace(headers=sent),
            environ,
            timedelta(seconds=time.monotonic() - request.began),
        )


def _has_plain_name(authorization: str) -> bool:
    """Return whether the name in it, which gunicorn decodes and logs, is no more than a word.

    A client may have put line ends in it, and with them whole lines of the log.
    """
    with suppress(ValueError):
        text = b64decode(authorization.partition(" ")[2], validate=True).decode()
        return all(" " < character < "\x7f" for character in text.partition(":")[0])
    return False


def _decoded(headers: Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin1"), value.decode("latin1")) for name, value in headers]


class LoggedProtocol(IncrementProtocol):
    """One connection; what the lane answers on it is logged."""

    __slots__ = ("_access_log", "_requests", "_trusted")

    def __init__(self, access_log: AccessLog, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._access_log = access_log
        self._requests: deque[Request] = deque()  # those that are not answered
        proxy = ProxyHeadersMiddleware(self.app, self.config.forwarded_allow_ips)
        self._trusted = proxy.trusted_hosts

    def lane_request(self, head: Head, body: bytes) -> None:
        self._note(head)
        super().lane_request(head, body)

    def look_up(self, lookup: Lookup, head: Head) -> None:
        self._note(head)
        super().look_up(lookup, head)

    def _note(self, head: Head) -> None:
        method, target = head.method.decode("latin1"), head.target.decode("latin1")
        client = self._client(head.headers)
        self._requests.append(Request(client, method, target, head.version, head.headers))

    def reply(self, reply: Reply, style: int) -> None:
        request = self._requests.popleft()
        super().reply(reply, style)
        self._write(request, reply)

    def refuse(self, reply: Reply) -> None:
        was_closing = self._closing
        super().refuse(reply)
        if not was_closing and self._refusal:
            self._write(Request(self._client([])), reply)

    def _write(self, request: Request, reply: Reply) -> None:
        headers = [(name.encode(), text.encode("latin1")) for name, text in reply.all_headers()]
        self._access_log.write(request, reply.status, headers, len(reply.sent_body))

    def _client(self, headers: Headers) -> str:
        """Return whose request it is: as uvicorn finds it out for the requests that it answers."""
        host = self.client[0] if self.client else ""
        values = [value for name, value in headers if name == b"x-forwarded-for"]
        if values and host in self._trusted:
            forwarded = b", ".join(values).decode("latin1")
            host = self._trusted.get_trusted_client_address(forwarded)[0] or host
        return host


def logged(
    app: Callable[[Any, Any, Any], Awaitable[None]], access_log: AccessLog
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Return the ASGI application `app`, whose replies are logged."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin1")
        target = scope["raw_path"].decode("latin1") + (f"?{query}" if query else "")
        client = scope["client"][0] if scope["client"] else ""
        request = Request(client, scope["method"], target, scope["http_version"], scope["headers"])
        start: Any = None
        body_bytes = 0

        async def count_and_send(message: Any) -> None:
            nonlocal start, body_bytes
            if message["type"] == "http.response.start":
                start = message
            body_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, count_and_send)
        finally:
            if start is not None:
                access_log.write(request, start["status"], list(start["headers"]), body_bytes)

    return application
