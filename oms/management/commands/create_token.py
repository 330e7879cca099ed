"""`manage.py create_token MERCHANT`."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from oms.merchants.models import ApiCredential, Merchant


class Command(BaseCommand):
    """Makes an API token of a merchant and prints it; it cannot be read again."""

    help = "Make an API token of a merchant and print it. It is shown this once only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="Code of the merchant.")
        parser.add_argument("--name", default="api", help="What the token is for; the admin lists it by this name.")

    def handle(self, *, merchant: str, name: str, **_: object) -> None:
        found = Merchant.objects.filter(code=merchant).first()
        if found is None:
            raise CommandError(f"There is no merchant {merchant}.")
        if not 0 < len(name) <= 80:
            raise CommandError("Give a name of 1 to 80 characters.")
        _credential, token = ApiCredential.issue(found, name)
        if found.status != Merchant.Status.ACTIVE:
            self.stderr.write(f"Merchant {merchant} is {found.status}; the token works once the merchant is active.")
        self.stdout.write(token)
