"""What a page was asked for and the database could not even look for: 400, and no traceback."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import DataError
from django.utils.deprecation import MiddlewareMixin


class DataErrorMiddleware(MiddlewareMixin):
    """Makes it the visitor's error where the database refuses a value that a GET asked for.

    Anyone who may see the admin can write such an address: PostgreSQL, for example, takes no NUL
    in a text, and no regular expression that does not end.
    """

    def process_exception(self, request: Any, exception: Exception) -> None:
        if request.method == "GET" and isinstance(exception, DataError):
            raise SuspiciousOperation("The database cannot look for this.") from exception
