"""Calls to one of the numbers: a choice between the caller's own worker and going on by text, and what follows."""
