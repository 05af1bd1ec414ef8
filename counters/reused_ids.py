"""Requests whose id has come before with another body."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from counters.deltas import Deltas
from counters.identified import ID_REUSED, Identified, IdReused
from counters.sections import Request
from counters.seen_ids import SeenIds


def reused(
    requests: Sequence[Request],
    refused: Collection[int],
    pending: Sequence[Deltas],
    seen: SeenIds,
) -> Mapping[int, IdReused]:
    """Return the places of requests whose id is that of another one, as far as this machine knows.

    Args:
        refused: the places of those that are refused for another reason: they use up no id.
        pending: what waits to be flushed.
    """
    found: dict[int, IdReused] = {}
    accepted: dict[str, int] = {}
    for place, request in enumerate(requests):
        if not isinstance(request, Identified) or place in refused:
            continue
        id_, fingerprint = request.id, request.fingerprint
        known = accepted.get(id_)
        for each in pending:
            if known is None and id_ in each.identified:
                known = each.identified[id_].fingerprint
        is_another = seen.is_another(request) if known is None else known != fingerprint
        if is_another:
            found[place] = ID_REUSED
        else:
            accepted[id_] = fingerprint
    return found
