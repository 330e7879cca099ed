"""Backups of an instance in one file, and instances made of them: `manage.py backup` and `manage.py restore`."""
