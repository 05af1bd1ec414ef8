"""What the tables have to be like, so that increments get into them and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.core.checks import CheckMessage, Error

from counters.models import Identity, Number, Position, RequestId

OTHERWISE = "Put a backup of the database in its place, or use another one."
_KINDS = {
    "CharField": "text",
    "BigIntegerField": "integer",
    "IntegerField": "short integer",
    "BinaryField": "digest",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the counters need it."""

    name: str
    key: str
    """The column by which a row is found."""
    columns: dict[str, str]
    """The kind of each column: one of `_KINDS`, or empty where any will do."""
    rights: tuple[str, ...]
    """What the user of the database has to be allowed to do."""


@dataclass(frozen=True, slots=True)
class UniqueIndex:
    """A unique index as it is."""

    columns: Sequence[str | None]
    """None stands for an expression."""
    is_whole: bool
    """Whether it is valid, checked at once, and over all rows."""
    is_exact: bool
    """Whether only equal texts are equal to it: no collation takes 'a' for 'A'."""


def wanted_tables() -> list[Table]:
    """Return the tables that a flush needs."""
    rights = {
        Number: ("SELECT", "INSERT", "UPDATE"),  # DELETE is for resetnumbers alone
        Position: ("SELECT", "INSERT", "UPDATE", "DELETE"),
        Identity: ("SELECT",),
        RequestId: ("SELECT", "INSERT", "DELETE"),
    }
    return [
        Table(
            name=model._meta.db_table,
            key=str(model._meta.pk.column),
            columns={
                str(field.column): _KINDS.get(field.get_internal_type(), "")
                for field in model._meta.concrete_fields
            },
            rights=needed,
        )
        for model, needed in rights.items()
    ]


def index_problems(table: Table, indexes: Sequence[UniqueIndex]) -> Iterator[str]:
    """Yield a sentence, with advice, for what is wrong with the unique indexes of a table."""
    if not any(
        index.is_whole and index.is_exact and list(index.columns) == [table.key]
        for index in indexes
    ):
        yield (
            f"Table {table.name!r} has no unique index on exactly {table.key!r}."
            f" CREATE UNIQUE INDEX {table.name}_{table.key}_index ON {table.name} ({table.key})."
        )
    for index in indexes:
        is_implied = index.is_exact and table.key in index.columns
        if not is_implied and any(c is None or c in table.columns for c in index.columns):
            yield (
                f"Table {table.name!r} has a unique index that would refuse increments: on"
                f" {', '.join(column or 'an expression' for column in index.columns)}. Drop it."
            )


_MISSING = "no such table: "


def is_missing(table: str) -> str:
    return _MISSING + table


def what_matters(problems: Sequence[str]) -> list[str]:
    """Return the first table that is missing as the only problem, if one is.

    `migrate` is to make it. As long as it has not, the others may be somebody else's, and it is
    `migrate` that looks at them.
    """
    missing = [problem for problem in problems if problem.startswith(_MISSING)]
    return missing[:1] or list(problems)


def table_errors(problems: Sequence[str]) -> list[CheckMessage]:
    """Return the errors of a check. A table that is missing is none: `migrate` is checked, too."""
    return [
        Error(problem, id="counters.E030")
        for problem in problems
        if not problem.startswith(_MISSING)
    ]


def is_no_table(table: str, kind: str) -> str:
    return f"{table!r} is {kind}, and no table to count into. {OTHERWISE}"


def is_of_another_type(table: str, column: str, type_: str) -> str:
    said = f"is declared {type_}" if type_ else "has no type"
    return (
        f"Column {column!r} of table {table!r} {said}, and does not keep all values as they are."
        f" {OTHERWISE}"
    )


def has_to_be_given(table: str, column: str) -> str:
    return (
        f"Table {table!r} has a column {column!r} that has to be given in each row. Drop it, or"
        " give it a default."
    )


def refers(table: str) -> str:
    return f"Table {table!r} has a foreign key, which would refuse increments. Drop it."
