"""Fuzzers: bytes that nobody would think of, held against slow and obvious models."""
