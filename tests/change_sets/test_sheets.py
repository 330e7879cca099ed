"""Changes of many orders from a sheet: looked at first, then each order by itself, with a result for each."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from oms.common.models import Job, JobResult
from oms.common.work import jobs
from orders.changing import charging
from orders.models import ChangeSet, Order, OrderTerms
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.operations.importing import workbook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]

HEADERS = ["订单号", "改什么", "行号", "商品编码", "数量", "金额", "承担方", "送达开始", "送达结束", "原因"]
RIGHTS = ("view_order", "confirm_changeset", "price_changeset", "view_job")


@pytest.fixture
def clerk(db: None) -> Client:
    return client_of(*RIGHTS, username="chen")


def row(order: str, do: str, reason: str = "活动补偿", **cells: object) -> list[object]:
    return [order, do, *(cells.get(name, "") for name in HEADERS[2:-1]), reason]


def upload(client: Client, shop: factories.Shop, *rows: list[object]) -> Any:
    file = SimpleUploadedFile("changes.xlsx", workbook(*rows, headers=HEADERS))
    return client.post("/admin/orders/order/sheet/", {"merchant": shop.merchant.pk, "file": file})


def looked_at(client: Client, shop: factories.Shop, *rows: list[object]) -> tuple[str, str]:
    """Upload the rows and look at what would come of them: the page's address and text."""
    address = upload(client, shop, *rows)["Location"]
    return address, client.get(address).content.decode()


def changed(client: Client, shop: factories.Shop, *rows: list[object]) -> list[JobResult]:
    """Upload the rows and do what they say, with the columns as they were guessed."""
    address, _page = looked_at(client, shop, *rows)
    job = Job.objects.latest("pk")
    client.post(address, {**{f"column-{i}": name for i, name in enumerate(job.params["fields"])}, "start": "1"})
    factories.run(jobs.run)
    return list(JobResult.objects.filter(job=job).order_by("position"))


def on_delivery(shop: factories.Shop, **changes: Any) -> Order:
    return shop.place_order((shop.sku, 3, "10.00"), payment_method="cod", freight_amount="0.00", **changes)


def owed(*orders: Order) -> list[str]:
    return [str(charging.owed(order.pk)) for order in orders]


def test_rows_of_an_order_are_one_change_and_each_order_has_a_result(clerk, shop):
    one, other = on_delivery(shop), on_delivery(shop)
    rows = [
        row(one.number, "加商品", 商品编码=shop.other_sku.code, 数量=1),
        row(other.external_number, "调价", 金额="-5.00", 承担方="商家"),
        row(one.number, "改数量", 行号=1, 数量=2),
        row("1000000000000000", "运费", 金额="3"),
    ]

    _address, page = looked_at(clerk, shop, *rows)
    assert "¥30.00 → ¥45.50" in page
    assert "There is no such order." in page
    assert owed(one, other) == ["30.00", "30.00"]
    assert not ChangeSet.objects.exists()
    results = changed(clerk, shop, *rows)

    assert [(result.outcome, result.reference) for result in results] == [
        ("done", "¥30.00 → ¥45.50"),
        ("done", "¥30.00 → ¥25.00"),
        ("refused", ""),
    ]
    assert results[0].rows == [2, 4]
    assert owed(one, other) == ["45.50", "25.00"]
    assert set(ChangeSet.objects.values_list("state", "reason", "actor")) == {("confirmed", "活动补偿", "chen")}
    assert steps.broken_invariants() == []


def test_all_other_actions(clerk, shop):
    order = on_delivery(shop)
    results = changed(
        clerk,
        shop,
        row(order.number, "赠品", 商品编码=shop.other_sku.code, 数量=1),
        row(order.number, "freight", 金额="6.5"),
        row(order.number, "预约", 送达开始="2099-01-02 09:00", 送达结束="2099-01-02 12:00"),
    )

    assert [result.outcome for result in results] == ["done"]
    assert owed(order) == ["36.50"]
    assert list(order.lines.filter(is_gift=True).values_list("sku", "quantity")) == [(shop.other_sku.pk, 1)]
    assert OrderTerms.objects.get(order=order).delivery_from.isoformat() == "2099-01-02T01:00:00+00:00"
    (result,) = changed(clerk, shop, row(order.number, "删商品", 行号=2))
    assert (result.outcome, result.reference) == ("done", "¥36.50 → ¥36.50")
    assert steps.fresh(order).units_to_cancel == {"2": 1}


