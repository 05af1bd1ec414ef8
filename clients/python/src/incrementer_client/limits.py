"""The service's limits of an increment and of a batch, kept here so that none is sent in vain."""

from __future__ import annotations

MAX_KEY_LENGTH = 255
"""Longest key, in characters."""
MIN_VALUE, MAX_VALUE = -(2**63), 2**63 - 1
MAX_BATCH_KEYS = 10_000
"""Most increments in one request."""


def checked(key: object, value: object) -> tuple[str, int]:
    """Return a key and a value as plain `str` and `int`: they may be an enumeration's.

    Raises:
        TypeError: one of them is something else.
        ValueError: one of them is out of its limits.
    """
    if not isinstance(key, str):
        raise TypeError(f"key is not a str but {type(key).__name__}")
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"value is not an int but {type(value).__name__}")
    if not MIN_VALUE <= value <= MAX_VALUE:
        raise ValueError(f"value is not from {MIN_VALUE} to {MAX_VALUE}")
    key = str.__str__(key)
    check_key(key)
    return key, int.__int__(value)


def check_key(key: str) -> None:
    """Raise ValueError where `key` does not keep the limits."""
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise ValueError(f"key has {len(key)} characters, which is not from 1 to {MAX_KEY_LENGTH}")
    if "\0" in key:
        raise ValueError("key has a NUL character")
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError as error:  # it has half of a surrogate pair
            raise ValueError("key is not valid UTF-8") from error
