"""`python -m incrementer_site` serves: it becomes gunicorn, and hands its own options on to it.

gunicorn by itself reads WEB_CONCURRENCY as it is imported, before any code of ours: where it is
empty or no number, that ends in a traceback.
"""

from __future__ import annotations

import os
import sys
import sysconfig

from incrementer_site.environment import workers


def main() -> None:
    """Run gunicorn in this process, without the variables that are empty.

    Raises:
        BadVariable: WEB_CONCURRENCY is no number of workers.
    """
    workers()
    environment = {name: value for name, value in os.environ.items() if value.strip()}
    gunicorn = os.path.join(sysconfig.get_path("scripts"), "gunicorn")
    os.execve(gunicorn, [gunicorn, *sys.argv[1:]], environment)  # noqa: S606


if __name__ == "__main__":
    main()
