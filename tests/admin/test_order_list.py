"""The order list: fast, complete, and filtered by what staff look for."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin.sites import all_sites
from django.db import connection
from django.db.models import DateTimeField
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from unfold.contrib.filters.admin import RangeDateFilter

from logistics.models import LogisticsAlert
from oms.common.desk.counting import capped_count, count_label, first_id_since
from oms.common.desk.lists import MomentDayFilter
from orders.actors import Actor
from orders.models import ActorKind, Order, SubOrder
from orders.reviewing import holds
from tests import factories

LIST = "/admin/orders/order/"
STAFF = Actor(ActorKind.STAFF, "wang")


def shown(client: Client, query: str = "") -> list[str]:
    """The numbers of the orders on a page of the list."""
    return [order.number for order in client.get(LIST + query).context["cl"].result_list]


def test_the_list_takes_as_many_statements_for_a_hundred_orders_as_for_ten(
    shop: factories.Shop, boss: Client, statements: Callable[[Client, str], int]
) -> None:
    for _ in range(10):
        shop.place_order(payment_method="cod")
    factories.run(factories.deciding.run, factories.splitting.run)
    few = statements(boss, LIST)

    for _ in range(90):
        shop.place_order()

    assert statements(boss, LIST) == few <= 14


def test_the_list_never_counts_or_skips(shop: factories.Shop, boss: Client) -> None:
    shop.place_order()
    with CaptureQueriesContext(connection) as captured:
        boss.get(LIST + "?state__exact=awaiting_payment")
    sql = [query["sql"] for query in captured if "orders_order" in query["sql"]]

    assert not [statement for statement in sql if "OFFSET" in statement or "DISTINCT" in statement]
    assert all("LIMIT" in statement for statement in sql if "COUNT(" in statement.upper())


def test_walking_to_older_pages_and_back_meets_every_order_once(
    shop: factories.Shop, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [shop.place_order().number for _ in range(11)][::-1]
    monkeypatch.setattr("orders.admin.order.OrderAdmin.list_per_page", 4)

    pages, query = [], "?"
    while query:
        page = boss.get(LIST + query).context["cl"]
        pages.append([order.number for order in page.result_list])
        last_newer, query = page.newer_query, page.older_query
    assert pages == [numbers[:4], numbers[4:8], numbers[8:]]

    page = boss.get(LIST + last_newer).context["cl"]
    assert [order.number for order in page.result_list] == numbers[4:8]
    page = boss.get(LIST + page.newer_query).context["cl"]
    assert [order.number for order in page.result_list] == numbers[:4]
    assert page.newer_query is None


def test_paging_keeps_the_filter_and_the_filter_leaves_the_page(
    shop: factories.Shop, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        shop.place_order()
        shop.place_order(payment_method="cod")
    monkeypatch.setattr("orders.admin.order.OrderAdmin.list_per_page", 2)

    page = boss.get(LIST + "?payment_method__exact=cod").context["cl"]
    assert "payment_method__exact=cod" in page.older_query
    older = boss.get(LIST + page.older_query).context["cl"]

    assert [order.payment_method for order in older.result_list] == ["cod"]
    assert "older" not in older.get_query_string({"held": "1"})


def test_a_place_in_the_list_that_is_no_number_is_the_top(shop: factories.Shop, boss: Client) -> None:
    order = shop.place_order()
    assert shown(boss, "?older=x") == shown(boss, "?newer=99999999999999999999") == [order.number]


def test_the_queues_show_what_is_held_stuck_short_or_late(shop: factories.Shop, boss: Client) -> None:
    plain, held, stuck, late = (shop.place_order(payment_method="cod") for _ in range(4))
    short = shop.place_order((shop.sku, 999, "10.00"), payment_method="cod")
    holds.hold_order(held.pk, reason="address", actor=STAFF)
    factories.run(factories.deciding.run, factories.splitting.run, factories.allocating.run)
    SubOrder.objects.filter(order=stuck).update(needs_person_since=timezone.now())
    LogisticsAlert.objects.create(kind="not_packed", sub_order=SubOrder.objects.get(order=late), due_at=timezone.now())

    assert shown(boss, "?held=1") == [held.number]
    assert shown(boss, "?tickets=1") == [stuck.number]
    assert shown(boss, "?shortage=1") == [short.number]
    assert shown(boss, "?alerts=1") == [late.number]
    assert shown(boss, "?state__exact=in_review") == [held.number]
    assert len(shown(boss)) == 5
    assert plain.number in shown(boss)
    tabs = {str(tab["title"]): tab["count"] for tab in boss.get(LIST).context["queue_tabs"]}
    assert tabs["Held"] == tabs["Tickets"] == tabs["Short of stock"] == tabs["Alerts"] == "1"


def test_rows_show_where_their_sub_orders_are(shop: factories.Shop, boss: Client) -> None:
    factories.allocated_order((shop.sku, 1, "10.00"))
    assert "Allocated" in boss.get(LIST).content.decode()


def test_days_of_receipt_are_filtered_with_both_ends(shop: factories.Shop, boss: Client) -> None:
    old, new = shop.place_order(), shop.place_order()
    today = timezone.localdate()
    Order.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=3))

    assert shown(boss, f"?created_at_from={today}") == [new.number]
    assert shown(boss, f"?created_at_to={today - timedelta(days=1)}") == [old.number]
    assert shown(boss, f"?created_at_from={today - timedelta(days=3)}&created_at_to={today}") == [
        new.number,
        old.number,
    ]
    assert len(shown(boss, "?created_at_from=yesterday")) == 2


def test_no_list_leaves_out_the_last_day_of_moments() -> None:
    """unfold's own filter ends as the last day begins: it is for days."""
    offered = [
        (site.name, model._meta.label, *each)
        for site in all_sites
        for model, page in site._registry.items()
        for each in page.list_filter
        if isinstance(each, tuple) and issubclass(each[1], RangeDateFilter)
    ]
    wrong = [
        f"{site}: {label}.{name}"
        for site, label, name, used in offered
        if isinstance(apps.get_model(label)._meta.get_field(name), DateTimeField)
        and not issubclass(used, MomentDayFilter)
    ]

    assert len({site for site, *_ in offered}) == 2
    assert wrong == []


