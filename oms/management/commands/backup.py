"""`manage.py backup`."""

from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from oms.backups import making
from oms.backups.archive import Manifest
from oms.backups.errors import BackupError
from oms.management.passphrase import add_passphrase, passphrase_of


class Command(BaseCommand):
    """Writes everything that the instance is into one file, while it runs."""

    help = "Write the database, the uploaded and exported files and the keys into one file, while the site runs."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The file to write; it must not be there yet.")
        parser.add_argument(
            "--keys",
            action=BooleanOptionalAction,
            help="Take the keys along. Without it, those in a data folder are taken, those of the environment are not.",
        )
        add_passphrase(parser)

    def handle(self, *, file: Path, keys: bool | None, passphrase_file: Path | None, **_: object) -> None:
        with_keys = making.keeps_keys_itself() if keys is None else keys
        passphrase = passphrase_of(passphrase_file)
        try:
            manifest = making.make(file, with_keys=with_keys, passphrase=passphrase)
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file}: {manifest.orders} orders, {file.stat().st_size:,} bytes")
        for warning in warnings(manifest):
            self.stderr.write(self.style.WARNING(f"NOTE: {warning}"))


def warnings(manifest: Manifest) -> list[str]:
    """What somebody who keeps the backup must know of it."""
    found = []
    if manifest.keys == "none":
        found.append(
            "the keys are NOT in this backup. Keep SECRET_KEY, ORDER_NUMBER_KEY and OMS_CREDENTIAL_KEYS of the"
            " environment with it: without them nothing that is sealed can be read after a restore (--keys takes them"
            " along)."
        )
    elif manifest.keys == "clear":
        found.append(
            "the keys are in this backup and NOT encrypted: who reads the file can read everything. Keep it like a"
            " key, or give a passphrase."
        )
    else:
        found.append("the keys are in this backup, encrypted: they are lost with the passphrase.")
    if manifest.media == "elsewhere":
        found.append("uploaded and exported files lie in a store of their own and are NOT in this backup.")
    return found