def test_what_a_prepaid_buyer_has_to_pay_first_is_said_and_waits(clerk, shop):
    order = shop.place_order((shop.sku, 3, "10.00"), freight_amount="0.00")
    steps.pay(order)

    (result,) = changed(clerk, shop, row(order.number, "add", 商品编码=shop.other_sku.code, 数量=2))

    assert (result.outcome, result.reference) == ("done", "¥30.00 → ¥81.00")
    assert [error["detail"] for error in result.errors] == [
        "The buyer is asked for ¥51.00 first; it is changed once that is paid."
    ]
    assert ChangeSet.objects.get().state == "awaiting_balance"
    assert owed(order) == ["30.00"]


@pytest.mark.parametrize(
    ("do", "cells", "field", "words"),
    [
        ("abc", {}, "do", "Give one of: add (加商品)"),
        ("add", {"商品编码": "NO", "数量": 1}, "sku", "The channel does not sell NO now"),
        ("add", {"商品编码": "SKU", "数量": "two"}, "quantity", "Give a whole number."),
        ("add", {"商品编码": "SKU", "数量": 1, "金额": "cheap"}, "amount", "Give an amount in yuan"),
        ("quantity", {"行号": 9, "数量": 1}, "line", "The order has no line 9."),
        ("quantity", {"行号": 1, "数量": 3}, "quantity", "The line has that many units already."),
        ("remove", {"行号": 1}, "", "Nothing would be left of the order: cancel it instead."),
        ("adjust", {"金额": "-1", "承担方": "nobody"}, "bearer", "Give one of: platform, merchant"),
        ("adjust", {"承担方": "平台"}, "amount", "Give an amount in yuan other than 0"),
        ("appointment", {"送达开始": "soon"}, "delivery_from", "Give a time such as"),
    ],
)
def test_a_row_that_is_wrong_names_the_column_and_changes_nothing(clerk, shop, do, cells, field, words):
    order, right = on_delivery(shop), on_delivery(shop)
    told = {name: shop.other_sku.code if value == "SKU" else value for name, value in cells.items()}

    wrong, good = changed(
        clerk,
        shop,
        row(order.number, "freight", 金额=2),
        row(order.number, do, **told),
        row(right.number, "freight", 金额=1),
    )

    assert (wrong.outcome, good.outcome) == ("refused", "done")
    error = wrong.errors[0]
    assert (error["field"], words in error["detail"]) == (field, True), error
    assert error["row"] == (3 if field else 2)
    assert owed(order, right) == ["30.00", "31.00"]
    assert order.lines.get().quantity == 3


def test_reasons_that_differ_or_lack_and_numbers_of_several_orders_are_refused(clerk, shop):
    second = factories.ChannelFactory(merchant=shop.merchant)
    twins = [on_delivery(shop), on_delivery(shop, source=second.code)]
    Order.objects.filter(pk__in=[order.pk for order in twins]).update(external_number="TWIN")
    order, foreign = on_delivery(shop), on_delivery(factories.make_shop())

    results = changed(
        clerk,
        shop,
        row(order.number, "freight", "one", 金额=1),
        row(order.number, "gift", "other", 商品编码=shop.sku.code, 数量=1),
        row("TWIN", "freight", 金额=1),
        row(foreign.number, "freight", 金额=1),
        row(twins[0].number, "freight", "", 金额=1),
        row("", "freight", 金额=1),
    )

    assert [result.errors[0]["code"] for result in results] == [
        "invalid",
        "ambiguous",
        "not_found",
        "required",
        "required",
    ]
    assert not ChangeSet.objects.exists()


def test_it_is_for_those_who_may_change_orders_and_their_prices(shop):
    for missing in RIGHTS[:3]:
        client = client_of(*(right for right in RIGHTS if right != missing), username=f"no-{missing}")
        assert client.get("/admin/orders/order/sheet/").status_code == 403
    order = on_delivery(shop)
    assert upload(client, shop, row(order.number, "freight", 金额=1)).status_code == 403


def test_a_sheet_of_changes_speaks_of_changes_not_of_imports(clerk, shop):
    order = shop.place_order((shop.sku, 2, "10.00"), payment_method="cod")
    good, bad = row(order.number, "quantity", 行号=1, 数量=1), row("9" * 16, "quantity", 行号=1, 数量=1)
    _address, page = looked_at(clerk, shop, good, bad)

    assert "Would be changed" in page
    assert "Not changed" in page
    assert "mported" not in page
