"""Gifts that follow so many days after completion: once, for what the buyer kept, and not twice by two workers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from oms.common.errors import ChangedMeanwhile, OmsError
from orders import isolating
from orders.actors import Actor
from orders.changing import charging, gifts, later_gifts
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, completing, splitting
from orders.models import (
    ActorKind,
    GiftGrant,
    GiftRule,
    Order,
    OrderEvent,
    OrderLink,
    ReturnRequest,
    SubOrder,
    SubOrderLine,
)
from orders.models.gift_rule import GiftStanding
from orders.returning import deciding as decide_return
from orders.reviewing import deciding
from payments.granting import deciding as deciding_grants
from payments.granting import limits
from payments.granting.previewing import Wanted
from payments.models import GrantKind
from tests import factories, steps
from tests.payments.grants import actor, goodwill, member, send_back
from tests.pipeline.test_races import in_thread
from tests.returns import rows as returns
from tests.returns import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def gift(shop):
    found = factories.SkuFactory(merchant=shop.merchant, name="保温杯", list_price=Decimal("29.90"))
    factories.StockFactory(sku=found, warehouse=shop.warehouse, on_hand=5)
    return found


def rule(gift, **fields):
    return GiftRule.objects.create(**{"name": "会员礼", "is_active": True, "gift": gift, "after_days": 7, **fields})


def completed(shop, units=2, *, days_ago=8):
    """An order that was completed so many days ago."""
    order = shop.place_order((shop.sku, units, "10.00"))
    steps.pay(order)
    parcel = steps.shipped(order)
    steps.scan(parcel, "collected", "signed")
    completing.confirm_receipt(parcel.sub_order_id, actor=steps.STAFF)
    GiftGrant.objects.filter(order=order).update(ready_at=F("ready_at") - timedelta(days=days_ago))
    return Order.objects.get(pk=order.pk)


def sent():
    return OrderLink.objects.filter(reason="gift")


def test_it_is_promised_at_the_review_and_follows_as_an_order_of_its_own_once_its_day_has_come(shop, gift, in_english):
    row = rule(gift, per_units=2, most_times=3)
    order = completed(shop, 4, days_ago=6)
    grant = GiftGrant.objects.get()
    assert (grant.order, grant.rule, grant.units, grant.line, grant.standing) == (order, row, 2, None, "promised")
    assert order.lines.count() == 1
    assert grant.ready_at - order.completed_at == timedelta(days=1)  # seven, of which six have passed
    assert (later_gifts.run(10), sent().count()) == (0, 0)
    GiftGrant.objects.update(ready_at=F("ready_at") - timedelta(days=8))

    assert later_gifts.run(10) == 1
    assert later_gifts.run(10) == 0

    link = sent().get()
    assert (link.original, link.kind, link.bearer, link.note) == (order, "reissue", "platform", "会员礼")
    new = link.order
    assert (new.payable_amount, new.recipient_phone, new.region_id) == (0, order.recipient_phone, order.region_id)
    assert list(new.lines.values_list("sku", "quantity")) == [(gift.pk, 2)]
    grant = GiftGrant.objects.get()
    assert (grant.line.order, grant.standing) == (new, GiftStanding.SENT)
    told = {event.kind: event.data for event in OrderEvent.objects.filter(order=order)}
    assert (told["gift_promised"]["days"], told["gift_promised"]["rule"]) == (7, "会员礼")
    assert (told["reissued"]["number"], told["reissued"]["units"]) == (new.number, {gift.code: 2})
    assert OrderEvent.objects.get(order=new, kind="follows").data["number"] == order.number
    factories.run(deciding.run, splitting.run, allocating.run)
    assert (new.sub_orders.get().state, gift.stock.get().reserved) == ("allocated", 2)
    assert GiftGrant.objects.count() == 1  # a rule gives nothing for what follows
    assert steps.broken_invariants() == []


def test_two_may_not_follow_by_one_rule(shop, gift):
    row = rule(gift)
    order = completed(shop)
    with pytest.raises(IntegrityError, match="gift_rule_gives_once_an_order"), transaction.atomic():
        GiftGrant.objects.create(order=order, rule=row, after_days=7, buyer_reference="b", units=1, why={})
    with pytest.raises(IntegrityError, match="gift_grant_is_sent_or_dropped"), transaction.atomic():
        GiftGrant.objects.create(order=order, rule=rule(gift), buyer_reference="b", units=1, why={})


def test_what_was_cancelled_gets_nothing(shop, gift):
    rule(gift)
    order = shop.place_order(payment_method="cod")
    steps.approve_and_split()
    cancel_order(order.pk, reason="x", actor=steps.STAFF)

    factories.run(later_gifts.run)
    assert (GiftGrant.objects.get().dropped, sent().count()) == ("cancelled", 0)
    assert OrderEvent.objects.get(order=order, kind="gift_dropped").data["why"] == "cancelled"
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(("units", "dropped"), [(2, "refunded"), (1, "too_little"), (0, "")])
def test_what_came_back_does_not_count(shop, gift, units, dropped):
    limits.install_defaults()
    rule(gift, min_units=2)
    order = completed(shop)
    if units:
        send_back(order, {1: units}, member("finance"))

    assert later_gifts.run(10) == 1
    assert GiftGrant.objects.get().dropped == dropped
    assert sent().count() == (0 if dropped else 1)
    assert later_gifts.run(10) == 0
    assert steps.broken_invariants() == []


def test_where_all_of_the_money_of_the_goods_went_back_nothing_follows(shop, gift):
    limits.install_defaults()
    rule(gift)
    first, second = completed(shop), completed(shop)
    goodwill(first, "20.00", member("finance"))
    goodwill(second, "19.99", member("finance"))

    assert later_gifts.run(10) == 2
    assert list(GiftGrant.objects.order_by("pk").values_list("dropped", flat=True)) == ["refunded", ""]
    assert sent().get().original == second
    assert steps.broken_invariants() == []


def test_while_a_return_is_open_it_waits_for_its_end(shop, gift):
    rule(gift)
    order = completed(shop)
    back = returns.asked(SubOrder.objects.get(order=order))
    assert later_gifts.run(10) == 0

    ReturnRequest.objects.filter(pk=back.pk).update(
        state="declined", ended_at=timezone.now(), money_state="nothing", ready_at=None
    )
    assert later_gifts.run(10) == 1
    assert sent().count() == 1


def test_where_the_gift_is_gone_its_rule_stops_with_a_ticket_and_it_waits_until_it_is_on_again(shop, gift, in_english):
    row = rule(gift, gift_units=3)
    first, second = completed(shop), completed(shop)

    assert later_gifts.run(10) == 1
    assert sent().get().original == first
    assert later_gifts.run(10) == 0
    row = steps.fresh(row)
    assert (row.is_active, row.stopped_at is not None) == (False, True)
    assert [kind for kind, _reason in steps.tickets()] == ["gift_gone"]
    # The one that was placed has not taken its stock yet: switched on again, the rule finds no more than before.
    gifts.switch(row.pk, on=True)
    assert (later_gifts.run(10), sent().count()) == (0, 1)

    factories.StockFactory(sku=gift, warehouse=factories.WarehouseFactory(merchant=shop.merchant), on_hand=1)
    gifts.switch(row.pk, on=True)
    assert later_gifts.run(10) == 1
    assert set(sent().values_list("original", flat=True)) == {first.pk, second.pk}
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_what_another_worker_sent_after_it_was_found_is_not_sent_again(shop, gift):
    rule(gift)
    order = completed(shop)
    found = [(GiftGrant.objects.get().pk, order.pk)]
    assert later_gifts.run(10) == 1

    assert isolating.work_on(later_gifts.NAME, found, later_gifts._follow) == 0
    assert sent().count() == 1


def test_a_rule_that_is_off_lets_what_it_promised_wait(shop, gift):
    row = rule(gift)
    completed(shop)
    gifts.switch(row.pk, on=False)
    assert later_gifts.run(10) == 0

    gifts.switch(row.pk, on=True)
    assert later_gifts.run(10) == 1


def test_a_promise_counts_for_the_buyers_limit_until_it_is_dropped(shop, gift):
    rule(gift, most_per_buyer=1, within_days=30)
    first = shop.place_order(payment_method="cod")
    steps.approve_and_split()
    shop.place_order(payment_method="cod")
    steps.approve_and_split()
    assert GiftGrant.objects.count() == 1
    cancel_order(first.pk, reason="x", actor=steps.STAFF)
    factories.run(later_gifts.run)
    shop.place_order(payment_method="cod")
    steps.approve_and_split()
    assert GiftGrant.objects.count() == 2


def test_one_that_cannot_be_placed_calls_a_person_and_stops_no_other(shop, gift):
    rule(gift)
    bad, good = completed(shop), completed(shop)
    other = factories.ChannelFactory(merchant=shop.merchant, is_active=False)
    Order.objects.filter(pk=bad.pk).update(channel=other)

    assert later_gifts.run(10) == 1
    assert sent().get().original == good
    bad = Order.objects.get(pk=bad.pk)
    assert bad.needs_person_since is not None
    assert bad.last_error.startswith("later_gifts: ")
    Order.objects.filter(pk=bad.pk).update(channel=good.channel)
    assert later_gifts.run(10) == 1
    assert Order.objects.get(pk=bad.pk).needs_person_since is None


def test_statements_do_not_grow_with_the_gifts(shop, gift, django_assert_max_num_queries):
    factories.StockFactory(sku=gift, warehouse=factories.WarehouseFactory(), on_hand=100)
    rule(gift)
    for _ in range(2):
        completed(shop)
    with django_assert_max_num_queries(500) as few:
        assert later_gifts.run(10) == 2
    for _ in range(6):
        completed(shop)
    with django_assert_max_num_queries(len(few)):
        assert later_gifts.run(10) == 6


def test_the_page_the_log_and_the_api_say_what_becomes_of_it(shop, gift, in_english, admin_client):
    rule(gift)
    order = completed(shop, days_ago=0)
    page = reverse("admin:orders_order_change", args=[order.pk])
    assert "起发出" in admin_client.get(page).content.decode()
    log = reverse("admin:orders_giftgrant_changelist")
    assert order.number in admin_client.get(f"{log}?standing=promised").content.decode()
    assert order.number not in admin_client.get(f"{log}?standing=sent").content.decode()
    seller = factories.client_of(shop.merchant)
    (shown,) = seller.get(f"/api/v1/orders/{order.number}/gifts").json()
    assert (shown["standing"], shown["after_days"], shown["position"], shown["order"]) == ("promised", 7, None, "")
    GiftGrant.objects.update(ready_at=F("ready_at") - timedelta(days=8))
    later_gifts.run(10)

    number = sent().get().order.number
    assert f"{sent().get().order.number}</a> 发出" in admin_client.get(page).content.decode()
    assert number in admin_client.get(f"{log}?standing=sent").content.decode()
    (shown,) = seller.get(f"/api/v1/orders/{order.number}/gifts").json()
    assert (shown["standing"], shown["order"], shown["sku"]) == ("sent", number, gift.code)


def had_by(order):
    """The gift of the order was sent, and is with the buyer; its units there."""
    assert later_gifts.run(10) == 1
    factories.run(deciding.run, splitting.run, allocating.run)
    new = sent().get(original=order).order
    steps.scan(steps.shipped(new), "collected", "signed")
    return new.sub_orders.get().lines.get()


def give_back(order, kept, units=2):
    wanted = Wanted(GrantKind.RETURN, units={1: units}, followed_kept=kept)
    user = member("finance")
    return deciding_grants.propose(order.pk, wanted, reason="no_reason", note="x", actor=actor(user), user=user)


def test_one_that_the_buyer_keeps_though_the_goods_came_back_is_charged_at_what_it_was_stated_to_be_worth(shop, gift):
    limits.install_defaults()
    row = rule(gift, gift_units=2, stated_value=Decimal("4.50"))
    order = completed(shop)
    part = had_by(order)
    # What it counted for when it was promised.
    GiftRule.objects.filter(pk=row.pk).update(stated_value=Decimal("9.99"))

    with pytest.raises(OmsError, match="2"):
        give_back(order, {part.pk: 3})
    with pytest.raises(OmsError, match="0"):
        give_back(order, {SubOrder.objects.get(order=order).lines.get().pk: 1})
    first = give_back(order, {part.pk: 1}, units=1)
    assert (first.amount, first.calculation["gifts_charged"]) == (Decimal("5.50"), "4.50")
    second = give_back(order, {part.pk: 1}, units=1)
    assert (second.amount, second.calculation["gifts_charged"]) == (Decimal("5.50"), "9.00")
    charged = order.charges.filter(cause="gift_kept")
    assert [(one.line_id, one.amount) for one in charged] == [(part.order_line_id, Decimal("4.50"))] * 2
    assert charging.owed(order.pk) == Decimal("15.00")  # with the freight
    assert steps.broken_invariants() == []


def test_a_proposed_grant_that_charges_one_is_approved_as_it_was_shown_and_not_where_it_came_back(shop, gift):
    limits.install_defaults()
    rule(gift, stated_value=Decimal("4.50"))
    order = completed(shop)
    part = had_by(order)
    wanted = Wanted(GrantKind.RETURN, units={1: 2}, followed_kept={part.pk: 1})
    user, seller = member("finance"), Actor(ActorKind.MERCHANT, "shop")
    grant = deciding_grants.propose(order.pk, wanted, reason="no_reason", note="x", actor=seller)
    SubOrderLine.objects.filter(pk=part.pk).update(returned_quantity=1)
    with pytest.raises(ChangedMeanwhile):
        deciding_grants.approve(grant.pk, user=user, actor=actor(user))
    SubOrderLine.objects.filter(pk=part.pk).update(returned_quantity=0)

    grant = deciding_grants.approve(grant.pk, user=user, actor=actor(user))
    assert grant.granted_amount == Decimal("15.50")
    assert steps.broken_invariants() == []


def test_staff_are_asked_for_it_where_goods_come_back_and_see_what_it_takes(shop, gift, in_english, admin_client):
    limits.install_defaults()
    rule(gift, stated_value=Decimal("4.50"))
    order = completed(shop)
    part = had_by(order)
    page = admin_client.get(reverse("admin:payments_grant", args=[order.pk]))
    assert f"followed_{part.pk}" in page.content.decode()
    told = {"reason": "no_reason", "note": "x", "units_1": "2", f"followed_{part.pk}": "1", "preview": "1"}
    shown = admin_client.post(reverse("admin:payments_grant", args=[order.pk]), told)
    assert shown.context["calculation"]["amount"] == "15.50"

    world.install()
    row = world.ask(order, {1: 1})
    row = world.found(world.came(decide_return.approve(row.pk, actor=steps.STAFF)), good=1)
    page = reverse("admin:orders_returnrequest_change", args=[row.pk])
    assert f"kept_{part.pk}" in admin_client.get(page).content.decode()
    shown = admin_client.get(page, {f"kept_{part.pk}": "1"})
    assert shown.context["calculation"]["amount"] == "5.50"
    calculation, version = shown.context["calculation"], shown.context["row"].version
    seen = {key: calculation[key] for key in ("cash", "gift_card", "points")}
    answer = admin_client.post(
        reverse("admin:orders_returnrequest_grant", args=[row.pk]), {**seen, "version": version, f"kept_{part.pk}": "1"}
    )
    assert answer.status_code == 302
    grant = order.grants.get()
    assert (grant.amount, grant.state) == (Decimal("5.50"), "approved")
    assert order.charges.get(cause="gift_kept").amount == Decimal("4.50")


def test_a_merchant_says_by_the_api_which_of_them_the_buyer_keeps(shop, gift, in_english, admin_client):
    """To the preview, asking for money, and asking for the return: whose grant then keeps what they count for."""
    limits.install_defaults()
    world.install()
    rule(gift, gift_units=2, stated_value=Decimal("4.50"))
    order = completed(shop)
    part = had_by(order)
    sender = part.sub_order.order
    seller = factories.client_of(shop.merchant)
    kept = [{"order": sender.number, "position": 1, "quantity": 1}]
    asked = {"order": order.number, "reason": "no_reason", "lines": [{"position": 1, "quantity": 2}]}
    shown = seller.post("/api/v1/refunds/preview", {**asked, "followed_kept": kept}, format="json")
    assert (shown.status_code, shown.json()["amount"], shown.json()["gifts_charged"]) == (200, "15.50", "4.50")
    for wrong in (
        [{"order": sender.number, "position": 2, "quantity": 1}],
        [{"order": order.number, "position": 1, "quantity": 1}],
        [{**kept[0], "quantity": 3}],
    ):
        answer = seller.post("/api/v1/refunds/preview", {**asked, "followed_kept": wrong}, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (409, "followed_kept")

    body = {
        "sub_order": order.sub_orders.get().number,
        "kind": "return_and_refund",
        "reason": "no_reason",
        "lines": [{"position": 1, "quantity": 1}],
        "followed_kept": kept,
    }
    for wrong in ({"followed_kept": [{**kept[0], "quantity": 3}]}, {"kind": "repair"}):
        answer = seller.post("/api/v1/returns", {**body, **wrong}, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (409, "followed_kept"), answer.content
    twice = seller.post("/api/v1/returns", {**body, "followed_kept": kept * 2}, format="json")
    assert (twice.status_code, ReturnRequest.objects.count()) == (400, 0)
    made = seller.post("/api/v1/returns", body, format="json")
    assert (made.status_code, made.json()["followed_kept"]) == (201, kept), made.content
    row = ReturnRequest.objects.get()
    if row.state == "requested":
        decide_return.approve(row.pk, actor=steps.STAFF)
    row = world.found(world.came(row), good=1)
    page = reverse("admin:orders_returnrequest_change", args=[row.pk])
    shown = admin_client.get(page)
    assert shown.context["calculation"]["amount"] == "5.50"
    assert f'name="kept_{part.pk}" value="1"' in shown.content.decode()
    # Whoever grants it may know better.
    assert admin_client.get(page, {f"kept_{part.pk}": "0"}).context["calculation"]["amount"] == "10.00"
    # What came back meanwhile is not kept.
    SubOrderLine.objects.filter(pk=part.pk).update(returned_quantity=2)
    assert admin_client.get(page).context["calculation"]["amount"] == "10.00"
    SubOrderLine.objects.filter(pk=part.pk).update(returned_quantity=0)
    grant = world.pay_back(row, member("customer_service"))
    assert (grant.amount, grant.calculation["gifts_charged"]) == (Decimal("5.50"), "4.50")

    told = {"kind": "return", "reason": "no_reason", "note": "x", "lines": [{"position": 1, "quantity": 1}]}
    money = seller.post(
        f"/api/v1/orders/{order.number}/refund-requests", {**told, "followed_kept": kept}, format="json"
    )
    assert (money.status_code, money.json()["amount"]) == (201, "5.50"), money.content
    assert steps.broken_invariants() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(3))
def test_two_workers_and_a_return_at_once_send_each_once_or_not_at_all(round_):
    shop = factories.make_shop()
    gift = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=gift, warehouse=shop.warehouse, on_hand=3)
    rule(gift)
    orders = [completed(shop) for _ in range(5)]
    limits.install_defaults()
    user = member("finance")
    start = Barrier(3)

    def work():
        start.wait(10)
        return sum(later_gifts.run(2) for _ in range(4))

    def give_back_the_second():
        start.wait(10)
        send_back(orders[1], {1: 2}, user)
        return 0

    with ThreadPoolExecutor(3) as pool:
        done = [in_thread(pool, one) for one in (work, work, give_back_the_second)]
        counts = [one.result(60) for one in done]
    counts.append(later_gifts.run(10))  # what was locked by the other one

    # Three units are there for five: nobody gets two, and who sent everything back at most what was there before.
    dropped = GiftGrant.objects.exclude(dropped="").count()
    assert sum(counts) == 3 + dropped
    assert sent().count() == len(set(sent().values_list("original", flat=True))) == 3
    assert dropped + sent().filter(original=orders[1]).count() <= 1
    assert [kind for kind, _reason in steps.tickets()] == ["gift_gone"]
    assert steps.broken_invariants() == []
