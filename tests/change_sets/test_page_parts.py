"""Splitting, merging and exchanging on the page on which staff change an order."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from orders.models import ChangeSet, Exchange, Order, ReturnRequest, SubOrder
from orders.reviewing import holds
from tests import steps
from tests.admin.conftest import client_of
from tests.change_sets.test_page import RIGHTS, address, hidden, typed
from tests.merging.test_merging import allocated
from tests.payments.test_promotions_lost import promotion
from tests.returns.world import arrived, install, line_of, many

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody who may change orders, merge and work on returns."""
    return client_of(*RIGHTS, "merge_suborder", "work_return")


def look(clerk: Client, order: Order, **more: Any) -> str:
    return clerk.post(address(order), {**typed(do="look"), **more}).content.decode()


def confirm(clerk: Client, order: Order, **more: Any) -> str:
    """Look, and confirm what was shown."""
    shown = hidden(look(clerk, order, **more))
    done = clerk.post(address(order), {**typed(do="confirm"), **more, **shown}, follow=True)
    return done.content.decode()


def test_units_are_split_off_with_a_lower_price_as_one_change(shop, clerk):
    part = allocated(shop, (shop.sku, 3, "10.00"))
    name = f"split_{part.lines.get().pk}"
    more = {"units_1": "3", name: "1", "adjustment": "-1.00"}

    page = look(clerk, part.order, **more)

    assert f"1 units of {part.number} go as a sub-order of their own" in page
    assert SubOrder.objects.count() == 1
    clerk.post(address(part.order), {**typed(do="save"), **more})
    assert f'name="{name}" value="1"' in clerk.get(address(part.order)).content.decode()
    assert "The order is changed" in confirm(clerk, part.order, **more, set_version=ChangeSet.objects.get().version)
    assert sorted(SubOrder.objects.values_list("total_quantity", flat=True)) == [1, 2]
    assert steps.broken_invariants() == []


def test_a_parcel_of_another_order_is_ticked_and_merged(shop, clerk):
    one, other = allocated(shop, (shop.sku, 2, "10.00")), allocated(shop)
    value = f"{one.number}:{other.number}"
    assert f'name="merge" value="{value}"' in clerk.get(address(one.order)).content.decode()

    page = look(clerk, one.order, merge=value)

    assert f"{one.number} goes in one parcel with {other.number}" in page
    assert steps.fresh(one).merge_group is None
    clerk.post(address(one.order), {**typed(do="save"), "merge": value})
    assert f'value="{value}" checked' in clerk.get(address(one.order)).content.decode()
    confirm(clerk, one.order, merge=value, set_version=ChangeSet.objects.get().version)
    assert steps.fresh(one).merge_group == steps.fresh(other).merge_group is not None
    assert value not in clerk.get(address(one.order)).content.decode()


def test_a_parcel_that_is_held_meanwhile_is_no_longer_merged_and_what_was_typed_stays(shop, clerk):
    one, other = allocated(shop, (shop.sku, 2, "10.00")), allocated(shop)
    value = f"{one.number}:{other.number}"
    shown = hidden(look(clerk, one.order, merge=value))
    holds.hold_order(other.order_id, reason="x", actor=steps.STAFF)

    late = clerk.post(address(one.order), {**typed(do="confirm", reason="mine"), "merge": value, **shown})

    assert "Say what is to be changed" in late.content.decode()
    assert 'value="mine"' in late.content.decode()
    assert steps.fresh(one).merge_group is None


def test_units_of_a_completed_order_are_exchanged_for_dearer_goods(shop, clerk):
    install()
    order = many(shop, 2)
    name = f"exchange_{line_of(order).pk}"
    page = clerk.get(address(order)).content.decode()
    assert f'name="{name}"' in page
    assert 'id="obstacle"' not in page
    goods = {"sku": str(shop.other_sku.pk), "quantity": "1", "price": "", "exchanged": str(shop.other_sku.pk)}
    more = {name: "1", "return_reason": "no_reason", **goods}

    page = look(clerk, order, **more)

    assert "The new goods cost ¥25.50" in page
    assert not ReturnRequest.objects.exists()
    clerk.post(address(order), {**typed(do="save"), **more})
    kept = clerk.get(address(order)).content.decode()
    assert f'name="{name}" value="1"' in kept
    assert f'name="exchanged" value="{shop.other_sku.pk}" checked' in kept
    confirm(clerk, order, **more, set_version=ChangeSet.objects.get().version)
    assert str(Exchange.objects.get().new_amount) == "25.50"
    assert Order.objects.count() == 2
    assert steps.broken_invariants() == []


def test_a_promotion_that_the_exchange_loses_is_said(shop, clerk):
    install()
    order = arrived(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")])
    positions = {f"units_{line.position}": "1" for line in order.lines.all()}
    goods = {"sku": str(shop.other_sku.pk), "quantity": "1", "price": "", "exchanged": str(shop.other_sku.pk)}

    page = look(
        clerk, order, **positions, **goods, return_reason="no_reason", **{f"exchange_{line_of(order, 3).pk}": "1"}
    )

    assert "Promotion lost" in page


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"exchange": "3", "return_reason": "no_reason"}, "can still come back"),
        ({"exchange": "many"}, "Give whole numbers of units"),
        ({"exchange": "1", "return_reason": "of-no-kind"}, "Give one of"),
        ({"goods": True}, "Say which units come back"),
    ],
)
def test_what_is_wrong_is_said_and_kept(shop, clerk, wrong, told):
    install()
    order = many(shop, 2)
    more = {f"exchange_{line_of(order).pk}": wrong.get("exchange", ""), "return_reason": wrong.get("return_reason", "")}
    if wrong.get("goods"):
        more |= {"sku": str(shop.other_sku.pk), "quantity": "1", "price": "", "exchanged": str(shop.other_sku.pk)}

    page = look(clerk, order, **more)

    assert told in page
    assert not ReturnRequest.objects.exists()


def test_without_the_rights_nothing_of_it_is_there_or_done(shop):
    install()
    part, order = allocated(shop, (shop.sku, 3, "10.00")), many(shop, 2)
    clerk = client_of(*RIGHTS)

    page = look(clerk, part.order, **{"units_1": "3", f"split_{part.lines.get().pk}": "1"})
    assert "Say what is to be changed" in page
    assert 'name="split_' not in page
    page = look(clerk, order, **{f"exchange_{line_of(order).pk}": "1"})
    assert 'name="exchange_' not in page
    assert not ReturnRequest.objects.exists()


def test_statements_do_not_grow_with_what_could_be_split_and_merged(shop, clerk, django_assert_max_num_queries):
    one = allocated(shop, (shop.sku, 3, "10.00"))
    clerk.get(address(one.order))
    with CaptureQueriesContext(connection) as few:
        clerk.get(address(one.order))
    for _each in range(3):
        allocated(shop)

    with django_assert_max_num_queries(len(few) + 1):
        clerk.get(address(one.order))
