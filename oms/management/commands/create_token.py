"""`manage.py create_token MERCHANT`."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from oms.management.commands.create_credential import issue
from oms.management.whereabouts import find_merchant
from oms.merchants.calls.scopes import ALL
from oms.merchants.models import Merchant


class Command(BaseCommand):
    """Makes an API token of a merchant and prints it; it cannot be read again."""

    help = "Make an API token of a merchant and print it. It is shown this once only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="Code of the merchant.")
        parser.add_argument("--name", default="api", help="What the token is for; the admin lists it by this name.")
        parser.add_argument(
            "--scope",
            action="append",
            dest="scopes",
            metavar="SCOPE",
            help=f"What it may do; may be given several times; everything unless given. One of: {', '.join(ALL)}.",
        )

    def handle(self, *, merchant: str, name: str, scopes: list[str] | None, **_: object) -> None:
        found = find_merchant(merchant)
        issued = issue(found, name, scopes=scopes or ALL, with_token=True)
        if found.status != Merchant.Status.ACTIVE:
            self.stderr.write(f"Merchant {merchant} is {found.status}; the token works once the merchant is active.")
        self.stdout.write(issued.token or "")
