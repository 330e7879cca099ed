"""Merging sub-orders of several orders: who belongs together, one warehouse order, and every order's own story."""

import pytest

from logistics.models import Shipment, WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters.qimen import contents
from oms.merchants.models import Channel
from orders.changing import cancelling, merging, readdressing
from orders.changing.merge_fits import Fit, matches_of
from orders.changing.merging import CannotMerge
from orders.fulfilling import allocating, dividing
from orders.models import OrderEvent, SubOrder
from orders.reviewing import holds
from tests import factories, fakes, steps

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


def allocated(shop, *lines, **changes):
    """An order of the one buyer, whose sub-order waits to be released."""
    order = shop.place_order(*(lines or [(shop.sku, 1, "10.00")]), **changes)
    if order.payment_method == "prepaid":
        steps.pay(order)
    steps.approve_and_split()
    factories.run(allocating.run)
    return SubOrder.objects.get(order=order)


def told(part):
    return list(OrderEvent.objects.filter(order=part.order_id).order_by("id").values_list("kind", flat=True))


def of_work(work):
    return sorted(work.lines.values_list("sub_order_line__sub_order__order_id", flat=True))


def release():
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(releasing.run, sending.run)


def test_two_orders_of_one_buyer_become_one_warehouse_order_and_one_parcel(shop):
    one, other = allocated(shop), allocated(shop, (shop.other_sku, 2, "25.50"))

    merging.merge([one.pk, other.pk], actor=steps.STAFF)
    release()

    work = WarehouseOrder.objects.get()
    assert of_work(work) == [one.order_id, other.order_id]
    assert work.number == f"{one.number}-W1"
    assert {steps.state_of(one), steps.state_of(other)} == {"released"}
    steps.tell(work, "accepted", "packed", "shipped")
    factories.run(events.run)
    assert {steps.state_of(one), steps.state_of(other)} == {"shipped"}
    parcel = Shipment.objects.get()
    assert list(Shipment.objects.of_order(other.order_id)) == [parcel]
    assert "merged" in told(one)
    assert "merged" in told(other)
    event = OrderEvent.objects.get(order=other.order_id, kind="merged")
    assert event.data == {"number": other.number, "others": [one.number]}
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({}, Fit.CERTAIN),
        ({"recipient": {"name": "张 三"}}, Fit.CERTAIN),
        ({"recipient": {"address": "长安街１号"}}, Fit.CERTAIN),
        ({"recipient": {"address": "长安街1号 302室"}}, Fit.SUSPECTED),
        ({"recipient": {"name": "李四"}}, Fit.SUSPECTED),
        ({"buyer": {"id": "somebody-else"}}, Fit.SUSPECTED),
        ({"recipient": {"phone": "13900000009"}}, None),
        ({"payment_method": "cod"}, None),
        ({"delivery_until": "2027-12-01T10:00:00+08:00"}, None),
    ],
)
def test_who_belongs_together_is_said_by_the_key(shop, changes, how):
    base = {
        "recipient": {
            "name": "张三",
            "phone": "13800000001",
            "region_code": "110101",
            "address": "长安街1号",
        },
        "buyer": {"id": "b-1", "name": "张三", "phone": "13800000001"},
    }
    one = allocated(shop, **base)
    own = {key: {**base[key], **value} if key in base else value for key, value in changes.items()}
    other = allocated(shop, **{**base, **own})

    found = matches_of([one.order_id])[one.order_id] if matches_of([one.order_id]) else []

    assert [match.fit for match in found if match.other.sub_order_id == other.pk] == ([how] if how else [])
    if how != Fit.CERTAIN:
        with pytest.raises(CannotMerge):
            merging.merge([one.pk, other.pk], actor=steps.STAFF)
        assert steps.fresh(one).merge_group is None


def test_a_platforms_merge_key_stands_for_a_recipient_that_it_hides(shop):
    hidden = {
        "recipient": {"name": "张**", "phone": "138****0001", "region_code": "110101", "address": "长安街***"},
        "receiver_token": "oaid-1",
    }
    one = allocated(shop, **hidden, merge_key="same")
    other = allocated(shop, **{**hidden, "receiver_token": "oaid-2"}, merge_key="same")
    third = allocated(shop, **{**hidden, "receiver_token": "oaid-3"})

    merging.merge([one.pk, other.pk], actor=steps.STAFF)

    with pytest.raises(CannotMerge, match="hides"):
        merging.merge([one.pk, third.pk], actor=steps.STAFF)


def test_what_is_paid_on_delivery_never_goes_with_what_is_paid(shop):
    one, other = allocated(shop), allocated(shop, payment_method="cod")
    with pytest.raises(CannotMerge, match="in the same way"):
        merging.merge([one.pk, other.pk], actor=steps.STAFF)


