"""Replenishment: how much should lie where, what has come down to its line, and what to buy or move."""
