"""`manage.py outbound`."""

import getpass
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime

from oms.common import outbound
from oms.common.errors import OmsError


class Command(BaseCommand):
    """Says whether anything goes out, stops it, or resumes it."""

    help = "Calls to other systems, webhooks and e-mail: say whether they go out, stop them, or resume them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=["status", "stop", "resume"], default="status")
        parser.add_argument("--note", default="", help="Why it is stopped.")

    def handle(self, *, action: str, note: str, **_: object) -> None:
        by = f"{getpass.getuser()} (command line)"
        try:
            if action == "stop":
                outbound.stop(by=by, note=note)
            elif action == "resume":
                outbound.resume(by=by)
        except OmsError as refusal:
            raise CommandError(str(refusal)) from refusal
        stopped = outbound.open_stop()
        if stopped is None:
            self.stdout.write("Everything goes out.")
            return
        since = f"{localtime(stopped.stopped_at):%Y-%m-%d %H:%M:%S}"
        self.stdout.write(f"Nothing goes out since {since}: {stopped.reason}, {stopped.stopped_by}, {stopped.note}")
