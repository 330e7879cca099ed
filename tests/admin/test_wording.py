"""What is stored as codes and values is said in the reader's language, whoever's language it was stored in."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import translation

from inventory.models import StockMovement
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Carrier
from oms.common.desk import permission_words
from oms.common.models import InboundFact
from orders.actors import Actor
from orders.changing import cancelling, readdressing
from orders.models import ActorKind, Hold, Order, OrderEvent, ReviewRule, SubOrder
from orders.models.hold import AddressGap
from orders.reviewing import deciding, holds, shipped, words
from payments.providers import defaults
from payments.taking import expiring, noticing
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db

CHINESE = re.compile(r"[一-鿿]")


def page_of(order: Order, language: str) -> str:
    """The order's page."""
    boss = client_of(is_superuser=True, username=f"boss-{factories.UserFactory().pk}")
    address = reverse("admin:orders_order_change", args=[order.pk])
    return boss.get(address, headers={"accept-language": language}).content.decode()


@pytest.mark.parametrize("seeded_in", ["en", "zh-hans"])
def test_the_default_rules_are_called_by_their_kind_in_both_languages(shop, boss, seeded_in):
    with translation.override(seeded_in):
        shipped.install_default_rules()
    rule = ReviewRule.objects.get(code="amount_over")
    order = shop.place_order((shop.sku, 1, "6000.00"), payment_method="cod")
    factories.run(deciding.run)

    hold = Hold.objects.get(order=order, rule=rule)
    for language, called in (("en", "Amount over a limit"), ("zh-hans", "金额超限")):
        with translation.override(language):
            assert str(rule) == called
            assert words.why(hold).startswith(called)
        page = page_of(order, language)
        assert page.count(called) >= 4  # where it is and why, the hold, the timeline: who and what
        assert "amount_over" not in page
        holds_list = reverse("admin:orders_hold_changelist")
        for path in (holds_list, reverse("admin:orders_hold_change", args=[hold.pk]), reverse("admin:index")):
            shown = boss.get(path, headers={"accept-language": language}).content.decode()
            assert called in shown, path
            assert "amount_over" not in shown, path


def test_a_name_that_staff_gave_a_rule_is_shown_as_it_was_typed(shop):
    factories.review_rule("大额订单", "amount_over", values={"amount": "1.00"})
    order = shop.place_order(payment_method="cod")
    factories.run(deciding.run)
    with translation.override("en"):
        assert str(ReviewRule.objects.get()) == "大额订单"
        assert words.why(Hold.objects.get()) == "大额订单: 26.00 > 1.00"
    assert "Held: 大额订单: 26.00 &gt; 1.00" in page_of(order, "en")


def test_what_holds_and_ends_an_order_is_said_in_the_readers_language(shop):
    clerk = Actor(ActorKind.STAFF, "wang")
    with translation.override("zh-hans"):
        asked = steps.released(shop.place_order(payment_method="cod")).order
        cancelling.cancel_order(asked.pk, reason="不要了", actor=clerk)
        ended = shop.place_order()
        holds.hold_order(ended.pk, reason="电话打不通", actor=clerk)
        cancelling.cancel_order(ended.pk, reason="不要了", actor=clerk)
    assert "Cancellation: 不要了" in page_of(asked, "en")
    page = page_of(ended, "en")
    assert "Hold released (电话打不通): The order was cancelled." in page
    assert Hold.objects.get(order=ended).release_note == "order_cancelled"
    assert "order_cancelled" not in page
    assert "订单已取消" in page_of(ended, "zh-hans")


def test_an_order_that_was_not_paid_says_so_in_the_language_asked_for(shop, api):
    order = shop.place_order()
    Order.objects.filter(pk=order.pk).update(pay_by="2026-01-01T00:00Z")
    factories.run(expiring.run)
    stored = Order.objects.get(pk=order.pk)
    assert (stored.state, stored.cancel_reason) == ("cancelled", "not_paid_in_time")
    for language, said in (("en", "Not paid in time."), ("zh-hans", "超时未付款。")):
        answer = api.get(f"/api/v1/orders/{order.number}", HTTP_ACCEPT_LANGUAGE=language).json()
        assert answer["cancel_reason"] == said
        assert answer["timeline"][-1]["data"] == {"reason": said, "cause": ""}
        assert page_of(order, language).count(said) == 2


