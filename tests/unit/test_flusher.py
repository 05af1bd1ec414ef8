"""The flusher: it tries until it succeeds."""

from __future__ import annotations

import threading
from pathlib import Path
from types import ModuleType

import pytest
from django.db import OperationalError

from counters import flusher, totals
from counters.buffer import Buffer


@pytest.mark.parametrize(
    ("module", "step"), [(flusher, "totals_ids"), (totals, "close_connection")]
)
def test_a_flush_is_tried_again_however_often_it_has_failed(
    module: ModuleType, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 1500  # with the pauses between them, half a day without a database
    pauses: list[int] = []

    class Bell:
        """Nobody rings it. The flusher stops after so many tries."""

        def __init__(self, folder: Path) -> None:
            pass

        def wait(self, timeout_seconds: float) -> None:
            pauses.append(round(timeout_seconds))  # less a rest of some milliseconds
            if len(pauses) == tries:
                failing._stopping.set()

        def ring(self) -> None:
            pass

        def renew(self) -> None:
            pass

        def close(self) -> None:
            pass

    class Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return self.is_set()

    def fail(*args: object) -> int:
        raise OperationalError("there is no database")

    monkeypatch.setattr(flusher, "Bell", Bell)
    monkeypatch.setattr(flusher, "Event", Event)
    monkeypatch.setattr(module, step, fail)
    buffer = Buffer(tmp_path, max_pending_keys=1, max_pending_bytes=2**30, max_journal_bytes=1)
    failing = flusher.Flusher(buffer, tmp_path, interval_seconds=5)
    failing.start()
    failing._thread.join()
    failing.stop()  # it tries once more
    assert failing.state().failures == tries + 1
    assert pauses[:6] == [2, 4, 8, 16, 30, 30]
    assert min(pauses[6:]) >= 29
