"""nginx: with a fixed reply, and counting in Lua."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contestants.programs import NGINX_LUA, NGINX_MODULES
from benchmarks.contestants.server import WORKERS, Contestant, Server, Start
from benchmarks.paths import RIVALS
from tests.testbed.ports import free_port

_LUA_MODULES = f"""
    load_module {NGINX_MODULES}/ndk_http_module.so;
    load_module {NGINX_MODULES}/ngx_http_lua_module.so;
"""
"""The second module needs the first. Debian's package of the second brings both."""


def _nginx(location: str, http: str = "", modules: str = "") -> Start:
    """Return a start of nginx, with these directives added to its configuration.

    Args:
        location: directives for the `server` block.
        http: directives for the `http` block.
        modules: directives for the top.
    """

    def start(folder: Path) -> Server:
        port = free_port()
        configuration = folder / "nginx.conf"
        configuration.write_text(f"""
            {modules}
            daemon off;
            worker_processes {WORKERS};
            pid {folder}/pid;
            error_log stderr;
            events {{ worker_connections 4096; }}
            http {{
                access_log off;
                keepalive_requests 1000000000;
                client_body_temp_path {folder}/body;
                default_type application/json;
                {http}
                server {{
                    listen 127.0.0.1:{port} reuseport backlog=2048;
                    {location}
                }}
            }}
        """)
        command = ("nginx", "-e", "stderr", "-c", configuration, "-p", folder)
        return Server(folder, port, *command, sockets=WORKERS)

    return start


NGINX = Contestant(
    "nginx, return 200", _nginx("""location / { return 200 '{"ok":true}\\n'; }"""), ("nginx",)
)
NGINX_COUNTING = Contestant(
    "nginx with Lua, shared dict in memory",
    _nginx(
        location=f"location = /increment {{ content_by_lua_file {RIVALS}/nginx.lua; }}",
        http="lua_shared_dict totals 64m;",
        modules=_LUA_MODULES,
    ),
    ("nginx", NGINX_LUA),
)
