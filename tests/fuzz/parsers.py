"""The parsers of bodies, compared with slow and obvious ones."""

from __future__ import annotations

from counters.increments import BadIncrement, Increment
from counters.records import Header, batch_section, decode_content
from counters.web.bodies import parse_form, parse_json
from counters.web.idempotency import id_of
from tests.fuzz.obvious import Pair, read_form, read_id, read_json

SEEDS = [
    b"key=a&value=1",
    b"k%65y=%C3%A9+&value=%2B1&other",
    b'{"key": "a", "value": 1}',
    b'{"key": "\\u00e9", "value": -9223372036854775808, "other": [{"a": null}, 1e5, true]}',
    b'{"key": "a", "value": 1, "key": "b", "value": 2}',
    b'"8e03978e \\" \\\\"',
    b"8e03978e",
    b'"a", b',
    b'[{"key": "a", "value": 1}, {"value": 2, "key": "\xc3\xa9"}]',
]


def parsed_form(body: bytes) -> Pair | None:
    """Return the increment that `parse_form` reads in `body`; None where it refuses `body`."""
    try:
        increment = parse_form(body)
    except BadIncrement:
        return None
    return increment.key, increment.value


def parsed_json(body: bytes) -> list[Pair] | None:
    """Return the increments that `parse_json` reads in `body`; None where it refuses `body`."""
    try:
        found = parse_json(body)
    except BadIncrement:
        return None
    if isinstance(found, Increment):
        return [(found.key, found.value)]
    pairs = [(increment.key, increment.value) for increment in found.increments]
    read_back = decode_content(Header(), b"".join(batch_section(found.json)))
    assert read_back == pairs, "the journal's batch is not what was accepted"
    return pairs


def parsed_id(sent: str) -> str | None:
    """Return the id that `id_of` reads; None where it refuses it."""
    found = id_of(sent)
    return found if isinstance(found, str) else None


def check(data: bytes) -> None:
    """Read `data` as a form, as JSON and as an id."""
    assert parsed_form(data) == read_form(data)
    assert parsed_json(data) == read_json(data)
    sent = data.decode("latin1")
    if ";" not in sent:  # where parameters may begin
        assert parsed_id(sent) == read_id(sent)
