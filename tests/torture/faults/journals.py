"""Journals that are torn, flipped, empty, no journals, or written by a newer version."""

from __future__ import annotations

import uuid
from pathlib import Path

from tests.testbed.service import NEVER
from tests.torture.account import Request
from tests.torture.fault import fault
from tests.torture.run import Run

_RECORDS = 20
_HEADER_BYTES = 100


def _journal(run: Run) -> tuple[bytes, list[int]]:
    """Return a journal that a killed service left, and where each of its records ends.

    Record number n is one increment of the key "n".
    """
    run.start(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    ends = []
    for number in range(_RECORDS):
        run.service.increment(str(number))
        (path,) = run.service.journal_dir.iterdir()
        ends.append(path.stat().st_size)
    run.service.kill()
    data = path.read_bytes()
    path.unlink()
    return data, ends


def _leave(run: Run, data: bytes) -> Path:
    """Write a journal, as a process that is gone may have left it, and return its path."""
    run.injected += 1
    path = run.service.journal_dir / f"{uuid.UUID(int=run.chance.getrandbits(128)).hex}.journal"
    path.write_bytes(data)
    return path


def _expect(run: Run, counts: list[int]) -> None:
    """Have the account check that record number n counts exactly `counts[n]` times."""
    run.more_requests += [
        Request(0, 0, 200, [(str(n), 1)] * count) for n, count in enumerate(counts)
    ]


@fault("journal torn at every byte", "every whole record counts, and no torn one", short=True)
def _tear(run: Run) -> None:
    data, ends = _journal(run)
    cuts = range(0 if run.long else ends[-4], len(data))
    for cut in cuts:
        _leave(run, data[:cut])
    _expect(run, [sum(cut >= end for cut in cuts) for end in ends])


@fault("any byte of a journal flipped", "every record counts but the one hit", short=True)
def _flip(run: Run) -> None:
    data, ends = _journal(run)
    begins = [_HEADER_BYTES, *ends]
    places = list(range(len(data)))
    if not run.long:
        places = run.chance.sample(places, 60)
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << run.chance.randrange(8)
        _leave(run, bytes(flipped))
    whole = zip(begins, ends, strict=False)
    _expect(run, [sum(not begin <= at < end for at in places) for begin, end in whole])


@fault(
    "files that are no journals",
    "they are named in the log, and kept; all other journals are flushed",
)
def _strange_files(run: Run) -> None:
    data, ends = _journal(run)
    empty = _leave(run, b"")
    strange = {
        _leave(run, run.chance.randbytes(1000)): "is not a journal",
        _leave(run, data.replace(b"journal 3", b"journal 4")): "was written by a newer version",
        _leave(run, bytes(_HEADER_BYTES) + data[_HEADER_BYTES:]): "is not a journal",
    }
    _leave(run, data)
    _expect(run, [1] * len(ends))
    kept = {path: path.read_bytes() for path in strange}
    run.service.ensure_running()
    with run.load():
        for path, complaint in strange.items():
            run.service.wait_for_log(f"{path} {complaint}")
    run.service.stop()
    assert not empty.exists(), "an empty journal was kept"
    assert {path: path.read_bytes() for path in strange} == kept, "a strange file was not kept"
    for path in strange:
        path.unlink()
