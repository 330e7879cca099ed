"""Fetching yesterday's bills from the providers whose adapters can."""

import logging
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Protocol

from django.utils import timezone

from oms.common import outbound
from oms.common.errors import OmsError
from oms.common.masking import describe
from oms.common.models import Connection, SystemKind
from oms.common.zones import CHINA
from payments import providers
from payments.models import BillDay, BillSource
from payments.reconciling import importing

logger = logging.getLogger(__name__)

# Providers have a day's bills ready by this hour of China's next day.
READY_HOUR = 10
# Days before yesterday that are fetched where nobody could before.
BACK_DAYS = 3
BY = "download"


class BillingProvider(Protocol):
    """A provider that gives out its bills."""

    def bill(self, link: Connection, day: date) -> Mapping[str, bytes]:
        """The files of the day, by form (`models.BillForm`), as the provider has them. Raises where it has none yet."""


def download_due() -> int:
    """Read the bills of the last days that are not there yet; returns how many files were read.

    What one provider does not answer is asked again the next time, and holds no other up.
    """
    if outbound.is_stopped():
        return 0
    now = timezone.now().astimezone(CHINA)
    last = now.date() - timedelta(days=1 if now.hour >= READY_HOUR else 2)
    wanted = [last - timedelta(days=back) for back in reversed(range(BACK_DAYS + 1))]
    links = Connection.objects.filter(kind=SystemKind.PAYMENT, is_active=True, bill_sources__is_active=True).distinct()
    return sum(_download(link, day) for link in links.order_by("pk") for day in _missing(link, wanted))


def _missing(link: Connection, days: list[date]) -> list[date]:
    there = BillDay.objects.filter(connection=link, day__in=days, downloaded_at__isnull=False)
    return sorted(set(days) - set(there.values_list("day", flat=True)))


def _download(link: Connection, day: date) -> int:
    provider = _billing(link.protocol)
    if provider is None:
        return 0
    try:
        files = provider.bill(link, day)
        sources = {source.form: source for source in BillSource.objects.filter(connection=link, is_active=True)}
        read = 0
        for form, content in files.items():
            if form in sources:
                name = f"{link.code}-{form}-{day:%Y%m%d}"
                importing.import_bill(sources[form].pk, content, file_name=name, by=BY, day=day)
                read += 1
    except OmsError as refusal:
        logger.warning("bill of %s of %s was refused: %s", link.code, day, refusal)
        return 0
    except Exception as error:
        # Whatever the network does: the next turn asks again.
        logger.warning("no bill of %s of %s: %s", link.code, day, describe(error))
        return 0
    if sources.keys() <= files.keys():
        BillDay.objects.update_or_create(connection=link, day=day, defaults={"downloaded_at": timezone.now()})
    return read


def _billing(protocol: str) -> BillingProvider | None:
    try:
        provider: object = providers.get(protocol)
    except ModuleNotFoundError:
        return None
    return provider if hasattr(provider, "bill") else None  # type: ignore[return-value]
