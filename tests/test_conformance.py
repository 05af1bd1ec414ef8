"""The increment lane answers as Django's own ASGI and WSGI handlers do, and counts the same."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO
from pathlib import Path
from select import select
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server import FORM, GUNICORN, JSON, Server, wait_for

TOKEN = "s3cret"
MEANINGFUL = ("content-type", "content-length", "allow", "retry-after", "www-authenticate")
WAYS = {
    "lane": GUNICORN,
    "asgi": (*GUNICORN, "--worker-class", "tests.plain_worker.PlainWorker"),
    "wsgi": (*GUNICORN, "--worker-class", "gthread", "incrementer_site.wsgi:application"),
}
GOOD = b"key=KEY&value=3"
Answer = tuple[int, bytes, tuple[str | None, ...]]


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """The same service three times over: its lane, Django's ASGI handler, its WSGI handler."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                Server(
                    tmp_path_factory.mktemp(name),
                    command=command,
                    WEB_CONCURRENCY="1",
                    INCREMENT_TOKEN=TOKEN,
                    MAX_BODY_BYTES="2048",
                )
            )
            for name, command in WAYS.items()
        }


def request(
    body: bytes = GOOD,
    *headers: str,
    line: str = "POST /increment HTTP/1.1",
    content_type: str | None = FORM,
    token: str | None = f"Bearer {TOKEN}",
    framed: bool = True,
) -> bytes:
    """Return a request's bytes; `framed` gives it a Content-Length."""
    head = [line, "Host: localhost", *headers]
    if content_type is not None:
        head.append(f"Content-Type: {content_type}")
    if token is not None:
        head.append(f"Authorization: {token}")
    if framed:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("latin1") + body


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    return request(body, "Transfer-Encoding: chunked", framed=False)


