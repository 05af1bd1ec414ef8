"""Reads a file of requests as siege does: comments, blank lines and variables are allowed.

    HOST=localhost:3333
    http://$(HOST)/increment POST key=abcdef&value=1

siege gets what is made of it, one request on each line, so that the numbers of the lines in its
output are those of the requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

_is_variable = re.compile(r"(\w+)\s*=\s*(.*)", re.ASCII).fullmatch
_REFERENCE = re.compile(r"\$[({](\w+)[)}]")


class BadUrlFile(ValueError):
    """The file has something that is no increment; the message says where, and what."""


@dataclass(frozen=True, slots=True)
class Request:
    """One increment."""

    url: str
    form: str
    key: str
    value: int

    def __str__(self) -> str:
        return f"{self.url} POST {self.form}"


def read_requests(file: Path, environment: Mapping[str, str]) -> list[Request]:
    """Return the increments of a file.

    Args:
        environment: where HOST or PORT is set, the requests go there, wherever the file says. Like
            siege, the file may use the other variables.

    Raises:
        BadUrlFile: it cannot be read, or holds something else than increments.
    """
    address = _address(environment)
    requests = []
    try:
        for number, line in _lines(file, environment):
            try:
                requests.append(_request(line, address))
            except ValueError as problem:
                raise BadUrlFile(
                    f"{file}, line {number}: {problem}. A line has to be like this:"
                    " http://localhost:3333/increment POST key=abcdef&value=1"
                ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadUrlFile(f"{file} cannot be read: {error}") from None
    if not requests:
        raise BadUrlFile(f"{file} has no requests. Write some: python siege/url_gen.py")
    return requests


def _lines(file: Path, environment: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that are requests, with their numbers from 1 on, variables replaced."""
    variables: dict[str, str] = {}

    def value(reference: re.Match[str]) -> str:
        known = {**environment, **variables}
        if reference[1] not in known:
            raise BadUrlFile(f"{file}, line {number}: {reference[0]} is not set above.")
        return known[reference[1]]

    for number, raw in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        line = _REFERENCE.sub(value, line)
        if variable := _is_variable(line):
            variables[variable[1]] = variable[2]
        else:
            yield number, line


def _request(line: str, address: str | None) -> Request:
    """Return the request of a line.

    Raises:
        ValueError: it is no increment.
    """
    url, post, form = (part.strip() for part in line.partition(" POST "))
    if not post:
        raise ValueError("it is no POST")
    if form.startswith("<"):
        raise ValueError("what is sent has to stand in the line, not in another file")
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.path != "/increment":
        raise ValueError("it does not go to /increment")
    fields = parse_qs(form, keep_blank_values=True, strict_parsing=True)
    for name in ("key", "value"):
        if len(fields.get(name, [])) != 1:
            raise ValueError(f"{name} has to be given once")
    if not re.fullmatch(r"-?\d+", fields["value"][0], re.ASCII):
        raise ValueError("value is not a whole number")
    url = parts._replace(netloc=address or parts.netloc).geturl()
    # siege would take a "$" for a variable, wherever it is.
    form = urlencode(fields, doseq=True)
    return Request(url, form, fields["key"][0], int(fields["value"][0]))


def _address(environment: Mapping[str, str]) -> str | None:
    """Return where a service with these settings listens; None: they leave it open."""
    host, port = environment.get("HOST"), environment.get("PORT")
    if not host and not port:
        return None
    host = (host or "").strip("[]")
    if not host or ":" in host or host == "0.0.0.0":  # siege takes no address of IPv6
        host = "localhost"
    return f"{host}:{port or 3333}"
