"""Stages without a queue of their own: what waits for them, and since when."""

import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from inventory import hold_plans, holding, purchasing, receiving
from inventory.models import HoldPurpose
from logistics.carriers import sharing
from logistics.models import CarrierAccount, DoorPickUp, Shipment, WaybillShare, WaybillUse
from logistics.virtual import taking_back
from logistics.warehouses import moving_away, stopping
from logistics.warehouses.adapters import Answer
from oms import figures, tasks
from oms.common.models import Connection, InboundFact, Topic
from oms.common.work import clock, facts, heartbeat
from oms.common.work.callbacks import STOCK_REPORT
from oms.merchants.models import Channel, Merchant
from oms.pipeline import PIPELINE, PIPELINE_AND_WEBHOOKS
from orders.changing import askers, undoing
from orders.changing.cancelling import cancel_order
from orders.changing.readdressing import Recipient
from orders.changing.undoing import Click
from orders.fulfilling import completing
from orders.matching import matches
from orders.matching.matches import NewComponent, NewMatch
from orders.models import ChangeSet, DeliveryPromise, GiftRule, Order, PromiseToMake, ReturnRequest, SubOrder
from orders.returning import defaults as return_defaults
from orders.returning import requesting as asking
from orders.reviewing import holds
from payments.models import Invoice
from payments.owing import balancing
from payments.taking import requesting
from tests import factories, fakes, steps
from tests.balances import wallets
from tests.change_sets.helpers import add, ask_for_balance, change
from tests.exchanging.world import wanted as exchanged
from tests.invoicing import world as invoices
from tests.operations.test_probes import sample
from tests.promising.world import populate
from tests.returns import rows as return_rows
from tests.virtual import world as virtual_goods

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("figures_are_read_anew")]


def age(table: str, column: str, seconds: float = 301) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {column} = now() - make_interval(secs => %s) WHERE {column} IS NOT NULL", [seconds]
        )


def leave_a_notice(shop: factories.Shop) -> None:
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", str(order.payable_amount))
    age("common_inboundfact", "ready_at")


def leave_a_warehouse_fact(shop: factories.Shop) -> None:
    steps.tell(steps.work_of(steps.released(shop.place_order(payment_method="cod"))), "accepted")
    age("common_inboundfact", "ready_at")


def leave_a_stock_report(shop: factories.Shop) -> None:
    report = facts.News("1", STOCK_REPORT, shop.warehouse.code, steps.NOON, {"items": []})
    facts.receive(shop.warehouse.connection_id, Topic.STOCK, [report])
    age("common_inboundfact", "ready_at")


def leave_a_scan(shop: factories.Shop) -> None:
    shipment = steps.shipped(shop.place_order(payment_method="cod"))
    steps.carrier_says(shipment, [steps.scan_of(shipment, "collected")])
    age("common_inboundfact", "ready_at")


def leave_an_arrival(shop: factories.Shop) -> None:
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 5, actor="li")
    age("inventory_stock", "wakes_backorders_since")


def leave_a_match(shop: factories.Shop) -> None:
    Channel.objects.filter(pk=shop.channel.pk).update(matches_skus=True)
    unknown = shop.body()
    factories.place({**unknown, "lines": [{**unknown["lines"][0], "sku": "HERS"}]}, shop.merchant)
    matches.put(shop.merchant, NewMatch(shop.channel.code, "HERS", (NewComponent(shop.sku.code),)), actor=steps.STAFF)
    age("orders_skumatch", "wakes_since")


def leave_a_delivery(shop: factories.Shop) -> None:
    order = shop.place_order()
    steps.pay(order)
    steps.scan(steps.shipped(order), "signed")
    age("orders_suborder", "delivered_at", 301 + settings.COMPLETE_AFTER_SECONDS / settings.TIME_SPEED)


def leave_a_gift_to_send(shop: factories.Shop) -> None:
    GiftRule.objects.create(name="x", is_active=True, gift=shop.other_sku, after_days=1)
    order = shop.place_order()
    steps.pay(order)
    parcel = steps.shipped(order)
    steps.scan(parcel, "signed")
    completing.confirm_receipt(parcel.sub_order_id, actor=steps.STAFF)
    factories.run(balancing.run)
    age("orders_giftgrant", "ready_at")


def leave_a_return_to_decide(shop: factories.Shop) -> None:
    order = shop.place_order()
    steps.pay(order)
    parcel = steps.shipped(order)
    steps.scan(parcel, "signed")
    return_rows.asked(SubOrder.objects.get(pk=parcel.sub_order_id))
    age("orders_returnrequest", "ready_at")


