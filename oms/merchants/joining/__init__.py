"""Becoming a merchant, and standing as one."""
