"""`manage.py restore`."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from oms.backups import making, restoring
from oms.backups.errors import BackupError
from oms.management.passphrase import add_passphrase, passphrase_of


class Command(BaseCommand):
    """Makes this instance what a backup holds; nothing goes out of it until a person says so."""

    help = "Make this instance what a backup holds. Nothing goes out of it until somebody resumes it."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--force", action="store_true", help="Lose everything that this instance holds now.")
        parser.add_argument(
            "--other-keys", action="store_true", help="Go on although the keys in force are not those of the backup."
        )
        add_passphrase(parser)

    def handle(self, *, file: Path, force: bool, other_keys: bool, passphrase_file: Path | None, **_: object) -> None:
        passphrase = passphrase_of(passphrase_file)
        try:
            manifest = restoring.restore(file, passphrase=passphrase, force=force, other_keys=other_keys)
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored {manifest.orders} orders as of {manifest.made_at}.")
        if manifest.keys != "none" and not making.keeps_keys_itself():
            self.stderr.write(
                self.style.WARNING("NOTE: the keys in the backup were left alone; the environment's count.")
            )
        if manifest.media == "elsewhere":
            self.stderr.write(self.style.WARNING("NOTE: the backup has no uploaded and exported files."))
        self.stdout.write(
            "Nothing goes out: no call to other systems, no webhook, no e-mail. Next:\n"
            "  1. manage.py check_invariants\n"
            "  2. compare with warehouses, carriers and payment providers: what happened since is not known here\n"
            "  3. manage.py outbound resume, or the page “What goes out” of the admin"
        )