def leave_an_exchange_to_look_at(shop: factories.Shop) -> None:
    return_defaults.install_defaults()
    order = shop.place_order()
    steps.pay(order)
    steps.scan(steps.shipped(order), "signed")
    asking.request(order.pk, exchanged(order, {1: 1}), actor=steps.STAFF)
    age("orders_exchange", "due_since")


def leave_a_waybill_to_follow(shop: factories.Shop) -> None:
    order = shop.place_order()
    steps.pay(order)
    parcel = steps.shipped(order)
    steps.scan(parcel, "signed")
    row = return_rows.asked(SubOrder.objects.get(pk=parcel.sub_order_id), state="in_transit", waybill_number="SF1")
    ReturnRequest.objects.filter(pk=row.pk).update(waybill_told_at=timezone.now())
    age("orders_returnrequest", "waybill_told_at")


def leave_a_missed_courier(shop: factories.Shop) -> None:
    order = shop.place_order()
    steps.pay(order)
    parcel = steps.shipped(order)
    steps.scan(parcel, "signed")
    row = return_rows.asked(SubOrder.objects.get(pk=parcel.sub_order_id))
    ReturnRequest.objects.filter(pk=row.pk).update(state="awaiting_goods", waybill_number="SF1", ready_at=None)
    carrier = parcel.carrier
    assert carrier
    now = timezone.now()
    DoorPickUp.objects.create(
        number="U1",
        return_request=row,
        carrier=carrier,
        connection_id=parcel.connection_id or carrier.connection_id,
        since=now - timedelta(hours=9),
        until=now - timedelta(hours=4),
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE logistics_doorpickup SET waybill_number = 'SF1', state = 'booked', ready_at = NULL")
    age("logistics_doorpickup", "until", 3 * 3600 + 301)


def leave_the_books(shop: factories.Shop) -> None:
    cancel_order(shop.place_order().pk, reason="x", actor=steps.STAFF)
    age("orders_order", "owed_changed_since")


def leave_an_unpaid_order(shop: factories.Shop) -> None:
    shop.place_order()
    age("orders_order", "pay_by")


def leave_a_late_parcel(shop: factories.Shop) -> None:
    steps.shipped(shop.place_order(payment_method="cod"))
    age("logistics_shipment", "next_event_due")


def leave_a_silent_refund(shop: factories.Shop) -> None:
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(balancing.run, requesting.refund)
    age("payments_refund", "requested_at", 301 + requesting.REFUND_SILENCE.total_seconds())


def leave_an_unanswered_cancellation(shop: factories.Shop) -> None:
    order = shop.place_order(payment_method="cod")
    steps.released(order)
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda ref: Answer(taken=False, is_later=True))):
        factories.run(stopping.pass_on, stopping.run, balancing.run)
    age("orders_suborder", "cancel_requested_at", 301 + settings.CANCEL_ANSWER_SECONDS / settings.TIME_SPEED)


def leave_an_answer_of_the_sandbox(shop: factories.Shop) -> None:
    shop.place_order()
    factories.run(requesting.intend, requesting.request)
    age("common_sandboxjob", "due_at")


def leave_an_invoice_to_ask_for(shop: factories.Shop) -> None:
    shop.place_order(invoice={"title_type": "personal"})
    age("orders_invoicerequest", "due_since")


def leave_an_invoice_to_mail(shop: factories.Shop) -> None:
    invoice = invoices.written(shop.place_order(), shop.merchant)
    Invoice.objects.filter(pk=invoice.pk).update(mail_due_since=timezone.now(), ready_at=None)
    age("payments_invoice", "mail_due_since")


def leave_a_promise_to_make(shop: factories.Shop) -> None:
    part = SubOrder.objects.get(order=factories.split_order(shop.sku, merchant=shop.merchant))
    PromiseToMake.objects.create(sub_order=part, order=part.order, expected_warehouse=shop.warehouse)
    age("orders_promisetomake", "since")


def leave_an_expired_card(shop: factories.Shop) -> None:
    shop.merchant.kind = Merchant.Kind.SELF_OPERATED
    shop.merchant.save()
    wallets.card(shop.merchant)
    age("payments_balanceaccount", "expires_at")


def leave_an_expired_cart(shop: factories.Shop) -> None:
    goods = hold_plans.Item(1, shop.sku.code, shop.sku.pk, shop.merchant.pk, shop.sku.storage_class, 2)
    new = hold_plans.NewHold(shop.merchant.pk, shop.channel.pk, HoldPurpose.CART, [goods], seconds=60)
    holding.set_aside(new, actor="test")
    age("inventory_stockhold", "created_at", 600)
    age("inventory_stockhold", "expires_at")


