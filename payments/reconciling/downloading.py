"""Fetching yesterday's bills from the providers whose adapters can."""

import logging
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from django.utils import timezone, translation

from oms.common import outbound
from oms.common.errors import OmsError
from oms.common.masking import describe
from oms.common.models import Connection, SystemKind
from oms.common.zones import CHINA
from payments import providers
from payments.models import BillDay, BillSource, Payment, Refund
from payments.providers.errors import NotReady
from payments.reconciling import importing, troubles

logger = logging.getLogger(__name__)

# Providers have a day's bills ready by this hour of China's next day.
READY_HOUR = 10
# Days before yesterday that are fetched where nobody could before.
BACK_DAYS = 3
BY = "download"


def download_due() -> int:
    """Read the bills of the last days that are not there yet; returns how many files were read.

    What one provider does not answer is asked again the next time, and holds no other up. A person is called for a bill
    that is refused, and for one that is not there a day late though our books have something of its day.
    """
    if outbound.is_stopped():
        return 0
    now = timezone.now().astimezone(CHINA)
    last = now.date() - timedelta(days=1 if now.hour >= READY_HOUR else 2)
    wanted = [last - timedelta(days=back) for back in reversed(range(BACK_DAYS + 1))]
    links = Connection.objects.filter(kind=SystemKind.PAYMENT, is_active=True, bill_sources__is_active=True).distinct()
    return sum(
        _download(link, day, is_late=day < last) for link in links.order_by("pk") for day in _missing(link, wanted)
    )


def _missing(link: Connection, days: list[date]) -> list[date]:
    there = BillDay.objects.filter(connection=link, day__in=days, downloaded_at__isnull=False)
    return sorted(set(days) - set(there.values_list("day", flat=True)))


def _download(link: Connection, day: date, *, is_late: bool) -> int:
    provider = providers.get_billing(link.protocol)
    if provider is None:
        return 0
    sources = {source.form: source for source in BillSource.objects.filter(connection=link, is_active=True)}
    # Why it is refused is kept for people, whatever language this process speaks.
    with translation.override("en"):
        try:
            files = provider.bill(link, day, sources)
            refusal = _read(sources, files, link, day)
        except NotReady as error:
            logger.info("no bill of %s of %s yet: %s", link.code, day, error)
            files, refusal = {}, ""
        except Exception as error:
            # Whatever the network does: the next turn asks again.
            logger.warning("no bill of %s of %s: %s", link.code, day, describe(error))
            files, refusal = {}, ""
    if refusal:
        troubles.bill_refused(_day_row(link, day), refusal)
        return 0
    if sources.keys() <= files.keys():
        row = _day_row(link, day)
        BillDay.objects.filter(pk=row.pk).update(downloaded_at=timezone.now())
        troubles.bill_came(row)
    elif is_late and _has_money(link, day):
        troubles.bill_late(_day_row(link, day))
    return len(files)


def _read(sources: Mapping[str, BillSource], files: Mapping[str, bytes], link: Connection, day: date) -> str:
    """Read the files; returns why one was refused, empty where none was."""
    for form, content in files.items():
        name = f"{link.code}-{form}-{day:%Y%m%d}"
        try:
            importing.import_bill(sources[form].pk, content, file_name=name, by=BY, day=day)
        except OmsError as refusal:
            logger.warning("bill %s was refused: %s", name, refusal)
            return str(refusal)
    return ""


def _day_row(link: Connection, day: date) -> BillDay:
    row, _is_new = BillDay.objects.get_or_create(connection=link, day=day)
    return row


def _has_money(link: Connection, day: date) -> bool:
    """Whether our books have a payment or refund of that day over the connection: then there is a bill."""
    start = datetime.combine(day, time.min, CHINA)
    within = (start, start + timedelta(days=1) - timedelta(microseconds=1))
    return (
        Payment.objects.filter(connection=link, captured_at__range=within).exists()
        or Refund.objects.filter(connection=link, succeeded_at__range=within).exists()
    )
