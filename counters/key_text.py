"""Keys as people see them: on a page, and in a page's address.

Any text may be a key. And a database that was edited by hand may have what is none: bytes, text
that is not UTF-8 (read with `surrogateescape`), nothing at all.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[^\w-]|_")
_ESCAPED = re.compile(r"(?:~[0-9A-F]{2})+")


def shown(value: object) -> str:
    """Return a key so that all of it can be seen.

    It stands as it is, unless that would hide something. Then it stands in quotes, with Python's
    escapes: "  two blanks before", "a line's end\\n". Bytes are written as in SQL: x'00ff'.
    """
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if value is None:
        return "NULL"
    text = str(value)
    hides = not text.isprintable() or text != text.strip() or "  " in text
    if text and not hides and text != "NULL" and not text.startswith(('"', "x'")):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def to_address(key: str | bytes) -> str:
    """Return the part of an address that stands for a key.

    Letters and digits of any script stay, so that most keys can be read: "apple". Of all else, each
    byte is `~` and two digits: "a/b" is "a~2Fb", and "." is "~2E" (browsers take dots for folders).
    An empty key is "~". Bytes begin with "~~".
    """
    if isinstance(key, bytes):
        return f"~~{key.hex()}"
    return _UNSAFE.sub(_in_digits, key) or "~"


def _in_digits(match: re.Match[str]) -> str:
    encoded = match[0].encode("utf-8", "surrogateescape")
    return "".join(f"~{byte:02X}" for byte in encoded)


def from_address(part: str) -> str | bytes | None:
    """Return the key that `to_address` made `part` of; None if it made it of none."""
    if part.startswith("~~"):
        try:
            return bytes.fromhex(part[2:])
        except ValueError:
            return None
    return "" if part == "~" else _ESCAPED.sub(_from_digits, part)


def _from_digits(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("~", "")).decode("utf-8", "surrogateescape")
