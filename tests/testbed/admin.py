"""Requests for the admin, as bytes."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from tests.testbed.requests import FORM, build_request
from tests.testbed.service import Service

LOGIN_PATH = "/admin/login/"


SUPERUSER = {
    "DJANGO_SUPERUSER_USERNAME": "root",
    "DJANGO_SUPERUSER_PASSWORD": "let me in",
    "DJANGO_SUPERUSER_EMAIL": "",
}
"""Settings with which `createsuperuser --noinput` makes a user."""


def log_in(service: Service) -> dict[str, str]:
    """Return the headers of a browser that is logged in; `service` has SUPERUSER's settings."""
    service.manage("createsuperuser", "--noinput")
    page = service.request("GET", LOGIN_PATH)
    cookie = page.headers["set-cookie"].partition(";")[0]
    token = re.search(rb'csrfmiddlewaretoken" value="([^"]+)"', page.body)
    assert token, page
    fields = {
        "csrfmiddlewaretoken": token[1].decode(),
        "username": SUPERUSER["DJANGO_SUPERUSER_USERNAME"],
        "password": SUPERUSER["DJANGO_SUPERUSER_PASSWORD"],
    }
    headers = {"Cookie": cookie, "Content-Type": FORM}
    reply = service.request("POST", LOGIN_PATH, urlencode(fields), headers)
    session = re.search(r"sessionid=[^;]+", reply.headers["set-cookie"])
    assert session, reply
    return {"Cookie": session[0]}


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
