"""Badges: a total as a picture that nothing in a key, a label or a color can break out of."""

from __future__ import annotations

from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest

from tests.testbed.replies import Reply
from tests.testbed.service import Service
from tests.testbed.waiting import wait_for

SVG = "{http://www.w3.org/2000/svg}"
MARKUP = "\"'><script>&amp;]]><!--"


def badge(service: Service, key: str, **query: str) -> Reply:
    return service.request("GET", f"/badge/{quote(key, safe='')}.svg?{urlencode(query)}")


def texts(reply: Reply) -> list[str]:
    """Return what is to be read in a badge: its title, and its texts without their shadows."""
    assert reply.status == 200, reply
    picture = ElementTree.fromstring(reply.body.decode())
    shown = [each for each in picture.iter(f"{SVG}text") if each.get("aria-hidden") is None]
    assert {each.tag.removeprefix(SVG) for each in picture.iter()} <= {
        *("svg", "title", "linearGradient", "stop", "clipPath", "rect", "g", "text"),
    }
    return [picture.findtext(f"{SVG}title") or "", *(each.text or "" for each in shown)]


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("badge", "badge"),
        ("badge/of a/path.svg", "badge/of a/path.svg"),
        (f"badge {MARKUP}", f"badge {MARKUP}"),
        ("badge 🦊 \u05e9\u05dc\u05d5\u05dd", "badge 🦊 \u05e9\u05dc\u05d5\u05dd"),
        ("badge\x01\x1b\r\n\u202e\ufffe", "badge\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"),
    ],
)
def test_a_badge_shows_the_key_and_its_total(shared_service: Service, key: str, shown: str) -> None:
    assert texts(badge(shared_service, key)) == [f"{shown}: 0", shown, "0"]
    shared_service.increment(key, 1234)
    wait_for(lambda: texts(badge(shared_service, key))[-1] == "1.2k", "the flush")
    reply = badge(shared_service, key)
    assert texts(reply) == [f"{shown}: 1234", shown, "1.2k"]
    assert reply.headers["content-type"] == "image/svg+xml"
    assert reply.headers["cache-control"] == "max-age=60"


def test_a_label_and_a_color_may_be_chosen(shared_service: Service) -> None:
    assert texts(badge(shared_service, "none", label=MARKUP))[1:] == [MARKUP, "0"]
    assert texts(badge(shared_service, "none", label="")) == ["0", "0"]
    long = "l" * 255
    title, shown, _ = texts(badge(shared_service, "none", label=long))
    assert title == f"{long}: 0"
    assert shown == "l" * 39 + "…"
    for given, color in ("red", "#e05d44"), ("#ABC", "#aabbcc"), ("123456", "#123456"):
        assert f'fill="{color}"'.encode() in badge(shared_service, "none", color=given).body


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"color": 'red"/><script>'}, "color"),
        ({"color": "url(#s)"}, "color"),
        ({"color": ""}, "color"),
        ({"color": "12345"}, "color"),
        ({"color": "\u0661\u0662\u0663"}, "color"),
        ({"label": "l" * 256}, "label"),
        ({"style": "flat"}, "style"),
    ],
)
def test_what_is_wrong_with_a_badge_is_named(
    shared_service: Service, query: dict[str, str], field: str
) -> None:
    reply = badge(shared_service, "none", **query)
    assert reply.status == 400
    assert reply.json()["field"] == field


def test_a_badge_has_a_key(shared_service: Service) -> None:
    for key in "", "k" * 256, "\0":
        reply = badge(shared_service, key)
        assert reply.status == 400
        assert reply.json()["field"] == "key"
