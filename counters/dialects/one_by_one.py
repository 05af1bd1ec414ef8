"""Adding deltas key by key, so that what the database refuses is alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from counters.dialects.common import LIMITS, SUM


@dataclass(slots=True)
class Tried:
    """What became of keys that were tried one by one. Those in neither are added."""

    refused: dict[str, str] = field(default_factory=dict)
    """The keys that the database refused, each with what it said."""
    at_limit: list[str] = field(default_factory=list)
    """The keys whose totals are at a limit now."""


GIVEN, TRIED = "counters.given", "counters.tried"
"""Settings of PostgreSQL, by which deltas get into the block and what became of them out of it: a
block has no parameters. A function or a table would need rights that not every user has."""


def plpgsql(table: str, failures: tuple[str, ...]) -> str:
    """Return the block that adds deltas one by one, in one round trip to the server.

    Args:
        failures: classes of errors that are no refusals: these end the block.
    """
    classes = ", ".join(f"'{each}'" for each in failures)
    return f"""DO $each$
        DECLARE
            delta record;
            now_is bigint;
            at_limit text[] = '{{}}';
            refused text[] = '{{}}';
            reasons text[] = '{{}}';
        BEGIN
            FOR delta IN
                SELECT key, value::bigint FROM json_each_text(current_setting('{GIVEN}')::json)
                ORDER BY key COLLATE "C"
            LOOP
                BEGIN
                    INSERT INTO {table} AS total (key, value) VALUES (delta.key, delta.value)
                    ON CONFLICT (key) DO UPDATE SET value = {SUM}
                    RETURNING total.value INTO now_is;
                    IF now_is IN {LIMITS} THEN
                        at_limit = at_limit || delta.key;
                    END IF;
                EXCEPTION WHEN OTHERS OR assert_failure THEN
                    IF left(SQLSTATE, 2) IN ({classes}) THEN
                        RAISE;
                    END IF;
                    refused = refused || delta.key;
                    reasons = reasons || SQLERRM;
                END;
            END LOOP;
            PERFORM set_config('{TRIED}', json_build_object(
                'refused', json_object(refused, reasons), 'at_limit', at_limit)::text, true);
        END $each$"""
