"""The client's log."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger whose handlers may raise: they lose a message, and no increments."""

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        with suppress(Exception):
            super().log(level, msg, *args, **kwargs)
