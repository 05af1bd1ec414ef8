"""Breaks a real service on purpose, under load, and then accounts for every increment.

`tests/torture/faults/` has the faults; `docs/durability.md` says what each of them proves.
"""
