#!/usr/bin/env python3
"""Django's command line for the OMS; starts the embedded PostgreSQL where no DATABASE_URL names a server."""

import os
import sys
from importlib.util import find_spec


def main() -> None:
    """Run the management command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oms.settings")
    if find_spec("django") is None:
        sys.exit("OMS: this Python lacks the packages. Run `make setup`, then `source .venv/bin/activate`.")
    from oms.embedded import attach_for_command

    attach_for_command(sys.argv)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
