"""The bearer token of a request."""

from __future__ import annotations

import hmac

from counters.config import config


def has_token(authorization: str) -> bool:
    """Return whether an Authorization header has INCREMENT_TOKEN. Where none is set, none has it.

    Args:
        authorization: the header's value; empty where there is no such header.
    """
    token = config().token
    scheme, _, credentials = authorization.partition(" ")
    return (
        bool(token)
        and scheme.lower() == "bearer"
        and hmac.compare_digest(credentials.strip().encode("utf-8", "replace"), token)
    )
