"""The counters' settings: the dict `COUNTERS` in Django's settings, converted once and checked."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import connections

FSYNC_POLICIES = ("always", "everysec", "never")

DEFAULTS: dict[str, Any] = {
    "DATABASE": "default",
    "TABLE": "numbers",
    "POSITIONS_TABLE": "positions",
    "REQUEST_IDS_TABLE": "request_ids",
    "JOURNAL_DIR": None,  # journal/; a relative path begins in BASE_DIR
    "JOURNAL_FSYNC": "everysec",
    "FLUSH_INTERVAL": 5,
    "MAX_JOURNAL_BYTES": 1024**3,
    "MAX_PENDING_KEYS": 1_000_000,
    "MAX_PENDING_BYTES": 512 * 1024**2,
    "MAX_BODY_BYTES": 1024**2,
    "IDEMPOTENCY_HOURS": 24,
    "INCREMENT_TOKEN": "",
    "READ_TOKEN": "",
    "ADMIN_TOKEN": "",
    "INCREMENT_ORIGINS": "*",
    "CORS_ORIGINS": "",
}


_is_origin = re.compile(
    r"(?:http://(?!.*:80$)|https://(?!.*:443$))[\w.:\[\]-]+", re.ASCII
).fullmatch
"""Only what a browser may send: it leaves out the scheme's own port, and sends ASCII."""


_is_whole_number = re.compile(r"[0-9]{1,100}").fullmatch
"""`int` takes digits of all scripts, and raises ValueError at some thousands."""


