"""Django's secret key: from the environment, or made once and kept in a private file."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

from counters.files import sync_folder
from incrementer_site.environment import variable


def secret_key(path: Path) -> str:
    """Return `DJANGO_SECRET_KEY`, or the key kept in `path`, which is made if it is missing.

    Raises:
        OSError: the file can be neither read nor made.
    """
    if key := variable("DJANGO_SECRET_KEY"):
        return key
    if not path.exists():
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
    return path.read_text()
