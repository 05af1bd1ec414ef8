"""`PUBLIC_URL`: the address that browsers use, where a proxy stands before the service."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from incrementer_site.environment import is_host

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class PublicUrl:
    origin: str
    """As a browser sends it in `Origin`: "https://counter.example:8443"."""
    host: str
    """Without the port: "counter.example"."""
    is_secure: bool
    """Whether it is https."""


def public_url(url: str) -> PublicUrl | None:
    """Return what the variable says; None where it is empty.

    Raises:
        SystemExit: with a sentence, if it is not the address of a server.
    """
    url = url.strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # the port is no number, or a bracket is missing
        raise _bad(url) from None
    if ":" in host:
        host = f"[{host}]"
    has_more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if not is_host(host) or parts.scheme not in _DEFAULT_PORTS or has_more:
        raise _bad(url)
    port_of_origin = f":{port}" if port and port != _DEFAULT_PORTS[parts.scheme] else ""
    return PublicUrl(
        origin=f"{parts.scheme}://{host}{port_of_origin}",
        host=host,
        is_secure=parts.scheme == "https",
    )


def _bad(url: str) -> SystemExit:
    return SystemExit(
        f"PUBLIC_URL is {url!r}. Set it to the address that browsers use, without a path:"
        " https://counter.example or https://counter.example:8443. It is one host, in which other"
        " letters than ASCII are written as xn--."
    )
