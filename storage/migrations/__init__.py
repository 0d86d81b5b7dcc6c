"""Alembic revisions, never edited once released."""
