"""What a conversation is, and how it decides: pure, synchronous, without clock, chance or I/O."""
