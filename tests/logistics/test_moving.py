"""Moving a sub-order to another warehouse: the table before, the warehouse asked first, and nothing sent twice."""

import pytest
from django.urls import reverse
from django.utils import translation

from inventory.models import StockMovement
from logistics.models import WarehouseOrder
from logistics.warehouses import events, moving_away, releasing, sending
from oms.common.errors import ChangedMeanwhile
from orders import kinds
from orders.fulfilling import allocating, decisions, moving
from orders.fulfilling.moving import CannotMove
from orders.models import OrderEvent, SubOrder
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def far(shop):
    """A second warehouse with the shop's goods, a thousand kilometres away."""
    found = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=104.0)
    factories.StockFactory(sku=shop.sku, warehouse=found, on_hand=50)
    return found


@pytest.fixture
def third(shop):
    """A third one, farther still."""
    found = factories.WarehouseFactory(merchant=shop.merchant, code="THIRD", longitude=90.0)
    factories.StockFactory(sku=shop.sku, warehouse=found, on_hand=50)
    return found


def kinds_told(order):
    return list(OrderEvent.objects.filter(order=order).order_by("id").values_list("kind", flat=True))


def test_the_table_says_what_each_would_make_of_it_and_whom_the_rules_would_choose(shop, far, third):
    empty = factories.WarehouseFactory(merchant=shop.merchant, code="EMPTY", longitude=117.0)
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)

    found = {one.code: one for one in moving.options(SubOrder.objects.get(order=order))}

    assert [(code, one.has, one.is_possible) for code, one in found.items()] == [
        (shop.warehouse.code, 1, False),
        (empty.code, 0, False),
        ("FAR", 1, True),
        ("THIRD", 1, True),
    ]
    assert [code for code, one in found.items() if one.is_chosen] == ["FAR"]
    assert [code for code, one in found.items() if one.is_current] == [shop.warehouse.code]
    words = {code: one.why_not for code, one in found.items()}
    assert words["FAR"] == words[shop.warehouse.code] == ""
    assert words["EMPTY"] != words["THIRD"] != ""
    with translation.override("en"):
        again = {one.code: one.why_not for one in moving.options(SubOrder.objects.get(order=order))}
    assert again["THIRD"] == "has the goods, but is farther"
    assert again["EMPTY"].startswith("short of stock")


def test_what_no_warehouse_has_yet_moves_at_once_to_the_one_that_was_chosen(shop, far, third):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)

    moving_away.move(part.pk, to=third.pk, actor=steps.STAFF)
    factories.run(allocating.run)

    part = steps.fresh(part)
    assert (part.state, part.warehouse, part.wished_warehouse) == ("allocated", third, None)
    assert part.sourcing["rules"] == [0]
    assert shop.sku.stock.get(warehouse=shop.warehouse).reserved == 0
    assert shop.sku.stock.get(warehouse=third).reserved == 2
    assert kinds_told(order)[-2:] == ["moved_away", "allocated"]
    assert steps.broken_invariants() == []


def test_without_a_choice_the_rules_find_another_one_and_never_the_same(shop, far):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)

    moving_away.move(part.pk, actor=steps.STAFF)
    factories.run(allocating.run)

    assert steps.fresh(part).warehouse == far


def test_where_nobody_else_has_it_it_stays_where_it_was(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)

    moving_away.move(part.pk, actor=steps.STAFF)
    factories.run(allocating.run)

    assert (steps.fresh(part).state, steps.fresh(part).warehouse) == ("allocated", shop.warehouse)


def test_a_warehouse_that_has_it_gives_it_up_before_another_one_is_told(shop, far):
    part = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(part, "accepted")

    moving_away.move(part.pk, to=far.pk, actor=steps.STAFF)
    factories.run(allocating.run, releasing.run)

    assert steps.state_of(part) == "accepted"
    assert WarehouseOrder.objects.count() == 1
    steps.tell(steps.work_of(part), "stopped")
    factories.run(events.run, allocating.run, releasing.run)

    part = steps.fresh(part)
    assert (part.state, part.warehouse, part.moving_since) == ("released", far, None)
    assert [(work.warehouse, work.state, work.is_current) for work in WarehouseOrder.objects.order_by("id")] == [
        (shop.warehouse, "cancelled", False),
        (far, "intended", True),
    ]
    assert part.needs_person_since is None
    assert "moved_away" in kinds_told(part.order)
    assert "warehouse_refused" not in kinds_told(part.order)
    assert steps.broken_invariants() == []


def test_a_warehouse_that_does_not_give_it_up_keeps_it(shop, far):
    part = steps.released(shop.place_order(payment_method="cod"))
    moving_away.move(part.pk, to=far.pk, actor=steps.STAFF)

    steps.tell(steps.work_of(part), "not_stopped", text="on the belt")
    factories.run(events.run, allocating.run)

    part = steps.fresh(part)
    assert (part.state, part.warehouse, part.moving_since, part.wished_warehouse) == (
        "released",
        shop.warehouse,
        None,
        None,
    )
    assert kinds_told(part.order)[-1] == "move_refused"
    assert steps.broken_invariants() == []


def test_what_left_meanwhile_is_not_sent_again(shop, far):
    part = steps.released(shop.place_order(payment_method="cod"))
    moving_away.move(part.pk, to=far.pk, actor=steps.STAFF)

    steps.warehouse_says(part, "shipped")
    factories.run(allocating.run, releasing.run)

    assert (steps.state_of(part), WarehouseOrder.objects.count()) == ("shipped", 1)
    assert shop.sku.stock.get(warehouse=far).reserved == 0
    assert steps.broken_invariants() == []


