"""Deadlines, and alerts on what is late."""
