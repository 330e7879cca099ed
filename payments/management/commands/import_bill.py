"""`manage.py import_bill`."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from oms.common.errors import OmsError
from payments.models import BillSource
from payments.reconciling import importing


class Command(BaseCommand):
    """Reads a bill as the upload page does, for files too large for a browser; a second time changes nothing."""

    help = "Read a bill of a provider, carrier, bank or platform."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("connection", help="The code of the connection whose bill it is.")
        parser.add_argument("form", help="The form of the bill, such as alipay_trade.")
        parser.add_argument("file", type=Path)
        parser.add_argument("--day", type=date.fromisoformat, help="The bill's day, where the file does not say it.")

    def handle(self, *, connection: str, form: str, file: Path, day: date | None, **_: object) -> None:
        source = BillSource.objects.filter(connection__code=connection, form=form).first()
        if source is None:
            raise CommandError(f"There is no source of bills {connection} {form}.")
        try:
            content = file.read_bytes()
            bill = importing.import_bill(source.pk, content, file_name=file.name, by="import_bill", day=day)
        except (OSError, OmsError) as refusal:
            raise CommandError(str(refusal)) from refusal
        bill.refresh_from_db()
        self.stdout.write(f"{bill}: {bill.row_count} rows, {bill.new_row_count} of them new")
