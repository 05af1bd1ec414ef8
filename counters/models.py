"""The tables: totals per key, and how far each journal has been flushed."""

from __future__ import annotations

from django.db import models

from counters.journal import NAME_LENGTH
from counters.parsing import MAX_KEY_LENGTH


class Number(models.Model):
    """The total of one key."""

    key = models.CharField(max_length=MAX_KEY_LENGTH, primary_key=True)
    value = models.BigIntegerField("total", default=0, db_default=0)

    class Meta:
        db_table = "numbers"
        verbose_name = "total"
        ordering = ["key"]

    def __str__(self) -> str:
        return f"{self.key} = {self.value}"


class Position(models.Model):
    """How many bytes of a journal are already in the totals; no row means none."""

    journal = models.CharField(max_length=NAME_LENGTH, primary_key=True)
    position = models.BigIntegerField(default=0)

    class Meta:
        db_table = "positions"

    def __str__(self) -> str:
        return f"{self.journal} at {self.position}"
