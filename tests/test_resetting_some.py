"""resetnumbers of some keys: those that are named, or that begin with a prefix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testbed.service import NEVER, Service, StartService


def test_resetnumbers_deletes_the_keys_that_are_named(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    for key in ("a", "b", "-c", "d e"):
        service.increment(key, 1)
    said = service.manage("resetnumbers", "--noinput", "--", "a", "-c", "never", "a")
    assert said.startswith("Deleted 2 totals")
    assert service.totals() == {"b": 1, "d e": 1}
    service.increment("a", 5)
    said = service.manage("resetnumbers", "b", "d e", stdin="no\n", code=1)
    assert "deletes the totals of b, d e in" in said
    service.stop()
    assert service.totals() == {"a": 5, "b": 1, "d e": 1}


def test_resetnumbers_takes_a_prefix_for_what_it_is(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    others = ["A_%", "a", "ax%", "a_", "a_$", "a_&", "b"]
    these = ["a_%", "a_%\U0010ffff", "a_%%", "a_% 🎉", "a_%\ud7ff"]
    for key in others + these:
        service.increment(key, 1)
    said = service.manage("resetnumbers", "--noinput", "--prefix", "a_%")
    assert said.startswith("Deleted 5 totals")
    assert set(service.totals()) == set(others)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a", "--prefix", "b"), "Give KEYs or --prefix, not both."),
        (("--prefix", ""), "Every key begins with nothing"),
        (("",), "key is empty"),
        (("x" * 256,), "key is longer than 255 characters"),
        (("--prefix", "x" * 256), "key is longer than 255 characters"),
    ],
)
def test_resetnumbers_refuses_what_is_no_key(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    service = Service(tmp_path)
    assert said in service.manage("resetnumbers", "--noinput", *arguments, code=1)
