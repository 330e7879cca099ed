"""How the commands for backups are given the passphrase of the keys: never as an argument, which everybody can see."""

import os
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import CommandError


def add_passphrase(parser: ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="Encrypts the keys in the backup: the first line of FILE, else the variable OMS_BACKUP_PASSPHRASE.",
    )


def passphrase_of(file: Path | None) -> str:
    """The passphrase, or "" for none."""
    if file is None:
        return os.environ.get("OMS_BACKUP_PASSPHRASE", "")
    try:
        passphrase = file.read_text().partition("\n")[0].strip()
    except OSError as error:
        raise CommandError(f"The passphrase cannot be read from {file}: {error.strerror}") from error
    if not passphrase:
        raise CommandError(f"{file} has no passphrase in its first line.")
    return passphrase
