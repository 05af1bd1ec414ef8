"""`GET /badge/<key>.svg`: a total as a small picture, as README files show them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.html import format_html

from counters.increments import MAX_KEY_LENGTH, check_key
from counters.web.lookup import Lookup
from counters.web.parameters import Parameters
from counters.web.replies import Reply
from counters.web.request import BadRequest, Request
from counters.web.text_width import is_right_to_left, width_of

PREFIX, SUFFIX = "/badge/", ".svg"
"""The key stands between them."""

COLORS = {
    "brightgreen": "#44cc11",
    "green": "#97ca00",
    "yellowgreen": "#a4a61d",
    "yellow": "#dfb317",
    "orange": "#fe7d37",
    "red": "#e05d44",
    "blue": "#007ec6",
    "lightgrey": "#9f9f9f",
    "grey": "#555555",
}
"""Names of colors, and what shields.io means by them."""
_DEFAULT_COLOR = "blue"
_LABEL_COLOR = "#555555"
_is_hex = re.compile("#?(?:[0-9a-fA-F]{3}){1,2}").fullmatch

_MAX_SHOWN = 40
"""Characters of a label that are shown. All of it is in the picture's title."""
_PADDING, _FONT_SIZE = 6, 11
_COST = 60
"""See `Lookup.own_cost`."""

_unsafe = re.compile(
    # XML has no place for these, nor has one line.
    "[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    # These would turn the order of what follows.
    "|[\u202a-\u202e\u2066-\u2069]"
)

# The look of shields.io's flat badges.
_PICTURE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img"\
 aria-label="{title}">\
<title>{title}</title>\
<linearGradient id="s" x2="0" y2="100%">\
<stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/>\
</linearGradient>\
<clipPath id="r"><rect width="{width}" height="20" rx="3" fill="#fff"/></clipPath>\
<g clip-path="url(#r)">\
<rect width="{left}" height="20" fill="{left_color}"/>\
<rect x="{left}" width="{right}" height="20" fill="{right_color}"/>\
<rect width="{width}" height="20" fill="url(#s)"/>\
</g>\
<g text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11"\
 text-rendering="geometricPrecision">{label}{total}</g></svg>
"""
_TEXT = """\
<text aria-hidden="true" x="{x}" y="15" fill="{shadow}" fill-opacity=".3" textLength="{length}"\
 lengthAdjust="spacingAndGlyphs" direction="{direction}">{text}</text>\
<text x="{x}" y="14" fill="{fill}" textLength="{length}"\
 lengthAdjust="spacingAndGlyphs" direction="{direction}">{text}</text>\
"""


def answer(request: Request) -> Lookup:
    """Return what the badge of the key in the path needs.

    A key that was never counted has 0: a README has its badge before anybody has counted.

    Raises:
        BadIncrement: it is no key.
        BadRequest: a parameter is wrong.
    """
    key = request.path.removeprefix(PREFIX).removesuffix(SUFFIX)
    check_key(key)
    parameters = Parameters(request.fields.query, "label", "color")
    label = parameters.one("label", key)
    if len(label) > MAX_KEY_LENGTH:
        sentence = f"label is longer than {MAX_KEY_LENGTH} characters"
        raise BadRequest(sentence, field="label", limit=MAX_KEY_LENGTH)
    color = _color(parameters.one("color", _DEFAULT_COLOR))

    def render(totals: Mapping[str, int]) -> Reply:
        body = badge(label, totals.get(key, 0), color).encode()
        headers = (
            ("Cache-Control", "max-age=60"),
            # A picture that is opened by itself is a page of this host.
            ("Content-Security-Policy", "default-src 'none'"),
        )
        return Reply(200, body, headers, content_type="image/svg+xml")

    return Lookup([key], False, render, own_cost=_COST)


def _color(given: str) -> str:
    """Return a color as "#rrggbb"."""
    if given in COLORS:
        return COLORS[given]
    if not _is_hex(given):
        sentence = f"color is neither hex, such as 44cc11, nor one of {', '.join(COLORS)}"
        raise BadRequest(sentence, field="color")
    digits = given.removeprefix("#").lower()
    return f"#{digits if len(digits) == 6 else ''.join(2 * digit for digit in digits)}"


def badge(label: str, total: int, color: str) -> str:
    """Return an SVG picture with a label, which may be empty, and a total."""
    label = _unsafe.sub("\ufffd", label)
    title = f"{label}: {total}" if label else str(total)
    if len(label) > _MAX_SHOWN:
        label = f"{label[: _MAX_SHOWN - 1]}…"
    value = short(total)
    left = _width(label) if label else 0
    right = _width(value)
    return format_html(
        _PICTURE,
        width=left + right,
        left=left,
        right=right,
        title=title,
        left_color=_LABEL_COLOR,
        right_color=color,
        label=_text(label, 0, left, _LABEL_COLOR) if label else "",
        total=_text(value, left, right, color),
    )


def _width(text: str) -> int:
    return round(width_of(text) * _FONT_SIZE) + 2 * _PADDING


def _text(text: str, start: int, width: int, background: str) -> str:
    """Return a text in the middle of its part of the picture, which begins at `start`."""
    red, green, blue = (int(background[i : i + 2], 16) for i in (1, 3, 5))
    is_light = (299 * red + 587 * green + 114 * blue) / 255_000 > 0.69
    fill, shadow = ("#333", "#ccc") if is_light else ("#fff", "#010101")
    x, length = start + width / 2, width - 2 * _PADDING
    return format_html(
        _TEXT,
        x=x,
        length=length,
        fill=fill,
        shadow=shadow,
        direction="rtl" if is_right_to_left(text) else "ltr",
        text=text,
    )


def short(total: int) -> str:
    """Return a total in a few characters: 999, 1.2k, 34.5k, 678k, 1M, 9.2E.

    What is beyond is cut off, not rounded: nobody is to read 1M before it is a million.
    """
    sign, rest = ("-" if total < 0 else ""), abs(total)
    if rest < 1000:
        return f"{sign}{rest}"
    power = (len(str(rest)) - 1) // 3
    whole, tenth = divmod(rest * 10 // 1000**power, 10)
    fraction = f".{tenth}" if tenth and whole < 100 else ""
    return f"{sign}{whole}{fraction}{'kMGTPE'[power - 1]}"
