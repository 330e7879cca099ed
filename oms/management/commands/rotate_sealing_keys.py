"""`manage.py rotate_sealing_keys`."""

import sys
from argparse import ArgumentParser
from collections import Counter

from django.conf import settings
from django.core.management.base import BaseCommand

from oms.common import resealing, secrecy


class Command(BaseCommand):
    """Seals everything anew with the first key of OMS_CREDENTIAL_KEYS; exit code 1 while an old key is still needed."""

    help = (
        "Seal everything that the database keeps sealed anew with the first key of OMS_CREDENTIAL_KEYS, while the site"
        " runs; says which keys may then be removed. It may be stopped and started again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="Change nothing: only say what needs which key.")

    def handle(self, *, check: bool, **_: object) -> None:
        columns = secrecy.fields()
        if not check:
            for column in columns:
                before = resealing.seal_anew(column)
                old = sum(count for place, count in before.by_key.items() if place)
                self.stdout.write(f"{before.table}.{before.column}: {old} of {before.by_key.total()} sealed anew")
        needed: Counter[int | None] = Counter()
        for column in columns:
            found = resealing.look(column)
            needed += found.by_key
            if found.by_key[None]:
                self.stdout.write(f"{found.table}.{found.column}: {found.by_key[None]} that NO key opens")
        if not self._report(needed):
            sys.exit(1)

    def _report(self, needed: Counter[int | None]) -> bool:
        """Say what each key is needed for; whether only the first is."""
        for place, key in enumerate(settings.CREDENTIAL_KEYS):
            role = "seals now" if place == 0 else "still needed" if needed[place] else "no longer used, may be removed"
            self.stdout.write(f"key {place + 1} ({secrecy.fingerprint(key)}): opens {needed[place]}, {role}")
        if any(count for place, count in needed.items() if place):
            self.stdout.write(
                "Something is still sealed with an old key. Restart every process with the new key in the first place,"
                " then run this again."
            )
        return not any(count for place, count in needed.items() if place != 0)
