"""Heads with an `Idempotency-Key`: alike but for that line, which names the request.

A client that gives each request an id sends the same head but for the id. So such heads are
remembered without that line; otherwise each would miss, and push out another one.

What is left, the parser has read as a whole with such a line in some place, and no other of its
kind. Its lines are such that it means the same with that line between any two of them, or at the
end. Bytes that differ in anything but the id and the line's place go to the parser, and so does a
line that is not plain.
"""

from __future__ import annotations

import re

import msgspec

from counters.web.idempotency import refusal_of_time
from counters.web.increment import ReadBody, ReadIdentified
from incrementer_site.lane.heads import IDEMPOTENCY_KEY, Head, KnownHeads

# In quotes and with nothing escaped, or bare and without a blank.
_find_plain = re.compile(
    rb'(?i:\r\nidempotency-key:)[ \t]*("([ !#-\[\]-~]{1,64})"|[!#-+\--~][!-+\--~]{0,63})[ \t]*'
    rb"(?:\Z|(?=\r\n))"
).search


class KnownIdentified(KnownHeads[tuple[ReadBody, Head]]):
    """What a worker remembers of such heads, by their bytes without the line of the id."""

    def look_up(self, raw_head: bytes) -> Head | None:
        """Return what the parser would make of a head, if it need not be asked."""
        if not self or not (found := _find_plain(raw_head)):
            return None
        known = self.get(raw_head[: found.start()] + raw_head[found.end() :])
        if known is None:
            return None
        read, head = known
        sent, quoted = found.groups()
        id_ = (quoted or sent).decode()
        if refusal_of_time(id_):
            return None
        headers = [*head.headers, (IDEMPOTENCY_KEY, sent)]
        return Head(
            ReadIdentified(id_, read),
            *(head.body_bytes, head.method, head.target, head.version, headers, head.style),
        )

    def remember_identified(self, raw_head: bytes, head: Head) -> None:
        """Remember a head that has an id, without it, where the id's line is plain.

        Args:
            head: what the parser has made of it, and of no other bytes.
        """
        read, found = head.read, _find_plain(raw_head)
        if not isinstance(read, ReadIdentified) or found is None:
            return
        others = [header for header in head.headers if header[0] != IDEMPOTENCY_KEY]
        rest = raw_head[: found.start()] + raw_head[found.end() :]
        is_only_one = len(others) == len(head.headers) - 1
        if is_only_one and rest.startswith(b"POST ") and _has_plain_lines(rest):
            self.remember(rest, (read.read, msgspec.structs.replace(head, headers=others)))


def _has_plain_lines(lines: bytes) -> bool:
    """Return whether each line ends with CR LF, and none goes on with the one before it.

    The parser of today refuses others; this is not to hang on it.
    """
    ends = lines.count(b"\r\n")
    is_plain = lines.count(b"\r") == lines.count(b"\n") == ends
    return is_plain and b"\n " not in lines and b"\n\t" not in lines
