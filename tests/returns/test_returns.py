"""Returns from the request to the money: goods and money each on their own track."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from oms.common.errors import ChangedMeanwhile, OmsError, WrongFields
from orders.actors import Actor
from orders.models import ActorKind, ReturnFinding, ReturnReason, ReturnRequest, ReturnRule, SubOrder, SubOrderLine
from orders.returning import counting, deadlines, deciding, inspecting, locking, paying, requesting, travelling
from payments.granting import deciding as granting
from payments.granting.deciding import Seen
from payments.models import GrantReason
from payments.returning import granting as paying_back
from tests import factories, steps
from tests.payments.grants import member, refunds, send_back
from tests.payments.test_promotions_lost import promotion
from tests.returns.world import BUYER, arrived, ask, came, found, install, line_of, many, pay_back, photo, stock_of

pytestmark = pytest.mark.django_db
MERCHANT = Actor(ActorKind.MERCHANT, "key")


@pytest.fixture(autouse=True)
def _media(db: None, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    install()


def fresh(row: ReturnRequest) -> ReturnRequest:
    return ReturnRequest.objects.get(pk=row.pk)


def test_goods_come_back_are_inspected_and_paid_line_by_line(shop):
    """Example 2 of the reference: the dear line goes back, the promotion is lost, 70.00 are refunded."""
    order = arrived(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")])
    line = line_of(order)
    before = stock_of(line)["good"]

    row = ask(order, {1: 1}, BUYER)
    assert (row.state, row.money_state, row.number) == ("requested", "not_due", f"{order.number}-T1")
    assert row.ready_at is not None
    assert row.ready_at - row.created_at < timedelta(hours=48, seconds=5)
    assert steps.broken_invariants() == []

    row = deciding.approve(row.pk, actor=steps.STAFF)
    assert (row.state, row.warehouse_id) == ("awaiting_goods", SubOrder.objects.get(order=order).warehouse_id)
    row = came(row)
    assert (row.state, row.money_state) == ("received", "not_due")
    row = found(row, good=1)
    assert (row.state, row.money_state) == ("inspected", "to_grant")
    assert stock_of(line) == {"good": before + 1}
    assert steps.broken_invariants() == []

    shown = paying_back.preview(row.pk)
    assert (shown.amount, shown.share_paid, shown.kept_cost) == (7000, 8500, 10000)
    assert [(one.code, one.share, one.now) for one in shown.promotions] == [("P1", 1500, 0)]
    assert counting.left_of(line_of(order)) == 0
    grant = pay_back(row, member("customer_service"), seen=Seen(Decimal(70), Decimal(0), Decimal(0)))

    assert (grant.state, grant.return_request_id, grant.granted_amount) == ("approved", row.pk, 70)
    assert (fresh(row).state, fresh(row).money_state) == ("closed", "granted")
    part = line_of(order)
    assert (part.returned_quantity, part.returning_quantity) == (1, 0)
    assert refunds() == [("70.00", "returned", "intended")]
    assert steps.broken_invariants() == []
    told = list(order.events.filter(kind__startswith="return_").values_list("kind", flat=True).order_by("pk"))
    assert told == [
        f"return_{kind}" for kind in ("requested", "approved", "on_its_way", "received", "inspected", "closed")
    ]


def test_each_unit_goes_where_its_condition_says(shop):
    order = many(shop, 6)
    row = came(deciding.approve(ask(order, {1: 6}).pk, actor=steps.STAFF))
    line = line_of(order)
    before = stock_of(line)["good"]

    row = found(row, good=1, defective=1, damaged=1, box_damaged=1, missing=1, wrong=1)

    assert stock_of(line) == {"good": before + 1, "defective": 1, "damaged": 1, "box_damaged": 1}
    assert line_of(order).returning_quantity == 4
    assert steps.tickets() == [("return_differs", "")]
    assert paying_back.preview(row.pk).amount == 4000
    assert steps.broken_invariants() == []
    # What did not come is the buyer's, who may ask again.
    assert ask(order, {1: 2}).number == f"{order.number}-T2"
    with pytest.raises(counting.NotSoMany):
        ask(order, {1: 1})
    assert steps.broken_invariants() == []


def test_a_person_may_pay_for_fewer_units_than_came_and_they_do_not_come_back_twice(shop):
    order = many(shop, 3)
    row = found(came(deciding.approve(ask(order, {1: 2}).pk, actor=steps.STAFF)), good=1, damaged=1)
    line = line_of(order)

    with pytest.raises(OmsError):
        paying_back.preview(row.pk, {line.pk: 3})
    grant = pay_back(row, member("customer_service"), units={line.pk: 1})

    assert grant.granted_amount == 10
    assert (fresh(row).state, line_of(order).returned_quantity, line_of(order).returning_quantity) == ("closed", 1, 1)
    assert counting.left_of(line_of(order)) == 1
    assert steps.broken_invariants() == []


def test_nothing_is_inspected_by_halves_and_more_may_come_than_was_announced(shop):
    order = arrived(shop, "100.00", "60.00", splits=False)
    row = came(deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF))
    first, second = line_of(order, 1).pk, line_of(order, 2).pk

    for wrong in ({}, {first: {"good": 0}}, {first: {"lovely": 1}}, {first: {"good": -1, "damaged": 2}}):
        with pytest.raises(WrongFields):
            inspecting.inspect(row.pk, wrong, actor=steps.STAFF)
    with pytest.raises(counting.NotSoMany):
        inspecting.inspect(row.pk, {first: {"good": 2}}, actor=steps.STAFF)
    assert not ReturnFinding.objects.exists()

    inspecting.inspect(row.pk, {first: {"good": 1}, second: {"good": 1}}, actor=steps.STAFF)
    assert list(row.lines.values_list("announced_quantity", "quantity", "open_quantity")) == [(1, 1, 1), (0, 1, 1)]
    assert paying_back.preview(row.pk).amount == 16000
    assert steps.broken_invariants() == []
    with pytest.raises(locking.NotNow):
        inspecting.inspect(row.pk, {first: {"good": 1}}, actor=steps.STAFF)


def test_more_than_was_delivered_never_comes_back(shop):
    order = many(shop, 2)
    ask(order, {1: 1})
    with pytest.raises(counting.NotSoMany):
        ask(order, {1: 2})
    # Nor by a grant beside it.
    with pytest.raises(OmsError):
        send_back(order, {1: 2}, member("customer_service"))
    assert send_back(order, {1: 1}, member("customer_service")).state == "approved"
    with pytest.raises(counting.NotSoMany):
        ask(order, {1: 1})
    assert steps.broken_invariants() == []
    with pytest.raises(IntegrityError, match="gives_back_what_it_has"), transaction.atomic():
        SubOrderLine.objects.filter(pk=line_of(order).pk).update(returning_quantity=2)


def test_what_was_never_delivered_or_is_of_another_order_cannot_come_back(shop):
    order, other = many(shop, 1), shop.place_order()
    steps.pay(other)
    part = steps.released(other)
    key = SubOrderLine.objects.get(sub_order=part).pk
    for order_id, units, attr in (
        (other.pk, {key: 1}, "lines"),
        (order.pk, {key: 1}, "lines"),
        (order.pk, {}, "lines"),
        (order.pk, {line_of(order).pk: 0}, "lines"),
    ):
        with pytest.raises(OmsError) as refused:
            requesting.request(order_id, requesting.Wanted("return_and_refund", units, "no_reason"), actor=steps.STAFF)
        assert refused.value.attr == attr
    for changes, attr in (
        ({"kind": "refused_at_door"}, "kind"),
        ({"reason": "refused_at_door"}, "reason"),
        ({"reason": "whim"}, "reason"),
        ({"agreed_amount": Decimal(1)}, "agreed_amount"),
        ({"kind": "refund_only", "agreed_amount": Decimal("0.001")}, "agreed_amount"),
        ({"kind": "refund_only", "agreed_amount": Decimal(9999)}, "agreed_amount"),
    ):
        with pytest.raises(OmsError) as refused:
            ask(order, {1: 1}, **changes)
        assert refused.value.attr == attr
    assert not ReturnRequest.objects.exists()


def test_goods_without_a_parcel_are_refused_with_what_to_do_instead(shop, in_english):
    order = many(shop, 1)
    order.sub_orders.update(storage_class="virtual")
    with pytest.raises(OmsError, match="Give their money back by a refund"):
        ask(order, {1: 1})


def test_money_only_keeps_the_goods_with_the_buyer(shop):
    order = many(shop, 3)
    before = stock_of(line_of(order))
    row = deciding.approve(ask(order, {1: 1}, kind="refund_only", reason="missing").pk, actor=steps.STAFF)
    assert (row.state, row.money_state, row.warehouse_id) == ("approved", "to_grant", None)

    # The seller's fault: with its part of 6.00 for freight.
    assert pay_back(row, member("customer_service")).granted_amount == 12
    assert fresh(row).state == "closed"
    assert stock_of(line_of(order)) == before
    assert (line_of(order).returned_quantity, line_of(order).returning_quantity) == (1, 0)
    assert steps.broken_invariants() == []


def test_an_agreed_amount_takes_the_place_of_a_return(shop):
    order = many(shop, 2)
    row = ask(order, {1: 2}, kind="refund_only", reason="missing", agreed_amount=Decimal("3.50"))
    row = deciding.approve(row.pk, actor=steps.STAFF)
    grant = pay_back(row, member("customer_service"))

    assert (grant.kind, grant.granted_amount, fresh(row).state) == ("goodwill", Decimal("3.50"), "closed")
    assert refunds() == [("3.50", "goodwill", "intended")]
    assert counting.left_of(line_of(order)) == 2
    assert steps.broken_invariants() == []


def test_a_second_person_may_be_needed_and_may_decline(shop):
    order = arrived(shop, "900.00", splits=False)
    row = found(came(deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF)), good=1)
    grant = pay_back(row, member("customer_service"))
    assert (grant.state, fresh(row).money_state, fresh(row).state) == ("proposed", "proposed", "inspected")
    assert steps.broken_invariants() == []
    with pytest.raises(locking.NotNow):
        pay_back(row, member("customer_service"))

    lead = member("customer_service_lead")
    granting.decline(grant.pk, reason="too much", actor=Actor(ActorKind.STAFF, lead.username))
    assert fresh(row).money_state == "to_grant"
    grant = pay_back(row, member("customer_service"))
    granting.approve(grant.pk, user=lead, actor=Actor(ActorKind.STAFF, lead.username))
    assert (fresh(row).money_state, fresh(row).state) == ("granted", "closed")
    assert steps.broken_invariants() == []


def test_sellers_fault_gives_the_freight_back_and_the_platform_may_bear_it(shop):
    order = arrived(shop, "30.00", "20.00", splits=False, freight_amount="6.00")
    row = ask(order, {2: 1}, reason="damaged", files=[photo()])
    row = found(came(deciding.approve(row.pk, actor=steps.STAFF)), damaged=1)
    grant = pay_back(row, member("customer_service"))
    assert (grant.granted_amount, grant.bearer) == (Decimal("22.00"), "platform")
    assert steps.broken_invariants() == []


def test_a_repair_moves_neither_money_nor_stock(shop):
    order = many(shop, 1)
    before = stock_of(line_of(order))
    row = deciding.approve(ask(order, {1: 1}, kind="repair", reason="quality", files=[photo()]).pk, actor=steps.STAFF)
    row = found(came(row), defective=1)
    assert (row.state, row.money_state, stock_of(line_of(order))) == ("inspected", "nothing", before)
    assert steps.tickets() == [("repair_to_send", "")]

    row = paying.send_repaired(row.pk, waybill=" sf 9 ", actor=steps.STAFF)
    assert (row.state, row.repaired_waybill, steps.tickets()) == ("closed", "SF9", [])
    assert counting.left_of(line_of(order)) == 1
    assert steps.broken_invariants() == []


def test_the_terms_decide_what_a_buyer_may_ask_for(shop):
    order = many(shop, 1)
    with pytest.raises(requesting.OutsideTerms) as refused:
        ask(order, {1: 1}, BUYER, reason="quality")
    assert refused.value.attr == "photos"
    with pytest.raises(OmsError) as no_photo:
        ask(order, {1: 1}, BUYER, reason="quality", files=[_no_photo()])
    assert no_photo.value.attr == "photos"
    with pytest.raises(requesting.OutsideTerms):
        ask(order, {1: 1}, BUYER, kind="refund_only")

    order.sub_orders.update(delivered_at=timezone.now() - timedelta(days=3))
    with pytest.raises(requesting.OutsideTerms):
        ask(order, {1: 1}, BUYER, reason="quality", files=[photo()])
    ReturnRule.objects.create(merchant=shop.merchant, accepts_no_reason=False)
    with pytest.raises(requesting.OutsideTerms):
        ask(order, {1: 1}, BUYER)
    assert not ReturnRequest.objects.exists()

    row = ask(order, {1: 1}, MERCHANT)
    assert (row.outside_terms, row.state) == (["not_taken"], "requested")


def _no_photo():  # type: ignore[no-untyped-def]
    file = photo("letter.png")
    file.seek(0)
    file.write(b"nothing ")
    file.seek(0)
    return file


def test_the_merchants_own_rule_and_the_longest_category_count_first(shop):
    sku = shop.sku
    sku.category = "食品/生鲜"
    sku.save()
    house = factories.WarehouseFactory(merchant=shop.merchant)
    ReturnRule.objects.create(category="食品", accepts_no_reason=False)
    ReturnRule.objects.create(merchant=shop.merchant, days=3)
    ReturnRule.objects.create(
        merchant=shop.merchant, category="食品/生", approves_at_once=True, warehouse=house, pays_on="handed_over"
    )
    row = ask(many(shop, 1), {1: 1}, BUYER)
    assert (row.state, row.warehouse_id, row.decided_by) == ("awaiting_goods", house.pk, "returns")

    row = travelling.hand_over(row.pk, carrier="", waybill="yt 77", actor=BUYER)
    assert (row.state, row.money_state, row.waybill_number) == ("in_transit", "to_grant", "YT77")
    pay_back(row, member("customer_service"))
    assert (fresh(row).state, fresh(row).money_state) == ("in_transit", "granted")
    row = found(travelling.receive(row.pk, actor=steps.STAFF), missing=1)
    assert (row.state, steps.tickets()) == ("closed", [("return_differs", "paid")])
    assert steps.broken_invariants() == []


def test_deadlines_pass_one_after_the_other(shop):
    one, other = ask(many(shop, 1), {1: 1}), ask(many(shop, 1), {1: 1}, reason="quality")
    assert deadlines.run(100) == 0
    steps.once(deadlines.run)
    assert fresh(one).state == "awaiting_goods"
    # Without the photo nobody approves it by himself.
    assert (fresh(other).state, steps.tickets()) == ("requested", [("return_to_decide", "")])

    steps.once(deadlines.run)
    assert (fresh(one).state, counting.left_of(line_of(one.order))) == ("expired", 1)
    assert steps.broken_invariants() == []

    # It comes all the same.
    row = travelling.receive(one.pk, actor=steps.STAFF)
    assert (row.state, row.money_state, counting.left_of(line_of(one.order))) == ("received", "not_due", 0)
    steps.once(deadlines.run)
    assert steps.tickets() == [("return_to_decide", ""), ("return_to_inspect", "")]
    assert steps.once(deadlines.run) == 0
    found(row, good=1)
    assert steps.tickets() == [("return_to_decide", "")]
    assert steps.broken_invariants() == []


def test_what_came_late_is_not_taken_where_its_units_went_back_otherwise(shop):
    order = many(shop, 1)
    row = ask(order, {1: 1})
    deciding.cancel(row.pk, reason="changed her mind", actor=BUYER)
    ask(order, {1: 1})
    with pytest.raises(counting.NotSoMany):
        travelling.receive(row.pk, actor=steps.STAFF)
    assert (fresh(row).state, steps.broken_invariants()) == ("cancelled", [])


def test_a_decline_can_be_taken_to_the_platform(shop):
    order = many(shop, 1)
    row = deciding.decline(ask(order, {1: 1}, BUYER).pk, reason="worn", actor=MERCHANT)
    assert (row.state, row.end_reason, counting.left_of(line_of(order))) == ("declined", "worn", 1)
    row = deciding.escalate(row.pk, reason="never worn", actor=BUYER)
    assert steps.tickets() == [("return_to_decide", "escalated")]
    with pytest.raises(locking.NotNow):
        deciding.approve(row.pk, actor=MERCHANT)
    row = deciding.approve(row.pk, actor=steps.STAFF)
    assert (row.state, row.ended_at, steps.tickets()) == ("awaiting_goods", None, [])
    assert counting.left_of(line_of(order)) == 0
    assert steps.broken_invariants() == []


def test_who_looked_at_an_older_version_is_told(shop):
    row = ask(many(shop, 1), {1: 1})
    assert deciding.approve(row.pk, actor=steps.STAFF, version=row.version).version == row.version + 1
    for do in (
        lambda: deciding.cancel(row.pk, reason="x", actor=steps.STAFF, version=row.version),
        lambda: travelling.hand_over(row.pk, carrier="", waybill="1", actor=steps.STAFF, version=row.version),
    ):
        with pytest.raises(ChangedMeanwhile):
            do()


def test_goods_go_only_where_such_goods_are_kept(shop):
    row = ask(many(shop, 1), {1: 1})
    stranger = factories.WarehouseFactory()
    with pytest.raises(OmsError) as refused:
        deciding.approve(row.pk, actor=steps.STAFF, warehouse_id=stranger.pk)
    assert refused.value.attr == "warehouse"
    own = factories.WarehouseFactory(merchant=shop.merchant)
    row = deciding.approve(row.pk, actor=steps.STAFF, warehouse_id=own.pk)
    other = factories.WarehouseFactory(merchant=shop.merchant)
    row = travelling.receive(row.pk, actor=steps.STAFF, warehouse_id=other.pk)
    found(row, good=1)
    assert other.stock.get().on_hand == 1
    assert steps.broken_invariants() == []


def test_what_is_lost_on_its_way_back_is_paid_and_closed(shop):
    row = deciding.approve(ask(many(shop, 1), {1: 1}).pk, actor=steps.STAFF)
    travelling.hand_over(row.pk, carrier="中通", waybill="ZT1", actor=BUYER)
    with pytest.raises(locking.NotNow):
        paying.close_without_goods(row.pk, reason="lost", actor=steps.STAFF)
    with pytest.raises(locking.NotNow):
        deciding.cancel(row.pk, reason="keeps it", actor=BUYER)
    paying.pay_before(row.pk, actor=steps.STAFF)
    pay_back(row, member("customer_service"))
    row = paying.close_without_goods(row.pk, reason="lost", actor=steps.STAFF)
    assert (row.state, row.end_reason) == ("closed", "lost")
    assert steps.broken_invariants() == []


def test_no_money_can_be_given_with_a_reason(shop):
    order = many(shop, 1)
    row = found(came(deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF)), damaged=1)
    row = paying.give_nothing(row.pk, reason="the buyer broke it", actor=steps.STAFF)
    assert (row.state, row.money_state) == ("closed", "nothing")
    assert counting.left_of(line_of(order)) == 0
    assert steps.broken_invariants() == []


def test_a_reason_without_a_reason_of_grants_says_so(shop):
    ReturnReason.objects.filter(code="no_reason").update(grant_reason="gone")
    row = found(came(deciding.approve(ask(many(shop, 1), {1: 1}).pk, actor=steps.STAFF)), good=1)
    with pytest.raises(OmsError) as refused:
        paying_back.preview(row.pk)
    assert refused.value.attr == "reason"
    assert GrantReason.objects.filter(code="gone").count() == 0


def test_a_buyer_who_presses_twice_asks_once(shop):
    order = many(shop, 3)
    row = ask(order, {1: 1}, BUYER)
    assert ask(order, {1: 1}, BUYER) == row
    # Other units are another return, and so are the same ones once the first came to nothing or after a while.
    assert ask(order, {1: 2}, BUYER) != row
    deciding.cancel(row.pk, reason="x", actor=BUYER)
    assert ask(order, {1: 1}, BUYER) != row
    assert ReturnRequest.objects.count() == 3
    assert steps.broken_invariants() == []
