"""The test bed: a real service to start, signal, load and read.

Tests, torture, fuzzers and benchmarks use it. It knows the service as an operator does: by its
processes, port, files and database.
"""
