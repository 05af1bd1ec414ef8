"""The faults, one file for each part of the system that they hurt."""

from tests.torture.fault import FAULTS
from tests.torture.faults import (  # noqa: F401  (registers them)
    commands,
    databases,
    files,
    journals,
    neighbours,
    nodes,
    pairs,
    power,
    processes,
    restarts,
    writes,
)

__all__ = ["FAULTS"]
