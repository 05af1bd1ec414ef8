"""Django's secret key: from the environment, or made once and kept in a private file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from django.core.management.utils import get_random_secret_key

from counters.files import sync_folder
from counters.users import user_name
from incrementer_site.environment import variable

_OR_ELSE = "or set DJANGO_SECRET_KEY."


def secret_key(path: Path) -> str:
    """Return `DJANGO_SECRET_KEY`, or the key kept in `path`, which is made if it is missing.

    Raises:
        SystemExit: with a sentence, if there is none, and none can be made.
    """
    if key := variable("DJANGO_SECRET_KEY"):
        return key
    what = "read"
    try:
        if not path.exists():
            what = "made"
            _make(path)
        key = path.read_text(errors="replace").strip()
    except OSError as error:
        sys.exit(
            f"{path} cannot be {what} by the user {user_name()}: {error.strerror}. Run as the user"
            f" who owns this folder, or give the folder and the file to {user_name()} (chown),"
            f" {_OR_ELSE}"
        )
    if not key:
        sys.exit(f"{path} is empty. Remove it, so that a new key is made, {_OR_ELSE}")
    return key


def _make(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write(get_random_secret_key())
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave it empty, and no start succeeds
    try:
        os.link(draft, path)  # atomic: of several processes that start at once, one wins
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    sync_folder(path.parent)  # another key after a power cut would end every login
