from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.db.models import BinaryField, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.urls import NoReverseMatch, reverse

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

from counters.increments import MAX_KEY_LENGTH
from counters.key_text import from_address, shown, to_address
from counters.models import Number
from counters.recorder import recorder

_no_text = re.compile("[\0\ud800-\udfff]").search
"""What no database but SQLite has in its text, nor lets itself be asked for."""


class _Totals(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query:
            # Else the page would offer to show all, where no search hides any.
            self.full_result_count = self.result_count
        with _any_text(self.queryset.db):
            self.result_list = list(self.result_list)

    def url_for_result(self, result: Any) -> str:
        if result.key is None:
            raise NoReverseMatch  # so the row gets no link
        meta = self.opts
        name = f"admin:{meta.app_label}_{meta.model_name}_change"
        site = self.model_admin.admin_site.name
        return reverse(name, args=[to_address(result.key)], current_app=site)


@contextmanager
def _any_text(alias: str) -> Iterator[None]:
    """Let the database's text be read during the block also where it is not UTF-8.

    Of databases that can have such text, only SQLite is known here. Its module would raise.
    """
    connection = connections[alias]
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    raw = connection.connection
    before = raw.text_factory
    raw.text_factory = lambda encoded: encoded.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        raw.text_factory = before


@admin.register(Number)
class NumberAdmin(admin.ModelAdmin):
    """Totals, for inspection: increments alone change them."""

    list_display = ("shown_key", "shown_total")
    fields = ("shown_key", "shown_total")
    readonly_fields = fields
    search_fields = ("key",)
    search_help_text = "Part of a key"
    show_full_result_count = False  # a second count(*) over millions of rows

    class Media:
        css = {"all": ["counters/admin.css"]}

    @admin.display(description="key", ordering="key")
    def shown_key(self, number: Number) -> str:
        return shown(number.key)

    @admin.display(description="total", ordering="value")
    def shown_total(self, number: Number) -> str:
        return shown(number.value)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the totals, and how counting goes in the process that answers."""
        context = {"pid": os.getpid(), "state": recorder().state(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise PermissionDenied  # nobody changes totals here, so there is none

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _Totals

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Number], search_term: str
    ) -> tuple[QuerySet[Number], bool]:
        """Find what has all words of the term in its key.

        No key has more than the longest, and databases refuse to look for very long ones.
        """
        if len(search_term) > MAX_KEY_LENGTH:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return False  # there are no filters; and of some values databases make errors

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Number | None:
        key = from_address(object_id)
        totals = self.get_queryset(request)
        if connections[totals.db].vendor == "sqlite":
            # By its bytes: so text is found that is not UTF-8, and bytes that are no text.
            if isinstance(key, str):
                encoded = Value(key.encode("utf-8", "surrogateescape"), BinaryField())
                totals = totals.filter(key=Cast(encoded, TextField()))
            else:
                totals = totals.filter(key=Value(key, BinaryField()))
        elif isinstance(key, str) and not _no_text(key):
            totals = totals.filter(key=key)
        else:
            return None
        with _any_text(totals.db):
            return totals.first()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
