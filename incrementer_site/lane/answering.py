"""What one connection sends: replies in the order of the requests, and how it ends."""

from __future__ import annotations

from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from counters.web.lookup import Lookup
from counters.web.replies import RECORDED, Reply
from incrementer_site import lookups
from incrementer_site.lane.ending import end
from incrementer_site.lane.heads import CLOSE, Head, closes, closing, fit
from incrementer_site.lane.lane import Lane, serialize
from incrementer_site.lane.ordinary import OrdinaryProtocol

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class AnsweringProtocol(OrdinaryProtocol):
    """The sending half of a connection.

    Replies go in the order of the requests. So an ordinary request waits in `pipeline` until the
    increments before it are answered; and while one is under way, increments go the ordinary way,
    too.
    """

    # Python is fast with thirty attributes in an object's dict, and the parent has nearly as many.
    __slots__ = (
        "_closing",
        "_has_ended",
        "_is_looking_up",
        "_lane",
        "_owes_continue",
        "_refusal",
        "_since_seconds",
        "_unanswered",
    )

    def __init__(self, lane: Lane, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lane = lane
        self._since_seconds = lane.seconds  # since when nothing has happened; for the deadlines
        self._unanswered = 0  # increments that have not been answered
        self._is_looking_up = False  # the one that waits asks for a total
        self._closing = False  # nothing that arrives is read any more
        self._refusal: Reply | None = None  # it waits for the replies before it
        self._owes_continue = False  # a client waits for it, before it sends its body
        self._has_ended = False  # nothing more will be sent

    def is_idle(self) -> bool:
        """Whether nothing waits for its reply."""
        return not self._unanswered and not self.has_ordinary()

    def is_looking_up(self) -> bool:
        """Whether the request that waits asks for a total: what comes after it has to wait."""
        return self._is_looking_up

    def look_up(self, lookup: Lookup, head: Head) -> None:
        """Answer a request for a total once the database has told it; meanwhile go on."""
        self._closing = closes(head.style)
        self._unanswered += 1
        self._is_looking_up = True
        lookups.ask(lookup, partial(self._looked_up, head))

    def _looked_up(self, head: Head, reply: Reply) -> None:
        self._is_looking_up = False
        self.reply(fit(reply, head.method), head.style)

    def owes_one(self) -> bool:
        """Whether one request waits for its reply, and no more."""
        return self._unanswered == 1

    def reply(self, reply: Reply, style: int) -> None:
        """Answer the request that has waited longest.

        Args:
            style: how the reply is to look (`heads.style_of`).
        """
        self.server_state.total_requests += 1
        self._unanswered -= 1
        self._since_seconds = self._lane.seconds
        if self.transport.is_closing():
            return
        if self._closing and not self._unanswered and not self._refusal:
            style = closing(style)
        if reply is RECORDED:
            self.transport.write(self._lane.recorded[style])
        else:
            self.transport.write(serialize(reply, self.server_state.default_headers, style))
        if style and closes(style):  # nearly all have 0
            self._close()
        if self._unanswered:
            return
        if self._owes_continue:
            self._send_continue()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if self._refusal:
            self._refuse_if_idle()
        if self.flow.read_paused:
            self._read_on()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._unanswered:  # its reply has to come after those
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))
        else:
            super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._since_seconds = self._lane.seconds
        super().on_response_complete()
        if self.transport.is_closing():
            self._closing = True  # what has arrived behind it gets no reply, so it must not count
        self._unset_keepalive_if_required()  # `tick` sees to it
        self._read_on()
        self._refuse_if_idle()

    def _read_on(self) -> None:
        """Read on, where reading was paused until replies were sent."""
        raise NotImplementedError

    def expects_continue(self, is_expected: bool) -> None:
        """Say that the body may come: after the replies that are due, and before it has come."""
        self._owes_continue = is_expected
        if is_expected and not self._unanswered:
            self._send_continue()

    def _send_continue(self) -> None:
        self._owes_continue = False
        self.transport.write(_CONTINUE)

    def _refuse_if_idle(self) -> None:
        # With earlier replies still to come, this one would be taken for one of theirs.
        if self._refusal and self.is_idle() and not self.transport.is_closing():
            self.transport.write(serialize(self._refusal, self.server_state.default_headers, CLOSE))
            self._end()

    def _close(self) -> None:
        """Close when all is sent."""
        # When the worker shuts down, the client does not know it yet, and may be sending on.
        if self._lane.is_ending:
            self._end()
        else:
            self.transport.close()

    def _end(self) -> None:
        self._has_ended = True
        self.flow.resume_reading()
        end(self.transport, self._lane.limits.linger_seconds)