def talk(server: Server, pieces: list[bytes]) -> bytes:
    """Send `pieces` one after the other and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
            if len(pieces) > 1:
                time.sleep(0.0005)  # only makes it likely that each piece arrives alone
        reply = b""
        while data := client.recv(65536):
            reply += data
        return reply


class _Replies:
    """What HTTPResponse needs of a socket: one stream, kept open from one reply to the next."""

    def __init__(self, raw: bytes) -> None:
        self._file = BytesIO(raw)
        self._file.close = lambda: None  # type: ignore[method-assign]

    def makefile(self, _mode: str) -> BytesIO:
        return self._file

    def at_end(self) -> bool:
        return self._file.tell() == len(self._file.getvalue())


def answers(raw: bytes) -> list[Answer]:
    """Return status, body and meaningful headers of every reply in `raw`."""
    source, found = _Replies(raw), []
    while not source.at_end():
        response = HTTPResponse(source)  # type: ignore[arg-type]
        response.begin()
        body = response.read()
        found.append((response.status, body, tuple(map(response.getheader, MEANINGFUL))))
    return found


LAST = request(b"", "Connection: close", line="GET /nothing HTTP/1.1", content_type=None)


def flushed(server: Server) -> dict[str, int]:
    """Return the totals once all that was acknowledged is in them."""
    server.manage("flushnumbers")
    return server.totals()


def send_each_way(ways: dict[str, Server], key: str, raw: list[bytes]) -> list[Answer]:
    """Send the same bytes each way; return the answers, and leave the counts to `same_counts`."""
    sent = [piece.replace(b"KEY", key.encode()) for piece in raw] + [LAST]
    by_way = {name: answers(talk(server, sent)) for name, server in ways.items()}
    assert by_way["lane"] == by_way["asgi"]
    # Django's WSGI handler reads no body that has no Content-Length: it refuses those.
    if b"Transfer-Encoding" not in b"".join(raw):
        assert by_way["lane"] == by_way["wsgi"]
    assert by_way["lane"][-1][0] == 404
    return by_way["lane"][:-1]


def same_counts(ways: dict[str, Server], expected: dict[str, int], *chunked_keys: str) -> None:
    for name, server in ways.items():
        totals = flushed(server)
        for key, total in expected.items():
            refused = name == "wsgi" and key in chunked_keys
            assert totals.get(key, 0) == (0 if refused else total), (name, key)


# Each: the request and the status that it has to get. Keys are as long as KEY.
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
    "chunk": (chunked(GOOD), 200),
    "chunks": (chunked(b"k", b"ey=", b"KEY", b"&value", b"=", b"3"), 200),
    "chunk, in capitals": (chunked(GOOD).replace(b": chunked", b": CHUNKED "), 200),
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
    "body too long, chunked": (chunked(GOOD, b"&x=" + b"x" * 3000), 413),
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


def test_every_request_gets_the_same_answer_each_way(ways: dict[str, Server]) -> None:
    expected, chunked_keys = {}, []
    for number, (name, (raw, status)) in enumerate(CASES.items()):
        key = f"{number:03}"
        twice = [raw, raw] if status == 200 else [raw]  # the second meets a head that is known
        found = send_each_way(ways, key, twice)
        assert [answer[0] for answer in found] == [status] * len(twice), name
        expected[key] = 6 if status == 200 else 0
        if b"Transfer-Encoding" in raw:
            chunked_keys.append(key)
    same_counts(ways, expected, *chunked_keys)


def mostly(usual: Any, *rare: Sequence[Any]) -> st.SearchStrategy[Any]:
    others = [each for some in rare for each in some]
    return st.sampled_from([usual] * 8 * len(others) + others)


NAME_CASES = st.sampled_from([str.lower, str.upper, str.title])
METHODS = mostly("POST", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
TARGETS = mostly(
    "/increment",
    ["/increment?", "/increment?key=x&value=%zz", "/%69ncrement", "http://localhost/increment"],
    ["/increment/", "//increment", "/increment%20", "/increment;x", "/x/../increment", "/"],
)
MEDIA_TYPES = st.sampled_from(
    [FORM] * 8
    + [
        JSON,
        JSON.upper(),
        FORM.title(),
        f"{FORM} ",
        "text/plain",
        "multipart/form-data",
        "json",
        "",
    ]
)
PARAMETERS = mostly(
    "", [";", "; charset=utf-8", ";charset=UTF-16", ' ; a="b;c"', "; boundary=x", ", " + JSON]
)
BEARER = f"Bearer {TOKEN}"
TOKENS = mostly(
    [BEARER],
    [[], ["Bearer"], [TOKEN], ["Bearer wrong"], [f"bearer  {TOKEN} "], [f"Basic {TOKEN}"]],
    [["Bearer \xff"], [BEARER, BEARER], [BEARER, "Bearer wrong"], ["", BEARER]],
)
OTHER_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Accept", "x-a", "X-A", "X_A", "Cookie", "Via", "Content-Encoding"])
        | st.from_regex("X-[!#-'*+.^`|~0-9A-Za-z-]{1,20}", fullmatch=True),
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")),
    ),
    max_size=3,
)
ANY_KEY = st.text(st.characters(codec="utf-8"), max_size=10)
VALUES = st.integers(-1000, 1000)
SOME_FORMS = st.builds(
    lambda key, value, more: f"key={quote_plus(key)}&value={value}{more}".encode(),
    ANY_KEY,
    VALUES | st.sampled_from(["", "x", "1.0", "%2B5", "%31", "1%00", 2**63]),
    mostly("", ["&", "&a=b", "&key=a", "&%ff"]),
)
OBJECTS = st.builds(
    lambda key, value, more: {"key": key, "value": value, **more},
    ANY_KEY,
    VALUES | mostly(1, [2**63, 10**30, 1.5, None, True, "1"]),
    st.dictionaries(ANY_KEY, ANY_KEY, max_size=1),
)
SOME_JSON = st.builds(
    lambda thing, ascii_: json.dumps(thing, ensure_ascii=ascii_).encode(),
    OBJECTS | st.lists(OBJECTS, max_size=3),
    st.booleans(),
)
BODIES = st.one_of(
    *(SOME_FORMS, SOME_JSON) * 4, st.binary(max_size=50), st.just(GOOD + b"&" * 3000)
)


@st.composite
def chunked_bodies(draw: st.DrawFn, body: bytes) -> bytes:
    """Give `body` as some row of chunks."""
    row = []
    while body:
        size = draw(st.integers(1, len(body)))
        number = draw(st.sampled_from(["%x", "%X", "00%x"])) % size
        extension = draw(st.sampled_from(["", "", ";a", ";a=b", ';a="b c"']))
        row.append(f"{number}{extension}\r\n".encode() + body[:size] + b"\r\n")
        body = body[size:]
    return b"".join(row) + b"0\r\n" + draw(st.sampled_from([b"", b"X-After: all\r\n"])) + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Give a request, and the same with a Content-Length: Django's WSGI handler wants one."""
    body = draw(BODIES)
    is_json = body[:1] in (b"{", b"[") and draw(mostly(True, [False]))
    headers = [*draw(OTHER_HEADERS), *(("Authorization", value) for value in draw(TOKENS))]
    headers.append(("Content-Type", JSON if is_json else draw(MEDIA_TYPES) + draw(PARAMETERS)))
    head = [
        f"{draw(NAME_CASES)(name)}:{draw(st.sampled_from(['', ' ', '  ']))}{value}"
        for name, value in draw(st.permutations(headers))
    ]
    framed = [*head, f"Content-Length: {len(body)}"]
    line = f"{draw(METHODS)} {draw(TARGETS)} HTTP/1.1"

    def text(lines: list[str]) -> bytes:
        return "\r\n".join([line, "Host: localhost", *lines, "", ""]).encode("latin1")

    with_length = text(framed) + body
    if draw(st.booleans()):
        return with_length, with_length
    return text([*head, "Transfer-Encoding: chunked"]) + draw(chunked_bodies(body)), with_length


