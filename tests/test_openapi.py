"""What `/openapi.json` says of the API, against the standard and the API itself (schemathesis)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

import counters
from tests.testbed.service import Service, StartService

METHODS = {"get", "head", "post", "put", "delete"}
SETTINGS = """\
[checks]
# JSON Schema takes 1.0 for an integer, and a batch within its limit may be longer than a body may.
positive_data_acceptance.enabled = false
# A token that is not set is not asked for.
ignored_auth.enabled = false
# A batch beyond its limit is refused for the length of its body, where that is beyond its own.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 413, 415, 431, 501]
"""


def test_the_description_is_openapi_and_has_all_methods(service: Service) -> None:
    description = service.request("GET", "/openapi.json").json()
    OpenAPIV31SpecValidator(description).validate()
    assert description["info"]["version"] == counters.__version__
    for path, item in description["paths"].items():
        refused = service.request("PATCH", path.format(key="a"))
        assert refused.status == 405
        described = {method.upper() for method in METHODS & item.keys()}
        assert described == {*refused.headers["allow"].split(", ")}, path


def test_the_api_does_what_is_described(start_service: StartService, tmp_path: Path) -> None:
    service = start_service(ADMIN_TOKEN="secret")
    batch = [{"key": f"{number}", "value": number} for number in range(1500)]
    assert service.post(json.dumps(batch), "application/json").status == 200  # lists have pages
    description = service.request("GET", "/openapi.json").json()
    # The next page's cursor is a part of its address. OpenAPI has no words for a part of a value,
    # and schemathesis has.
    description["paths"]["/numbers"]["get"]["responses"]["200"]["links"]["next"] = {
        "operationId": "list",
        "parameters": {
            "cursor": "$response.body#/next#regex:cursor=(.+)",
            "order": "$response.body#/next#regex:order=([a-z-]+)",
        },
    }
    (tmp_path / "openapi.json").write_text(json.dumps(description))
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", "--warnings=off", "--seed=1"),
            *("--max-examples=10", "--max-time=35", "--header=Authorization: Bearer secret"),
            *("--url", f"http://127.0.0.1:{service.port}", "openapi.json"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "Stateful (not applicable)" not in done.stdout
    assert "Traceback" not in service.log()
