"""`GET /openapi.json`: the API as OpenAPI 3.1 describes it (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from functools import cache
from typing import Any

import counters
from counters.increments import MAX_KEY_LENGTH
from counters.web import badge, listing, numbers, replies
from counters.web.openapi_schemas import Json, object_of, ref, schemas
from counters.web.replies import Reply
from counters.web.request import Request

PATH = "/openapi.json"


def _json(description: str, *names: str, **more: Any) -> Json:
    schema = ref(names[0]) if len(names) == 1 else {"anyOf": [ref(name) for name in names]}
    return {"description": description, "content": {"application/json": {"schema": schema}}, **more}


def _body(description: str, media_type: str) -> Json:
    schema = {"type": "string"}
    return {"description": description, "content": {media_type: {"schema": schema}}}


_ERRORS = {
    "400": "Something in the request is wrong; nothing of it counts.",
    "401": "Authorization: Bearer with the right token is needed.",
    "403": "Who asks may not do that.",
    "404": "The key was never counted.",
    "409": "The database refuses it.",
    "413": "The body is too long.",
    "415": "The body is of a type that is not known.",
    "501": "The body comes in an encoding that is not known.",
    "500": "It is not known whether this counts.",
    "503": "Not now: the same request may succeed later. Retry-After says when.",
}


def _operation(summary: str, ok: Json, *errors: str, guard: str = "", **more: Any) -> Json:
    """Return an operation.

    Args:
        ok: its replies that are no errors.
        errors: the statuses of those that are.
        guard: which token it may need; where that is not set, it needs none.
    """
    if guard:
        errors = (*errors, "401")
        more["security"] = [{guard: []}] if guard == "admin" else [{}, {guard: []}]
    replies = {status: _json(_ERRORS[status], "Error") for status in sorted(errors)}
    return {"summary": summary, "responses": {**ok, **replies}, **more}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


_KEY_IN_PATH = {"name": "key", "in": "path", "required": True, "schema": ref("Key")}
_FRESH = _query(
    "fresh",
    {"enum": ["0", "1"]},
    "1: with all that this machine had acknowledged when the request came.",
)
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The ETag of an earlier reply.",
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "schema": {"type": "string"},
    "description": "return=representation: the reply has the new totals.",
}
_UNCHANGED = {"304": {"description": "It is as the client has it."}}


def _paths() -> Json:
    recorded = {"200": _json("It is in the journal.", "Recorded", "Pair", "Pairs")}
    pair = {"200": _json("The total.", "Pair")}
    listed = {"200": _json("Totals.", "List"), **_UNCHANGED}
    svg = {"200": _body("A picture.", "image/svg+xml")}
    form = {"schema": ref("Pair")}
    of_key = [_KEY_IN_PATH]
    exports = {
        f"/numbers.{name}": {
            "get": _operation(
                "All totals, as of one moment",
                {"200": _body("All.", kind)},
                "400",
                "503",
                guard="read",
            )
        }
        for name, kind in (("csv", "text/csv"), ("ndjson", "application/x-ndjson"))
    }
    return {
        "/increment": {
            "post": _operation(
                "Count",
                recorded,
                *("400", "403", "413", "415", "500", "501", "503"),
                guard="increment",
                parameters=[_PREFER],
                requestBody={
                    "required": True,
                    "content": {
                        "application/x-www-form-urlencoded": form,
                        "application/json": {"schema": {"anyOf": [ref("Pair"), ref("Batch")]}},
                    },
                },
            )
        },
        "/numbers/{key}": {
            "parameters": of_key,
            "get": _operation(
                "The total of a key",
                {**pair, **_UNCHANGED},
                *("400", "404", "503"),
                guard="read",
                parameters=[_FRESH, _IF_NONE_MATCH],
            ),
            "put": _operation(
                "Set the total of a key",
                pair,
                *("400", "403", "409", "413", "415", "501", "503"),
                guard="admin",
                requestBody={
                    "required": True,
                    "content": {
                        "application/json": {"schema": object_of(["value"], value=ref("Value"))}
                    },
                },
            ),
            "delete": _operation(
                "Delete the total of a key",
                {"204": {"description": "It is deleted."}},
                *("400", "403", "404", "409", "503"),
                guard="admin",
            ),
        },
        "/numbers": {
            "get": _operation(
                "Totals: a page of a list, or those of the keys that are named",
                listed,
                *("400", "503"),
                guard="read",
                parameters=_LIST_PARAMETERS,
            )
        },
        **exports,
        "/badge/{key}.svg": {
            "parameters": of_key,
            "get": _operation(
                "A badge with the total of a key",
                svg,
                *("400", "503"),
                guard="read",
                parameters=[
                    _query("label", {"type": "string", "maxLength": MAX_KEY_LENGTH}, "Or the key."),
                    _query(
                        "color",
                        {
                            "anyOf": [
                                {"enum": list(badge.COLORS)},
                                {"pattern": _HEX, "type": "string"},
                            ]
                        },
                        "A name or hex.",
                    ),
                ],
            ),
        },
        "/healthz": {
            "get": _operation(
                "Whether the worker that answers lives", {"200": _json("It does.", "Health")}
            )
        },
        "/readyz": {
            "get": _operation(
                "Whether it accepts and flushes", {"200": _json("It does.", "Health")}, "503"
            )
        },
        "/": {"get": _operation("What this is", {"200": _front()})},
        PATH: {"get": _operation("This description", {"200": _json("It.", "Description")})},
    }


_HEX = "^#?([0-9a-fA-F]{3}){1,2}$"
_LIST_PARAMETERS = [
    _query(
        "key",
        {"type": "array", "items": ref("Key"), "maxItems": numbers.MAX_KEYS},
        "Keys whose totals are wanted, in this order. It excludes what follows, but fresh.",
    ),
    _query(
        "prefix",
        {"type": "string", "maxLength": MAX_KEY_LENGTH, "pattern": "^[^\\u0000]*$"},
        "What the keys begin with.",
    ),
    _query("order", {"enum": list(listing.ORDERS)}, "Of keys or values; key, where it is absent."),
    _query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT},
        "Totals on a page; 100, where it is absent.",
    ),
    _query("cursor", {"type": "string"}, "Where a page begins: `next` of the page before has it."),
    _FRESH,
    _IF_NONE_MATCH,
]


def _front() -> Json:
    told = _json("Its version, and where it is described.", "Front")
    told["content"]["text/html"] = {"schema": {"type": "string"}}
    return told


@cache
def _document() -> Reply:
    bearer = {"type": "http", "scheme": "bearer"}
    tokens = {name: f"{name.upper()}_TOKEN, where it is set" for name in _TOKENS}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Incrementer",
            "version": counters.__version__,
            "description": "A counter service. Totals are as of the last flush, some seconds ago.",
        },
        "paths": _paths(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                name: {**bearer, "description": text} for name, text in tokens.items()
            },
        },
    }
    return replies.tagged(document)


_TOKENS = ("increment", "read", "admin")


def answer(request: Request) -> Reply:
    """Return the description of all that the API answers."""
    return _document()
