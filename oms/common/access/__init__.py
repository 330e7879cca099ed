"""Who gets in, what they may do there, and the log of it."""
