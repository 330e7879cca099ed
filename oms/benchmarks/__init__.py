"""The measurements of `manage.py bench`: each on a database of its own, against a limit measured in the same run."""
