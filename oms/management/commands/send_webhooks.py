"""`manage.py send_webhooks`."""

import signal
import threading

from django.core.management.base import BaseCommand

from oms.merchants.webhooks import serving


class Command(BaseCommand):
    """Sends merchants what they are to be told, until it is stopped. Several may run side by side."""

    help = "Send webhooks to merchants, until stopped by SIGTERM or Ctrl-C."

    def handle(self, **_: object) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        serving.serve(stop.is_set)
