"""Benchmarks: measured, not asserted. `make bench-call`."""
