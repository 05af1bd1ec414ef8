"""System checks: a bad setting stops the start with a sentence that says how to mend it."""

from __future__ import annotations

import os
from typing import Any

from django.core.checks import CheckMessage, Error, register

from counters.config import BadSetting, config


@register()
def check_config(**kwargs: Any) -> list[CheckMessage]:
    """Return an error for a setting that `counters.config` refuses or a folder it cannot use."""
    try:
        folder = config().journal_dir
    except BadSetting as error:
        return [Error(error.message, hint=error.hint, id="counters.E001")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [_journal_dir(f"cannot be made: {error.strerror}")]
    if not os.access(folder, os.W_OK | os.X_OK):
        return [_journal_dir("is not writable")]
    return []


def _journal_dir(problem: str) -> Error:
    return Error(
        f"JOURNAL_DIR {str(config().journal_dir)!r} {problem}.",
        hint="Set JOURNAL_DIR to a folder that the service's user may write to.",
        id="counters.E002",
    )
