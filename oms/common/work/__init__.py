"""Doing work: claiming rows, calling other systems, jobs, nudges and waits."""
