"""Faults on purpose, and the figures that come of them: `make chaos`, `make chaos FULL=1`."""
