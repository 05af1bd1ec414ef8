"""The same requests for totals get the same answers each way."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.ways import GOOD, LAST, Services, answers, request, send_each_way
from tests.testbed.requests import JSON, talk

GET = {"content_type": None, "token": None}
PREFER = "Prefer: return=representation"
PATHS = [
    *("/numbers/rea", "/numbers/%72ea", "/numbers/rea?fresh=1", "/numbers/rea?fresh=0"),
    *(
        "/numbers/",
        "/numbers/never",
        "/numbers/a/b",
        "/numbers/%2e%2e",
        "/numbers/..",
        "/numbers/.",
    ),
    *("/numbers/%ff", "/numbers/%00", "/numbers/%", "/numbers/%zz", "/numbers/a%0Ab", "/numbers//"),
    *("/numbers/rea?", "/numbers/rea?x=1", "/numbers/rea?fresh=2", "/numbers/rea?fresh"),
    *(
        "/numbers?key=rea",
        "/numbers?key=rea&key=never&key=rea",
        "/numbers?key=",
        "/numbers?key=%ff",
    ),
    *("/numbers?key=rea&fresh=1", "/numbers?key=rea&&", "/numbers?key=a+b", "/numbers?%6bey=rea"),
    *(
        f"/numbers/{'x' * 255}",
        f"/numbers/{'x' * 256}",
        "/numbers/a;b",
        "/Numbers/a",
    ),
]
HEADERS = [
    *('If-None-Match: "6"', 'If-None-Match: W/"6"', "If-None-Match: *", "If-None-Match: 6"),
    *("Origin: https://shop.example", "Authorization: Bearer wrong", "Accept: text/html", PREFER),
]


def test_a_total_is_the_same_each_way(ways: Services) -> None:
    read = [request(b"", line=f"GET {path} HTTP/1.1", **GET) for path in PATHS]
    known = request(b"", 'If-None-Match: "6"', line="GET /numbers/rea HTTP/1.1", **GET)
    found = send_each_way(ways, "rea", [request(), request(), read[2], *read, known])
    assert [answer[0] for answer in found[:7]] == [200] * 7
    assert found[2][1] == b'{"key": "rea", "value": 6}\n'
    assert found[-1][0] == 304


def test_an_increment_that_asks_for_its_total_is_the_same_each_way(ways: Services) -> None:
    batch = b'[{"key":"KEY","value":1},{"key":"pr2","value":2}]'
    found = send_each_way(
        ways,
        "pre",
        [request(GOOD, PREFER), request(batch, PREFER, content_type=JSON), request(b"key", PREFER)],
    )
    assert [answer[0] for answer in found] == [200, 200, 400]
    assert found[0][1] == b'{"key": "pre", "value": 3}\n'
    assert found[1][1] == b'[{"key": "pre", "value": 4}, {"key": "pr2", "value": 2}]\n'


def test_generated_requests_for_totals_get_the_same_answers_each_way(ways: Services) -> None:
    seen: Counter[int] = Counter()
    send_each_way(ways, "rea", [request(), request(b"", line=f"GET {PATHS[2]} HTTP/1.1", **GET)])

    @settings(derandomize=True, max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS"]),
                st.just("/numbers/rea") | st.sampled_from(PATHS),
                st.lists(st.sampled_from(HEADERS), max_size=2, unique=True),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def compare(several: list[tuple[str, str, list[str]]]) -> None:
        raw = [
            request(b"", *headers, line=f"{method} {path} HTTP/1.1", **GET)
            for method, path, headers in several
            for _ in range(2)  # the lane knows the second one's head
        ]
        methods = [method for method, _, _ in several for _ in range(2)]
        found = {
            name: [
                answers(talk(service.port, [one, LAST]), method)[0]
                for one, method in zip(raw, methods, strict=True)
            ]
            for name, service in ways.items()
        }
        assert found["lane"] == found["asgi"] == found["wsgi"]
        seen.update(answer[0] for answer in found["lane"])

    compare()
    assert min(seen[status] for status in (200, 304, 400, 404, 405)) > 0, seen
