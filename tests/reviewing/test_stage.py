"""What the review stage makes of rules: holds, rejections, waits; delay, grace and finance by channel."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from oms.common.work import clock
from oms.merchants.models import Channel
from orders.changing.readdressing import Recipient, change_recipient
from orders.models import Hold, Order, ReviewDecision, ReviewList, ReviewListEntry, ReviewRule, ReviewRuleSet
from orders.reviewing import deciding, rehearsing, shipped
from orders.reviewing.holds import CannotRelease, release_hold
from payments.models import Refund
from payments.owing import balancing
from tests import factories, steps
from tests.admin.conftest import client_of

DAY = timedelta(days=1)
pytestmark = pytest.mark.django_db


def cod(shop, *lines, **changes):  # type: ignore[no-untyped-def]
    return shop.place_order(*lines, payment_method="cod", **changes)


def review() -> int:
    """The stage once, over what became ready in this test's transaction."""
    # The time of a transaction stands still.
    Order.objects.filter(ready_at__lte=timezone.now()).update(ready_at=F("created_at") - DAY)
    return deciding.run(10)


def over(name: str, amount: str, **fields: object) -> ReviewRule:
    return factories.review_rule(name, "amount_over", values={"amount": amount}, **fields)


def test_a_rule_that_passes_stops_weaker_ones_and_not_stronger_ones(shop):
    over("pass", "10.00", outcome="pass", priority=5)
    over("weak", "10.00", priority=6)
    strong = over("strong", "1000.00", priority=4)
    small, large = cod(shop), cod(shop, (shop.sku, 1, "2000.00"))

    factories.run(deciding.run)

    assert steps.state_of(small) == "ready_to_split"
    assert [hold.rule_id for hold in Hold.objects.all()] == [strong.pk]
    assert set(ReviewDecision.objects.values_list("order", "outcome")) == {(small.pk, "pass"), (large.pk, "hold")}
    assert steps.broken_invariants() == []


def test_all_holds_of_a_priority_open(shop):
    over("a", "10.00")
    over("b", "20.00")
    order = cod(shop)
    factories.run(deciding.run)
    assert (steps.fresh(order).open_holds, Hold.objects.count()) == (2, 2)


def test_a_rejection_cancels_and_the_money_goes_back(shop):
    shipped.install_default_rules()
    factories.change_review_rules("amount_over", outcome="reject", condition={"is": "has_remark"})
    order = shop.place_order(remark="x")
    steps.pay(order)

    factories.run(deciding.run, balancing.run)

    order = steps.fresh(order)
    assert (order.state, order.cancel_reason) == ("cancelled", "rule:amount_over")
    assert list(Refund.objects.values_list("order", "amount")) == [(order.pk, order.paid_amount)]
    assert not Hold.objects.exists()
    assert steps.broken_invariants() == []


def test_a_rejection_beside_a_hold_as_strong_is_one_more_hold(shop):
    over("hold", "10.00")
    over("reject", "10.00", outcome="reject")
    order = cod(shop)
    factories.run(deciding.run)
    assert (steps.state_of(order), steps.fresh(order).open_holds) == ("in_review", 2)


def test_no_more_are_rejected_at_once_than_may_be_and_the_others_next(shop, monkeypatch):
    monkeypatch.setattr(deciding, "MOST_REJECTED", 2)
    over("reject", "10.00", outcome="reject")
    for _ in range(3):
        cod(shop)
    assert review() == 3
    assert Order.objects.filter(state="cancelled").count() == 2
    assert review() == 1
    assert Order.objects.filter(state="cancelled").count() == 3


def test_an_order_waits_for_an_unpaid_one_and_goes_on_once_that_is_paid(shop):
    shipped.install_default_rules()
    order, sibling = cod(shop), shop.place_order()

    assert review() == 1
    waiting = steps.fresh(order)
    assert (waiting.state, waiting.reviewed_at, waiting.open_holds) == ("in_review", None, 0)
    assert timedelta(seconds=50) < waiting.ready_at - timezone.now() <= timedelta(seconds=60)
    assert review() == 0

    steps.pay(sibling)
    Order.objects.update(ready_at=timezone.now())
    factories.run(deciding.run)
    assert steps.state_of(order) == "ready_to_split"


def test_a_drain_waits_for_nobody(shop):
    shipped.install_default_rules()
    order, _sibling = cod(shop), shop.place_order()
    Channel.objects.update(review_delay_seconds=3600, grace_seconds=3600)
    with clock.skipping_waits():
        factories.run(deciding.run)
    assert steps.state_of(order) == "ready_to_split"


def test_the_review_waits_for_the_delay_of_its_channel(shop, settings):
    settings.REVIEW_DELAY_SECONDS = 600
    Channel.objects.filter(pk=shop.channel.pk).update(review_delay_seconds=60)
    over("all", "1.00")
    order = cod(shop)

    review()
    waiting = steps.fresh(order)
    assert (waiting.reviewed_at, waiting.open_holds) == (None, 0)
    assert timedelta(seconds=55) < waiting.ready_at - waiting.created_at <= timedelta(seconds=60)

    past = timezone.now() - timedelta(seconds=61)
    Order.objects.update(created_at=past, ready_at=past)
    review()
    assert steps.fresh(order).open_holds == 1


def test_the_grace_period_is_that_of_the_channel(shop, settings):
    settings.GRACE_PERIOD_SECONDS = 300
    Channel.objects.filter(pk=shop.channel.pk).update(grace_seconds=0)
    order = cod(shop)
    review()
    assert steps.state_of(order) == "ready_to_split"


