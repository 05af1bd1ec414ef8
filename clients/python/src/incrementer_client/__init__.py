"""Counting from a program, in an Incrementer.

    from incrementer_client import Counter

    counter = Counter("http://localhost:3333")
    counter.increment("signup")

A call takes a microsecond. What was counted is summed, sent in the background, and counts once.
"""

from incrementer_client.counter import Counter
from incrementer_client.errors import Closed, Full, NotCounted
from incrementer_client.stats import Stats

__all__ = ["Closed", "Counter", "Full", "NotCounted", "Stats"]
__version__ = "0.1.0"
