"""Periods are closed by the clock, each once, the missing ones one by one."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from oms import tasks
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.models import ActorKind
from payments.models import RowKind, SettlementRow, Statement
from payments.statements import closing
from tests import factories, steps
from tests.payments.test_races import at_once
from tests.payments.test_settling import by_hand

ANNA = Actor(ActorKind.STAFF, "anna")


def seller(period: str) -> Merchant:
    return factories.MerchantFactory(settlement_period=period)


def statements() -> list[tuple[str, str, str]]:
    rows = Statement.objects.order_by("pk").values_list("merchant__settlement_period", "starts_on", "total_amount")
    return [(period, str(start), str(total)) for period, start, total in rows]


@pytest.mark.django_db
def test_after_a_stop_of_days_every_missing_period_is_closed_once_and_in_turn():
    daily, weekly, monthly = (seller(period) for period in ("daily", "weekly", "monthly"))
    # 2026-03-02 is a Monday.
    for number, day in enumerate(("2026-02-27", "2026-03-02", "2026-03-03", "2026-03-05")):
        with time_machine.travel(f"{day}T10:00:00+08:00"):
            for merchant in (daily, weekly, monthly):
                by_hand(merchant, "-2.00" if number == 0 else "1.50", key=f"{merchant.pk}:{day}")

    with time_machine.travel("2026-03-05T23:59:00+08:00"):
        assert tasks.close_statements() == 5
        assert tasks.close_statements() == 0
    assert statements() == [
        ("daily", "2026-02-27", "-2.00"),
        ("daily", "2026-03-02", "-0.50"),
        ("daily", "2026-03-03", "1.00"),
        ("weekly", "2026-02-23", "-2.00"),
        ("monthly", "2026-02-01", "-2.00"),
    ]
    with time_machine.travel("2026-04-01T00:00:30+08:00"):
        assert tasks.close_statements() == 3
    assert statements()[5:] == [
        ("daily", "2026-03-05", "1.50"),
        ("weekly", "2026-03-02", "2.50"),
        ("monthly", "2026-03-01", "2.50"),
    ]
    assert not SettlementRow.objects.filter(statement=None).exists()
    # Whoever closed it was the clock: one person may approve, and only a person.
    with time_machine.travel("2026-04-01T09:00:00+08:00"):
        assert closing.approve(Statement.objects.latest("pk").pk, actor=ANNA).closed_by == "close_statements"
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_what_is_due_today_waits_for_midnight_in_china():
    merchant = seller("daily")
    with time_machine.travel("2026-03-05T15:59:59+00:00"):
        by_hand(merchant, "1.00")
        assert tasks.close_statements() == 0
    with time_machine.travel("2026-03-05T16:00:00+00:00"):
        assert tasks.close_statements() == 1


@pytest.mark.django_db(transaction=True)
def test_clock_and_people_that_close_at_once_make_each_statement_once():
    merchant = seller("daily")
    today = timezone.localdate()
    for days in range(1, 6):
        SettlementRow.objects.create(
            key=f"x{days}",
            merchant=merchant,
            kind=RowKind.KEPT,
            other_amount=Decimal(days),
            net_amount=Decimal(days),
            due_on=today - timedelta(days=days),
        )

    at_once(*[lambda: tasks.close_statements()] * 4)
    tasks.close_statements()

    assert list(Statement.objects.order_by("starts_on").values_list("total_amount", flat=True)) == [5, 4, 3, 2, 1]
    assert not SettlementRow.objects.filter(statement=None).exists()
