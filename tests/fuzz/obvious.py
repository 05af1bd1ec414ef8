"""What bytes mean, found out in slow and obvious ways, to compare the product with."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

import h11

from counters.increments import MAX_VALUE, MIN_VALUE
from tests.testbed.requests import FORM, JSON

Pair = tuple[str, int]
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _is_increment(key: Any, value: Any) -> bool:
    return (
        type(key) is str
        and 1 <= len(key) <= 255
        and not re.search("[\0\ud800-\udfff]", key)  # half a surrogate pair is no text
        and type(value) is int
        and MIN_VALUE <= value <= MAX_VALUE
    )


def read_form(body: bytes) -> Pair | None:
    """Return the increment in a form, or None where there is not exactly one."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if re.search(rb"[\r\n]", body):
        return None
    fields: dict[bytes, list[bytes]] = {}
    longest = 0  # of values, as they stand there
    for pair in body.split(b"&"):
        name, _, content = pair.replace(b"+", b" ").partition(b"=")
        name = unquote_to_bytes(name)
        if name == b"value":
            longest = max(longest, len(content))
        content = unquote_to_bytes(content)
        fields.setdefault(name, []).append(content)
    keys, values = fields.get(b"key", []), fields.get(b"value", [])
    if len(keys) != 1 or len(values) != 1 or body.count(b"&") >= 100 or longest > 10_000:
        return None
    number = re.fullmatch(rb"([+-]?)0*([0-9]{1,19})", values[0])
    if not number:
        return None
    try:
        key, value = keys[0].decode(), int(number[1] + number[2])
    except UnicodeDecodeError:
        return None
    return (key, value) if _is_increment(key, value) else None


def read_json(body: bytes) -> list[Pair] | None:
    """Return the increments in JSON text, or None where it is not wholly made of them."""
    try:
        found = json.loads(
            body.removeprefix(_BYTE_ORDER_MARK).decode(),
            object_pairs_hook=lambda pairs: ("object", pairs),
            parse_constant=_refuse_constant,
            parse_int=lambda digits: int(digits[:30]),  # more are out of range anyway
        )
    except (ValueError, RecursionError):
        return None
    pairs = []
    for item in found if isinstance(found, list) else [found]:
        if not isinstance(item, tuple):
            return None
        names = [name for name, _ in item[1]]
        fields = dict(item[1])
        if names.count("key") != 1 or names.count("value") != 1:
            return None
        if not _is_increment(fields["key"], fields["value"]):
            return None
        pairs.append((fields["key"], fields["value"]))
    return pairs if 1 <= len(pairs) <= 10_000 else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is Python's, not JSON's")


def read_id(sent: str) -> str | None:
    """Return the id in an `Idempotency-Key` without parameters; None where it is none."""
    text = sent.strip(" \t")
    if not all(" " <= character <= "~" for character in text):
        return None
    found, rest = "", iter(text[1:])
    if text[:1] != '"':
        found = "" if "," in text else text
    else:
        for character in rest:
            if character == '"':
                break
            if character == "\\" and (character := next(rest, "")) not in ('"', "\\"):
                return None
            found += character
        else:
            return None
        if next(rest, None) is not None:
            return None
    return found if 1 <= len(found) <= 64 else None


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request, as h11 read it."""

    method: str
    plain: bool
    """Whether it can only be read as a request to record the increments in its body."""
    increments: list[Pair]
    """The increments that may count if it is accepted."""


class Unjudged(Exception):
    """h11 refuses it, but the service may accept it, and there is no model for that.

    So it is with other transfer codings, and with many zeros in a chunk size.
    """


def read_requests(stream: bytes) -> list[Request]:
    """Return the whole requests at the beginning of what a connection sends.

    Raises:
        Unjudged: there is no model for what it sends.
    """
    requests = []
    try:
        while True:
            connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(stream) + 100)
            connection.receive_data(_strict(stream))
            head, body = connection.next_event(), b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += event.data
            if not isinstance(head, h11.Request) or not isinstance(event, h11.EndOfMessage):
                break
            requests.append(_request(head, body))
            if not _keeps_old_connection(head):
                connection.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
            stream, _ = connection.trailing_data
    except h11.ProtocolError as error:  # from here on it is no HTTP, or a request that may not be
        refusal = str(error)
        if "Transfer-Encoding" in refusal or ("chunk header" in refusal and b"0" * 9 in stream):
            raise Unjudged from error
    return requests


def _keeps_old_connection(head: h11.Request) -> bool:
    """Whether it is HTTP/1.0 and asks for more requests on the connection, which h11 knows not."""
    options = [value.lower() for name, value in head.headers if name == b"connection"]
    return head.http_version == b"1.0" and b"keep-alive" in b",".join(options)


def _strict(stream: bytes) -> bytes:
    """Return `stream` with a first request that h11 accepts where the service accepts it.

    So there are no empty lines before it, one space between the words of its first line, and one
    Host.
    """
    head, end, rest = stream.lstrip(b"\r\n").partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    fields = [field for field in fields if not re.fullmatch(rb"(?i)host:[\t -~\x80-\xff]*", field)]
    return b"\r\n".join([re.sub(b" +", b" ", first), b"Host: x", *fields]) + end + rest


def _request(head: h11.Request, body: bytes) -> Request:
    names = [name for name, _ in head.headers]
    types = [value for name, value in head.headers if name == b"content-type"]
    type_ = types[0].decode("latin1").partition(";")[0].strip().lower() if types else ""
    pair = read_form(body)
    increments = {FORM: [pair] if pair else None, JSON: read_json(body)}.get(type_)
    return Request(
        method=head.method.decode(),
        plain=head.method == b"POST"
        and head.target.partition(b"?")[0] == b"/increment"
        and len(types) == 1
        and b"content-encoding" not in names
        and b"idempotency-key" not in names  # the same id may have come before
        and not {b"content-length", b"transfer-encoding"} <= set(names)
        and len(body) <= 1024 * 1024,
        increments=increments or [],
    )
