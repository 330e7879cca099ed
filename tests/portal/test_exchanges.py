"""Exchanges on the merchants' pages: previewed, confirmed as they were shown, by who may, of their own orders."""

from typing import Any

import pytest
from django.test import Client

from orders.models import Exchange, Order, ReturnRequest, ReturnRule
from tests import steps
from tests.portal import world
from tests.portal.test_returns import act, delivered, state_of
from tests.returns import world as returns

pytestmark = pytest.mark.django_db
LIST = "/merchant/orders/returnrequest/"


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself and decides on returns."""
    returns.install()
    ReturnRule.objects.update(approves_at_once=False)
    seller = world.make_seller()
    seller.other_sku.list_price = "35.50"
    seller.other_sku.save()
    return seller


def page_of(order: Order) -> str:
    """The address of the page."""
    return f"{LIST}of/{order.pk}/exchange/"


def post(li: Client, seller: world.Seller, order: Order, do: str, **changed: Any) -> Any:
    """One unit for one of the other SKU."""
    form = {
        f"units_{returns.line_of(order).pk}": "1",
        "sku": seller.other_sku.pk,
        "quantity": "1",
        "reason": "no_reason",
        "version": steps.fresh(order).version,
        "do": do,
    }
    return li.post(page_of(order), {**form, **changed})


def test_an_exchange_is_previewed_and_begun_as_it_was_shown(seller):
    order, li = delivered(seller), world.person_of(seller.merchant)
    assert "Exchange goods" in li.get(f"/merchant/orders/order/{order.pk}/change/").content.decode()
    looked = post(li, seller, order, "look")
    assert (looked.context["preview"].to_pay, looked.context["preview"].back) == (2550, 0)
    assert not ReturnRequest.objects.exists()

    otherwise = post(li, seller, order, "confirm", to_pay="1", back="0")
    stale = post(li, seller, order, "confirm", to_pay="2550", back="0", version="1")
    many = post(li, seller, order, "look", **{f"units_{returns.line_of(order).pk}": "99"})
    nonsense = post(li, seller, order, "confirm", to_pay="x", back="0")
    for answer in (otherwise, stale, many, nonsense):
        assert answer.context["problems"]
    assert not ReturnRequest.objects.exists()

    done = post(li, seller, order, "confirm", to_pay="2550", back="0")
    row = Exchange.objects.select_related("new_order").get()
    assert done["Location"] == f"{LIST}{row.pk}/change/"
    page = li.get(done["Location"]).content.decode()
    assert f"/merchant/orders/order/{row.new_order_id}/change/" in page
    assert 'href="/admin/' not in page
    assert row.new_order is not None
    assert row.new_order.channel == order.channel
    assert state_of(row.return_request)[0] == "awaiting_goods"
    assert steps.broken_invariants() == []


def test_goods_that_others_send_are_asked_for_and_decided_by_them(seller):
    order, li = delivered(seller), world.person_of(seller.merchant)
    other = world.make_seller()
    with steps.without_guards():
        order.sub_orders.update(merchant=other.merchant)
    assert post(li, seller, order, "look").context["preview"]
    answer = post(li, seller, order, "confirm", to_pay="2550", back="0")
    row = ReturnRequest.objects.get()
    assert answer["Location"] == f"{LIST}{row.pk}/change/"
    assert (row.kind, row.state) == ("exchange", "requested")
    assert Exchange.objects.get().new_order is None
    assert "buyer pays" in li.get(f"{LIST}{row.pk}/change/").content.decode()
    # Who sends the goods sees what comes back, and not what it comes to.
    theirs = world.person_of(other.merchant)
    assert "buyer pays" not in theirs.get(f"{LIST}{row.pk}/change/").content.decode()
    act(theirs, row, "approve", warehouse="")
    assert state_of(row)[0] == "awaiting_goods"


@pytest.mark.parametrize("role", ["finance", "read_only"])
def test_only_who_works_on_orders_exchanges(seller, role):
    order = delivered(seller)
    person = world.person_of(seller.merchant, role)
    assert person.get(page_of(order)).status_code == 403
    assert post(person, seller, order, "confirm", to_pay="2550", back="0").status_code == 403
    assert "Exchange goods" not in person.get(f"/merchant/orders/order/{order.pk}/change/").content.decode()
    assert not ReturnRequest.objects.exists()


def test_orders_of_others_are_not_found(seller):
    order = delivered(seller)
    stranger = world.person_of(world.make_seller().merchant)
    assert stranger.get(page_of(order)).status_code == 404
    assert post(stranger, seller, order, "confirm", to_pay="2550", back="0").status_code == 404
    assert not ReturnRequest.objects.exists()
