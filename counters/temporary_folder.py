"""A folder for what the processes that count in one folder of journals share, and may lose.

It is among the temporary files: whoever copies a folder of journals shall find nothing but files
that count in it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir


def temporary_folder(journals: Path) -> Path:
    """Return the folder that belongs to a folder of journals, which is this user's alone.

    Raises:
        OSError: there is none, and it cannot be made.
    """
    ours = Path(gettempdir()) / f"counters-{os.geteuid()}"
    folder = ours / sha256(os.fsencode(os.path.realpath(journals))).hexdigest()[:16]
    for each in ours, folder:
        with suppress(FileExistsError):
            each.mkdir(mode=0o700)
        found = each.lstat()
        is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if not is_private or found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "somebody else has it", str(each))
    return folder