def test_generated_requests_get_the_same_answers_each_way(ways: dict[str, Server]) -> None:
    seen: Counter[int] = Counter()

    @settings(derandomize=True, max_examples=150, deadline=None)
    @given(st.lists(requests(), min_size=2, max_size=5))
    def compare(several: list[tuple[bytes, bytes]]) -> None:
        twice = [one for one in several for _ in range(2)]  # the second meets a head that is known
        as_sent, with_length = ([*pieces, LAST] for pieces in zip(*twice, strict=True))
        found = {
            name: answers(talk(server, with_length if name == "wsgi" else as_sent))
            for name, server in ways.items()
        }
        assert found["lane"] == found["asgi"] == found["wsgi"]
        assert len(found["lane"]) == len(as_sent)
        seen.update(answer[0] for answer in found["lane"][:-1])

    before = {name: flushed(server) for name, server in ways.items()}
    compare()
    counted = [
        {key: total for key, total in flushed(server).items() if total != before[name].get(key, 0)}
        for name, server in ways.items()
    ]
    assert counted[0] == counted[1] == counted[2]
    assert len(counted[0]) >= 5, counted
    assert min(seen[status] for status in (200, 400, 401, 404, 405, 413, 415)) > 0, seen


def test_replies_to_a_pipeline_come_in_order(ways: dict[str, Server]) -> None:
    pipeline = [
        (raw, status)
        for raw, status in CASES.values()
        if status != 413 and b"Transfer-Encoding" not in raw
    ]
    found = send_each_way(ways, "PIP", [b"".join(raw for raw, _ in pipeline)])
    assert [answer[0] for answer in found] == [status for _, status in pipeline]
    same_counts(ways, {"PIP": 3 * sum(status == 200 for _, status in pipeline)})


def test_a_request_may_be_split_anywhere(ways: dict[str, Server]) -> None:
    lane, expected = ways["lane"], {}
    for key, raw in {
        "SPF": request(GOOD, "Connection: close"),
        "SPP": request() + request(GOOD, "Connection: close"),
    }.items():
        sent, times = raw.replace(b"KEY", key.encode()), raw.count(b"POST")
        for at in range(1, len(sent)):
            found = answers(talk(lane, [sent[:at], sent[at:]]))
            assert [answer[0] for answer in found] == [200] * times, at
        expected[key] = 3 * times * (len(sent) - 1)
    lane.wait_for_totals({**lane.totals(), **expected})


def test_a_request_may_arrive_byte_by_byte(ways: dict[str, Server]) -> None:
    for key, raw in {"BYF": request(), "BYC": chunked(GOOD[:4], GOOD[4:])}.items():
        sent = raw.replace(b"KEY", key.encode())
        found = send_each_way(ways, key, [sent[i : i + 1] for i in range(len(sent))])
        assert [answer[0] for answer in found] == [200]
    same_counts(ways, {"BYF": 3, "BYC": 3}, "BYC")


