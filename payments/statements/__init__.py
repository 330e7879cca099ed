"""Statements: what merchants are paid, period by period."""
