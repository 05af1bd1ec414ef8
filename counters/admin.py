from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from django.contrib import admin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

from counters.models import Number
from counters.recorder import recorder


@admin.register(Number)
class NumberAdmin(admin.ModelAdmin):
    """Totals, for inspection: increments alone change them."""

    list_display = ("key", "value")
    search_fields = ("key",)
    search_help_text = "Part of a key"
    show_full_result_count = False  # a second count(*) over millions of rows

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the totals, and how counting goes in the process that answers."""
        context = {"pid": os.getpid(), "state": recorder().state(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
