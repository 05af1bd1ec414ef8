"""The environment variables: an empty one is as good as none, and a wrong one ends in a sentence.

Compose files and env files often name a variable and leave it empty (`PORT=`).
"""

from __future__ import annotations

import os
import re

is_whole_number = re.compile(r"[0-9]{1,19}").fullmatch
"""`str.isdecimal` would take the digits of all scripts, which most programs do not read."""
is_host = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f.]*:[0-9a-f.:]+\]", re.I).fullmatch
"""Whether a request could name that host."""
_SWITCH = {"1": True, "true": True, "on": True, "yes": True}
_SWITCH |= {"0": False, "false": False, "off": False, "no": False}


class BadVariable(SystemExit):
    """A variable has a value that nothing can run with. Not caught, it ends the process with that.

    Attributes:
        hint: how to mend it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.hint = hint


def variable(name: str, default: str = "") -> str:
    """Return the variable's value, or `default` where there is none, or nothing but blanks."""
    value = os.environ.get(name, "")
    return value if value.strip() else default


def whole_number(name: str, default: int, least: int, most: int) -> int:
    """Return the variable's value as a number.

    Raises:
        BadVariable: it is not a whole number from `least` to `most`.
    """
    text = variable(name, str(default))
    if not is_whole_number(text) or not least <= int(text) <= most:
        hint = f"Set it to a whole number from {least} to {most}, or leave it out."
        raise BadVariable(f"{name} is {text!r}.", hint)
    return int(text)


def port() -> int:
    """Return the port to listen on.

    Raises:
        BadVariable: PORT is none.
    """
    return whole_number("PORT", 3333, 1, 65535)


def workers() -> int:
    """Return how many worker processes there are to be.

    Raises:
        BadVariable: WEB_CONCURRENCY is no such number.
    """
    return whole_number("WEB_CONCURRENCY", os.cpu_count() or 1, 1, 1024)


def switch(name: str) -> bool:
    """Return whether the variable says yes; it does not where it is empty.

    Raises:
        BadVariable: it says neither yes nor no.
    """
    text = variable(name, "off")
    if (value := _SWITCH.get(text.strip().lower())) is None:
        raise BadVariable(f"{name} is {text!r}.", "Set it to on or off, or leave it out.")
    return value


def hosts(name: str, default: str) -> list[str]:
    """Return the host names that the variable lists, separated by commas.

    Raises:
        BadVariable: one of them is none that a request could name, or there is none.
    """
    listed = [host.strip() for host in variable(name, default).split(",")]
    names = [host for host in listed if host]
    wrong = [host for host in names if host != "*" and not is_host(host.removeprefix("."))]
    if wrong or not names:
        raise BadVariable(
            f"{name} has {wrong[0]!r}." if wrong else f"{name} has no host.",
            "Set it to host names, separated by commas and without scheme and port:"
            " counter.example,127.0.0.1,[::1]. All below a domain are .counter.example, any host is"
            " *, and other letters than ASCII are written as xn--.",
        )
    return names