def test_why_a_warehouse_was_chosen_is_a_table_and_not_json(shop, boss):
    order = factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)
    address = reverse("admin:orders_suborder_change", args=[part.pk])
    page = boss.get(address).content.decode()
    ((code, km, verdict),) = part.sourcing["of"]
    assert verdict == "chosen"
    assert f"<td>{code}</td><td>{km} km</td><td>chosen</td>" in page
    assert "[[" not in page
    assert "<td>选中</td>" in boss.get(address, headers={"accept-language": "zh-hans"}).content.decode()


@pytest.mark.parametrize("page", ["auth_group_add", "auth_user_change"])
def test_rights_are_offered_in_chinese_and_only_of_what_has_pages(boss, page):
    arguments = [] if page.endswith("add") else [factories.UserFactory().pk]
    shown = boss.get(reverse(f"admin:{page}", args=arguments), headers={"accept-language": "zh-hans"}).content.decode()
    offered = re.findall(r"<option value=\"\d+\"[^>]*>([^<]+)</option>", shown)
    rights = [text.strip() for text in offered if " · " in text]
    assert "订单 · 可以取消订单" in rights
    assert "订单 · 可查看" in rights
    assert [text for text in rights if not CHINESE.search(text.partition(" · ")[2])] == []
    assert not [text for text in offered if "access attempt" in text or "session" in text]


def test_every_right_has_words():
    with translation.override("zh-hans"):
        said = {
            right.codename: permission_words.in_words(right).partition(" · ")[2]
            for right in permission_words.with_pages(Permission.objects.all())
        }
    assert len(said) > 100
    assert {code: text for code, text in said.items() if not CHINESE.search(text)} == {}


@pytest.mark.parametrize("seeded_in", ["en", "zh-hans"])
def test_carriers_and_providers_have_names_whatever_language_they_were_made_in(seeded_in):
    with translation.override(seeded_in):
        install_default_carriers()
        defaults.install_default_connections()
    names = list(Carrier.objects.order_by("priority").values_list("name", flat=True))
    assert names == ["顺丰速运", "京东物流", "中通快递"]
    for language, called in (("en", ("Payment provider", "Recorded by hand")), ("zh-hans", ("支付渠道", "人工登记"))):
        with translation.override(language):
            assert (str(defaults.default_connection()), str(defaults.by_hand())) == called


def test_what_an_address_lacks_is_said_in_the_readers_language(shop):
    order = shop.place_order(payment_method="cod")
    Order.objects.filter(pk=order.pk).update(recipient_phone="")
    with translation.override("zh-hans"):
        holds.ask_for_address(
            order.pk,
            gaps=[AddressGap.NO_PHONE, AddressGap.NO_REGION],
            candidates=["110105 北京市朝阳区"],
            actor=steps.STAFF,
        )
    page = page_of(order, "en")
    assert "The address has no phone number, and the carrier needs one." in page
    assert "It may be: 110105 北京市朝阳区" in page
    readdressing.change_recipient(order.pk, readdressing.Recipient(phone="13800002222"), actor=steps.STAFF)
    page = page_of(order, "en")
    assert "The address is whole now." in page
    assert OrderEvent.objects.filter(order=order, kind="hold_released").get().data["note"] == "address_whole"


def test_outcomes_of_messages_are_words(shop, boss: Client):
    order = shop.place_order()
    steps.pay(order)
    steps.notify(f"{order.number}-P1", "12.34")
    factories.run(noticing.run)
    fact = InboundFact.objects.get(outcome="captured_again")
    for path in (
        reverse("admin:common_inboundfact_changelist"),
        reverse("admin:common_inboundfact_change", args=[fact.pk]),
    ):
        shown = boss.get(path).content.decode()
        assert "captured before" in shown
        assert "captured_again" not in shown
        assert f"Captured {order.number}-P1" in shown


def test_the_ledger_of_the_stock_is_in_words(shop, boss: Client):
    order = factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    cancelling.cancel_order(order.pk, reason="x", actor=steps.STAFF)
    shown = boss.get(reverse("admin:inventory_stockmovement_changelist"), headers={"accept-language": "zh-hans"})
    page = shown.content.decode()
    given_back = StockMovement.objects.get(kind="release")
    assert (given_back.actor, given_back.note) == ("li", "cancelled")
    assert ">已取消<" in page
    assert ">选仓并占用库存<" in page
    assert ">allocate<" not in page
    own = boss.get(reverse("admin:inventory_stockmovement_change", args=[given_back.pk])).content.decode()
    assert "cancelled" not in own
