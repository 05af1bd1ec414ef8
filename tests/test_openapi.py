"""What `/openapi.json` says of the API, against the API itself (schemathesis)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import counters
from tests.testbed.service import Service

# JSON Schema takes 1.0 for an integer, and a batch within its limit may be longer than a body may.
NOT_CHECKED = "positive_data_acceptance"


def test_the_description_is_of_the_api_as_it_is(tmp_path: Path) -> None:
    with Service(tmp_path, ADMIN_TOKEN="secret") as service:
        described = service.request("GET", "/openapi.json").json()
        assert described["info"]["version"] == counters.__version__
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", "--warnings=off", "--seed=1"),
                *("--max-examples=20", "--max-time=45", "--header=Authorization: Bearer secret"),
                *("--exclude-checks", f"{NOT_CHECKED},ignored_auth"),
                f"http://127.0.0.1:{service.port}/openapi.json",
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=150,
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        assert "Traceback" not in service.log()
