"""`GET /numbers.csv` and `/numbers.ndjson`: all totals as of one moment, in constant memory.

One statement reads them all, and as long as it is open, SQLite's `-wal` file grows. A client that
reads slowly must not keep it open for hours: so a process has a few exports at a time, and each may
take so long. Past that the connection is closed before the end of the body, which tells the client
that it does not have all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import closing
from threading import Semaphore

from django.db import Error

from counters.exporting import FORMATS, NoTotal, export
from counters.web import replies
from counters.web.lookup import log_failure
from counters.web.parameters import Parameters
from counters.web.replies import Reply, Stream, StreamEnded
from counters.web.request import Request

logger = logging.getLogger(__name__)

PATHS = {f"/numbers.{format_}": format_ for format_ in FORMATS}
_CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson",
}

MOST_AT_ONCE = 2
"""Exports of one process."""
LONGEST_SECONDS = 300
"""How long an export may take."""

_places = Semaphore(MOST_AT_ONCE)


def answer(request: Request) -> Reply | Stream:
    """Return all totals, in the format that the path names.

    Raises:
        BadRequest: there are parameters, which it has none of.
        django.db.Error: the database failed before the first of them.
    """
    Parameters(request.fields.query)
    format_ = PATHS[request.path]
    is_wanted = request.method != "HEAD"
    if is_wanted and not _places.acquire(blocking=False):
        return replies.unavailable("other exports are under way", limit=MOST_AT_ONCE)
    chunks = _chunks(format_) if is_wanted else _nothing()
    try:
        next(chunks)  # what fails until the first block is there is told in the status
    except NoTotal as error:
        log_failure(error)
        return replies.unavailable("a row of the table is no total: the service's log names it")
    headers = (
        ("Content-Disposition", f'attachment; filename="numbers.{format_}"'),
        ("Cache-Control", "no-store"),
    )
    return Stream(200, chunks, _CONTENT_TYPES[format_], headers)


def _chunks(format_: str) -> Generator[bytes, None, None]:
    """Yield nothing once the first block is there, and then all blocks.

    Having begun, it gives its place back however it ends.
    """
    until = time.monotonic() + LONGEST_SECONDS
    try:
        with closing(export(format_)) as blocks:
            block = next(blocks, None)
            yield b""
            while block is not None:
                yield block
                if time.monotonic() > until:
                    raise StreamEnded(f"its client takes longer than {LONGEST_SECONDS} s")
                try:
                    block = next(blocks, None)
                except (Error, NoTotal) as error:
                    raise StreamEnded(str(error)) from error
    except StreamEnded as error:
        logger.warning("An export was ended: %s.", error)
        raise
    finally:
        _places.release()


def _nothing() -> Generator[bytes, None, None]:
    yield b""
