"""A merchant's call: who calls, what it may, how often, and that it happens once."""