class BadSetting(ImproperlyConfigured):
    """A setting has a value that the counters cannot run with.

    Attributes:
        hint: how to mend it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Config:
    """The settings. Each has the name that it has in `COUNTERS`, with its unit."""

    is_test_run: bool
    """Whether a test runner has set up Django's test environment. Then the journals are in a
    temporary folder, and nothing is flushed unless `flushnumbers` is called: what tests count must
    not reach the real totals."""
    database: str
    """Alias of the database in DATABASES."""
    journal_dir: Path
    """Folder of the journals, one file for each process; on a local disk."""
    journal_fsync: str
    """When the journal is forced to disk: one of `FSYNC_POLICIES`."""
    flush_interval_seconds: float
    """From one flush to the next."""
    max_journal_bytes: int
    """Unflushed bytes past which a process's journal takes no more increments. The journals of
    processes that are gone count, too; and all `.corrupt` files together hold no more either."""
    max_pending_keys: int
    """Distinct keys that a process holds between two flushes."""
    max_pending_bytes: int
    """Memory that these keys may take, and what is kept for each."""
    max_body_bytes: int
    """Longest request body accepted."""
    idempotency_hours: int
    """How long a request that is sent again with the same Idempotency-Key counts once."""
    increment_token: bytes
    """Bearer token that increments must carry; empty: none."""
    read_token: bytes
    """Bearer token that requests for totals must carry; empty: none."""
    admin_token: bytes
    """Bearer token with which totals may be set and deleted; empty: nobody may."""
    origins: frozenset[str]
    """Origins of web pages that may count, in lower case; see `counters.web.origins`."""
    cors_origins: tuple[str, ...]
    """Origins of web pages that may read replies, in lower case and sorted; "*": all may."""


def table_names() -> tuple[str, str]:
    """Return the names of the tables of totals and of positions."""
    given = {**DEFAULTS, **getattr(settings, "COUNTERS", {})}
    return given["TABLE"], given["POSITIONS_TABLE"]


def identity_table_name() -> str:
    """Return the name of the table that says which set of totals a database holds."""
    return f"{table_names()[0]}_identity"


def request_ids_table_name() -> str:
    """Return the name of the table of the ids of requests that were counted."""
    name: str = {**DEFAULTS, **getattr(settings, "COUNTERS", {})}["REQUEST_IDS_TABLE"]
    return name


def config() -> Config:
    """Return the settings of this process.

    Numbers may be text, as they come from environment variables.

    Raises:
        BadSetting: the first setting found that cannot be used.
    """
    return _converted(_is_test_run())


def _is_test_run() -> bool:
    """Whether `django.test.utils.setup_test_environment` has been called, as test runners do."""
    utils = sys.modules.get("django.test.utils")
    return utils is not None and hasattr(utils._TestState, "saved_data")


@cache
def _converted(is_test_run: bool) -> Config:
    given = getattr(settings, "COUNTERS", {})
    if unknown := given.keys() - DEFAULTS.keys():
        raise BadSetting(
            f"COUNTERS has {', '.join(map(repr, sorted(unknown)))}.",
            f"It may have: {', '.join(DEFAULTS)}.",
        )
    values = {**DEFAULTS, **given}
    if values["DATABASE"] not in connections:
        raise BadSetting(
            f"DATABASE is {values['DATABASE']!r}.", "Set it to an alias that DATABASES has."
        )
    if values["JOURNAL_FSYNC"] not in FSYNC_POLICIES:
        raise BadSetting(
            f"JOURNAL_FSYNC is {values['JOURNAL_FSYNC']!r}.",
            f"Set it to one of: {', '.join(FSYNC_POLICIES)}.",
        )
    journal_dir = Path(_temporary_folder().name) if is_test_run else _journal_dir(values)
    return Config(
        is_test_run=is_test_run,
        database=values["DATABASE"],
        journal_dir=journal_dir,
        journal_fsync=values["JOURNAL_FSYNC"],
        flush_interval_seconds=_seconds(values, "FLUSH_INTERVAL"),
        max_journal_bytes=_whole_number(values, "MAX_JOURNAL_BYTES", 1024**2),
        max_pending_keys=_whole_number(values, "MAX_PENDING_KEYS", 1),
        max_pending_bytes=_whole_number(values, "MAX_PENDING_BYTES", 1024**2),
        max_body_bytes=_whole_number(values, "MAX_BODY_BYTES", 1024),
        idempotency_hours=_whole_number(values, "IDEMPOTENCY_HOURS", 1, 8760),
        increment_token=_token(values, "INCREMENT_TOKEN"),
        read_token=_token(values, "READ_TOKEN"),
        admin_token=_token(values, "ADMIN_TOKEN"),
        origins=_origins(values, "INCREMENT_ORIGINS", {"*", "self"}) or frozenset("*"),
        cors_origins=tuple(sorted(_origins(values, "CORS_ORIGINS", {"*"}))),
    )


@cache
def _temporary_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="counters-tests-")  # it goes when the process ends


def _journal_dir(values: dict[str, Any]) -> Path:
    given = Path(values["JOURNAL_DIR"] or "journal")
    base = getattr(settings, "BASE_DIR", None)
    if base is not None:
        return Path(base) / given
    if not given.is_absolute():
        raise BadSetting(
            f"JOURNAL_DIR is {values['JOURNAL_DIR']!r}, and there is no BASE_DIR.",
            "Set it to the whole path of a folder on a local disk.",
        )
    return given


def _token(values: dict[str, Any], name: str) -> bytes:
    token = str(values[name] or "")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise BadSetting(
            f"{name} has a space, a line's end or a character outside ASCII.",
            "Set it to printable ASCII, for example the output of `openssl rand -hex 32`.",
        )
    return token.encode()


def _origins(values: dict[str, Any], name: str, words: set[str]) -> frozenset[str]:
    """Return the origins that a setting names; of words that stand for others, it may have some."""
    given = values[name] or ()
    listed = given.split(",") if isinstance(given, str) else given
    origins = frozenset(str(origin).strip().lower() for origin in listed)
    if wrong := sorted(each for each in origins - words if not _is_origin(each)):
        may_be = " and ".join(["*", *sorted(words - {"*"})])
        raise BadSetting(
            f"{name} has {wrong[0]!r}.",
            f"Set it to {may_be}, or origins such as https://shop.example, separated by commas"
            " and without a path. Write them as browsers send them: without :443 after https and"
            " :80 after http, and other letters than ASCII as xn--.",
        )
    return origins


def _seconds(values: dict[str, Any], name: str) -> float:
    try:
        # `float` takes digits of all scripts, and 1_0 for 10.
        number = float(values[name]) if re.fullmatch(r"[0-9.e+-]+", str(values[name])) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not 0.01 <= number <= 3600:
        raise BadSetting(f"{name} is {values[name]!r}.", "Set it to seconds from 0.01 to 3600.")
    return number


def _whole_number(values: dict[str, Any], name: str, least: int, most: int | None = None) -> int:
    text = str(values[name])
    if not _is_whole_number(text) or int(text) < least or (most and int(text) > most):
        up_to = f"to {most}" if most else "up"
        raise BadSetting(
            f"{name} is {values[name]!r}.", f"Set it to a whole number from {least} {up_to}."
        )
    return int(text)


def _forget(setting: str, **kwargs: Any) -> None:
    if setting == "COUNTERS":
        _converted.cache_clear()


setting_changed.connect(_forget)
