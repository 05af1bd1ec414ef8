"""The header `Idempotency-Key`: the id of a request, which counts once however often it comes.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/: its value is a string
of RFC 9651, `"8e03978e-…"`. Some clients send the same without quotes.

Ids are kept for some hours. A UUIDv7 (RFC 9562) carries the time when it was made: so an old one,
which may have counted and been forgotten, is refused. The clock is used for nothing else.
"""

from __future__ import annotations

import re
import time

from counters.config import config
from counters.identified import MAX_ID_LENGTH
from counters.request_ids import TOLERANCE_HOURS
from counters.web import replies
from counters.web.replies import Reply

FIELD = "Idempotency-Key"
_HOUR_SECONDS = 3600
_FIRST_DIGITS_SECONDS = 2**16 / 1000
"""What the last of the first eight digits of a UUIDv7 counts."""
_LEAST_AGE_SECONDS = _FIRST_DIGITS_SECONDS - TOLERANCE_HOURS * _HOUR_SECONDS
"""By its first digits alone, an id of this age is not too far ahead."""

now_seconds = time.time
"""Seconds since 1970. Tests put another clock here."""

_CHARACTERS = r'(?:[ !#-\[\]-~]|\\["\\])*'
_NAME = r"[a-z*][a-z0-9_.*-]*"
_ITEM = "|".join(
    [
        r"-?[0-9]{1,15}",
        r"-?[0-9]{1,12}\.[0-9]{1,3}",
        rf'"{_CHARACTERS}"',
        r"[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*",
        r":[A-Za-z0-9+/=]*:",
        r"\?[01]",
        r"@-?[0-9]{1,15}",
        r'%"(?:[ !#$&-~]|%[0-9a-f]{2})*"',
    ]
)
"""What the value of a parameter may be."""
_STRING = rf'"({_CHARACTERS})"(?:; *{_NAME}(?:=(?:{_ITEM}))?)*'
_match_string = re.compile(_STRING).fullmatch
_begins_list = re.compile(rf"{_STRING}[ \t]*,").match
_is_printable = re.compile(r"[ -~]*").fullmatch
_escape = re.compile(r"\\(.)")

_match_uuid7 = re.compile(
    r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
).fullmatch


MAX_FIELD_LENGTH = 1000
"""Longest value of the header, with quotes, escapes and parameters. To look at one takes 0.2 us for
each character."""


def _error(problem: str, limit: int = MAX_ID_LENGTH, status: int = 400) -> Reply:
    return replies.error(status, f"{FIELD} {problem}", field=FIELD, limit=limit)


_TWICE = _error("is given twice", 1)
_EMPTY = _error("is empty", 1)
_TOO_LONG = _error(f"is longer than {MAX_ID_LENGTH} characters")
_FIELD_TOO_LONG = _error(
    f"is longer than {MAX_FIELD_LENGTH} characters, with all that is around the id",
    MAX_FIELD_LENGTH,
)
_OTHER_CHARACTERS = _error("has other characters than printable ASCII")
_NO_STRING = _error("begins with a quote and is no string as RFC 9651 has it")

REUSED = replies.error(422, f"{FIELD} was that of a request with another body", field=FIELD)
"""The reply to an id that came before with another request."""


def retention_hours() -> int:
    """Return for how long a request counts once."""
    return config().idempotency_hours


def id_of(sent: str | None) -> str | Reply | None:
    """Return the id of a request, or the reply that refuses it; None where there is no id.

    In quotes, `\\` stands before a quote and before itself, and parameters that follow are skipped.
    Without quotes the id is as it is. The same id in both forms is one.

    Args:
        sent: the header's value; of several, the values with commas between.
    """
    if sent is None:
        return None
    sent = sent.strip(" \t")
    if len(sent) > MAX_FIELD_LENGTH:
        return _FIELD_TOO_LONG
    id_ = _unquoted(sent)
    if isinstance(id_, Reply):
        return id_
    if not id_:
        return _EMPTY
    if len(id_) > MAX_ID_LENGTH:
        return _TOO_LONG
    return refusal_of_time(id_) or id_


def _unquoted(text: str) -> str | Reply:
    if not _is_printable(text):
        return _OTHER_CHARACTERS
    if not text.startswith('"'):
        return _TWICE if "," in text else text
    if found := _match_string(text):
        return _escape.sub(r"\1", found[1])
    return _TWICE if _begins_list(text) else _NO_STRING


def refusal_of_time(id_: str) -> Reply | None:
    """Return the reply to an id that carries its time and is too old, or is ahead of its time."""
    if len(id_) != 36 or id_[14] != "7":
        return None
    now, hours = now_seconds(), retention_hours()
    try:  # nearly all are neither old nor ahead, which the first digits tell
        age_seconds = now - int(id_[:8], 16) * _FIRST_DIGITS_SECONDS
    except ValueError:
        return None
    if _LEAST_AGE_SECONDS < age_seconds < hours * _HOUR_SECONDS:
        return None
    if not (found := _match_uuid7(id_)):
        return None
    age_hours = (now - int(found[1] + found[2], 16) / 1000) / _HOUR_SECONDS
    if age_hours > hours:
        return _error(
            f"carries a time more than {hours} hours ago: whether it has counted is not known any"
            " more",
            hours,
            409,
        )
    if age_hours < -TOLERANCE_HOURS:
        return _error(
            f"carries a time more than {TOLERANCE_HOURS} hour ahead of this machine's clock",
            TOLERANCE_HOURS,
        )
    return None