def test_the_first_id_since_a_moment_is_found_across_gaps(shop: factories.Shop) -> None:
    orders = [shop.place_order() for _ in range(6)]
    start = timezone.now() - timedelta(days=10)
    for days, order in enumerate(orders):
        Order.objects.filter(pk=order.pk).update(created_at=start + timedelta(days=days))
    Order.objects.filter(pk=orders[2].pk).update(created_at=start + timedelta(days=3))

    found = first_id_since(Order, "created_at", start + timedelta(days=4, minutes=30))
    assert found in range(orders[3].pk + 1, orders[4].pk + 1)
    assert first_id_since(Order, "created_at", start - timedelta(days=1)) <= orders[0].pk
    assert first_id_since(Order, "created_at", timezone.now()) > orders[-1].pk


def test_no_rows_have_no_first_id(db: None) -> None:
    assert first_id_since(Order, "created_at", timezone.now()) == 0


def test_counting_stops_at_the_cap(shop: factories.Shop) -> None:
    for _ in range(4):
        shop.place_order()
    assert capped_count(Order.objects.all(), 2) == 3
    assert count_label(Order.objects.all()) == count_label(Order.objects.filter(line_count=1)) == "4"


def test_only_those_with_the_right_see_orders(shop: factories.Shop, reader: Client) -> None:
    from tests.admin.conftest import client_of

    order = shop.place_order()
    assert shown(reader) == [order.number]
    assert client_of().get(LIST).status_code == 403
    assert client_of().get(f"{LIST}{order.pk}/change/").status_code == 403
    assert Client().get(LIST).status_code == 302
