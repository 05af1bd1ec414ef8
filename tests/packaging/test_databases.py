"""The project chooses the tables and the database; those that cannot be used are refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.packaging.project import Project

COUNT = 'counters.increment_many({"a": 2, "b": -1})'
COUNTED = {"a": 2, "b": -1}
IMMEDIATE = '"transaction_mode": "IMMEDIATE"'


@pytest.mark.parametrize(
    ("setting", "table"),
    [
        ("TABLE", "numbers"),
        ("POSITIONS_TABLE", "positions"),
        ("REQUEST_IDS_TABLE", "request_ids"),
    ],
)
def test_a_table_of_somebody_else_is_refused_and_left_alone(
    new_project: Project, setting: str, table: str
) -> None:
    row = (1, "a phone's")
    with closing(sqlite3.connect(new_project.database)) as connection:
        connection.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, owner text)")
        connection.execute(f"INSERT INTO {table} VALUES (?, ?)", row)
        connection.commit()

    said = new_project.manage("migrate", code=1)
    assert "Traceback" not in said
    assert all(word in said for word in (table, setting, "COUNTERS")), said

    new_project.add_settings(f'COUNTERS["{setting}"] = "other_{table}"')
    new_project.manage("migrate")
    new_project.script(COUNT)
    assert new_project.totals("other_numbers" if setting == "TABLE" else "numbers") == COUNTED
    assert new_project.has_table(f"other_{table}")
    with closing(sqlite3.connect(new_project.database)) as connection:
        assert connection.execute(f"SELECT * FROM {table}").fetchall() == [row]


def test_migrations_agree_with_models_under_other_names(new_project: Project) -> None:
    new_project.add_settings("""
COUNTERS |= {"TABLE": "hits", "POSITIONS_TABLE": "hit_positions", "REQUEST_IDS_TABLE": "hit_ids"}
""")
    new_project.manage("migrate")
    new_project.manage("makemigrations", "--check", "--dry-run")
    new_project.manage("migrate", "counters", "zero")
    assert not new_project.has_table("hits")
    assert not new_project.has_table("hit_positions")
    assert not new_project.has_table("hit_ids")


def test_counts_into_another_database(new_project: Project) -> None:
    other = new_project.folder / "counts.sqlite3"
    new_project.add_settings(f"""
DATABASES["counts"] = {{**DATABASES["default"], "NAME": {str(other)!r}}}
DATABASES["default"]["OPTIONS"] = {{}}  # this one is not checked
COUNTERS["DATABASE"] = "counts"
""")
    new_project.manage("migrate")
    new_project.manage("migrate", "--database", "counts")
    new_project.script(COUNT)
    assert new_project.totals(database=other) == COUNTED
    assert not new_project.has_table("numbers") or new_project.totals() == {}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ("", "IMMEDIATE"),
        (f'{IMMEDIATE}, "init_command": "PRAGMA synchronous=NORMAL"', "synchronous"),
    ],
)
def test_a_database_that_promises_too_little_is_refused(
    new_project: Project, options: str, word: str
) -> None:
    check = ("check", "--database", "default")
    new_project.add_settings(f'DATABASES["default"]["OPTIONS"] = {{{options}}}')
    said = new_project.manage(*check, code=1)
    assert word in said
    assert "Traceback" not in said
    new_project.add_settings(f'DATABASES["default"]["OPTIONS"] = {{{IMMEDIATE}}}')
    new_project.manage(*check)
