"""Which web pages may make their visitors' browsers count."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.testbed.requests import FORM
from tests.testbed.service import Service

PATHS = ("/increment", "/%69ncrement")  # the lane, and Django
SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("strict")
    settings = {"DJANGO_ALLOWED_HOSTS": "localhost,counter.example"}
    with Service(folder, INCREMENT_ORIGINS=f"self, {SHOP.upper()}", **settings) as service:
        yield service


def status(service: Service, path: str, headers: dict[str, str]) -> int:
    headers = {"Content-Type": FORM, "Host": "counter.example", **headers}
    reply = service.request("POST", path, b"key=origin&value=1", headers)
    if reply.status == 403:
        assert reply.json()["field"] == "Origin"
    return reply.status


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": f"{SHOP}.evil.example"},
    {"Origin": f"{SHOP}:8443"},
    {"Origin": "http://shop.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://other.counter.example", "Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    # A page whose own name has been made to lead here:
    {"Origin": "http://evil.example", "Host": "evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://evil.example:80", "Host": "evil.example:80"},
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_page_may_not_count(strict: Service, path: str, headers: dict[str, str]) -> None:
    assert status(strict, path, headers) == 403


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},  # no browser
        {"Sec-Fetch-Site": "none"},
        {"Origin": SHOP, "Sec-Fetch-Site": "cross-site"},
        {"Origin": SHOP},
        {"Origin": "https://counter.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://counter.example"},
    ],
)
def test_programs_and_known_pages_may_count(
    strict: Service, path: str, headers: dict[str, str]
) -> None:
    assert status(strict, path, headers) == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", FOREIGN)
def test_any_page_may_count_by_default(
    shared_service: Service, path: str, headers: dict[str, str]
) -> None:
    assert status(shared_service, path, headers) == 200
