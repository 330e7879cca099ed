"""The list of orders in review: carrier, warehouse and memo are changed in the row."""

import pytest
from django.test import Client
from django.urls import reverse

from inventory.models import Warehouse
from logistics.carriers.defaults import install_default_carriers
from orders.changing import marking
from orders.fulfilling import allocating
from orders.models import Order, OrderTerms, SubOrder, UndoableAction
from orders.reviewing import holds
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.api.calls import change, errors_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody who reviews orders."""
    return client_of("view_order", "mark_order")


def farther(shop: factories.Shop, units: int) -> Warehouse:
    """Another warehouse of the merchant, farther than the first, with so many of the same goods."""
    place = factories.WarehouseFactory(merchant=shop.merchant, longitude=102.7, latitude=25.0)
    factories.StockFactory(sku=shop.sku, warehouse=place, on_hand=units)
    return place


@pytest.fixture
def second(shop: factories.Shop) -> Warehouse:
    """Such a one that has everything."""
    return farther(shop, 100)


def held(shop: factories.Shop) -> Order:
    """A paid order in review that a person looks at."""
    order = shop.place_order((shop.sku, 2, "10.00"))
    steps.pay(order)
    holds.hold_order(order.pk, reason="look", actor=steps.STAFF)
    return Order.objects.get(pk=order.pk)


def row(order: Order, **changed: str) -> dict[str, str]:
    """The row as the page sends it; what was shown before was empty."""
    sent = {"row": str(order.pk), f"version-{order.pk}": str(order.version), "keep": "1"}
    for name in ("carrier", "warehouse", "memo"):
        sent |= {f"{name}-{order.pk}-was": "", f"{name}-{order.pk}": changed.get(name, "")}
    return sent


def keep(clerk: Client, order: Order, **changed: str) -> str:
    page = clerk.post(reverse("admin:orders_order_review"), row(order, **changed), follow=True)
    assert page.status_code == 200
    return page.content.decode()


def go_on(order: Order) -> SubOrder:
    """The person lets it go on, and it gets its warehouse."""
    for hold in order.holds.filter(released_at=None):
        holds.release_hold(hold.pk, note="", actor=steps.STAFF)
    steps.approve_and_split()
    factories.run(allocating.run)
    return SubOrder.objects.get(order=order)


def test_all_three_are_kept_at_once_and_the_warehouse_sends_it(shop, clerk, second):
    install_default_carriers()
    order, other = held(shop), held(shop)
    page = clerk.get(reverse("admin:orders_order_review")).content.decode()
    assert f'<option value="{second.code}">' in page

    text = keep(clerk, order, carrier="SF", warehouse=second.code, memo="call first")

    assert "One order was changed." in text
    terms = OrderTerms.objects.get(order=order)
    assert (terms.carrier, terms.warehouse, terms.seller_memo) == ("SF", second, "call first")
    assert order.events.filter(kind="warehouse_wished", data__warehouse=second.code).exists()
    assert f'value="{second.code}" selected' in clerk.get(reverse("admin:orders_order_review")).content.decode()
    assert go_on(order).warehouse == second
    assert go_on(other).warehouse == shop.warehouse
    assert steps.broken_invariants() == []


def test_a_warehouse_that_lacks_some_of_it_leaves_it_to_the_rules(shop, clerk):
    order = held(shop)
    keep(clerk, order, warehouse=farther(shop, 1).code)

    part = go_on(order)

    assert (part.state, part.warehouse) == ("allocated", shop.warehouse)


def test_a_wish_is_taken_back(shop, clerk, second):
    order = held(shop)
    keep(clerk, order, warehouse=second.code)
    sent = row(Order.objects.get(pk=order.pk)) | {f"warehouse-{order.pk}-was": second.code}
    clerk.post(reverse("admin:orders_order_review"), sent)
    assert OrderTerms.objects.get(order=order).warehouse is None
    assert go_on(order).warehouse == shop.warehouse


def test_what_is_no_warehouse_of_it_is_refused_by_name(shop, clerk):
    order = held(shop)
    foreign = factories.WarehouseFactory(merchant=factories.MerchantFactory(), kind="merchant")
    for code in ("NONE", foreign.code):
        assert f"There is no warehouse {code} in use for it." in keep(clerk, order, warehouse=code)
    assert not OrderTerms.objects.filter(order=order, warehouse__isnull=False).exists()


def test_it_is_for_those_who_may_and_of_what_was_looked_at(shop, clerk, second):
    order = held(shop)
    reader = client_of("view_order")
    assert reader.post(reverse("admin:orders_order_review"), row(order, warehouse=second.code)).status_code == 403
    holds.hold_order(order.pk, reason="another", actor=steps.STAFF)
    assert "changed meanwhile" in keep(clerk, order, warehouse=second.code)
    assert not OrderTerms.objects.filter(order=order, warehouse__isnull=False).exists()


def test_after_the_split_it_is_moved_instead(shop, clerk, second):
    order = held(shop)
    part = go_on(order)
    assert "move its sub-orders" in keep(clerk, Order.objects.get(pk=order.pk), warehouse=second.code)
    assert part.warehouse == shop.warehouse


def test_a_merchant_wishes_by_the_api_until_the_split(shop, api, second):
    install_default_carriers()
    order = held(shop)
    url, seen = f"/api/v1/orders/{order.number}/marks", Order.objects.get(pk=order.pk).version
    wish = {"carrier": "SF", "warehouse": second.code, "seller_memo": "call first"}

    unknown = change(api, "patch", url, {"warehouse": "NOWHERE", "flag": 1}, version=seen)
    wished = change(api, "patch", url, wish, version=seen)
    stale = change(api, "patch", url, {"warehouse": ""}, version=seen)

    assert errors_of(unknown) == {("warehouse", "refused")}
    assert (wished.status_code, wished.json()["carrier"], wished.json()["flag"]) == (200, "SF", 0), wished.content
    assert (stale.status_code, errors_of(stale)) == (409, {(None, "changed_meanwhile")})
    told = {event["kind"]: event["data"] for event in wished.json()["timeline"]}
    assert (told["carrier_wished"], told["warehouse_wished"]) == ({"carrier": "SF"}, {"warehouse": second.code})
    assert go_on(order).warehouse == second
    late = change(api, "patch", url, {"warehouse": ""}, version=Order.objects.get(pk=order.pk).version)
    assert (late.status_code, errors_of(late)) == (409, {(None, "cannot_wish")})


def test_a_memo_of_several_lines_is_left_alone_and_what_nobody_saw_is_not_released(shop):
    clerk = client_of("view_order", "mark_order", "hold_order")
    order = held(shop)
    marking.mark(order.pk, seller_memo="call first\nthen send", actor=steps.STAFF)
    order = Order.objects.get(pk=order.pk)
    page = clerk.get(reverse("admin:orders_order_review")).content.decode()
    # A field of one line would drop the break, and a release would change the memo.
    assert f'<textarea class="oms-input" name="memo-{order.pk}"' in page
    sent = row(order, memo="call first\r\nthen send") | {f"memo-{order.pk}-was": "call first\r\nthen send"}
    release = sent | {"release": "1", "ticked": str(order.pk)}
    marked = order.events.filter(kind="marked").count()

    holds.hold_order(order.pk, reason="another", actor=steps.STAFF)
    page = clerk.post(reverse("admin:orders_order_review"), release, follow=True).content.decode()
    assert "changed meanwhile" in page
    assert order.holds.filter(released_at=None).count() == 2
    assert not UndoableAction.objects.filter(order=order).exists()

    order = Order.objects.get(pk=order.pk)
    release |= {f"version-{order.pk}": str(order.version)}
    assert (
        "One order is released."
        in clerk.post(reverse("admin:orders_order_review"), release, follow=True).content.decode()
    )
    assert order.events.filter(kind="marked").count() == marked


def test_what_was_typed_is_said_once_more_where_somebody_was_faster_and_nothing_of_it_is_kept(shop, clerk, second):
    order = held(shop)
    text = keep(clerk, order, warehouse=second.code, memo="x" * 501)
    assert f"You had typed: {second.code}, xxx" in text
    assert not OrderTerms.objects.filter(order=order, warehouse__isnull=False).exists()
    marking.mark(order.pk, seller_memo="theirs", actor=steps.STAFF)
    assert "You had typed: mine." in keep(clerk, order, memo="mine")


def test_changed_and_released_at_once(shop):
    clerk = client_of("view_order", "mark_order", "hold_order")
    order = held(shop)
    sent = row(order, memo="mine") | {"release": "1", "ticked": str(order.pk)}
    assert (
        "One order is released." in clerk.post(reverse("admin:orders_order_review"), sent, follow=True).content.decode()
    )
    assert OrderTerms.objects.get(order=order).seller_memo == "mine"