def test_an_order_that_was_never_sent_is_taken_back_without_asking(shop, far):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    factories.run(releasing.run)
    part = SubOrder.objects.get(order=order)

    moving_away.move(part.pk, actor=steps.STAFF)
    factories.run(allocating.run)

    assert (steps.state_of(part), steps.fresh(part).warehouse) == ("allocated", far)
    assert not WarehouseOrder.objects.filter(stop_requested_at__isnull=False).exists()


def test_two_refusals_in_a_row_bring_it_to_the_third_and_only_that_one_sends(shop, far, third):
    part = steps.released(shop.place_order(payment_method="cod"))
    for _ in range(2):
        steps.warehouse_says(part, "refused", text="no room")
        SubOrder.objects.filter(pk=part.pk).update(needs_person_since=None)
        factories.run(allocating.run, releasing.run, sending.run)

    part = steps.fresh(part)
    assert (part.state, part.warehouse) == ("released", third)
    assert part.refused_by == [shop.warehouse.pk, far.pk]
    assert WarehouseOrder.objects.filter(is_current=True).count() == 1
    assert steps.broken_invariants() == []


def test_what_cannot_be_moved_is_refused_and_nothing_changes(shop, far):
    part = steps.released(shop.place_order(payment_method="cod"))
    short = factories.WarehouseFactory(merchant=shop.merchant, code="SHORT")

    with pytest.raises(CannotMove):
        moving_away.move(part.pk, to=short.pk, actor=steps.STAFF)
    with pytest.raises(CannotMove):
        moving_away.move(part.pk, to=shop.warehouse.pk, actor=steps.STAFF)
    moving_away.move(part.pk, to=far.pk, actor=steps.STAFF)
    with pytest.raises(CannotMove):
        moving_away.move(part.pk, to=far.pk, actor=steps.STAFF)
    steps.warehouse_says(part, "packed")
    with pytest.raises(CannotMove):
        moving_away.move(part.pk, actor=steps.STAFF)

    assert steps.fresh(part).warehouse == shop.warehouse
    assert StockMovement.objects.filter(kind="release").count() == 0


def test_staff_see_the_table_and_move_it_by_post_with_the_right(client, shop, far):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)
    address = reverse("admin:logistics_move", args=[part.pk])
    boss = factories.UserFactory(is_superuser=True)
    client.force_login(factories.UserFactory())
    assert client.post(address, {"version": order.version}).status_code == 403
    client.force_login(boss)

    page = client.get(address).content.decode()
    client.post(address, {"version": steps.fresh(order).version, "warehouse": far.pk})
    factories.run(allocating.run)

    assert "FAR" in page
    assert steps.fresh(part).warehouse == far
    assert address in client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()


def test_the_order_page_offers_a_move_only_to_who_may_move(shop, far):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    address = reverse("admin:logistics_move", args=[SubOrder.objects.get(order=order).pk])
    page = reverse("admin:orders_order_change", args=[order.pk])

    assert address in client_of("view_order", "move_suborder").get(page).content.decode()
    seen = client_of("view_order").get(page)
    assert (seen.status_code, address in seen.content.decode()) == (200, False)
    assert "Other warehouse" not in seen.content.decode()


def test_the_same_button_pressed_twice_moves_it_once(shop, far, third):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    part, seen = SubOrder.objects.get(order=order), steps.fresh(order).version
    moving_away.move(part.pk, actor=steps.STAFF, version=seen)
    factories.run(allocating.run)
    there = steps.fresh(part).warehouse

    with pytest.raises(ChangedMeanwhile):
        moving_away.move(part.pk, actor=steps.STAFF, version=seen)
    assert steps.fresh(part).warehouse == there


def test_every_decision_is_kept_with_why_and_shown_beside_the_one_that_counts(client, shop, far, third):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)
    first = part.sourcing
    moving_away.move(part.pk, to=far.pk, actor=steps.STAFF)
    factories.run(allocating.run, releasing.run, sending.run)
    second = steps.fresh(part).sourcing
    steps.warehouse_says(part, "refused", text="no room")
    SubOrder.objects.filter(pk=part.pk).update(needs_person_since=None)
    factories.run(allocating.run)
    part = steps.fresh(part)
    assert part.warehouse == third

    found = decisions.former([part])[part.pk]

    assert [one.warehouse for one in found] == ["FAR", shop.warehouse.code]
    told = OrderEvent.objects.filter(sub_order=part, kind__in=("moved_away", "warehouse_refused")).order_by("id")
    assert [event.data["sourcing"] for event in told] == [first, second]
    (chosen,) = [one for one in found[1].decision.candidates if one.tone == "success"]
    assert chosen.code == shop.warehouse.code
    assert found[0].decision.sentences == ("仓库由人工指定。",)
    client.force_login(factories.UserFactory(is_superuser=True))
    page = client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "此前的选仓依据：FAR" in page or "Sourcing before: FAR, until" in page
    # How we choose is no merchant's business.
    assert all("sourcing" not in kinds.known()[event.kind].public for event in told)


def test_a_page_from_before_its_cut_off_was_missed_moves_nothing(shop, far, third):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    part, seen = SubOrder.objects.get(order=order), steps.fresh(order).version

    moving_away.take_away(part, far.pk, steps.STAFF)
    factories.run(allocating.run)

    with pytest.raises(ChangedMeanwhile):
        moving_away.move(part.pk, to=third.pk, actor=steps.STAFF, version=seen)
    assert steps.fresh(part).warehouse == far
