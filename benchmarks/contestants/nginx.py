"""nginx: with a fixed reply, and counting in Lua."""

from __future__ import annotations

from benchmarks.contestants.programs import NGINX_LUA, NGINX_MODULES
from benchmarks.contestants.server import WORKERS, Contestant, Server, Start
from benchmarks.paths import RIVALS

_LUA_MODULES = f"""
    load_module {NGINX_MODULES}/ndk_http_module.so;
    load_module {NGINX_MODULES}/ngx_http_lua_module.so;
"""
"""The second needs the first, which Debian's package of it brings."""


def _nginx(location: str, http: str = "", modules: str = "") -> Start:
    """Return a start of nginx with what is given put into its configuration's blocks."""

    def start(server: Server) -> None:
        configuration = server.folder / "nginx.conf"
        configuration.write_text(f"""
            {modules}
            daemon off;
            worker_processes {WORKERS};
            pid {server.folder}/pid;
            error_log stderr;
            events {{ worker_connections 4096; }}
            http {{
                access_log off;
                keepalive_requests 1000000000;
                client_body_temp_path {server.folder}/body;
                default_type application/json;
                {http}
                server {{
                    listen 127.0.0.1:{server.port} reuseport backlog=2048;
                    {location}
                }}
            }}
        """)
        server.run(
            "nginx", "-e", "stderr", "-c", configuration, "-p", server.folder, sockets=WORKERS
        )

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
