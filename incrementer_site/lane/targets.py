"""Where a request goes: its target and its Host, which clients may give in two ways.

Most give a path, and the host in a header. Those that take the service for a proxy give both in the
target: "POST http://localhost:3333/increment HTTP/1.1" (RFC 9112, 3.2.2).
"""

from __future__ import annotations

import re

from counters.web import replies
from counters.web.replies import Reply
from counters.web.request import HASH_IN_TARGET
from incrementer_site.lane.heads import Headers

_match_absolute = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_is_host = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*").fullmatch
"""What may stand in a host and a port (RFC 3986, 3.2.2)."""


def path_and_host(target: bytes, headers: Headers) -> tuple[bytes, Headers]:
    """Return a target that is a path, with its query, and headers with the host that was meant.

    Args:
        headers: names in lower case.

    Raises:
        ValueError: nobody can tell where the request is to go.
    """
    if target.startswith(b"/"):
        return target, headers
    found = _match_absolute(target)
    if not found or not _is_host(found[1]):
        raise ValueError(target)
    host, path = found.groups()
    if not path.startswith(b"/"):
        path = b"/" + path
    return path, [(b"host", host), *(header for header in headers if header[0] != b"host")]


def refusal_of(version: str, target: bytes, headers: Headers) -> Reply | None:
    """Return the reply to a request of which nobody can tell where it is to go."""
    if b"#" in target:  # it is for browsers, which do not send it (RFC 9112, 3.2)
        return replies.error(400, HASH_IN_TARGET, field="path")
    return wrong_host(version, headers)


def wrong_host(version: str, headers: Headers) -> Reply | None:
    """Return the reply to a request whose Host is not as it has to be (RFC 9112, 3.2)."""
    hosts = [value.strip(b" \t") for name, value in headers if name == b"host"]
    if len(hosts) > 1:
        return replies.error(400, "Host is given twice", field="Host")
    if not hosts and version == "1.1":
        return replies.error(400, "Host is missing", field="Host")
    if hosts and not _is_host(hosts[0]):
        return replies.error(400, "Host is no host", field="Host")
    return None
