#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import Error, connection


def main() -> None:
    """Run a command. Where the database fails, say so in a sentence; `--traceback` shows more."""
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        os.environ["DJANGO_SETTINGS_MODULE"] = "incrementer_site.settings"
    try:
        execute_from_command_line(sys.argv)
    except Error as error:
        if "--traceback" in sys.argv:
            raise
        from counters.failures import told

        sys.exit(told(error, connection))


if __name__ == "__main__":
    main()
