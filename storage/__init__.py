"""What survives a crash: conversations, their history, the inbox, the outbox, and the customer book."""
