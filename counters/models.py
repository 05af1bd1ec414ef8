"""The tables: totals per key, how far each journal has been flushed, ids that have counted."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from counters.config import config, identity_table_name, request_ids_table_name, table_names
from counters.increments import MAX_KEY_LENGTH
from counters.journal import NAME_LENGTH
from counters.key_text import shown

_TABLE, _POSITIONS_TABLE = table_names()


class _CountersManager(models.Manager[Any]):
    """Asks the database that the counters are kept in, which need not be the default one."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().using(config().database)


class Number(models.Model):
    """The total of one key."""

    key = models.CharField(max_length=MAX_KEY_LENGTH, primary_key=True)
    value = models.BigIntegerField("total", default=0, db_default=0)

    objects = _CountersManager()

    class Meta:
        db_table = _TABLE
        verbose_name = "total"
        ordering = ["key"]

    def __str__(self) -> str:
        return f"{shown(self.key)} = {shown(self.value)}"


class Position(models.Model):
    """How many bytes of a journal are already in the totals; no row means none.

    A journal's row outlives its file: should the file come back, from a backup or on a cloned
    disk, nothing of it counts again.
    """

    journal = models.CharField(max_length=NAME_LENGTH, primary_key=True)
    position = models.BigIntegerField(default=0)
    retired = models.BooleanField(default=False, db_default=False)
    """Whether all of the journal is in the totals, and its file was removed."""
    seen_on = models.DateField(null=True)
    """The last day on which the row was written."""

    objects = _CountersManager()

    class Meta:
        db_table = _POSITIONS_TABLE

    def __str__(self) -> str:
        return f"{self.journal} at {self.position}"


class Identity(models.Model):
    """Which set of totals this is: one row, made once, and copied wherever the totals are copied.

    A journal says for which set it is. So it is not counted into another database by mistake.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    objects = _CountersManager()

    class Meta:
        db_table = identity_table_name()

    def __str__(self) -> str:
        return str(self.id)


class DigestField(models.BinaryField):
    """16 bytes; a UUID on PostgreSQL, where that is the shortest."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "uuid" if connection.vendor == "postgresql" else "blob"

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        if value is not None and connection.vendor == "postgresql":
            return uuid.UUID(bytes=bytes(value))
        return super().get_db_prep_value(value, connection, prepared)

    def from_db_value(self, value: Any, *args: object) -> bytes | None:
        if value is None:
            return None
        return value.bytes if isinstance(value, uuid.UUID) else bytes(value)


class RequestId(models.Model):
    """The id of a request that was counted, so that the same request counts once.

    It stays when totals are reset.
    """

    id = DigestField(primary_key=True)
    """See `counters.request_ids.digest`."""
    fingerprint = models.IntegerField()
    """Of what the request asked for: 32 bits, here with a sign."""
    seen = models.IntegerField()
    """When it was counted, in hours since 1970, by the clock of the database."""

    objects = _CountersManager()

    class Meta:
        db_table = request_ids_table_name()

    def __str__(self) -> str:
        return str(uuid.UUID(bytes=bytes(self.id)))
