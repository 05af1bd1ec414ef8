"""Fuzzers: they give the product unlikely bytes, and compare it with slow and obvious models."""
