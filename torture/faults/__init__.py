"""The faults, by what they hurt."""

from torture.fault import FAULTS
from torture.faults import commands, databases, journals, power, processes, writes

__all__ = ["FAULTS", "commands", "databases", "journals", "power", "processes", "writes"]
