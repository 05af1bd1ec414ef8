"""Requests for the admin, as bytes."""

from __future__ import annotations

import re

from tests.testbed.requests import FORM, build_request
from tests.testbed.service import Service

LOGIN_PATH = "/admin/login/"


def login_request(service: Service, address: str) -> bytes:
    """Return a try to log in with a wrong password, from a proxy's client with this address."""
    page = service.request("GET", LOGIN_PATH)
    cookie = page.headers["set-cookie"].partition(";")[0]
    token = re.search(rb'csrfmiddlewaretoken" value="([^"]+)"', page.body)
    assert token, page
    body = b"csrfmiddlewaretoken=%s&username=root&password=guess" % token[1]
    return build_request(
        body,
        f"Cookie: {cookie}",
        f"X-Forwarded-For: {address}",
        line=f"POST {LOGIN_PATH} HTTP/1.1",
        content_type=FORM,
    )
