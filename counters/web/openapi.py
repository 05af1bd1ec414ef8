"""`GET /openapi.json`: the API as OpenAPI 3.1 describes it (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from functools import cache

import counters
from counters.web import replies
from counters.web.openapi_parts import (
    FRESH,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    KEY_IN_PATH,
    OF_BADGES,
    OF_LISTS,
    PREFER,
    UNCHANGED,
    body_of,
    json_of,
    link,
    operation,
    reading,
)
from counters.web.openapi_schemas import Json, object_of, ref, schemas
from counters.web.replies import Reply
from counters.web.request import Request

PATH = "/openapi.json"

_DESCRIPTION = """\
A counter service. Totals are as of the last flush, some seconds ago.

Every error has one shape, the schema Error. Besides those that are told with each request, there \
are 404 for another path, 405 for another method (Allow has those that there are), and 500 where \
the server failed. Where CORS_ORIGINS is set, each path answers the OPTIONS with which a browser \
asks what a page may send (204).
"""
_TOKENS = ("increment", "read", "admin")

_TOTAL_OF_REPLY = link("total", key="$response.body#/key")
_LINKS_OF_PAIR = {
    "total": _TOTAL_OF_REPLY,
    "several": link("list", key="$response.body#/key"),
    "badge": link("badge", key="$response.body#/key"),
    "set": link("set", key="$response.body#/key"),
    "delete": link("delete", key="$response.body#/key"),
}


def _increment() -> Json:
    recorded = json_of(
        "It is in the journal.",
        *("Recorded", "Pair", "Pairs"),
        headers=("Preference-Applied",),
        links={
            "total": _TOTAL_OF_REPLY,
            "fresh": link("total", key="$request.body#/key", fresh="1"),
        },
    )
    counted = operation(
        "increment",
        "Count",
        {"200": recorded},
        *("400", "403", "409", "413", "415", "422", "500", "501", "503"),
        guard="increment",
        parameters=[PREFER, IDEMPOTENCY_KEY],
        requestBody={
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {"schema": ref("Pair")},
                "application/json": {"schema": {"anyOf": [ref("Pair"), ref("Batch")]}},
            },
        },
    )
    return {"post": counted}


def _total() -> Json:
    pair = json_of("The total.", "Pair", headers=("ETag",), links=_LINKS_OF_PAIR)
    set_to = object_of(["value"], value=ref("Value"))
    return {
        "parameters": [KEY_IN_PATH],
        **reading(
            *("total", "The total of a key", {"200": pair, **UNCHANGED}, "400", "404", "503"),
            guard="read",
            parameters=[FRESH, IF_NONE_MATCH],
        ),
        "put": operation(
            "set",
            "Set the total of a key",
            {"200": json_of("It is set.", "Pair", links=_LINKS_OF_PAIR)},
            *("400", "403", "409", "413", "415", "500", "501", "503"),
            guard="admin",
            requestBody={"required": True, "content": {"application/json": {"schema": set_to}}},
        ),
        "delete": operation(
            "delete",
            "Delete the total of a key",
            {
                "204": {
                    "description": "It is deleted.",
                    "links": {"total": link("total", key="$request.path.key")},
                }
            },
            *("400", "403", "404", "409", "500", "503"),
            guard="admin",
        ),
    }


def _list() -> Json:
    first = {"key": "$response.body#/numbers/0/key"}
    links = {"first": link("total", **first), "badge": link("badge", **first)}
    listed = json_of("Totals.", "List", headers=("ETag", "Link"), links=links)
    return reading(
        "list",
        "Totals: a page of a list, or those of the keys that are named",
        {"200": listed, **UNCHANGED},
        *("400", "503"),
        guard="read",
        parameters=OF_LISTS,
    )


def _export(name: str, media_type: str) -> Json:
    file = body_of("All of them.", media_type, headers=("Content-Disposition",))
    summary = "All totals, as of one moment"
    return reading(name, summary, {"200": file}, "400", "503", guard="read")


def _badge() -> Json:
    picture = {"200": body_of("A picture, which may be kept for a minute.", "image/svg+xml")}
    summary = "A badge with the total of a key"
    return {
        "parameters": [KEY_IN_PATH],
        **reading("badge", summary, picture, "400", "503", guard="read", parameters=OF_BADGES),
    }


def _health() -> Json:
    # Who sends INCREMENT_TOKEN is told more; nobody needs it.
    known: Json = {"security": [{}, {"increment": []}]}
    told = {"200": json_of("Yes.", "Health")}
    return {
        "/healthz": reading("alive", "Whether the worker that answers lives", told, **known),
        "/readyz": reading("ready", "Whether it accepts and flushes", told, "503", **known),
    }


def _front() -> Json:
    told = json_of("Its version, and where it is described.", "Front", headers=("ETag",))
    told["content"]["text/html"] = {"schema": {"type": "string"}}
    return reading("front", "What this is", {"200": told, **UNCHANGED}, parameters=[IF_NONE_MATCH])


def _this() -> Json:
    told = {"200": json_of("It.", "Description", headers=("ETag",)), **UNCHANGED}
    return reading("description", "This description", told, parameters=[IF_NONE_MATCH])


@cache
def _document() -> Reply:
    bearer = {"type": "http", "scheme": "bearer"}
    tokens = {name: f"{name.upper()}_TOKEN, where it is set" for name in _TOKENS}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Incrementer",
            "version": counters.__version__,
            "description": _DESCRIPTION,
        },
        "paths": {
            "/increment": _increment(),
            "/numbers/{key}": _total(),
            "/numbers": _list(),
            "/numbers.csv": _export("csv", "text/csv"),
            "/numbers.ndjson": _export("ndjson", "application/x-ndjson"),
            "/badge/{key}.svg": _badge(),
            **_health(),
            "/": _front(),
            PATH: _this(),
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                name: {**bearer, "description": text} for name, text in tokens.items()
            },
        },
    }
    return replies.tagged(document)


def answer(request: Request) -> Reply:
    """Return the description of all that the API answers."""
    return _document()