def test_a_channel_can_forbid_it_and_shops_of_one_word_may_be_merged(shop):
    second = factories.ChannelFactory(merchant=shop.merchant)
    one, other = allocated(shop), allocated(shop, source=second.code)
    with pytest.raises(CannotMerge, match="recipient"):
        merging.merge([one.pk, other.pk], actor=steps.STAFF)

    Channel.objects.filter(merchant=shop.merchant).update(merges_with="all")
    group = merging.merge([one.pk, other.pk], actor=steps.STAFF)
    assert group.sub_orders.count() == 2
    merging.unmerge(one.pk, actor=steps.STAFF)
    Channel.objects.filter(pk=second.pk).update(may_merge=False)
    with pytest.raises(CannotMerge, match="forbids"):
        merging.merge([one.pk, other.pk], actor=steps.STAFF)


def test_what_goes_together_already_is_not_merged_and_told_again(shop, in_english):
    parts = [allocated(shop).pk for _ in range(2)]
    group = merging.merge(parts, actor=steps.STAFF)

    with pytest.raises(merging.CannotMerge, match="together already"):
        merging.merge(parts[::-1], actor=steps.STAFF)
    assert set(SubOrder.objects.values_list("merge_group", flat=True)) == {group.pk}
    assert OrderEvent.objects.filter(kind="merged").count() == 2


def test_what_is_parted_before_the_release_goes_by_itself_and_so_does_the_last_one(shop):
    one, other = allocated(shop), allocated(shop)
    merging.merge([one.pk, other.pk], actor=steps.STAFF)

    merging.unmerge(other.pk, actor=steps.STAFF)
    release()

    assert [of_work(work) for work in WarehouseOrder.objects.order_by("id")] == [[one.order_id], [other.order_id]]
    assert told(one).count("unmerged") == told(other).count("unmerged") == 1
    with pytest.raises(CannotMerge, match="by itself"):
        merging.unmerge(other.pk, actor=steps.STAFF)


def test_what_is_held_cancelled_or_sent_elsewhere_leaves_the_others(shop):
    parts = [allocated(shop) for _ in range(5)]
    merging.merge([part.pk for part in parts], actor=steps.STAFF)

    holds.hold_order(parts[0].order_id, reason="x", actor=steps.STAFF)
    cancelling.cancel_order(parts[1].order_id, reason="x", actor=steps.STAFF)
    readdressing.change_recipient(
        parts[2].order_id, readdressing.Recipient(address="another street 7"), actor=steps.STAFF
    )

    assert [steps.fresh(part).merge_group_id is not None for part in parts] == [False, False, False, True, True]
    whys = OrderEvent.objects.filter(kind="unmerged").order_by("id").values_list("data__why", flat=True)
    assert list(whys) == ["order_held", "cancelled", "recipient"]
    release()
    assert [of_work(work) for work in WarehouseOrder.objects.order_by("id")] == [
        [parts[2].order_id],
        [parts[3].order_id, parts[4].order_id],
    ]
    assert steps.broken_invariants() == []


def test_nobody_stays_merged_with_nobody_once_the_other_one_left(shop):
    one, other = allocated(shop), allocated(shop)
    merging.merge([one.pk, other.pk], actor=steps.STAFF)

    holds.hold_order(one.order_id, reason="x", actor=steps.STAFF)

    assert not SubOrder.objects.filter(merge_group__isnull=False).exists()
    event = OrderEvent.objects.get(order=other.order_id, kind="unmerged")
    assert event.data["why"] == "left_alone"


def test_the_two_who_are_left_of_three_stay_merged(shop):
    parts = [allocated(shop) for _ in range(3)]
    merging.merge([part.pk for part in parts], actor=steps.STAFF)

    holds.hold_order(parts[0].order_id, reason="x", actor=steps.STAFF)

    assert list(SubOrder.objects.filter(merge_group__isnull=False).order_by("pk")) == parts[1:]


def test_cancelling_one_order_of_a_merge_that_was_never_sent_lets_the_others_go_alone(shop):
    one, other = allocated(shop), allocated(shop)
    merging.merge([one.pk, other.pk], actor=steps.STAFF)
    factories.run(releasing.run)

    cancelling.cancel_order(one.order_id, reason="x", actor=steps.STAFF)
    factories.run(stopping.pass_on, allocating.run)

    assert (steps.state_of(one), steps.state_of(other)) == ("cancelled", "allocated")
    assert steps.state_of(one.order) == "cancelled"
    assert "company_stopped" in told(other)
    assert "warehouse_refused" not in told(other)
    release()
    assert of_work(WarehouseOrder.objects.latest("id")) == [other.order_id]
    assert steps.broken_invariants() == []


def test_after_it_was_sent_the_warehouse_is_asked_and_the_others_are_sent_anew(shop):
    one, other = allocated(shop), allocated(shop)
    merging.merge([one.pk, other.pk], actor=steps.STAFF)
    release()
    work = WarehouseOrder.objects.get()

    cancelling.cancel_order(one.order_id, reason="x", actor=steps.STAFF)
    factories.run(stopping.pass_on)
    assert (steps.state_of(one), steps.state_of(other)) == ("released", "released")
    steps.tell(work, "stopped")
    factories.run(events.run, allocating.run)
    release()

    assert (steps.state_of(one), steps.state_of(other)) == ("cancelled", "released")
    assert of_work(WarehouseOrder.objects.latest("id")) == [other.order_id]
    assert "company_stopped" in told(other)
    assert steps.broken_invariants() == []


