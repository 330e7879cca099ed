"""Codes come in, are sold, each once, and are the units of their SKU: nothing else brings any or takes some away."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction

from inventory import adjusting, coded, receiving
from inventory.adjusting import Action, Adjustment
from inventory.models import AdjustmentReason, Stock, StockMovement
from logistics.models import CodeImport, CodeSale, VirtualCode, VirtualDelivery
from logistics.virtual import delivering, revealing, stocking
from logistics.virtual.stocking import NewCode
from oms.common import secrecy
from oms.common.errors import OmsError
from oms.common.models import Ticket
from oms.tasks import expire_stock
from orders.models import OrderEvent, SubOrder
from orders.stock import changes, stocktaking
from orders.stock.changes import Change
from tests import factories, steps
from tests.virtual import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


def test_codes_come_in_once_and_are_the_units_on_hand(shop):
    sku = world.code_sku(shop)
    new = [
        NewCode("AAAA-BBBB-CCCC-0001"),
        NewCode(""),
        NewCode("6222 0001", "pw 1"),
        NewCode("AAAA-BBBB-CCCC-0001"),
        NewCode("x" * 501),
        NewCode("late", valid_until=stocking.today() - timedelta(days=1)),
        NewCode("bell\a"),
    ]

    came = stocking.import_codes(sku, world.place(shop), new, door=CodeImport.Door.PAGE, actor=steps.STAFF)

    assert came.added == 2
    told = {place: (error.attr, error.code) for place, error in came.refused.items()}
    assert told == {
        1: ("code", "required"),
        3: ("code", "named_twice"),
        4: ("code", "too_long"),
        5: ("valid_until", "expired"),
        6: ("code", "invalid"),
    }
    assert (world.units(sku), world.states(sku)) == ((2, 0), {"on_shelf": 2})
    again = world.bring(shop, world.code_sku(shop), ["6222 0001", "new"])
    assert (again.added, {place: error.code for place, error in again.refused.items()}) == (1, {0: "known"})
    booked = StockMovement.objects.filter(stock__sku=sku)
    assert list(booked.values_list("kind", "on_hand_change", "actor")) == [("receipt", 2, "li")]
    batch = CodeImport.objects.filter(stock__sku=sku).get()
    assert (batch.added, batch.refused) == (2, 5)
    code = VirtualCode.objects.get(hint="…0001")
    assert secrecy.unseal(code.content) == "AAAA-BBBB-CCCC-0001"
    assert b"0001" not in bytes(code.content) + bytes(code.fingerprint)
    assert steps.broken_invariants() == []


def test_another_merchant_may_have_the_same_code(shop):
    world.bring(shop, world.code_sku(shop), ["SAME"])
    other = world.code_sku(shop, merchant=factories.MerchantFactory())
    assert world.bring(shop, other, ["SAME"]).added == 1


def test_only_virtual_goods_without_units_begin_to_sell_codes(shop):
    with pytest.raises(stocking.CannotSellCodes, match="virtual and keeps no batches"):
        stocking.begin(shop.sku.pk)
    sku = world.code_sku(shop)
    factories.StockFactory(sku=sku, warehouse=world.place(shop), on_hand=3)
    with pytest.raises(stocking.CannotSellCodes, match="units that are no codes"):
        world.bring(shop, sku, ["A"])


def test_a_code_is_delivered_for_each_unit_those_first_that_expire_first(shop):
    sku = world.code_sku(shop)
    world.bring(shop, sku, ["never"])
    world.bring(shop, sku, ["soon"], valid_until=stocking.today())
    world.bring(shop, sku, ["later"], valid_until=stocking.today() + timedelta(days=9))

    part = world.delivered(shop, sku, 2)

    assert (steps.state_of(part), steps.fresh(part).delivered_at is not None) == ("delivered", True)
    delivery = world.delivery_of(part)
    assert (delivery.kind, delivery.content, delivery.hint) == ("codes", None, "")
    sold = CodeSale.objects.filter(delivery=delivery).order_by("id")
    assert [secrecy.unseal(sale.code.content) for sale in sold] == ["soon", "later"]
    assert (world.units(sku), world.states(sku)) == ((1, 0), {"sold": 2, "on_shelf": 1})
    assert steps.broken_invariants() == []


def test_what_lacks_codes_waits_and_goes_on_when_some_come(shop):
    sku = world.code_sku(shop)
    world.bring(shop, sku, ["one"])
    order = world.bought(shop, (sku, 2, "15.00"))
    world.deliver()
    parts = list(SubOrder.objects.filter(order=order).order_by("id"))
    assert sorted(part.state for part in parts) == ["backordered", "delivered"]

    world.bring(shop, sku, ["two"])
    factories.run(world.allocating.run)
    world.deliver()

    assert {steps.state_of(part) for part in parts} == {"delivered"}
    assert steps.broken_invariants() == []


def test_nothing_but_codes_changes_the_units_of_what_sells_codes(shop):
    sku = world.code_sku(shop)
    world.bring(shop, sku, ["one", "two"])
    row = Stock.objects.get(sku=sku)
    why = Adjustment(1, AdjustmentReason.FOUND)

    with pytest.raises(coded.CountedByCodes, match="are its codes for sale"):
        adjusting.adjust(row.pk, Action.ADD, why, actor="li", version=row.version)
    with pytest.raises(coded.CountedByCodes):
        receiving.receive(row.warehouse_id, sku.pk, 1, actor="li")
    with pytest.raises(coded.CountedByCodes), transaction.atomic():
        stocktaking.count_stock(row.pk, 5, actor=steps.STAFF)
    change = Change(sku.code, row.warehouse.code, on_hand=7)
    (refused,) = changes.change_many(shop.merchant, [change], actor=steps.STAFF, everywhere=True)
    assert isinstance(refused, coded.CountedByCodes)
    # Whoever writes the ledger itself meets the database.
    with pytest.raises(IntegrityError, match="are not its codes for sale"):
        _book_a_unit(row)
    assert world.units(sku) == (2, 0)


@transaction.atomic
def _book_a_unit(row: Stock) -> None:
    StockMovement.objects.create(stock=row, kind="adjustment", on_hand_change=1, actor="li")
    # What a commit does.
    transaction.get_connection().check_constraints()


def test_staff_withdraw_codes_that_are_promised_to_nobody(shop):
    sku = world.code_sku(shop)
    world.bring(shop, sku, ["one", "two", "three"])
    world.bought(shop, (sku, 2, "15.00"))
    ids = list(VirtualCode.objects.values_list("pk", flat=True))
    with pytest.raises(OmsError, match="Say why"):
        stocking.withdraw(ids[:1], reason=" ", actor=steps.STAFF)
    with pytest.raises(OmsError, match="Only 1 codes of"):
        stocking.withdraw(ids[:2], reason="leaked", actor=steps.STAFF)

    assert stocking.withdraw(ids[:1], reason="leaked", actor=steps.STAFF) == 1
    assert stocking.withdraw(ids[:1], reason="leaked", actor=steps.STAFF) == 0

    world.deliver()
    assert (world.units(sku), world.states(sku)) == ((0, 0), {"withdrawn": 1, "sold": 2})
    assert steps.broken_invariants() == []


def test_codes_past_their_day_are_not_sold_and_their_orders_wait(shop):
    sku = world.code_sku(shop)
    world.bring(shop, sku, ["soon"], valid_until=stocking.today())
    part = SubOrder.objects.get(order=world.bought(shop, (sku, 1, "15.00")))
    with time_machine.travel(stocking.timezone.now() + timedelta(days=1)):
        assert steps.once(delivering.run) == 0
        assert (steps.state_of(part), steps.fresh(part).last_error) == (
            "allocated",
            "fewer codes are valid than promised",
        )

        assert expire_stock() == 1
        assert expire_stock() == 0

    assert steps.state_of(part) == "backordered"
    assert (world.units(sku), world.states(sku)) == ((0, 0), {"expired": 1})
    assert steps.broken_invariants() == []


def test_a_ticket_tells_that_few_codes_are_left_until_some_come(shop):
    sku = world.code_sku(shop)
    supply = stocking.begin(sku.pk)
    stocking.change_supply(supply.pk, alert_below=2, instructions="", version=supply.version)
    world.bring(shop, sku, ["one", "two"])
    assert steps.tickets() == []

    world.delivered(shop, sku)

    ticket = Ticket.objects.open().get()
    assert (ticket.kind, ticket.values["left"], ticket.values["line"]) == ("codes_few", 1, 2)
    world.bring(shop, sku, ["three"])
    assert steps.tickets() == []


def test_what_sells_no_codes_still_delivers_one_that_is_made_up_also_beside_codes(shop):
    plain, sku = world.code_sku(shop), world.code_sku(shop)
    factories.StockFactory(sku=plain, warehouse=world.place(shop), on_hand=5)
    world.bring(shop, sku, ["mine"])
    order = world.bought(shop, (sku, 1, "15.00"), (plain, 1, "15.00"))
    world.deliver()

    part = SubOrder.objects.get(order=order)
    contents = revealing.reveal(part.pk, actor=steps.STAFF, reason="the buyer asks")

    assert (contents[0].name, contents[0].things) == (sku.name, [["mine"]])
    assert (contents[1].name, len(contents[1].things)) == ("", 1)
    assert VirtualDelivery.objects.get().kind == "codes"
    assert steps.broken_invariants() == []


def test_staff_see_a_code_with_a_reason_and_the_story_tells_it_without_the_code(shop):
    sku = world.code_sku(shop)
    world.bring(shop, sku, ["SECRET-CODE-OF-18"])
    part = world.delivered(shop, sku)
    with pytest.raises(OmsError, match="Say why you need to see it"):
        revealing.reveal(part.pk, actor=steps.STAFF)
    assert world.states(sku) == {"sold": 1}

    (content,) = revealing.reveal(part.pk, actor=steps.STAFF, reason="it does not work")

    assert content.things == [["SECRET-CODE-OF-18"]]
    told = OrderEvent.objects.get(kind="virtual_revealed")
    assert (told.actor, told.data) == ("li", {"number": part.number, "reason": "it does not work"})
    assert "SECRET" not in str(list(OrderEvent.objects.values("data", "actor")))
    assert (world.states(sku), world.delivery_of(part).revealed_at is not None) == ({"revealed": 1}, True)


def test_what_does_not_hold_of_codes_is_named(shop):
    sku = world.code_sku(shop)
    world.bring(shop, sku, ["one", "two", "three"])
    world.delivered(shop, sku)
    first = CodeSale.objects.get()

    def broken(statement: str) -> set[str]:
        with steps.without_guards(), transaction.atomic(), transaction.get_connection().cursor() as cursor:
            cursor.execute(statement, [first.pk])
            found = {line.split(":")[0] for line in steps.broken_invariants()}
            transaction.set_rollback(True)
        return found

    assert broken("UPDATE inventory_stock SET on_hand = 7 WHERE %s > 0 AND keeps_codes") >= {
        "units_of_codes_are_those_for_sale"
    }
    assert broken("DELETE FROM logistics_codesale WHERE id = %s") == {"codes_are_sold_once"}
    assert broken("UPDATE logistics_codesale SET taken_back_at = now() WHERE id = %s") == {"codes_are_sold_once"}
    twice = "INSERT INTO logistics_codesale (code_id, delivery_id, line_id) SELECT c.id, s.delivery_id, s.line_id"
    other = "FROM logistics_codesale s, logistics_virtualcode c WHERE s.id = %s AND c.state = 'on_shelf' LIMIT 1"
    assert broken(f"{twice} {other}") == {"codes_are_sold_once", "buyers_have_a_code_for_each_unit"}
    assert broken("UPDATE logistics_virtualcode SET content = 'plain' WHERE %s > 0") == {"delivered_codes_are_sealed"}
    assert steps.broken_invariants() == []
