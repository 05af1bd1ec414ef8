"""The service, broken on purpose: real processes, sockets, files and faults; and then the account.

`tests/torture/faults/` has the faults; `docs/durability.md` says what each proves.
"""
