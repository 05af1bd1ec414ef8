"""The whole service: from a POST to the database, through stops, crashes and reloads."""

from __future__ import annotations

import subprocess

from tests.load import Load
from tests.server import Server


def test_curl_line_of_the_readme(server: Server) -> None:
    url = f"http://localhost:{server.port}/increment"
    subprocess.run(["curl", "-sf", "-X", "POST", url, "-d", "key=abcdef&value=1"], check=True)
    server.wait_for_totals({"abcdef": 1})


def test_kill_of_everything_under_load_loses_nothing(server: Server) -> None:
    with Load(server) as load:
        for _ in range(5):
            load.wait_for_more(20_000)
            server.kill()
            server.start()
    server.manage("flushnumbers")
    load.check(server.totals())
