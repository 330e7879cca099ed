"""Complaints at providers and payments that are charged back: told or entered, answered, and decided."""
