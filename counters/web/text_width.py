"""How wide a text will be drawn, in a font that the server does not have; and which way it runs."""

from __future__ import annotations

import unicodedata

_VERDANA = {
    0.274: "il",
    0.269: "'",
    0.352: "f ",
    0.344: "j",
    0.364: ",.",
    0.394: "t!",
    0.427: "r",
    0.421: "I",
    0.454: "()-/:;[]\\|",
    0.459: '"J',
    0.521: "cs",
    0.525: "z",
    0.545: "?",
    0.557: "L",
    0.575: "F",
    0.592: "kvxy",
    0.600: "aeo",
    0.603: "P",
    0.616: "TY",
    0.623: "bdgpq",
    0.633: "hnuE",
    0.636: "0123456789$*_`{}",
    0.684: "ASVBXZ",
    0.695: "CRK",
    0.727: "&",
    0.732: "U",
    0.748: "HN",
    0.773: "DG",
    0.787: "OQ",
    0.818: "w#+<=>^~",
    0.843: "M",
    0.973: "m",
    0.989: "W@\ufffd",
    1.076: "%",
}
"""Widths of characters in Verdana, for a font size of 1. Where browsers have no Verdana, they take
DejaVu Sans, which is as wide."""
_WIDTHS = {character: width for width, characters in _VERDANA.items() for character in characters}
_OTHER_LETTER, _ARABIC, _WIDE, _EMOJI, _REGIONAL = 0.62, 0.48, 1.0, 1.25, 0.65
_JOINER = "\u200d"


def width_of(text: str) -> float:
    """Return the width of a text for a font size of 1, more or less."""
    width, before = 0.0, ""
    for character in text:
        if before != _JOINER:  # what follows a joiner is a part of the same picture
            width += _width(character)
        before = character
    return width


def is_right_to_left(text: str) -> bool:
    """Return whether a text runs from right to left: its first letter tells."""
    classes = map(unicodedata.bidirectional, text)
    return next((each for each in classes if each in ("L", "R", "AL")), "L") != "L"


def _width(character: str) -> float:
    known = _WIDTHS.get(character)
    if known is not None:
        return known
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "🏻" <= character <= "🏿":
        return 0.0  # it is drawn onto the one before
    if "🇦" <= character <= "🇿":  # two of these are a flag
        return _REGIONAL
    if unicodedata.east_asian_width(character) in "WF":
        return _EMOJI if unicodedata.category(character) == "So" else _WIDE
    if unicodedata.bidirectional(character) == "AL":
        return _ARABIC
    plain = unicodedata.normalize("NFD", character)[0]
    return _WIDTHS.get(plain, _OTHER_LETTER)
