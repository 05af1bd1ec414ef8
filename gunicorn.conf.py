"""How gunicorn serves the project; `make run` starts it."""

import os
import resource
import subprocess
import sys

_project = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, _project)  # gunicorn may have been started elsewhere, with --chdir

from incrementer_site import environment, listeners, terminal  # noqa: E402

wsgi_app = "incrementer_site.asgi:application"
worker_class = "incrementer_site.lane.worker.IncrementWorker"
workers = environment.workers()
forwarded_allow_ips = environment.variable("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
_host = environment.variable("HOST", "127.0.0.1").strip("[]")
_port = environment.port()
bind = f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}"

backlog = 2048
keepalive = 75
timeout = 30
graceful_timeout = 40  # longer than the worker's own limit and a flush that waits for the database
control_socket_disable = True

_OPEN_FILES = 10_000
"""Of one worker: twice MAX_CONNECTIONS (incrementer_site/lane/limits.py), and those of its own."""


def on_starting(server):
    """Refuse to start on settings that cannot work, and on an address that is taken."""
    if server.cfg.is_ssl:
        sys.exit(
            "The service speaks no TLS: leave --certfile and --keyfile out, and put nginx or"
            " Caddy in front of it, as README.md shows."
        )
    if server.cfg.workers < 1:
        sys.exit(
            "--workers is 0: nobody would serve. Set it to 1 or more, or leave it out and set"
            " WEB_CONCURRENCY."
        )
    _check(server.cfg)
    listeners.listen(server)
    _allow_open_files(server.log)


def _check(cfg):
    """Run the checks as the user who will serve (--user, --group): files may be closed to that one.

    This process needs no Django, and may be root's.
    """
    manage = os.path.join(_project, "manage.py")
    check = [sys.executable, manage, "check", "--database", "default"]
    as_user = {"user": cfg.uid, "group": cfg.gid} if os.geteuid() == 0 else {}
    try:
        done = subprocess.run(check, stdout=subprocess.DEVNULL, **as_user)
    except OSError as error:
        sys.exit(
            f"The user with the number {cfg.uid} cannot run {sys.executable}: {error.strerror}."
        )
    if done.returncode:
        sys.exit(1)


def _allow_open_files(log):
    """Raise the limit of open files, which is 1,024 on many systems, as far as it is needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _OPEN_FILES:
        log.warning(
            "This process may open %d files only, and so serves fewer connections than it could."
            " Raise the limit to %d (systemd: LimitNOFILE).",
            hard,
            _OPEN_FILES,
        )
    if soft != resource.RLIM_INFINITY and soft < _OPEN_FILES:
        wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


on_reload = terminal.end_with_terminal

# Each worker has sockets of its own, which outlive it (incrementer_site/listeners.py).
pre_fork = listeners.give_sockets
post_fork = listeners.close_others
nworkers_changed = listeners.replace_workers
pre_exec = listeners.prepare_upgrade
