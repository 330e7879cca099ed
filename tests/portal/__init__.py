"""The merchants' pages and what they do by themselves."""
