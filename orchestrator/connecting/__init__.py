"""Connecting an account to this service, and putting it back: what the article does by hand in three consoles."""
