"""The proxies of README.md, started with the lines that stand there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.testbed.commands import ROOT
from tests.testbed.process_group import ProcessGroup

PUBLIC_HOST = "counter.example"
"""The host of the certificate and of the configurations in README.md."""


def documented_lines(language: str) -> str:
    """Return the configuration that README.md gives for a proxy: "nginx" or "caddy"."""
    lines: str
    (lines,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return lines


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate that nobody has signed, and its key; return their files."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={PUBLIC_HOST}", "-addext", f"subjectAltName=DNS:{PUBLIC_HOST}"]
    command += ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def nginx(folder: Path, blocks: str) -> ProcessGroup:
    """Return nginx, to be started, with these `upstream` and `server` blocks."""
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
        daemon off;
        worker_processes 2;
        pid {folder}/nginx.pid;
        error_log stderr;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            {blocks}
        }}
    """)
    command = ("nginx", "-e", "stderr", "-c", str(configuration), "-p", str(folder))
    return _proxy(folder, *command)


def caddy(folder: Path, site: str) -> ProcessGroup:
    """Return Caddy, to be started, with this site; it listens on this machine only."""
    configuration = folder / "Caddyfile"
    options = "{\n    admin off\n    auto_https disable_redirects\n    skip_install_trust\n}\n"
    configuration.write_text(options + site.replace("{\n", "{\n    bind 127.0.0.1\n", 1))
    command = ("caddy", "run", "--adapter", "caddyfile", "--config", str(configuration))
    return _proxy(folder, *command, HOME=str(folder))


def _proxy(folder: Path, *command: str, **environment: str) -> ProcessGroup:
    path: Mapping[str, str] = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/bin"}
    return ProcessGroup(
        command,
        cwd=folder,
        environment={**path, **environment},
        log_file=folder / f"{command[0]}.log",
    )