def test_finance_reviews_what_the_first_review_let_go_on(shop):
    Channel.objects.filter(pk=shop.channel.pk).update(finance_reviews=True)
    over("large", "1000.00")
    plain, large = cod(shop), cod(shop, (shop.sku, 1, "2000.00"))
    factories.run(deciding.run)
    assert dict(Hold.objects.values_list("order_id", "kind")) == {plain.pk: "finance", large.pk: "rule"}

    release_hold(Hold.objects.get(order=large).pk, note="", actor=steps.STAFF)
    factories.run(deciding.run)
    second = Hold.objects.get(order=large, kind="finance")
    with pytest.raises(CannotRelease):
        release_hold(second.pk, note="", actor=steps.STAFF, has_right={"orders.hold_order"}.__contains__)
    release_hold(second.pk, note="", actor=steps.STAFF, has_right={"orders.review_as_finance"}.__contains__)
    factories.run(deciding.run)
    assert (steps.state_of(large), steps.state_of(plain)) == ("ready_to_split", "in_review")
    assert Hold.objects.filter(order=large).count() == 2
    assert steps.broken_invariants() == []


def test_a_persons_release_sticks_unless_the_figures_are_others(shop):
    factories.review_rule("words", "address_has", values={"words": ["村", "乡"]})
    recipient = shop.body()["recipient"]
    order = cod(shop, recipient={**recipient, "address": "王家村1号"})
    factories.run(deciding.run)
    release_hold(Hold.objects.get().pk, note="seen", actor=steps.STAFF)

    change_recipient(order.pk, Recipient(address="李家村2号"), actor=steps.STAFF)
    assert steps.fresh(order).open_holds == 0
    change_recipient(order.pk, Recipient(address="河东乡3号"), actor=steps.STAFF)
    assert (steps.fresh(order).open_holds, Hold.objects.get().reason) == (1, "乡")
    assert steps.broken_invariants() == []


def test_rules_count_where_and_while_they_are_valid(shop):
    now, day = timezone.now(), timedelta(days=1)
    over("early", "1.00", valid_from=now + day)
    over("late", "1.00", valid_until=now - day)
    over("elsewhere", "1.00", merchants=["nobody"])
    over("other shop", "1.00", channels=[f"{shop.merchant.code}/other"])
    here = over("here", "1.00", channels=[f"{shop.merchant.code}/{shop.channel.code}"], merchants=[shop.merchant.code])
    cod(shop)
    factories.run(deciding.run)
    assert [hold.rule_id for hold in Hold.objects.all()] == [here.pk]


def test_a_rehearsal_tells_what_a_rule_would_change(shop):
    over("pass", "20.00", outcome="pass", priority=1)
    rule = over("new", "10.00", is_active=False)
    small, large = cod(shop, (shop.sku, 1, "5.00")), cod(shop)
    result = rehearsing.rehearse(rule, rehearsing.last_orders(100))
    assert (result.orders, result.by_rule[rule.pk]) == (2, 2)
    assert {one.order_id: (one.before, one.after) for one in result.found} == {
        small.pk: ("", "hold"),
        large.pk: ("pass", "pass"),
    }
    assert not Hold.objects.exists()


def test_a_list_is_filled_from_a_sheet_with_what_is_wrong_row_by_row(shop, boss):
    shipped.install_default_lists()
    deny = ReviewList.objects.get(code="deny")
    rows = ("手机号,类型,原因,来源,到期", "138 0000 1111,,骗单,风控,2027-01-31", "12,,,,", "B7,买家,,,", "B8,什么,,,")
    text = "\n".join((*rows, "B9,买家,,,31/31"))
    address = reverse("admin:orders_reviewlist_import", args=[deny.pk])
    for _ in range(2):
        sheet = SimpleUploadedFile("deny.csv", text.encode())
        page = boss.post(address, {"file": sheet}, follow=True).content.decode()
    assert set(ReviewListEntry.objects.filter(review_list=deny).values_list("kind", "phone", "text", "reason")) == {
        ("phone", "13800001111", "", "骗单"),
        ("buyer", "", "B7", ""),
    }
    for row in (3, 5, 6):
        assert f"Row {row}:" in page
    assert client_of("view_reviewlist").post(address, {"file": sheet}).status_code == 403


def test_a_rule_of_the_page_is_checked_and_kept(shop, boss):
    path = reverse("admin:orders_reviewrule_add")
    draft = ReviewRuleSet.objects.create()
    form = {"rule_set": draft.pk, "name": "大额", "priority": 3, "outcome": "approval", "level": 2, "is_active": "on"}
    faulty = boss.post(path, form | {"condition": '{"all": [{"is": "has_sku", "skus": ["GONE"]}]}'}).content.decode()
    assert "there is no GONE (any more)" in faulty
    boss.post(path, form | {"condition": '{"all": [{"is": "amount_over", "amount": "1,000"}]}'})
    rule = ReviewRule.objects.get()
    assert (rule.condition, rule.level) == ({"all": [{"is": "amount_over", "amount": "1000.00"}]}, 2)
    cod(shop, (shop.sku, 1, "2000.00"))
    shown = boss.post(reverse("admin:orders_reviewrule_try", args=[rule.pk]), {"orders": 100}).content.decode()
    assert "2006.00 &gt; 1000.00" in shown
