"""What the description's operations are made of: replies, their headers, and parameters."""

from __future__ import annotations

from typing import Any

from counters.identified import MAX_ID_LENGTH
from counters.increments import MAX_KEY_LENGTH
from counters.web import badge, idempotency, listing, numbers
from counters.web.openapi_schemas import Json, ref

_TEXT: Json = {"schema": {"type": "string"}}
_HEADERS: dict[str, Json] = {
    "ETag": {"description": "Names what the reply says, for If-None-Match.", **_TEXT},
    "Link": {"description": 'The next page, as `<…>; rel="next"`; not on the last one.', **_TEXT},
    "Preference-Applied": {"description": "That Prefer was followed.", **_TEXT},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "Bearer.", **_TEXT},
    "Content-Disposition": {"description": "A name for the file.", **_TEXT},
}
_ERRORS = {
    "400": "Something in the request is wrong; nothing of it counts.",
    "401": "Authorization: Bearer with the right token is needed.",
    "403": "Who asks may not do that.",
    "404": "The key was never counted.",
    "409": "The database refuses the change; of an increment, the id is too old.",
    "413": "The body is too long.",
    "415": "The body is of a type that is not known.",
    "422": "The id of the request was that of one with another body; nothing of it counts.",
    "431": "The request's line and headers are too long.",
    "500": "It is not known whether this counts, or changed a total. With an id, repeat it.",
    "501": "The body comes in an encoding that is not known.",
    "503": "Not now: the same request may succeed later.",
}
_HEADERS_OF_ERRORS = {"401": ("WWW-Authenticate",), "503": ("Retry-After",)}
UNCHANGED = {
    "304": {
        "description": "It is as the client has it.",
        "headers": {"ETag": _HEADERS["ETag"]},
    }
}


def json_of(description: str, *schemas: str, headers: tuple[str, ...] = (), **more: Any) -> Json:
    """Return a reply in JSON.

    Args:
        schemas: names of those that it may have.
        headers: names of those of `_HEADERS` that it may have.
    """
    schema = ref(schemas[0]) if len(schemas) == 1 else {"anyOf": [ref(name) for name in schemas]}
    return body_of(description, "application/json", schema, headers=headers, **more)


def body_of(
    description: str,
    media_type: str,
    schema: Json = _TEXT["schema"],
    *,
    headers: tuple[str, ...] = (),
    **more: Any,
) -> Json:
    """Return a reply with such a body."""
    told = {name: _HEADERS[name] for name in headers}
    content = {media_type: {"schema": schema}}
    return {
        "description": description,
        "content": content,
        **({"headers": told} if told else {}),
        **more,
    }


def operation(
    name: str, summary: str, ok: Json, *errors: str, guard: str = "", **more: Any
) -> Json:
    """Return an operation.

    Args:
        name: what links call it.
        ok: its replies that are no errors.
        errors: the statuses of those that are.
        guard: which token it may need; where that is not set, it needs none.
    """
    errors = (*errors, "431")
    if guard:
        errors = (*errors, "401")
        more["security"] = [{guard: []}] if guard == "admin" else [{}, {guard: []}]
    refused = {
        status: json_of(_ERRORS[status], "Error", headers=_HEADERS_OF_ERRORS.get(status, ()))
        for status in sorted(errors)
    }
    return {"operationId": name, "summary": summary, "responses": {**ok, **refused}, **more}


def reading(*arguments: Any, **more: Any) -> Json:
    """Return a GET, which takes the arguments of `operation`, and the HEAD that it answers, too."""
    get = operation(*arguments, **more)
    responses = {
        status: {part: reply[part] for part in ("description", "headers") if part in reply}
        for status, reply in get["responses"].items()
    }
    name, summary = f"{get['operationId']}Head", f"{get['summary']}: the headers"
    return {
        "get": get,
        "head": {**get, "operationId": name, "summary": summary, "responses": responses},
    }


def link(operation_id: str, **parameters: str) -> Json:
    """Return a link: what of this request and its reply another operation takes."""
    return {"operationId": operation_id, "parameters": parameters}


def query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "description": description, **_TEXT}


KEY_IN_PATH = {
    "name": "key",
    "in": "path",
    "required": True,
    "schema": ref("Key"),
    "description": "Escaped as URLs are; a slash need not be.",
}
FRESH = query(
    "fresh",
    {"enum": ["0", "1"]},
    "1: with all that this machine had acknowledged when the request came.",
)
IF_NONE_MATCH = _header("If-None-Match", "The ETag of an earlier reply.")
PREFER = {
    **_header("Prefer", "The reply has the new totals then, and comes after a flush."),
    "schema": {"anyOf": [{"const": "return=representation"}, _TEXT["schema"]]},
}
IDEMPOTENCY_KEY = {
    **_header(
        idempotency.FIELD,
        f"An id of the request, of 1 to {MAX_ID_LENGTH} characters of printable ASCII, in quotes or"
        " bare: however often the same request comes, it counts once. `/` says for how many hours.",
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.MAX_FIELD_LENGTH},
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}
_HEX = "^#?([0-9a-fA-F]{3}){1,2}$"
OF_BADGES = [
    query("label", {"type": "string", "maxLength": MAX_KEY_LENGTH}, "The key, where it is absent."),
    query(
        "color",
        {"anyOf": [{"enum": list(badge.COLORS)}, {"type": "string", "pattern": _HEX}]},
        "A name, or hex. Blue, where it is absent.",
    ),
]
OF_LISTS = [
    query(
        "key",
        {"type": "array", "items": ref("Key"), "maxItems": numbers.MAX_KEYS},
        "Keys whose totals are wanted, in this order. It excludes what follows, but fresh.",
    ),
    query(
        "prefix",
        {"type": "string", "maxLength": MAX_KEY_LENGTH, "pattern": "^[^\\u0000]*$"},
        "What the keys begin with.",
    ),
    query("order", {"enum": list(listing.ORDERS)}, "Of keys or values; key, where it is absent."),
    query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT},
        "Totals on a page; 100, where it is absent.",
    ),
    query("cursor", {"type": "string"}, "Where a page begins: `next` of the page before has it."),
    FRESH,
    IF_NONE_MATCH,
]
