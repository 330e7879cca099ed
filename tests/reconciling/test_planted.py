"""Of a month of generated bills every planted difference is found, and no other."""

from datetime import date, datetime

import pytest

from oms.common.zones import CHINA
from payments.models import SETTLED_OUTCOMES, BillForm, BillMatch, Payment
from payments.reconciling import importing
from tests.reconciling import world
from tests.reconciling.generated import Month

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seed", [1, 2])
def test_two_hundred_planted_differences_of_a_month_are_all_found_and_none_is_false(shop, seed):
    month = Month(shop, world.make_sources()[BillForm.WECHAT_TRADE], seed)
    month.make(rows=3_000, differences=200)
    month.read()

    found = BillMatch.objects.exclude(outcome__in=SETTLED_OUTCOMES).values_list("key", "outcome")
    assert sorted(found) == sorted(month.planted)
    assert len(month.planted) == 200
    assert BillMatch.objects.values("day").distinct().count() == 30
    assert world.broken() == []

    before = list(BillMatch.objects.order_by("pk").values())
    month.read()
    assert list(BillMatch.objects.order_by("pk").values()) == before


def test_what_was_expected_in_the_next_bill_is_missed_when_it_is_not_there(shop):
    source = world.make_sources()[BillForm.WECHAT_TRADE]
    month = Month(shop, source, 3)
    month.make(rows=60, differences=0)
    first = date(2026, 10, 1)
    late = Payment.objects.filter(captured_at__date=first).first()
    assert late
    Payment.objects.filter(pk=late.pk).update(captured_at=datetime(2026, 10, 1, 23, 59, 59, tzinfo=CHINA))
    month.bills.paper(first).remove(late.number)

    def outcome() -> str:
        return BillMatch.objects.get(payment=late).outcome

    days = iter(sorted(month.bills.papers))
    _read(month, next(days))
    assert outcome() == "not_yet_due"
    _read(month, next(days))
    assert outcome() == "order_without_money"


def _read(month: Month, day: date) -> None:
    importing.import_bill(month.source.pk, month.bills.papers[day].file(), file_name="x.csv", by="li", day=day)