def leave_what_waited_too_long(shop: factories.Shop) -> None:
    factories.activate_rules({"on_partial": "cancel", "on_none": "cancel", "cancel_after_hours": 1})
    factories.allocated_order((shop.sku, 101, "1.00"), merchant=shop.merchant)
    age("orders_suborder", "cancel_short_at")


def leave_what_missed_its_cutoff(shop: factories.Shop) -> None:
    populate(shop.warehouse)
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=117.0)
    factories.StockFactory(sku=shop.sku, warehouse=far)
    factories.activate_rules({"on_partial": "allocate", "on_none": "backorder"}, moves_after_cutoff=True)
    factories.allocated_order(shop.sku, merchant=shop.merchant)
    DeliveryPromise.objects.update(promised_by=timezone.now() + timedelta(days=30))
    age("orders_deliverypromise", "cutoff_at", 301 + clock.scaled(moving_away.MISSED_AFTER).total_seconds())


def leave_a_code_to_put_back(shop: factories.Shop) -> None:
    sku = virtual_goods.code_sku(shop)
    virtual_goods.bring(shop, sku, ["A"])
    taking_back.take_back(virtual_goods.delivered(shop, sku).pk, reason="x", actor=steps.STAFF)
    age("logistics_virtualdelivery", "to_settle_since")


def leave_a_silent_recall(shop: factories.Shop) -> None:
    steps.recalled(steps.shipped(shop.place_order(payment_method="cod")))
    age("logistics_recall", "due_at")


def leave_a_purchase_to_announce(shop: factories.Shop) -> None:
    Connection.objects.filter(warehouses=shop.warehouse).update(protocol="qimen")
    purchasing.order(shop.merchant, "PO-1", shop.warehouse, [purchasing.Bought(shop.sku.code, 1)], actor="li")
    age("inventory_purchaseorder", "created_at")


def leave_a_waybill_to_give_back(shop: factories.Shop) -> None:
    """A parcel that will not be, and was never asked for, has a waybill set aside."""
    parcel = steps.dispatched(shop.place_order(payment_method="cod"))
    assert parcel.carrier
    account = CarrierAccount.objects.create(carrier=parcel.carrier, connection=parcel.carrier.connection, name="x")
    day = sharing.today()
    share = WaybillShare.objects.create(
        account=account, merchant=shop.merchant, used_on=day, used_that_day=1, used_in_total=1
    )
    WaybillUse.objects.create(share=share, shipment=parcel, day=day)
    age("logistics_waybilluse", "asked_at")
    Shipment.objects.filter(pk=parcel.pk).update(connection=None)


def leave_a_cancellation_to_do(shop: factories.Shop) -> None:
    """Nobody took it back."""
    order = shop.place_order(payment_method="cod")
    undoing.cancel_later(order.pk, Click(uuid.uuid4(), 1), reason="x", actor=steps.STAFF)
    age("orders_undoableaction", "not_before")


def leave_a_balance_to_ask_for(shop: factories.Shop) -> ChangeSet:
    """A paid order is to be dearer."""
    order = shop.place_order()
    steps.pay(order)
    factories.run(balancing.run)
    row = change(order, add(shop.other_sku))
    age("orders_changeset", "created_at")
    return row


def leave_a_change_that_is_not_paid(shop: factories.Shop) -> None:
    """Its buyer was asked in vain."""
    ask_for_balance(leave_a_balance_to_ask_for(shop))
    age("orders_changeset", "pay_by")


def leave_an_address_that_was_answered(shop: factories.Shop) -> None:
    """The warehouse gave up what was to go elsewhere."""
    order = shop.place_order(payment_method="cod")
    part = steps.released(order)
    askers.ask(order.pk, Recipient(name="李娜"), "x", steps.STAFF)
    factories.run(stopping.pass_on)
    SubOrder.objects.filter(pk=part.pk).update(moving_since=None)
    age("orders_changeset", "created_at")


