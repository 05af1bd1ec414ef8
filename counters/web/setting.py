"""`PUT /numbers/<key>` and `DELETE /numbers/<key>`: set and delete a total, exactly.

What was acknowledged before the request came is replaced; what is acknowledged after the reply
counts on top.
"""

from __future__ import annotations

from collections.abc import Callable

from counters.config import config
from counters.increments import check_key
from counters.limited import limited_locks
from counters.records import JournalUnreadable
from counters.setting import ChangeRefused, delete_total, set_total
from counters.web import numbers, replies
from counters.web.bodies import parse_total
from counters.web.lookup import log_failure
from counters.web.media_types import media_type_of, transfer_refusal
from counters.web.replies import Reply
from counters.web.request import Request

_JSON = "application/json"
_OTHER_TYPE = replies.error(415, f"Content-Type is not {_JSON}", field="Content-Type")
_EMPTY = replies.error(400, "the body is empty: value belongs into it", field="body")
_DELETED = Reply(204, b"")


def put(request: Request) -> Reply:
    """Set the total of the key in the path to the `value` in the body.

    Raises:
        BadIncrement: it is no key, or no value.
        django.db.Error: the database failed.
    """
    if refusal := _refusal(request):
        return refusal
    key = _key_of(request)
    value = parse_total(request.body)

    def change() -> Reply:
        set_total(key, value)
        return replies.reply(200, {"key": key, "value": value})

    return _reply_to(change)


def delete(request: Request) -> Reply:
    """Delete the total of the key in the path; 404 where it has none, and nothing is pending.

    Raises:
        BadIncrement: it is no key.
        django.db.Error: the database failed.
    """
    key = _key_of(request)
    return _reply_to(lambda: _DELETED if delete_total(key) else numbers.never_counted(key))


def _key_of(request: Request) -> str:
    key = request.path.removeprefix(numbers.PREFIX)
    check_key(key)
    return key


def _refusal(request: Request) -> Reply | None:
    """Return the reply to a body that is not to be read; None where it is."""
    if refusal := transfer_refusal(request.fields):
        return refusal
    if len(request.body) > config().max_body_bytes:
        return replies.body_too_large()
    if not request.body:
        return _EMPTY
    media_type = media_type_of(request.fields)
    if isinstance(media_type, Reply):
        return media_type
    return None if media_type == _JSON else _OTHER_TYPE


def _reply_to(change: Callable[[], Reply]) -> Reply:
    """Make a change and return the reply; where it cannot be made, the one that says why.

    Who has ADMIN_TOKEN may read what the database and the system have said.
    """
    try:
        with limited_locks():
            return change()
    except ChangeRefused as refusal:
        return replies.error(409, f"the database refuses it: {refusal}")
    except (OSError, JournalUnreadable) as error:
        log_failure(error)
        return replies.unavailable(f"what is pending cannot be counted: {error}")
