"""A web page of another origin, in a real browser: it counts, and reads totals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.testbed.browser import chromium
from tests.testbed.commands import ROOT
from tests.testbed.ports import free_port
from tests.testbed.programs import needs
from tests.testbed.service import StartService

pytestmark = needs("chromium", "chromedriver")

PAGE = b"""<!doctype html><title>shop</title><script>
async function visit(service) {
  const said = {};
  const ask = async (name, path, options) => {
    try {
      const reply = await fetch(service + path, options);
      said[name] = [reply.status, await reply.json()];
    } catch (error) {
      said[name] = [0, String(error)];
    }
  };
  const json = {"Content-Type": "application/json", "Prefer": "return=representation"};
  const body = JSON.stringify({key: "visits", value: 1});
  const form = (key) => new URLSearchParams({key, value: 1});
  await ask("form", "/increment", {method: "POST", body: form("visits")});
  await ask("json", "/increment", {method: "POST", headers: json, body});
  said.beacon = navigator.sendBeacon(service + "/increment", form("beacon"));
  for (let tries = 0; tries < 100; tries++) {
    await ask("total", "/numbers/beacon?fresh=1");
    if (said.total[0] != 404) break;
  }
  await ask("missing", "/numbers/never");
  await ask("text", "/increment", {method: "POST", body: "key=visits&value=1"});
  return said;
}
</script>"""


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def shop() -> Iterator[str]:
    """Serve the page during the block; yield its origin."""
    port = free_port()
    server = ThreadingHTTPServer(("127.0.0.1", port), _Shop)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_function_in_the_docs_counts_once_though_the_service_is_away_at_first(
    start_service: StartService,
) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    function = page[page.index("async function count(") :].partition("```")[0]
    with shop() as origin, chromium() as browser:
        service = start_service(CORS_ORIGINS=origin, FLUSH_INTERVAL="0.2")
        service.stop()
        browser.get(origin)
        browser.execute_script(
            f"{function} window.counted = count(arguments[0], 'from a page', 2)",
            f"http://127.0.0.1:{service.port}/increment",
        )
        service.start()
        said = browser.execute_async_script(
            "counted.then(() => 'counted', String).then(arguments[0])"
        )
    assert said == "counted"
    service.wait_for_totals({"from a page": 2})


@pytest.mark.parametrize("may_read", [True, False])
def test_a_page_counts_and_reads_what_it_may(start_service: StartService, may_read: bool) -> None:
    with shop() as origin, chromium() as browser:
        allowed = origin if may_read else "https://other.example"
        service = start_service(CORS_ORIGINS=allowed, FLUSH_INTERVAL="0.2")
        browser.get(origin)
        said = browser.execute_async_script(
            "visit(arguments[0]).then(arguments[arguments.length - 1])",
            f"http://127.0.0.1:{service.port}",
        )
    assert said["beacon"] is True
    if may_read:
        assert said["form"] == [200, {"ok": True}]
        assert said["json"] == [200, {"key": "visits", "value": 2}]
        assert said["total"] == [200, {"key": "beacon", "value": 1}]
        assert said["missing"][0] == 404
        assert said["text"][0] == 415
        assert all(kind in said["text"][1]["error"] for kind in ("urlencoded", "json"))
        service.wait_for_totals({"visits": 2, "beacon": 1})
    else:
        # A form may be sent by any page, and is not read by it. JSON is asked for before.
        assert {said[name][0] for name in ("form", "json", "total", "missing", "text")} == {0}
        service.wait_for_totals({"visits": 1, "beacon": 1})
