"""Measurements behind `manage.py bench`: each on a database of its own, each against a limit measured in the same run."""
