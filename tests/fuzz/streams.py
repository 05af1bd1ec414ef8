"""What connections send: random requests, some of them whole and some of them broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from random import Random

from tests.testbed.requests import FORM, JSON

TARGETS = [b"/increment"] * 8 + [
    b"/increment?a=b",
    b"/increment/",
    b"/%69ncrement",
    b"http://localhost/increment",
    b"HTTP://user@localhost/increment?a",
    b"http://localhost",
    b"http://localhost?a",
    b"http://",
    b"/\xff",
    b"/healthz",
    b"/readyz",
    b"/admin/login/?next=%ff&next=%00",
    b"/static/admin/css/base.css",
    b"/static/%00",
    b"*",
    b"localhost:80",
]
METHODS = [b"POST"] * 20 + [b"GET", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"PRI"]
VERSIONS = [b"HTTP/1.1"] * 12 + [b"HTTP/1.0"] * 3 + [b"HTTP/2.0", b"HTTP/1.10", b"HTTP/0.9"]
TYPES = [
    b"; charset=utf-8",
    b"; charset=hex",
    b"; a*=b'c'd",
    b"; a*=b; a*1=c",
    b"; a*" + b"9" * 5000 + b"=b",
    b"x",
    b", text/plain",
]
HEADERS = [
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Upgrade\r\nUpgrade: h2c",
    b"Connection: upgrade\r\nUpgrade: websocket",
    b"Expect: 100-continue",
    b"Expect: something",
    b"Content-Encoding: gzip",
    b"Content-Encoding: identity",
    b"Content-Length: 0",
    b"Content-Length: 20",
    b"Content-Length: -1",
    b"Content-Length: 18446744073709551616",
    b"Content-Length: 99999999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Trailer: X",
    b"Cookie: a=b; csrftoken=" + b"x" * 32,
    b"Authorization: Bearer \xff",
    b"Host: \xff",
    b"Origin: http://[",
    b"Referer: https://[::1",
    b"Range: bytes=-99999999999999999999",
    b"If-Modified-Since: Thu, 99 Jan 99999 99:99:99 GMT",
    b"Accept-Encoding: \xff;q=x",
    b'Idempotency-Key: "8e03978e"',
    b"idempotency-key: 8e03978e",
    b'Idempotency-Key: "8e03978e',
    b"Idempotency-Key: 8e03978e\r\nIdempotency-Key: 8e03978f",
    b"X: \x80\xff",
    b"X:",
]
TOKENS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b"\xff", b"\xc3", b" ", b"\t", b":", b";", b",",
    b"0\r\n\r\n", b"-", b"+", b"0x", b"ffffffffffffffff", b"4294967296", b"%", b"%00", b"%ff", b"&",
    b"=", b"key=", b"&value=1", b'"', b"\\", b"\\u0000", b"\\ud800", b"[", b"{", b"}", b"1" * 5000,
    b"GET / HTTP/1.1\r\n\r\n",
]  # fmt: skip


def draw_stream(chance: Random, key: str) -> bytes:
    """Return what one connection sends: increments of `key`, and bytes that look like them."""
    stream = b"".join(_request(chance, key) for _ in range(chance.randint(1, 4)))
    for _ in range(chance.choice([0, 0, 0, 1, 1, 1, 2, 5])):
        stream = _mutate(chance, stream, key)
    return stream


def split(chance: Random, stream: bytes) -> list[bytes]:
    """Return the pieces of `stream` that are sent one by one."""
    cuts = sorted(chance.randint(0, len(stream)) for _ in range(chance.randint(0, 4)))
    pieces = [stream[begin:end] for begin, end in pairwise([0, *cuts, len(stream)])]
    return [piece for piece in pieces if piece]


def _request(chance: Random, key: str) -> bytes:
    type_, body = _body(chance, key)
    if chance.random() < 0.1:
        type_ += chance.choice(TYPES)
    headers = [b"Host: localhost", b"Content-Type: " + type_]
    if chance.random() < 0.2:
        headers.append(chance.choice(HEADERS))
    if chance.random() < 0.2:
        headers.append(b"Transfer-Encoding: chunked")
        body = _chunked(chance, body)
    else:
        headers.append(b"Content-Length: %d" % len(body))
    line = b" ".join(map(chance.choice, (METHODS, TARGETS, VERSIONS)))
    return b"\r\n".join([line, *headers, b"", body])


def _body(chance: Random, key: str) -> tuple[bytes, bytes]:
    value = chance.choice([1, 2, 3, -1])
    one = {"key": key, "value": value}
    return chance.choice(
        [
            (FORM.encode(), f"key={key}&value={value}".encode()),
            (FORM.encode(), f"other=%&k%65y={key}&value=%2b{value}".encode()),
            (JSON.encode(), json.dumps(one).encode()),
            (JSON.encode(), json.dumps({**one, "other": "\\é"}, ensure_ascii=False).encode()),
            (JSON.encode(), json.dumps([one] * chance.randint(0, 3)).encode()),
        ]
    )


def _chunked(chance: Random, body: bytes) -> bytes:
    extension = chance.choice([b""] * 5 + [b";a=b", b';a="\xff"'])
    trailer = chance.choice([b""] * 5 + [b"X: y\r\n", b"Content-Type: x\r\n"])
    framed = b"".join(
        b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in split(chance, body)
    )
    return framed + b"0\r\n" + trailer + b"\r\n"


def _mutate(chance: Random, stream: bytes, key: str) -> bytes:
    begin = chance.randrange(len(stream) + 1)
    end = min(len(stream), begin + chance.choice([0, 1, 1, 2, 4, 16, 64]))
    before, within, after = stream[:begin], stream[begin:end], stream[end:]
    ways: list[Callable[[], bytes]] = [
        lambda: before + chance.randbytes(len(within)) + after,
        lambda: before + bytes(byte ^ 1 << chance.randrange(8) for byte in within) + after,
        lambda: before + after,
        lambda: before + within * chance.choice([2, 2, 2, 50]) + after,
        lambda: before + chance.choice(TOKENS) + after,
        lambda: before + chance.choice(HEADERS) + after,
        lambda: before + _request(chance, key) + after,
        lambda: before,
        lambda: chance.randbytes(len(within)) + after,
    ]
    return chance.choice(ways)()
