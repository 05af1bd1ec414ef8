"""Behind the proxies of README.md, set up with the lines that stand there."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.testbed.ports import free_port
from tests.testbed.process_group import ProcessGroup
from tests.testbed.programs import needs
from tests.testbed.proxies import (
    PUBLIC_HOST,
    caddy,
    documented_lines,
    make_certificate,
    nginx,
)
from tests.testbed.replies import Reply
from tests.testbed.requests import FORM
from tests.testbed.service import Service, StartService

pytestmark = needs("nginx", "caddy", "openssl")


class Browser:
    """Speaks TLS to a proxy on this machine, for PUBLIC_HOST, and keeps cookies."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.origin = f"https://{PUBLIC_HOST}:{port}"
        self._port = port
        self._tls = ssl.create_default_context(cafile=certificate)
        self.cookies: dict[str, str] = {}

    def request(self, method: str, path: str, fields: dict[str, str] | None = None) -> Reply:
        connection = HTTPSConnection(PUBLIC_HOST, self._port, timeout=30)
        with closing(connection):
            plain = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            connection.sock = self._tls.wrap_socket(plain, server_hostname=PUBLIC_HOST)
            headers = {"Content-Type": FORM, "Origin": self.origin}
            if self.cookies:
                headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
            connection.request(method, path, urlencode(fields or {}), headers)
            response = connection.getresponse()
            for cookie in response.headers.get_all("Set-Cookie") or []:
                assert "; Secure" in cookie
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            return Reply.read(response)

    def log_in(self) -> Reply:
        page = self.request("GET", "/admin/login/")
        assert page.status == 200, page
        token = re.search(rb'csrfmiddlewaretoken" value="([^"]+)"', page.body)
        assert token, page
        fields = {"username": "root", "password": "let me in", "next": "/admin/"}
        return self.request(
            "POST", "/admin/login/", {**fields, "csrfmiddlewaretoken": token[1].decode()}
        )


def served(port: int, behind: int, certificate: Path, key: Path) -> dict[str, str]:
    """Return what README's lines are changed in, so that they work here."""
    return {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        f"/etc/ssl/{PUBLIC_HOST}.pem": str(certificate),
        f"/etc/ssl/{PUBLIC_HOST}.key": str(key),
        "127.0.0.1:3333": f"127.0.0.1:{behind}",
        f"{PUBLIC_HOST} {{": f"{PUBLIC_HOST}:{port} {{\n    tls {certificate} {key}",
    }


def replace_all(lines: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        lines = lines.replace(old, new)
    return lines


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
@pytest.mark.parametrize(
    ("start", "language", "replacements"),
    [
        (nginx, "nginx", {}),
        (nginx, "nginx", {"$http_host": "$host"}),  # without the port
        (caddy, "caddy", {}),
    ],
    ids=["nginx", "nginx, Host without port", "caddy"],
)
def test_the_documented_lines_serve_increments_and_the_admin(
    start_service: StartService,
    tmp_path: Path,
    start: Callable[[Path, str], ProcessGroup],
    language: str,
    replacements: dict[str, str],
    host: str,
) -> None:
    port = free_port()
    certificate, key = make_certificate(tmp_path)
    service = start_service(
        HOST=host,
        PUBLIC_URL=f"https://{PUBLIC_HOST}:{port}/",
        DJANGO_SUPERUSER_USERNAME="root",
        DJANGO_SUPERUSER_PASSWORD="let me in",
        DJANGO_SUPERUSER_EMAIL="",
    )
    service.manage("createsuperuser", "--noinput")
    replacements = served(port, service.port, certificate, key) | replacements
    browser = Browser(port, certificate)
    with start(tmp_path, replace_all(documented_lines(language), replacements)) as proxy:
        proxy.wait_until(lambda: _listens(port), "the proxy to listen")
        for _ in range(3):
            assert browser.request("POST", "/increment", {"key": "a", "value": "1"}).status == 200
        login = browser.log_in()
        assert (login.status, login.headers["location"]) == (302, "/admin/"), login
        page = browser.request("GET", "/admin/counters/number/")
        assert page.status == 200, page
        assert int(page.headers["strict-transport-security"].partition("=")[2]) >= 24 * 3600
    service.wait_for_totals({"a": 3})


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("kind", ["host", "origin"])
def test_what_is_refused_for_its_host_or_origin_is_in_the_log(
    start_service: StartService, kind: str
) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    headers = {"Content-Type": FORM, "Origin": "https://counter.example"}
    if kind == "host":
        headers["Host"] = "counter.example"
    statuses = {_post_login(service, headers).status for _ in range(30)}
    assert statuses == {400 if kind == "host" else 403}
    lines = [line for line in service.log().splitlines() if "counter.example" in line]
    assert 0 < len(lines) <= 20  # ten a minute, and the minute may end here
    assert all("Refused: " in line and "set PUBLIC_URL" in line for line in lines)
    assert "Traceback" not in service.log()


def _post_login(service: Service, headers: dict[str, str]) -> Reply:
    return service.request("POST", "/admin/?", b"a=b", headers)
