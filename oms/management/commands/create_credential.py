"""`manage.py create_credential MERCHANT`."""

from argparse import ArgumentParser

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from logistics.by_merchant.sandboxes import open_sandbox
from oms.common.errors import OmsError
from oms.management.whereabouts import find_merchant
from oms.merchants.calls import credentials
from oms.merchants.calls.scopes import ALL
from oms.merchants.models import Merchant


def issue(merchant: Merchant, name: str, **options: object) -> credentials.Issued:
    """A new credential. Raises CommandError where a value is wrong, or the merchant has too many."""
    if not 0 < len(name) <= 80:
        raise CommandError("Give a name of 1 to 80 characters.")
    try:
        return credentials.issue(merchant, name, **options)  # type: ignore[arg-type]
    except ValidationError as error:
        raise CommandError(credentials.messages_of(error)) from error
    except credentials.TooManyCredentials as refusal:
        raise CommandError(str(refusal)) from refusal


def _sandbox_of(merchant: Merchant) -> Merchant:
    try:
        return open_sandbox(merchant)
    except OmsError as refusal:
        raise CommandError(str(refusal)) from refusal


class Command(BaseCommand):
    """Makes an API credential of a merchant and prints its key and secret; the secret cannot be read again."""

    help = "Make an API credential of a merchant and print its key and secret, ready for a shell. Shown this once only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="Code of the merchant.")
        parser.add_argument("--name", default="api", help="What it is for; the admin lists it by this name.")
        parser.add_argument(
            "--scope",
            action="append",
            dest="scopes",
            metavar="SCOPE",
            help=f"What it may do; may be given several times; everything unless given. One of: {', '.join(ALL)}.",
        )
        parser.add_argument(
            "--allow",
            action="append",
            dest="networks",
            metavar="ADDRESS",
            help="An address or network that may call, such as 203.0.113.0/24; may be given several times.",
        )

        parser.add_argument("--test", action="store_true", help="A key of the merchant's sandbox, opened where needed.")

    def handle(
        self,
        *,
        merchant: str,
        name: str,
        scopes: list[str] | None,
        networks: list[str] | None,
        test: bool,
        **_: object,
    ) -> None:
        found = find_merchant(merchant)
        if test:
            found = _sandbox_of(found)
        issued = issue(found, name, scopes=scopes or ALL, allowed_networks=networks or ())
        if found.status != Merchant.Status.ACTIVE:
            self.stderr.write(f"Merchant {merchant} is {found.status}; the key works once the merchant is active.")
        self.stdout.write(f"export OMS_APP_KEY={issued.credential.app_key} OMS_SECRET={issued.secret}")
