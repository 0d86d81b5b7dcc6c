"""The bots: one contract, what each vendor's adapter makes of it, and which is chosen."""
