"""Real orders of a month, lived through and billed: every planted difference is found, and no other; everything that
must always hold does; and every merchant's statements make what they say."""

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db.models import Sum

from oms import tasks
from oms.embedded import CHECKOUT
from oms.merchants.models import Merchant
from orders.models import InvoiceRequest, Order, OrderCharge, OrderState
from payments.models import SETTLED_OUTCOMES, BillMatch, Invoice, Refund, RefundState, SettlementRow, Statement
from payments.statements import closing
from tests import steps
from tests.invoicing import world as invoicing
from tests.reconciling.lived import DAYS, Month, cut

# A folder with orders*.jsonl.gz and the reference data that belong to them.
FOLDER = Path(os.environ.get("OMS_MONTH_DATA", CHECKOUT / "sample"))
ORDERS = int(os.environ.get("OMS_MONTH_ORDERS", "20000"))


@pytest.fixture
def peer(transactional_db: None, settings: Any) -> Iterator[Any]:
    """The invoice service."""
    settings.REFUNDS_SENT_BY_RULE_UP_TO = Decimal(1_000_000)
    # As in production.
    settings.STAGE_SLOTS = 2
    with invoicing.serving() as peer:
        yield peer


# Living a month of all orders takes long.
@pytest.mark.parametrize(
    ("orders", "differences"),
    [pytest.param(150, 60, id="few"), pytest.param(ORDERS, 200, id="all", marks=pytest.mark.soak)],
)
def test_of_a_month_of_real_orders_every_planted_difference_is_found_and_none_is_false(
    peer: Any, tmp_path: Path, orders: int, differences: int
) -> None:
    month = Month(cut(FOLDER, orders, tmp_path), orders, differences, 20261126, peer)
    month.live()

    assert Order.objects.count() == orders
    assert not Order.objects.exclude(needs_person_since=None).exists()
    over = [OrderState.COMPLETED, OrderState.CANCELLED, OrderState.CLOSED]
    late = Order.objects.exclude(state__in=over)
    assert set(late.values_list("state", flat=True)) <= {OrderState.AWAITING_PAYMENT}
    assert late.count() <= differences
    assert Refund.objects.filter(state=RefundState.SUCCEEDED).count() > orders / 4
    assert steps.broken_invariants() == []

    assert Invoice.objects.exclude(official_number="").count() > orders / 8
    assert invoicing.net_invoiced() == peer.bureau.net_issued() == _owed_and_asked_for()

    month.write_bills()
    month.read_bills()
    found = BillMatch.objects.exclude(outcome__in=SETTLED_OUTCOMES).values_list("key", "outcome")
    assert sorted(found) == sorted(month.planted)
    assert len(month.planted) == differences
    providers = BillMatch.objects.filter(source__connection__in=month.links)
    assert providers.filter(row__isnull=False).values("day").distinct().count() == DAYS

    with time_machine.travel("2027-02-01T01:00:00+08:00", tick=False):
        tasks.close_statements()
    sellers = Merchant.objects.filter(settlement_rows__isnull=False).distinct()
    assert sellers.count() > 1
    assert set(Statement.objects.values_list("merchant", flat=True)) == {seller.pk for seller in sellers}
    assert not SettlementRow.objects.filter(statement=None).exists()
    assert all(closing.rederived(statement) for statement in Statement.objects.all())
    assert steps.broken_invariants() == []


def _owed_and_asked_for() -> Decimal:
    """What is kept of the money of the orders for which an invoice is asked for."""
    charges = OrderCharge.objects.filter(order__in=InvoiceRequest.objects.values("order"))
    return charges.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
