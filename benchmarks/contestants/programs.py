"""The programs and libraries that contestants need: their packages, and which are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

FASTHTTP = "fasthttp"
NGINX_LUA = "ngx_http_lua"
GOPATH = Path("/usr/share/gocode")
"""Where Debian keeps the sources of Go libraries."""
NGINX_MODULES = Path("/usr/lib/nginx/modules")

PACKAGES = {
    "wrk": "wrk",
    "siege": "siege",
    "nginx": "nginx-light",
    "caddy": "caddy",
    NGINX_LUA: "libnginx-mod-http-lua",
    "redis-server": "redis-server",
    "redis-benchmark": "redis-tools",
    "webdis": "webdis",
    "go": "golang-go",
    FASTHTTP: "golang-github-valyala-fasthttp-dev",
}
"""The Debian package of each program, and of each library in `_LIBRARIES`."""

_LIBRARIES = {
    FASTHTTP: GOPATH / "src/github.com/valyala/fasthttp",
    NGINX_LUA: NGINX_MODULES / "ngx_http_lua_module.so",
}
"""For each library, a path that exists where it is installed."""

_VERSIONS = {
    "wrk": ["wrk", "-v"],
    "nginx": ["nginx", "-v"],
    "Caddy": ["caddy", "version"],
    "ngx_http_lua": ["dpkg-query", "-W", "-f", "${Version}", PACKAGES[NGINX_LUA]],
    "Redis": ["redis-server", "--version"],
    "Go": ["go", "version"],
    "fasthttp": ["dpkg-query", "-W", "-f", "${Version}", PACKAGES[FASTHTTP]],
    "siege": ["siege", "--version"],
}
"""For each program and library, a command that prints its version."""


def missing(*names: str) -> list[str]:
    """Return those of `names` that are not installed."""
    return [name for name in names if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    library = _LIBRARIES.get(name)
    return library.exists() if library else shutil.which(name) is not None


def versions() -> list[str]:
    """Return one line for each program that is installed: its name and version."""
    found = []
    for name, command in _VERSIONS.items():
        if shutil.which(command[0]):
            output = subprocess.run(command, capture_output=True, text=True)
            if version := re.search(r"\d+\.\d+[.\d]*", output.stdout + output.stderr):
                found.append(f"{name} {version[0]}")
    return found
