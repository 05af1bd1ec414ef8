"""The Incrementer behind proxies: with README's lines, without TLS, and as nginx comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contestants.ours import incrementer
from benchmarks.contestants.server import Contestant, Server, Start
from tests.testbed.ports import free_port
from tests.testbed.process_group import ProcessGroup
from tests.testbed.proxies import PUBLIC_HOST, caddy, documented_lines, nginx

_TLS = (
    f"    ssl_certificate /etc/ssl/{PUBLIC_HOST}.pem;\n",
    f"    ssl_certificate_key /etc/ssl/{PUBLIC_HOST}.key;\n",
)


def _behind(make: Callable[[Path, str], ProcessGroup], lines: str, sockets: int = 1) -> Start:
    """Return a start of the Incrementer behind a proxy.

    Args:
        sockets: how many the proxy listens on.
        lines: the proxy's configuration, with README's port of the service.
    """

    @contextmanager
    def start(folder: Path) -> Iterator[Server]:
        with incrementer()(folder) as service:
            port = free_port()
            replaced = lines.replace("PORT", str(port)).replace(":3333", f":{service.port}")
            command = make(folder, replaced).command
            with Server(folder, port, *command, sockets=sockets) as proxy:
                yield proxy

    return start


def _nginx_lines() -> str:
    lines = documented_lines("nginx").replace("listen 443 ssl", "listen 127.0.0.1:PORT reuseport")
    for line in _TLS:
        lines = lines.replace(line, "")
    return f"keepalive_requests 1000000000;\n{lines}"


_NGINX_DEFAULT = """
    keepalive_requests 1000000000;
    server {
        listen 127.0.0.1:PORT reuseport;
        location / { proxy_pass http://127.0.0.1:3333; }
    }
"""

BEHIND_NGINX = Contestant(
    "Incrementer behind nginx, README's lines",
    _behind(nginx, _nginx_lines(), sockets=2),
    ("nginx",),
)
BEHIND_NGINX_DEFAULT = Contestant(
    "Incrementer behind nginx, `proxy_pass` alone (HTTP/1.0)",
    _behind(nginx, _NGINX_DEFAULT, sockets=2),
    ("nginx",),
)
BEHIND_CADDY = Contestant(
    "Incrementer behind Caddy, README's lines",
    _behind(caddy, documented_lines("caddy").replace(PUBLIC_HOST, "http://127.0.0.1:PORT")),
    ("caddy",),
)
