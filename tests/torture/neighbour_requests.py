"""What the neighbours of an ordinary client send: functions from the service's port to requests.

What counts among it is worth 0. So the account of the ordinary clients need not know of it.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from tests.testbed.requests import FORM, JSON, build_request, send_request

_MIB = 2**20


def worst_bodies(port: int) -> list[bytes]:
    """Return the bodies that took longest to parse, of those that are not too long."""
    begin, end = b'{"key":"\\u0061","value":0,"x":[', b"[]]}"
    nested = begin + b"[]," * ((_MIB - len(begin) - len(end)) // 3) + end
    escaped = b"value=0&key=" + b"%41" * ((_MIB - 12) // 3)
    return [build_request(nested, content_type=JSON), build_request(escaped)]


def batches(port: int) -> list[bytes]:
    keys = [f"schlüssel {number} größe" for number in range(1000)]
    body = json.dumps([{"key": key, "value": 0} for key in keys]).encode()
    return [build_request(body, content_type=JSON)]


def passwords(port: int) -> list[bytes]:
    """Return logins as a browser sends them, with the cookie and the token of a form."""
    host = f"127.0.0.1:{port}"
    form = send_request(port, "GET", "/admin/login/")
    cookie = re.search(r"csrftoken=(\w+)", form.headers["set-cookie"])
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', form.body)
    assert cookie, form
    assert token, form
    requests = []
    for number in range(100):
        fields = {
            "csrfmiddlewaretoken": token[1].decode(),
            "username": "admin",
            "password": f"password{number}",
            "next": "/admin/",
        }
        head = (
            "POST /admin/login/ HTTP/1.1",
            f"Host: {host}",
            f"Origin: http://{host}",
            f"Referer: http://{host}/admin/login/",
            f"Cookie: csrftoken={cookie[1]}",
            f"Content-Type: {FORM}",
            f"Content-Length: {len(urlencode(fields))}",
        )
        requests.append("\r\n".join([*head, "", urlencode(fields)]).encode())
    return requests


def health(port: int) -> list[bytes]:
    return [build_request(b"", line="GET /healthz HTTP/1.1", content_type=None, framed=False)]


def held_back(port: int) -> list[bytes]:
    return [build_request(b"key=a&value=0&x=".ljust(_MIB, b"x"))]


def pipelined(port: int) -> list[bytes]:
    return [build_request(b"key=a&value=0") * 100]
