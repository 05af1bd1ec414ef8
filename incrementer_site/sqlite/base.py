"""Django's SQLite, but only `migrate` makes a database file.

Otherwise a command in a shell without the service's environment would make an empty numbers.db,
and so would a flush whose file somebody has moved away.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to SQLite.

    Attributes:
        may_make_file: whether a file that is not there is made.
    """

    may_make_file = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect.

        Raises:
            sqlite3.OperationalError: there is no such file.
        """
        name = str(self.settings_dict["NAME"])
        if not (self.may_make_file or self.is_in_memory_db() or os.path.exists(name)):
            raise sqlite3.OperationalError("there is no such file")
        return super().get_new_connection(conn_params)
