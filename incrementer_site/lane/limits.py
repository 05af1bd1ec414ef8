"""What a worker allows its clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one worker and of each of its connections."""

    max_connections: int = 4096
    """Connections that are served. As many again get 503, and what is beyond is cut off."""
    request_seconds: int = 20
    """How long a whole request may take to arrive, and a reply to be read."""
    max_head_bytes: int = 64 * 1024
    """Most bytes of a request line and headers, or of chunk sizes and trailers, not counting the
    read that they begin in."""
    linger_seconds: int = 1
    """How long a refused client gets to read why."""
    last_request_seconds: float = 1.0
    """How long a connection without a request is kept open when the worker shuts down: a request
    may be on its way."""
    max_unanswered: int = 100
    """Increments of one connection that wait for their replies before it is read no further."""
    max_turn_increments: int = 1000
    """Requests that are recorded and answered together, so that a long pipeline stalls nobody."""
    max_turn_bytes: int = 256 * 1024
    """Bodies that are recorded and answered together, in all: so long ones stall nobody either."""
    max_intake_bytes: int = 384 * 1024
    """What is looked at in one turn of the event loop, of reads that are not short."""
    request_cost_bytes: int = 3072
    """What each request in a read counts for, besides its bytes."""
    piece_cost: int = 4
    """How many times the bytes count that are a piece of something longer: batches, which arrive
    as a whole, are let in first."""
    max_short_bytes: int = 2048
    """Longest read that never waits for a later turn."""
    max_whole_bytes: int = 64 * 1024
    """Longest read that is taken for a whole request, such as a batch."""
    max_piece_bytes: int = 16 * 1024
    """What is looked at of a read that is more than a turn may take, before it is the next
    connection's turn."""
    max_free_body_bytes: int = 4096
    """How much of a body may be held, whatever is held of others: an ordinary increment is let in
    even while hostile clients use up the worker's MAX_INCOMING_BYTES."""
    max_known_heads: int = 512
    """Heads that a worker remembers."""
    max_known_head_bytes: int = 1024
    """Longest head that is remembered."""
