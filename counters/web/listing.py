"""`GET /numbers?prefix=…&order=…`: totals in the order of their keys or values, page by page."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from counters.config import config
from counters.fresh import catch_up
from counters.increments import BadIncrement, check_key
from counters.limited import found, limited_reads
from counters.listing import page_by_key
from counters.ranking import RankingNotReady, Wanted, ranking
from counters.web import numbers, replies
from counters.web.lookup import Lookup
from counters.web.parameters import Parameters
from counters.web.replies import Reply
from counters.web.request import BadRequest, Request

ORDERS = ("key", "-key", "value", "-value")
MAX_LIMIT = 1000
"""Most totals on one page."""
_DEFAULT_LIMIT = 100


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a page begins: behind this key and value.

    It is of one list only: `order` and the length of the prefix say of which, because the key
    begins with the prefix.
    """

    order: str
    prefix_length: int
    key: str
    value: int

    def encoded(self) -> str:
        """Return it as it stands in a URL."""
        return urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def decoded(cls, text: str) -> Cursor:
        """Return the cursor that stands in a URL.

        Raises:
            ValueError, msgspec.MsgspecError: it is none.
        """
        json = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(json, type=cls)


def answer(request: Request) -> Reply | Lookup:
    """Return the reply about the keys in the query, where it names some, or a page of a list.

    Raises:
        BadIncrement: something is no key.
        BadRequest: a parameter is wrong.
        django.db.Error, OSError: the database failed.
    """
    return _page(request) if is_page(request) else numbers.totals(request)


def is_page(request: Request) -> bool:
    """Return whether a page of a list is asked for, and not the totals of keys in the query."""
    return "key" not in [pair.partition("=")[0] for pair in request.fields.query.split("&")]


def _page(request: Request) -> Reply:
    parameters = Parameters(request.fields.query, "prefix", "order", "limit", "cursor", "fresh")
    prefix = _prefix(parameters)
    order = parameters.one("order", ORDERS[0])
    if order not in ORDERS:
        raise BadRequest(f"order is none of {', '.join(ORDERS)}", field="order")
    limit = parameters.whole_number("limit", _DEFAULT_LIMIT, 1, MAX_LIMIT)
    cursor = _cursor(parameters, order, prefix)
    is_descending = order.startswith("-")
    is_fresh = parameters.switch("fresh")
    more: dict[str, Any] = {}
    if order.endswith("key"):
        after = cursor.key if cursor else None

        def find() -> list[tuple[str, int]]:
            if is_fresh:
                catch_up(config().journal_dir)
            with limited_reads():
                return page_by_key(prefix, limit + 1, is_descending=is_descending, after=after)

        rows = found(find)
    else:
        if is_fresh:
            raise BadRequest("fresh is for the orders key and -key", field="fresh")
        try:
            kept = ranking(Wanted(prefix, is_descending))
        except RankingNotReady:
            return replies.unavailable("the list in this order is being made: ask again")
        rows = list(kept.page(limit + 1, (cursor.key, cursor.value) if cursor else None))
        more = {"age_seconds": round(kept.age_seconds, 1), "is_cut": kept.is_cut}
    page = rows[:limit]
    following = None
    if len(rows) > limit:
        key, value = page[-1]
        next_cursor = Cursor(order, len(prefix), key, value)
        following = _address(request.path, prefix, order, limit, next_cursor)
    listed = [{"key": key, "value": value} for key, value in page]
    reply = replies.tagged({"numbers": listed, "next": following, **more})
    return reply.with_headers(Link=f'<{following}>; rel="next"') if following else reply


def _prefix(parameters: Parameters) -> str:
    prefix = parameters.one("prefix")
    try:
        if prefix:
            check_key(prefix)
    except BadIncrement as problem:
        sentence = f"prefix{problem.error.removeprefix('key')}"
        limit = {} if problem.limit is None else {"limit": problem.limit}
        raise BadRequest(sentence, field="prefix", **limit) from problem
    return prefix


def _cursor(parameters: Parameters, order: str, prefix: str) -> Cursor | None:
    if "cursor" not in parameters:
        return None
    wrong = BadRequest("cursor is not of this list: begin it without one", field="cursor")
    try:
        cursor = Cursor.decoded(parameters.one("cursor"))
    except (ValueError, msgspec.MsgspecError) as error:
        raise wrong from error
    is_of_list = (
        (cursor.order, cursor.prefix_length) == (order, len(prefix))
        and cursor.key.startswith(prefix)
        and "\0" not in cursor.key  # which PostgreSQL does not take
    )
    if not is_of_list:
        raise wrong
    return cursor


def _address(path: str, prefix: str, order: str, limit: int, cursor: Cursor) -> str:
    query = {"prefix": prefix} if prefix else {}
    query |= {"order": order, "limit": str(limit), "cursor": cursor.encoded()}
    return f"{quote(path)}?{urlencode(query)}"
