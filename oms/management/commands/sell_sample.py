"""`manage.py sell_sample`: a shop that goes on selling what the sample's buyers bought."""

import logging
import time
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, close_old_connections

from oms.embedded import CHECKOUT
from oms.merchants.models import Merchant
from oms.plot.shop import Shop

logger = logging.getLogger(__name__)
MOST_PER_MINUTE = 6000.0


class Command(BaseCommand):
    """Places orders at a rate until it is stopped, or so many."""

    help = "Go on placing orders like those of the sample; `manage.py up` starts it by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--per-minute", type=float, default=settings.SAMPLE_ORDERS_PER_MINUTE)
        parser.add_argument("--count", type=int, help="Place this many orders at once, and end.")
        parser.add_argument("--file", type=Path, default=CHECKOUT / "sample" / "orders.jsonl.gz")

    def handle(self, *, per_minute: float, count: int | None, file: Path, **_: object) -> None:
        """Sell until a signal comes. Raises CommandError for a rate that is none and a file that cannot be read."""
        if not 0 <= per_minute <= MOST_PER_MINUTE:
            raise CommandError(f"--per-minute is from 0 (nothing) to {MOST_PER_MINUTE:g}.")
        try:
            shop = Shop(file)
        except (OSError, ValueError, KeyError) as error:
            raise CommandError(f"Cannot read {file}: {error}") from error
        except Merchant.DoesNotExist as error:
            raise CommandError("There is no self-operated merchant: run `manage.py load_data` first.") from error
        if count is not None:
            for _turn in range(count):
                shop.sell()
            self.stdout.write(f"{shop.sold} of {count} orders placed")
            return
        if not per_minute:
            return
        try:
            while True:
                try:
                    shop.sell()
                except Error as error:
                    # The database is away for a moment: the shop stays open.
                    logger.warning("No order could be placed: %s", error)
                    close_old_connections()
                time.sleep(60 / per_minute)
        except (KeyboardInterrupt, SystemExit):
            pass