def test_where_the_warehouse_does_not_stop_it_both_go_on(shop):
    one, other = allocated(shop), allocated(shop)
    merging.merge([one.pk, other.pk], actor=steps.STAFF)
    release()
    cancelling.cancel_order(one.order_id, reason="x", actor=steps.STAFF)
    factories.run(stopping.pass_on)

    steps.tell(WarehouseOrder.objects.get(), "not_stopped")
    factories.run(events.run)

    assert (steps.state_of(one), steps.state_of(other)) == ("released", "released")
    assert one.order.events.filter(kind="cancel_not_granted").exists()
    assert steps.broken_invariants() == []


def test_a_refusal_takes_all_of_them_away_and_each_is_sourced_by_itself(shop):
    one, other = allocated(shop), allocated(shop)
    merging.merge([one.pk, other.pk], actor=steps.STAFF)
    release()

    steps.tell(WarehouseOrder.objects.get(), "refused", text="closed")
    factories.run(events.run)

    assert [steps.fresh(part).merge_group_id for part in (one, other)] == [None, None]
    assert [steps.fresh(part).refused_by for part in (one, other)] == [[shop.warehouse.pk]] * 2
    assert steps.broken_invariants() == []


def test_a_qimen_warehouse_is_told_the_money_and_the_remarks_of_all_of_them(shop):
    one, other = allocated(shop, remark="ring twice"), allocated(shop, (shop.other_sku, 1, "25.50"), remark="no call")
    merging.merge([one.pk, other.pk], actor=steps.STAFF)
    release()
    number = WarehouseOrder.objects.get().number

    told = contents.orders([number])[number]

    assert (told.payable, told.to_collect) == (one.payable_amount + other.payable_amount, 0)
    assert sorted(told.remark.split(" / ")) == ["no call", "ring twice"]
    assert len(told.lines) == 2


def test_channels_that_say_so_merge_by_themselves_after_waiting(shop):
    Channel.objects.filter(merchant=shop.merchant).update(merges_automatically=True, merge_wait_minutes=10)
    one, other = allocated(shop), allocated(shop)
    assert releasing.run(10) == 2
    assert [steps.state_of(part) for part in (one, other)] == ["allocated", "allocated"]
    assert steps.fresh(one).ready_at > steps.fresh(one).order.created_at
    assert releasing.run(10) == 0

    steps.once(releasing.run)

    work = WarehouseOrder.objects.get()
    assert of_work(work) == [one.order_id, other.order_id]
    group = steps.fresh(one).merge_group
    assert group.is_automatic
    assert group.opened_by == "merge"
    assert steps.broken_invariants() == []


def test_what_a_person_parted_is_not_merged_again_by_itself(shop):
    Channel.objects.filter(merchant=shop.merchant).update(merges_automatically=True)
    one, other = allocated(shop, (shop.sku, 2, "10.00")), allocated(shop)
    merging.merge([one.pk, other.pk], actor=steps.STAFF)
    merging.unmerge(one.pk, actor=steps.STAFF)
    third = dividing.divide(one.pk, {one.lines.get().pk: 1}, actor=steps.STAFF)

    steps.once(releasing.run)

    assert WarehouseOrder.objects.count() == 3
    assert {steps.state_of(part) for part in (one, other, third)} == {"released"}


def test_what_is_only_suspected_is_never_merged_by_itself(shop):
    Channel.objects.filter(merchant=shop.merchant).update(merges_automatically=True)
    one, other = allocated(shop), allocated(shop, buyer={"id": "x", "name": "y", "phone": "13800000001"})

    steps.once(releasing.run)

    assert sorted(of_work(work) for work in WarehouseOrder.objects.all()) == [[one.order_id], [other.order_id]]


def test_a_part_that_left_and_a_rest_that_stays_are_those_of_their_orders(shop):
    one, other = allocated(shop, (shop.sku, 3, "10.00")), allocated(shop, (shop.other_sku, 1, "25.50"))
    merging.merge([one.pk, other.pk], actor=steps.STAFF)
    release()
    work = WarehouseOrder.objects.get()

    parcels = [{"waybill": "SF1", "carrier": "SF", "lines": [{"sku": shop.sku.code, "quantity": 2}]}]
    steps.tell(work, "packed")
    steps.tell(work, "shipped", minutes=5, parcels=parcels, is_final=True)
    factories.run(events.run, allocating.run)

    assert steps.broken_invariants() == []
    assert steps.state_of(one) == "shipped"
    assert list(one.order.sub_orders.order_by("id").values_list("total_quantity", flat=True)) == [2, 1]
    assert list(other.order.sub_orders.values_list("total_quantity", flat=True)) == [1]
    assert list(Shipment.objects.of_order(other.order_id).exclude(state="cancelled")) == []
