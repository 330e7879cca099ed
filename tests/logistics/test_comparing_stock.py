"""What warehouses say lies there: compared with the books of that moment, told to people, never booked."""

from datetime import UTC, datetime
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import adjusting, receiving
from inventory.adjusting import Adjustment
from inventory.models import AdjustmentReason, Quality, Stock, StockComparison, StockDifference
from inventory.receiving import Arrived
from logistics.warehouses import comparing, stock_facts
from oms.common.models import InboundFact, Ticket, Topic
from oms.common.work import facts
from oms.common.work.callbacks import STOCK_REPORT
from oms.common.work.facts import News
from tests import factories, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


def report(shop: factories.Shop, *items: dict[str, object], key: str = "1", at: datetime | None = None, **body: object):
    news = News(key, STOCK_REPORT, shop.warehouse.code, at or timezone.now(), {"items": list(items), **body})
    facts.receive(shop.warehouse.connection_id, Topic.STOCK, [news])
    steps.once(stock_facts.run)


def test_differences_are_kept_and_told_and_nothing_is_overwritten(shop):
    stock = shop.sku.stock.get()
    adjusting.change_quality(
        stock.pk, "good", "damaged", Adjustment(4, AdjustmentReason.DAMAGED), actor="lin", version=stock.version
    )

    report(
        shop,
        {"sku": shop.sku.code, "quantity": 50, "locked": 40},
        {"sku": shop.sku.code, "quantity": 5},
        {"sku": shop.sku.code, "quantity": 4, "quality": "damaged"},
        {"sku": "unheard", "quantity": 1},
        complete=True,
    )

    assert list(StockDifference.objects.order_by("code").values_list("code", "quality", "ours", "theirs")) == sorted(
        [(shop.sku.code, "good", 96, 95), (shop.other_sku.code, "good", 100, 0), ("unheard", "good", 0, 1)]
    )
    ticket = Ticket.objects.get(kind="stock_differs")
    assert (ticket.subject_id, ticket.values["differing"], ticket.values["compared"]) == (shop.warehouse.pk, 3, 4)
    assert InboundFact.objects.get().state == "contradicted"
    assert Stock.objects.get(sku=shop.sku).on_hand == 96

    report(
        shop,
        {"sku": shop.sku.code, "quantity": 96},
        {"sku": shop.other_sku.code, "quantity": 100},
        key="2",
    )
    assert Ticket.objects.get(kind="stock_differs").state == "closed"
    assert steps.broken_invariants() == []


def test_a_report_that_comes_late_is_compared_with_what_lay_there_then(shop):
    receiving.receive_all(shop.warehouse.pk, [Arrived(shop.other_sku.pk, 2, Quality.DAMAGED)], actor="gate")
    then = timezone.now()
    for quality in (Quality.GOOD, Quality.DAMAGED):
        receiving.receive_all(shop.warehouse.pk, [Arrived(shop.sku.pk, 7, quality)], actor="gate")

    with CaptureQueriesContext(connection) as queries:
        report(
            shop,
            {"sku": shop.sku.code, "quantity": 100},
            {"sku": shop.other_sku.code, "quantity": 100},
            {"sku": shop.other_sku.code, "quantity": 2, "quality": "damaged"},
            at=then,
            complete=True,
        )

    comparison = StockComparison.objects.get()
    assert (comparison.compared, comparison.differing) == (3, 0)
    reading = [query["sql"] for query in queries if "on_hand" in query["sql"]]
    assert len(reading) == 1, "units that change their quality between two statements would count twice, or never"


def test_a_report_that_makes_no_sense_waits_for_a_person_and_harms_nothing(shop):
    report(shop, {"sku": shop.sku.code, "quantity": -3})
    report(shop, {"sku": shop.sku.code, "quantity": 1.5}, key="2")

    assert not StockComparison.objects.exists()
    assert Stock.objects.get(sku=shop.sku).on_hand == 100


def test_every_connected_warehouse_is_asked_once_a_day(shop):
    now = datetime(2026, 11, 26, 4, tzinfo=UTC)
    with mock.patch("inventory.lots.timezone.localdate", return_value=now.date()):
        assert comparing.ask(timezone.now()) == 1
        assert comparing.ask(timezone.now()) == 0
    steps.once(stock_facts.run)

    comparison = StockComparison.objects.get()
    assert (comparison.compared, comparison.differing) == (2, 0)
