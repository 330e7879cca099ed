"""Who gets in, what roles may do, and the log of it."""
