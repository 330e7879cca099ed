"""Interfaces that others defined, on top of our services."""
