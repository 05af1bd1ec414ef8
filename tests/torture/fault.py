"""What a fault is, and the register of all faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.torture.run import Run

Inflict = Callable[[Run], None]


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    proves: str
    inflict: Inflict
    short: bool
    """Whether it belongs to the short run, which is part of `make test`."""
    alone: bool
    """Whether it is made alone only, and not beside commands, too."""


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, proves: str, short: bool = False, *, alone: bool = False
) -> Callable[[Inflict], Inflict]:
    """Register a function that makes a fault happen to a service under load."""

    def register(inflict: Inflict) -> Inflict:
        FAULTS[name] = Fault(name, proves, inflict, short, alone)
        return inflict

    return register
