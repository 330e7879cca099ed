"""Repairs that turn out to be impossible: money by the rules or the same goods anew; shown first, told to the buyer."""

from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import translation

from logistics.buyer import links
from oms.common.errors import ChangedMeanwhile, OmsError, WrongFields
from orders import kinds
from orders.models import Exchange, OrderEvent, ReturnedSerial, ReturnRequest
from orders.returning import counting, deciding, inspecting, locking, paying, travelling
from payments.exchanging.beginning import Agreed
from payments.models import RefundGrant
from payments.returning import unrepairable
from tests import steps
from tests.admin.conftest import boss, client_of  # noqa: F401 - a member of staff
from tests.exchanging import world as exchanging
from tests.payments.grants import member
from tests.payments.test_promotions_lost import promotion
from tests.portal import test_returns as portal
from tests.portal import world as merchants
from tests.returns.test_pages import buyer
from tests.returns.world import arrived, ask, came, found, install, line_of, many, pay_back, photo, sold, stock_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _media(db: None, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    install()


def to_repair(order: Any, units: dict[int, int] | None = None) -> ReturnRequest:
    """An approved repair."""
    row = ask(order, units or {1: 1}, kind="repair", reason="quality", files=[photo()])
    return deciding.approve(row.pk, actor=steps.STAFF)


def instead(row: ReturnRequest, kind: str = "return_and_refund", **more: Any) -> ReturnRequest:
    told = {"reason": "no spare parts", "actor": steps.STAFF, **more}
    return unrepairable.give_up(row.pk, instead=kind, **told)


def test_it_becomes_a_refund_by_the_rules_as_it_was_shown_and_the_goods_go_into_stock(shop):
    """The dear line of 满200减30 comes back: the promotion is lost."""
    order = arrived(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")])
    line = line_of(order)
    before = stock_of(line)
    row = found(came(to_repair(order)), defective=1)
    shown = unrepairable.shown(row)
    assert (shown.refund["amount"], shown.refund_not) == ("70.00", "")
    # What is shown was done and taken back.
    row = steps.fresh(row)
    assert (row.kind, row.money_state, stock_of(line)) == ("repair", "nothing", before)
    assert not OrderEvent.objects.filter(kind="return_not_repaired").exists()

    row = instead(row, version=row.version)
    assert (row.kind, row.state, row.money_state) == ("return_and_refund", "inspected", "to_grant")
    assert stock_of(line) == {**before, "defective": 1}
    assert steps.tickets() == []
    assert steps.broken_invariants() == []
    grant = pay_back(row, member("customer_service"))
    assert (grant.amount, grant.state, steps.fresh(row).state) == (Decimal("70.00"), "approved", "closed")
    assert counting.left_of(line_of(order)) == 0
    with pytest.raises(locking.NotNow):
        paying.send_repaired(row.pk, waybill="SF9", actor=steps.STAFF)
    assert steps.broken_invariants() == []


def test_it_becomes_an_exchange_for_the_same_goods_as_it_was_agreed(shop):
    order = many(shop, 2)
    row = found(came(to_repair(order)), defective=1)
    shown = unrepairable.shown(row).exchange
    assert (shown.to_pay, shown.back, shown.costs) == (0, 0, 1000)
    with pytest.raises(ChangedMeanwhile):
        instead(row, "exchange", agreed=Agreed(100, 0))
    assert (steps.fresh(row).kind, Exchange.objects.count()) == ("repair", 0)

    row = instead(row, "exchange", agreed=Agreed(0, 0))
    assert (row.kind, steps.tickets()) == ("exchange", [])
    new = Exchange.objects.get().new_order
    assert (new.payable_amount, list(new.lines.values_list("sku", "quantity"))) == (10, [(shop.sku.pk, 1)])
    exchanging.run()
    assert steps.fresh(row).state == "closed"
    assert not RefundGrant.objects.exclude(amount=0).exists()
    assert steps.broken_invariants() == []


def test_before_it_is_there_it_goes_on_as_a_return_and_its_stock_and_money_come_with_the_inspection(shop):
    order = many(shop, 2)
    before = stock_of(line_of(order))
    row = to_repair(order)
    row = instead(row)
    assert (row.state, row.money_state) == ("awaiting_goods", "not_due")
    row = found(came(row), good=1)
    assert (row.money_state, stock_of(line_of(order))) == ("to_grant", {**before, "good": before["good"] + 1})
    assert steps.broken_invariants() == []


def test_what_was_inspected_in_part_goes_into_stock_once(shop):
    order = many(shop, 2)
    before = stock_of(line_of(order))
    row = came(to_repair(order, {1: 2}))
    key = row.lines.get().sub_order_line_id
    inspecting.inspect(row.pk, {key: {"defective": 1}}, actor=steps.STAFF, is_final=False)
    row = instead(row)
    assert (row.state, row.money_state, stock_of(line_of(order))) == ("received", "not_due", {**before, "defective": 1})
    inspecting.inspect(row.pk, {key: {"defective": 1}}, actor=steps.STAFF)
    assert stock_of(line_of(order)) == {**before, "defective": 2}
    assert steps.broken_invariants() == []


def test_where_money_is_due_once_a_carrier_has_the_goods_it_is_due(shop):
    row = to_repair(many(shop, 1))
    travelling.hand_over(row.pk, carrier="", waybill="SF5", actor=steps.STAFF)
    ReturnRequest.objects.filter(pk=row.pk).update(pays_on="handed_over")
    assert instead(row).money_state == "to_grant"
    assert steps.broken_invariants() == []


def test_serial_numbers_are_asked_for_then_and_the_unit_may_be_sold_again(shop):
    type(shop.sku).objects.filter(pk=shop.sku.pk).update(wants_serials=True)
    order = sold(shop, 2, "A1", "A2")
    row = came(to_repair(order))
    key = row.lines.get().sub_order_line_id
    inspecting.inspect(row.pk, {key: {"defective": 1}}, actor=steps.STAFF, named={key: ["A1"]})
    assert not ReturnedSerial.objects.exists()
    shown = unrepairable.shown(steps.fresh(row))
    assert [line for line, _position, _name in shown.asks_serials] == [key]
    for wrong in ({}, {key: ["B1"]}):
        with pytest.raises(WrongFields):
            instead(row, named=wrong)
    instead(row, named={key: ["A1"]})
    assert ReturnedSerial.objects.get().serial == "A1"
    assert steps.broken_invariants() == []


def test_what_is_no_repair_is_over_or_was_changed_meanwhile_is_refused_and_changes_nothing(shop):
    order = many(shop, 3)
    other = deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF)
    with pytest.raises(locking.NotNow):
        instead(other)
    row = ask(order, {1: 1}, kind="repair", reason="quality", files=[photo()])
    with pytest.raises(locking.NotNow):
        instead(row)
    row = deciding.approve(row.pk, actor=steps.STAFF)
    for wrong in ({"reason": " "}, {"kind": "refund_only"}, {"kind": "repair"}, {"version": row.version - 1}):
        with pytest.raises(OmsError):
            instead(row, **wrong)
    assert steps.fresh(row).kind == "repair"
    instead(row)
    with pytest.raises(locking.NotNow):
        instead(row)
    done = found(came(to_repair(order)), defective=1)
    paying.send_repaired(done.pk, waybill="SF7", actor=steps.STAFF)
    with pytest.raises(locking.NotNow):
        instead(done)
    assert unrepairable.shown(steps.fresh(done)) is None
    assert steps.broken_invariants() == []


def test_a_repair_of_which_nothing_came_is_over(shop):
    """Nothing is there to be repaired, and nothing to be sent: it does not wait for a waybill for ever."""
    order = many(shop, 1)
    row = found(came(to_repair(order)), missing=1)
    assert (row.state, row.money_state) == ("closed", "nothing")
    assert steps.tickets() == [("return_differs", "")]
    assert counting.left_of(line_of(order)) == 1
    assert steps.broken_invariants() == []


def test_staff_see_what_either_comes_to_confirm_and_the_buyer_reads_why(shop, boss):  # noqa: F811
    order = many(shop, 1, freight_amount="0.00")
    row = found(came(to_repair(order)), defective=1)
    page = reverse("admin:orders_returnrequest_change", args=[row.pk])
    shown = boss.get(page, headers={"accept-language": "zh-hans"}).content.decode()
    for words in ("如果无法维修", "退款：¥10.00", "改为退款", "改为换新"):
        assert words in shown, words
    act = reverse("admin:orders_returnrequest_cannot_repair", args=[row.pk])
    told = {"version": steps.fresh(row).version, "reason": "主板无货", "to_pay": "0", "back": "0"}
    refused = boss.post(act, {**told, "instead": "return_and_refund", "version": 1}, follow=True)
    assert steps.fresh(row).kind == "repair"
    assert "Somebody else changed this meanwhile" in refused.content.decode()
    boss.post(act, {**told, "instead": "return_and_refund"})
    assert (steps.fresh(row).kind, steps.fresh(row).money_state) == ("return_and_refund", "to_grant")
    assert 'id="instead"' not in boss.get(page).content.decode()
    event = OrderEvent.objects.get(kind="return_not_repaired")
    with translation.override("zh-hans"):
        assert kinds.tell(event) == f"售后单 {row.number} 的商品无法维修（主板无货），改为退款。"
    read = buyer(order).get(links.path_of(order), headers={"accept-language": "zh-hans"}).content.decode()
    assert f"售后单 {row.number} 的商品无法维修（主板无货），改为退款。" in read
    assert steps.broken_invariants() == []


def test_its_page_and_address_are_for_those_who_work_on_returns(shop):
    row = found(came(to_repair(many(shop, 1))), defective=1)
    client = client_of("view_returnrequest", "inspect_return")
    page = client.get(reverse("admin:orders_returnrequest_change", args=[row.pk]))
    assert 'id="instead"' not in page.content.decode()
    act = reverse("admin:orders_returnrequest_cannot_repair", args=[row.pk])
    told = {"version": row.version, "reason": "x", "instead": "return_and_refund"}
    assert client.post(act, told).status_code == 403
    assert steps.fresh(row).kind == "repair"


def test_the_merchant_that_has_the_goods_says_so_on_its_pages_and_nobody_else(db):
    portal.ReturnRule.objects.update(approves_at_once=False)
    seller = merchants.make_seller()
    li = merchants.person_of(seller.merchant)
    order = portal.delivered(seller)
    row = to_repair(order)
    portal.act(li, row, "hand-over", carrier="顺丰", waybill="SF900000001")
    portal.act(li, row, "receive")
    line = line_of(order)
    portal.act(li, row, "inspect", **{f"found_{line.pk}_defective": "1"})
    page = li.get(f"{portal.LIST}{row.pk}/change/").content.decode()
    assert "If it cannot be repaired" in page
    stranger = merchants.person_of(merchants.make_seller().merchant)
    told = {"version": steps.fresh(row).version, "reason": "no parts", "instead": "return_and_refund"}
    assert stranger.post(f"{portal.LIST}{row.pk}/cannot-repair/", told).status_code == 404
    portal.act(li, row, "cannot-repair", reason="no parts", instead="return_and_refund")
    assert (steps.fresh(row).kind, steps.fresh(row).money_state) == ("return_and_refund", "to_grant")
    assert steps.broken_invariants() == []


def test_what_cannot_be_had_any_more_is_said_and_money_goes_back_instead(shop, boss):  # noqa: F811
    """The goods are not sold any more: only money is offered."""
    row = found(came(to_repair(many(shop, 1, freight_amount="0.00"))), defective=1)
    type(shop.sku).objects.filter(pk=shop.sku.pk).update(is_active=False)
    shown = unrepairable.shown(row)
    assert (shown.exchange, shown.refund["amount"]) == (None, "10.00")
    assert shop.sku.code in shown.exchange_not
    page = boss.get(reverse("admin:orders_returnrequest_change", args=[row.pk])).content.decode()
    assert 'value="exchange"' not in page
    with pytest.raises(OmsError):
        instead(row, "exchange")
    assert steps.fresh(row).kind == "repair"
    assert steps.broken_invariants() == []