def test_nothing_after_a_close_is_answered_or_counted(ways: dict[str, Server]) -> None:
    close = request(GOOD, "Connection: close")
    cases = {
        "CLO": (close, 200),
        "OLD": (request(line="POST /increment HTTP/1.0"), 200),
        "CLB": (request(b"key=", "Connection: close"), 400),
        "CLP": (close + request() + request(), 200),
        "CPC": (close + b"nonsense\r\n\r\n", 200),
    }
    for key, (raw, status) in cases.items():
        for server in ways.values():
            found = answers(talk(server, [raw.replace(b"KEY", key.encode())]))
            assert [answer[0] for answer in found] == [status], key
    same_counts(ways, {key: 3 * (status == 200) for key, (_, status) in cases.items()})


@pytest.mark.parametrize(
    "codings",
    [
        ["Transfer-Encoding: gzip, chunked"],
        ["transfer-encoding: Deflate", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: br, chunked"],  # gunicorn itself refuses one that it does not know
    ],
)
def test_a_compressed_body_is_not_taken_for_what_it_is_not(
    ways: dict[str, Server], codings: list[str]
) -> None:
    coded = chunked(b"key=COD&value=3").replace(
        b"Transfer-Encoding: chunked", "\r\n".join([*codings, "Connection: close"]).encode()
    )
    for name, server in ways.items():
        assert [answer[0] for answer in answers(talk(server, [coded]))] == [501], name
    same_counts(ways, {"COD": 0})


def test_expect_100_continue_gets_its_go_ahead(ways: dict[str, Server]) -> None:
    raw = request(b"key=EXP&value=3", "Expect: 100-continue", "Connection: close")
    for server in ways.values():
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            head, _, body = raw.partition(b"\r\n\r\n")
            client.sendall(head + b"\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n")
            client.sendall(body)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    same_counts(ways, {"EXP": 3})


def test_keep_alive_ends_idle_connections_and_no_others(tmp_path: Path) -> None:
    settings = ("--keep-alive", "2", "--workers", "1")
    with Server(tmp_path, command=(*GUNICORN, *settings)) as server:
        # Increments with a head that is known, after an ordinary request on the same connection.
        post = request(b"key=alive&value=1", token=None)
        warm = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        with closing(warm):
            warm.sendall(post)
            assert warm.recv(65536).startswith(b"HTTP/1.1 200 ")
        busy = HTTPConnection("127.0.0.1", server.port, timeout=30)
        idle = HTTPConnection("127.0.0.1", server.port, timeout=30)
        with closing(busy), closing(idle):
            for client in (busy, idle):
                client.request("GET", "/healthz")
                assert client.getresponse().read()

            def serve_busy() -> None:
                busy.sock.sendall(post)
                assert busy.sock.recv(65536).startswith(b"HTTP/1.1 200 ")

            def idle_has_ended() -> bool:
                serve_busy()
                return bool(select([idle.sock], [], [], 0.1)[0]) and idle.sock.recv(1) == b""

            serve_busy()
            wait_for(idle_has_ended, "the idle connection to be closed")
            end = time.monotonic() + 2  # a wrong timer may fire a little later than a right one
            while time.monotonic() < end:
                serve_busy()
                time.sleep(0.1)


def test_nothing_counts_while_the_reply_before_a_close_waits_for_its_sync(tmp_path: Path) -> None:
    ordinary = request(b"key=after&value=1", token=None)
    closing_one = request(b"key=close&value=1", "Connection: close", token=None)
    with Server(tmp_path, WEB_CONCURRENCY="1", JOURNAL_FSYNC="always") as server:
        talk(server, [ordinary.replace(b"after", b"first"), closing_one])  # makes the head known
        for _ in range(50):
            with suppress(OSError):  # the server may be gone before the second piece comes
                talk(server, [closing_one, ordinary])
        server.stop()
        assert server.totals() == {"first": 1, "close": 51}


@pytest.mark.parametrize("way", WAYS)
def test_limit_of_bodies_may_be_above_django_s_own(tmp_path: Path, way: str) -> None:
    megabyte = 1024**2
    with Server(tmp_path, command=WAYS[way], MAX_BODY_BYTES=str(4 * megabyte)) as server:
        assert server.post(GOOD + b"&x=" + b"x" * 3 * megabyte).status == 200
