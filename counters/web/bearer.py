"""The bearer token of a request."""

from __future__ import annotations

import hmac


def has_token(authorization: str, token: bytes) -> bool:
    """Return whether an Authorization header has `token`. An empty one, which is not set, none has.

    Args:
        authorization: the header's value; empty where there is no such header.
    """
    scheme, _, credentials = authorization.partition(" ")
    return (
        bool(token)
        and scheme.lower() == "bearer"
        and hmac.compare_digest(credentials.strip().encode("utf-8", "replace"), token)
    )
