"""A service with a token for everything, and requests that have the right one."""

from __future__ import annotations

import json
from urllib.parse import quote

from tests.testbed.replies import Reply
from tests.testbed.requests import JSON
from tests.testbed.service import Service

TOKENS = {"ADMIN_TOKEN": "admin's", "READ_TOKEN": "reader's", "INCREMENT_TOKEN": "counter's"}
ADMIN = {"Authorization": "Bearer admin's"}
READER = {"Authorization": "Bearer reader's"}
COUNTER = {"Authorization": "Bearer counter's"}


def of_key(key: str) -> str:
    return f"/numbers/{quote(key, safe='')}"


def put(service: Service, key: str, body: str | bytes, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.request("PUT", of_key(key), body, {**ADMIN, "Content-Type": JSON, **named})


def delete(service: Service, key: str) -> Reply:
    return service.request("DELETE", of_key(key), headers=ADMIN)


def get(service: Service, key: str) -> Reply:
    return service.request("GET", of_key(key) + "?fresh=1", headers=READER)


def count(service: Service, key: str, value: int) -> None:
    body = json.dumps({"key": key, "value": value})
    assert service.post(body, JSON, **COUNTER).status == 200
