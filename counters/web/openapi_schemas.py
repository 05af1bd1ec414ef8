"""What requests and replies hold, as JSON Schema says it (https://json-schema.org/)."""

from __future__ import annotations

from typing import Any

from counters.increments import MAX_BATCH_LENGTH, MAX_KEY_LENGTH, MAX_VALUE, MIN_VALUE
from counters.ranking import MOST

Json = dict[str, Any]

_KEY: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_KEY_LENGTH,
    "pattern": "^[^\\u0000]*$",
    "description": "Any text without NUL.",
}
_VALUE: Json = {"type": "integer", "minimum": MIN_VALUE, "maximum": MAX_VALUE}
_DETAILS: Json = {
    "pending_keys": {"type": "integer"},
    "pending_ids": {"type": "integer"},
    "journal_bytes": {"type": "integer"},
    "seconds_since_flush": {"type": "number"},
    "last_error": {"type": "string"},
}
"""What health tells who sends INCREMENT_TOKEN."""


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(required: list[str], **properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": required}


def schemas() -> Json:
    pair = object_of(["key", "value"], key=ref("Key"), value=ref("Value"))
    known = object_of(
        ["key", "value"],
        key=ref("Key"),
        value={"anyOf": [ref("Value"), {"type": "null"}]},
    )
    return {
        "Key": _KEY,
        "Value": _VALUE,
        "Pair": pair,
        "Batch": {
            "type": "array",
            "items": ref("Pair"),
            "minItems": 1,
            "maxItems": MAX_BATCH_LENGTH,
        },
        "Pairs": {"type": "array", "items": ref("Pair")},
        "Description": object_of(["openapi"], openapi={"type": "string"}),
        "Recorded": object_of(["ok"], ok={"const": True}),
        "List": object_of(
            ["numbers", "next"],
            numbers={"type": "array", "items": known},
            next={
                "type": ["string", "null"],
                "description": "The address of the next page, relative to this one.",
            },
            age_seconds={
                "type": "number",
                "description": "How old the list is; for orders by value.",
            },
            is_cut={
                "type": "boolean",
                "description": f"Whether there are more than the {MOST:,} totals that an order by"
                " value reaches.",
            },
        ),
        "Health": object_of(
            ["ready"],
            alive={"const": True},
            ready={"type": "boolean"},
            why={"enum": ["journal", "full", "database"]},
            **_DETAILS,
        ),
        "Front": object_of(
            ["name", "version", "description", "idempotency_hours"],
            name={"type": "string"},
            version={"type": "string"},
            description={"type": "string"},
            idempotency_hours={
                "type": "integer",
                "description": "For how long a request with an Idempotency-Key counts once.",
            },
        ),
        "Error": object_of(
            ["error"],
            error={"type": "string", "description": "A sentence that says what is wrong."},
            field={"type": "string", "description": "Which part of the request is wrong."},
            limit={"type": "integer", "description": "The limit that was not kept."},
            why={"enum": ["journal", "full", "database"]},
            **_DETAILS,
        ),
    }
