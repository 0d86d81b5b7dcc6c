"""People: who they are, how they sign in, and what each of them may do."""