LEFT_WORK = {
    "new_address": leave_an_address_that_was_answered,
    "request_balance": leave_a_balance_to_ask_for,
    "end_changes": leave_a_change_that_is_not_paid,
    "settle_codes": leave_a_code_to_put_back,
    "announce": leave_a_purchase_to_announce,
    "return_waybills": leave_a_waybill_to_give_back,
    "cancel_short": leave_what_waited_too_long,
    "move_late": leave_what_missed_its_cutoff,
    "free_holds": leave_an_expired_cart,
    "promise": leave_a_promise_to_make,
    "expire_balances": leave_an_expired_card,
    "payment_facts": leave_a_notice,
    "warehouse_facts": leave_a_warehouse_fact,
    "stock_facts": leave_a_stock_report,
    "carrier_facts": leave_a_scan,
    "wake": leave_an_arrival,
    "match": leave_a_match,
    "complete": leave_a_delivery,
    "later_gifts": leave_a_gift_to_send,
    "returns": leave_a_return_to_decide,
    "watch_pick_ups": leave_a_missed_courier,
    "return_parcels": leave_a_waybill_to_follow,
    "owing": leave_the_books,
    "exchanges": leave_an_exchange_to_look_at,
    "expire_unpaid": leave_an_unpaid_order,
    "watch": leave_a_late_parcel,
    "chase_refunds": leave_a_silent_refund,
    "invoice": leave_an_invoice_to_ask_for,
    "mail_invoice": leave_an_invoice_to_mail,
    "do_later": leave_a_cancellation_to_do,
    "chase_cancellations": leave_an_unanswered_cancellation,
    "chase_recalls": leave_a_silent_recall,
    "sandbox": leave_an_answer_of_the_sandbox,
}


def test_every_stage_is_watched() -> None:
    assert {stage.stage for stage in figures.stage_figures()} == {stage.name for stage in PIPELINE_AND_WEBHOOKS}
    assert set(LEFT_WORK) == {stage.name for stage in PIPELINE if stage.queue is None}


@pytest.mark.parametrize("stage", sorted(LEFT_WORK))
def test_a_stage_without_a_queue_that_stands_still_is_named_until_it_has_done_its_work(
    stage: str, shop: factories.Shop
) -> None:
    heartbeat.beat(heartbeat.SWEEP)
    assert Client().get("/health/progress").json()["stages"][stage]["waiting"] == 0
    LEFT_WORK[stage](shop)

    answer = Client().get("/health/progress")

    assert answer.status_code == 503
    assert answer.json()["stuck"] == [stage]
    assert answer.json()["stages"][stage]["waiting"] == 1
    assert 301 <= answer.json()["stages"][stage]["oldest_seconds"] < 330
    assert sample("oms_stage_waiting", stage=stage) == 1
    assert sample("oms_stage_oldest_seconds", stage=stage) > sample("oms_stage_late_seconds", stage=stage)

    tasks.run_stage(stage)

    assert Client().get("/health/progress").json()["stuck"] == []


@pytest.mark.parametrize("stage", ["complete", "later_gifts", "owing", "match"])
def test_what_a_person_must_look_at_does_not_make_its_stage_stuck(stage: str, shop: factories.Shop) -> None:
    heartbeat.beat(heartbeat.SWEEP)
    LEFT_WORK[stage](shop)
    Order.objects.update(needs_person_since="2026-01-01T00:00:00Z")

    answer = Client().get("/health/progress").json()

    assert answer["stuck"] == []
    assert (answer["stages"][stage]["waiting"], answer["stages"][stage]["needing_person"]) == (0, 1)


@pytest.mark.parametrize("stage", ["payment_facts", "warehouse_facts", "carrier_facts", "stock_facts"])
def test_facts_that_a_person_must_look_at_do_not_make_their_stage_stuck(stage: str, shop: factories.Shop) -> None:
    heartbeat.beat(heartbeat.SWEEP)
    LEFT_WORK[stage](shop)
    InboundFact.objects.update(needs_person_since="2026-01-01T00:00:00Z")

    answer = Client().get("/health/progress").json()

    assert answer["stuck"] == []
    figures_of_it = answer["stages"][stage]
    assert (figures_of_it["waiting"], figures_of_it["needing_person"]) == (0, 1)


def test_an_order_that_was_held_is_late_only_from_its_release_on(shop: factories.Shop) -> None:
    heartbeat.beat(heartbeat.SWEEP)
    leave_an_unpaid_order(shop)
    hold = holds.hold_order(Order.objects.get().pk, reason="x", actor=steps.STAFF)
    assert Client().get("/health/progress").json()["stages"]["expire_unpaid"]["waiting"] == 0

    holds.release_hold(hold.pk, actor=steps.STAFF, note="")

    answer = Client().get("/health/progress").json()
    assert answer["stages"]["expire_unpaid"]["waiting"] == 1
    assert answer["stuck"] == []
