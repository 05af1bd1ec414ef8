"""Requests, each with the status that it has to get each way. KEY stands for a key of 3 bytes."""

from __future__ import annotations

from tests.conformance.ways import GOOD, TOKEN, in_chunks, request
from tests.testbed.requests import FORM, JSON

CASES: dict[str, tuple[bytes, int]] = {
    "form": (request(), 200),
    "charset": (request(content_type=f"{FORM}; charset=utf-8"), 200),
    "charset in RFC 2231": (request(content_type=f"{FORM}; a*=nonsense'x'y"), 200),
    "numbered parameters": (request(content_type=f"{FORM}; a*=x; a*0=y"), 200),
    "numbered too high": (request(content_type=f"{FORM}; a*{'9' * 5000}=x"), 200),
    "numbered parameters, elsewhere": (
        request(content_type="x; a*=x; a*0=y", line="GET /nothing HTTP/1.1"),
        404,
    ),
    "content type in capitals": (request(content_type=FORM.upper()), 200),
    "json": (request(b'{"key": "KEY", "value": 3}', content_type=JSON), 200),
    "json charset": (
        request(b'{"key": "KEY", "value": 3}', content_type=f"{JSON};charset=utf-8"),
        200,
    ),
    "batch": (
        request(b'[{"key":"KEY","value":1},{"key":"KEY","value":2}]', content_type=JSON),
        200,
    ),
    "query": (request(line="POST /increment?key=x&value=9 HTTP/1.1"), 200),
    "empty query": (request(line="POST /increment? HTTP/1.1"), 200),
    "odd headers": (request(GOOD, "X-Empty:", "X-Twice: a", "x-twice: b", "X-High: \xe9"), 200),
    "cookie": (request(GOOD, "Cookie: a=b; sessionid=x"), 200),
    "keep-alive asked for": (request(GOOD, "Connection: keep-alive"), 200),
    "chunk": (in_chunks(GOOD), 200),
    "chunks": (in_chunks(b"k", b"ey=", b"KEY", b"&value", b"=", b"3"), 200),
    "chunk, in capitals": (in_chunks(GOOD).replace(b": chunked", b": CHUNKED "), 200),
    "escaped": (request(b"k%65y=KEY&value=%33"), 200),
    "other fields": (request(b"a=1&key=KEY&b=&value=3&c"), 200),
    "plus sign": (request(b"key=KEY&value=%2B3"), 200),
    "token, scheme in capitals": (request(token=f"BEARER {TOKEN}"), 200),
    "no token": (request(token=None), 401),
    "wrong token": (request(token="Bearer wrong"), 401),
    "token, other scheme": (request(token=f"Basic {TOKEN}"), 401),
    "token not ASCII": (request(token="Bearer \xe9\xff"), 401),
    "empty token": (request(token="Bearer"), 401),
    "token, scheme in lower case": (request(token=f"bearer {TOKEN}"), 200),
    "token between spaces": (request(token=f"  Bearer   {TOKEN}  "), 200),
    "token after a tab": (request(token=f"Bearer\t{TOKEN}"), 401),
    "token without scheme": (request(token=TOKEN), 401),
    "token too short": (request(token=f"Bearer {TOKEN[:-1]}"), 401),
    "token too long": (request(token=f"Bearer {TOKEN}t"), 401),
    "token in capitals": (request(token=f"Bearer {TOKEN.upper()}"), 401),
    "token twice": (request(GOOD, f"Authorization: Bearer {TOKEN}"), 401),
    "token after a wrong one": (request(GOOD, "Authorization: Bearer wrong"), 401),
    "no token, get": (request(b"", line="GET /increment HTTP/1.1", token=None), 405),
    "no token, text": (request(content_type="text/plain", token=None), 401),
    "no token, body too long": (request(b"x" * 3000, token=None), 401),
    "no token, bad form": (request(b"key", token=None), 401),
    "body too long, text": (request(b"x" * 3000, content_type="text/plain"), 413),
    "get": (request(b"", line="GET /increment HTTP/1.1"), 405),
    "put": (request(line="PUT /increment HTTP/1.1"), 405),
    "delete": (request(line="DELETE /increment HTTP/1.1"), 405),
    "options": (request(b"", line="OPTIONS /increment HTTP/1.1"), 405),
    "slash": (request(line="POST /increment/ HTTP/1.1"), 404),
    "longer path": (request(line="POST /incrementer HTTP/1.1"), 404),
    "path in capitals": (request(line="POST /INCREMENT HTTP/1.1"), 404),
    "no content type": (request(content_type=None), 415),
    "empty content type": (request(content_type=""), 415),
    "text": (request(content_type="text/plain"), 415),
    "multipart": (request(content_type="multipart/form-data; boundary=x"), 415),
    "body too long": (request(GOOD + b"&x=" + b"x" * 3000), 413),
    "body too long, chunked": (in_chunks(GOOD, b"&x=" + b"x" * 3000), 413),
    "body one too long": (request(GOOD + b"&" * (2049 - len(GOOD))), 413),
}
BAD_FORMS = [
    b"", b"&", b"=", b"key", b"value", b"key=KEY", b"value=3", b"key=&value=3", b"key=KEY&value=",
    b"key=KEY&value=1.5", b"key=KEY&value=x", b"key=KEY&value=--1", b"key=KEY&value=1e3",
    b"key=KEY&value=0x1", b"key=KEY&value=1_0", b"key=KEY&value=%201", b"key=KEY&value=+1",
    b"key=KEY&value=9223372036854775808", b"key=KEY&value=-9223372036854775809",
    b"key=KEY&value=" + b"9" * 500, b"key=KEY&key=KEY&value=3", b"key=KEY&value=3&value=3",
    b"key=KEY&%6bey=KEY&value=3", b"key=KEY%00&value=3", b"key=KEY\0&value=3",
    b"key=KEY%FF&value=3", b"key=KEY\xff&value=3", b"key=" + b"k" * 256 + b"&value=3",
    b"&" * 200 + GOOD, b"key=KEY;value=3", "key=KEY&value=\u0663".encode(), b'{"key":"KEY"}',
]  # fmt: skip
BAD_JSON = [
    b"", b"{", b"[]", b"null", b"true", b"3", b'"KEY"', b"[[]]", b"[null]", b"{}", b"nul",
    b'{"key":"KEY"}', b'{"value":3}', b'{"key":"KEY","value":true}', b'{"key":"KEY","value":1.0}',
    b'{"key":"KEY","value":"1"}', b'{"key":"KEY","value":null}', b'{"key":3,"value":3}',
    b'{"key":"","value":3}', b'{"key":"KEY\\u0000","value":3}', b'{"key":"KEY","value":1e2}',
    b'{"key":"KEY","value":9223372036854775808}', b'{"key":"KEY","value":3}x',
    b'{"key":"KEY","value":3,"value":3}', b'{"key":"KEY","key":"KEY","value":3}',
    b'{"key":"\xff","value":3}', b'[{"key":"KEY","value":3},{"key":"KEY"}]', b"[" * 1500,
    b'{"key":"\\ud800","value":3}', b"\xef\xbb\xbf{}", b'{"key":"' + b"k" * 256 + b'","value":3}',
]  # fmt: skip
CASES |= {f"bad form {i}": (request(body), 400) for i, body in enumerate(BAD_FORMS)}
CASES |= {
    f"bad JSON {i}": (request(body, content_type=JSON), 400) for i, body in enumerate(BAD_JSON)
}
