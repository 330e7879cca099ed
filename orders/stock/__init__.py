"""Counted and changed stock, where promises to orders hang on it."""
