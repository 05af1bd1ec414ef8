"""The test bed: a real service to start, signal, load and read, for tests, torture and fuzzers.

It knows the service as an operator does: by its processes, port, files and database.
"""
