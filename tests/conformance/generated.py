"""Strategies with which Hypothesis generates requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus

from hypothesis import strategies as st

from tests.conformance.ways import BEARER, GOOD, TOKEN
from tests.testbed.requests import FORM, JSON


def mostly(usual: Any, *rare: Sequence[Any]) -> st.SearchStrategy[Any]:
    """Generate `usual` in 8 of 9 cases, and otherwise one of those in `rare`."""
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
    """Generate `body` in chunks."""
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
    """Generate a request, and the same with a Content-Length, as Django's WSGI handler needs it."""
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
