"""Room for new keys: which requests it is enough for."""

from __future__ import annotations

from collections.abc import Container, Sequence

from counters.increments import Batch, Increment


def without_room(
    requests: Sequence[Increment | Batch], held: Container[str], room: int
) -> frozenset[int]:
    """Return the places of the requests that there is no room for.

    Room is taken in the order of the requests, and only by keys that are not in `held`. With room
    for one: of [new, held, other, new], the third is refused.

    Args:
        held: the keys that need no room.
        room: how many new keys there is room for; it may be negative.
    """
    new: set[str] = set()
    refused = []
    for place, request in enumerate(requests):
        increments = [request] if isinstance(request, Increment) else request.increments
        wanted = {each.key for each in increments if each.key not in held} - new
        if wanted and len(new) + len(wanted) > room:
            refused.append(place)
        else:
            new |= wanted
    return frozenset(refused)
