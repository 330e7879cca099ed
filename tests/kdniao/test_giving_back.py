"""Waybills that no parcel carries go back to the platform that sold them; others are recognised and counted."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import translation

from inventory.models import Warehouse
from logistics.carriers import balances, cancelling, dispatching, recognising, subscribing, voiding
from logistics.models import (
    AccountSettings,
    Carrier,
    Paper,
    Polling,
    Shipment,
    ShipmentState,
    WaybillBalance,
    WaybillErrand,
)
from logistics.printing import choosing
from logistics.warehouses import events, stopping
from oms.common.errors import OmsError
from oms.common.models import Connection
from oms.common.work.claiming import lease
from oms.simulators.mischief import Trick
from orders.changing.cancelling import cancel_order
from orders.models import OrderEvent, SubOrder
from tests import factories, steps
from tests.kdniao import world
from tests.kdniao.world import HOUR, Platform

pytestmark = pytest.mark.django_db


def accepted(shop: factories.Shop) -> SubOrder:
    """A part whose warehouse wants its waybill and may be stopped still."""
    Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.AT_ACCEPTANCE)
    part = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(part, "accepted")
    factories.run(events.run)
    return part


def packed(shop: factories.Shop) -> SubOrder:
    (part,) = world.packed(shop.place_order(payment_method="cod"))
    return part


def stop(part: SubOrder) -> None:
    """The order is cancelled, and its warehouse stops it."""
    cancel_order(part.order_id, reason="?", actor=steps.STAFF)
    factories.run(stopping.pass_on)
    steps.warehouse_says(part, "stopped")
    factories.run(events.run)


@pytest.mark.parametrize("trick", [None, Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.GARBAGE])
def test_the_waybill_of_a_cancelled_part_is_cancelled_once_even_if_the_answer_is_lost(
    shop: factories.Shop, link: Connection, platform: Platform, trick: Trick | None
) -> None:
    part = accepted(shop)
    factories.run(dispatching.run)
    stop(part)
    shipment = Shipment.objects.get()
    assert shipment.state == ShipmentState.CANCELLED
    if trick:
        platform.peer.mischief.plan(trick)
        steps.once(cancelling.run)
        assert WaybillErrand.objects.get().outcome == ""

    steps.once(cancelling.run)

    errand = WaybillErrand.objects.get()
    assert (errand.kind, errand.waybill, errand.outcome) == ("cancel", shipment.waybill_number, "done")
    (entry,) = platform.peer.book.entries()
    assert entry.cancelled_at is not None
    assert OrderEvent.objects.filter(kind="waybill_cancelled").count() == 1
    assert Polling.objects.get().is_over
    assert steps.once(cancelling.run) == 0
    assert "waybill_not_cancelled" not in dict(steps.tickets())


def desk(*rights: str) -> Client:
    client = Client()
    user = get_user_model().objects.create_user("-".join(["li", *rights]), password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_shipment", *rights]))
    client.force_login(user)
    return client


def void(parcel: Shipment, *rights: str) -> int:
    """A person presses the button on the parcel's page; returns the status of the answer."""
    address = f"/admin/logistics/shipment/{parcel.pk}/void/"
    return int(desk(*rights).post(address, {"reason": "纸卡坏了"}).status_code)


def test_a_person_cancels_a_waybill_and_another_one_is_bought(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    packed(shop)
    factories.run(dispatching.run)
    old = Shipment.objects.get()
    assert choosing.choose(Paper.LABEL, [old.number]).ids == [old.pk]
    assert void(old) == 403
    assert not WaybillErrand.objects.filter(kind="cancel").exists()
    page = desk("void_waybill").get(f"/admin/logistics/shipment/{old.pk}/change/").content.decode()
    assert f"/shipment/{old.pk}/void/" in page

    with translation.override("en"):
        voiding.void(old.pk, "纸卡坏了", actor=steps.STAFF)
        with pytest.raises(OmsError, match="asked to cancel it already"):
            voiding.void(old.pk, "again", actor=steps.STAFF)
    assert steps.state_of(old) == "waybill_issued"
    choice = choosing.choose(Paper.LABEL, [old.number])
    assert (choice.ids, [one.reasons for one in choice.left_out]) == ([], [[choosing.Obstacle.GIVEN_BACK.label]])
    platform.peer.mischief.plan(Trick.DROP_AFTER)
    steps.once(cancelling.run)
    assert (steps.state_of(old), Shipment.objects.count()) == ("waybill_issued", 1)
    factories.run(cancelling.run, dispatching.run)

    new = Shipment.objects.exclude(pk=old.pk).get()
    assert (steps.state_of(old), steps.state_of(new)) == ("cancelled", "waybill_issued")
    assert new.number != old.number
    assert new.waybill_number not in (None, old.waybill_number)
    assert list(new.lines.values_list("sub_order_line", "quantity")) == list(
        old.lines.values_list("sub_order_line", "quantity")
    )
    errand = WaybillErrand.objects.get(kind="cancel")
    assert (errand.asked_by, errand.reason, errand.outcome) == (steps.STAFF.name, "纸卡坏了", "done")
    assert OrderEvent.objects.get(kind="waybill_voided").data["text"] == "纸卡坏了"
    assert [entry.cancelled_at is not None for entry in platform.peer.book.entries()] == [True, False]
    with translation.override("en"), pytest.raises(OmsError, match="no waybill to be cancelled"):
        voiding.void(old.pk, "x", actor=steps.STAFF)
    assert steps.broken_invariants() == []


def test_what_the_carrier_has_already_keeps_its_waybill(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    packed(shop)
    factories.run(dispatching.run)
    parcel = Shipment.objects.get()
    assert void(parcel, "void_waybill") == 302
    platform.peer.turn(4 * HOUR)
    factories.run(cancelling.run)

    assert (steps.state_of(parcel), Shipment.objects.count()) == ("waybill_issued", 1)
    assert "waybill_not_cancelled" in dict(steps.tickets())
    with translation.override("en"), pytest.raises(OmsError, match="does not cancel it: 105"):
        voiding.void(parcel.pk, "x", actor=steps.STAFF)
    assert steps.broken_invariants() == []


def test_a_waybill_is_not_cancelled_of_what_left_or_of_what_its_warehouse_was_told(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = packed(shop)
    factories.run(dispatching.run)
    parcel = Shipment.objects.get()
    Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.AT_RELEASE)
    with translation.override("en"), pytest.raises(OmsError, match="warehouse was told"):
        voiding.void(parcel.pk, "x", actor=steps.STAFF)
    Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.WHEN_PACKED)
    voiding.void(parcel.pk, "x", actor=steps.STAFF)
    steps.warehouse_says(part, "shipped")
    factories.run(events.run)
    with translation.override("en"), pytest.raises(OmsError, match="left already"):
        voiding.void(parcel.pk, "x", actor=steps.STAFF)

    factories.run(cancelling.run)

    assert Shipment.objects.count() == 1
    assert "waybill_voided_too_late" in dict(steps.tickets())
    assert steps.broken_invariants() == []


def test_a_waybill_that_nobody_gives_back_and_a_question_after_the_end_break_invariants(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    stop_of = accepted(shop)
    factories.run(dispatching.run)
    stop(stop_of)
    assert steps.broken_invariants() == []
    WaybillErrand.objects.all().delete()
    followed = Polling.objects.get()
    with steps.without_guards():
        Shipment.objects.filter(pk=followed.shipment_id).update(state="signed")
    Polling.objects.update(is_over=False)
    assert "parcels_at_their_end_are_not_asked_for" in str(steps.broken_invariants())
    with steps.without_guards():
        Shipment.objects.filter(pk=followed.shipment_id).update(state="cancelled")
    assert "waybills_of_nobody_go_back" in str(steps.broken_invariants())


def test_what_the_platform_keeps_is_told_to_a_person_with_its_words(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = accepted(shop)
    factories.run(dispatching.run)
    stop(part)
    platform.peer.turn(4 * HOUR)

    steps.once(cancelling.run)

    errand = WaybillErrand.objects.get()
    assert (errand.outcome, errand.answer) == ("refused", "105 快件已揽收，不能取消")
    assert "waybill_not_cancelled" in dict(steps.tickets())
    assert OrderEvent.objects.get(kind="waybill_not_cancelled").data["text"] == "105 快件已揽收，不能取消"


def test_a_waybill_of_which_nobody_heard_is_cancelled_by_its_number(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = accepted(shop)
    platform.peer.mischief.plan(Trick.DROP_AFTER)
    steps.once(dispatching.run)
    stop(part)

    steps.once(cancelling.run)

    (entry,) = platform.peer.book.entries()
    assert entry.cancelled_at is not None
    errand = WaybillErrand.objects.get()
    assert (errand.waybill, errand.outcome) == ("", "done")


def test_a_lost_order_of_what_left_by_another_waybill_is_cancelled_by_its_number(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = packed(shop)
    platform.peer.mischief.plan(Trick.DROP_AFTER)
    steps.once(dispatching.run)
    steps.warehouse_says(part, "shipped", minutes=5)
    parcel = Shipment.objects.get()
    assert (parcel.left_at is not None, parcel.waybill_number) == (True, None)

    # The warehouse says only later with which waybill it went.
    steps.warehouse_says(part, "shipped", minutes=9, parcels=[{"carrier": "STO", "waybill": "STO0099887766"}])
    factories.run(cancelling.run, dispatching.run)

    parcel = Shipment.objects.get()
    assert (parcel.waybill_number, parcel.connection) == ("STO0099887766", None)
    (entry,) = platform.peer.book.entries()
    assert entry.cancelled_at is not None
    errand = WaybillErrand.objects.get(kind="cancel")
    assert (errand.waybill, errand.reference, errand.outcome) == ("", parcel.number, "done")
    assert steps.broken_invariants() == []


def test_what_left_and_waits_for_its_waybill_still_gets_the_one_that_was_lost(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = packed(shop)
    platform.peer.mischief.plan(Trick.DROP_AFTER)
    steps.once(dispatching.run)
    steps.warehouse_says(part, "shipped", minutes=5)
    steps.once(dispatching.run)

    (entry,) = platform.peer.book.entries()
    assert Shipment.objects.get().waybill_number == entry.waybill
    assert not WaybillErrand.objects.filter(kind="cancel").exists()


def test_one_that_was_never_asked_for_is_not_given_back(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    stop(accepted(shop))

    assert not WaybillErrand.objects.exists()


def test_a_waybill_that_comes_after_the_end_is_given_back(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = accepted(shop)
    shipment = Shipment.objects.get()
    call = dispatching.STAGE.call
    assert call is not None
    lease(dispatching.QUEUE, 1)
    parcels = call.prepare([shipment.pk])
    answers = call.ask(link, list(parcels.values()))
    stop(part)

    from oms.common.work.calling import Outcomes

    assert call.too_late is not None
    assert answers[shipment.number].account == link.pk
    call.too_late(Outcomes(taken={shipment.pk: answers[shipment.number]}))
    WaybillErrand.objects.update(ready_at="2026-01-01T00:00Z")
    steps.once(cancelling.run)
    steps.once(cancelling.run)

    errands = dict(WaybillErrand.objects.values_list("waybill", "outcome"))
    assert errands == {"": "done", answers[shipment.number].waybill: "done"}
    assert "waybill_unused" not in dict(steps.tickets())


def test_the_warehouse_s_own_waybill_sends_ours_back(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = packed(shop)
    factories.run(dispatching.run)
    ours = Shipment.objects.get().waybill_number

    steps.warehouse_says(part, "shipped", parcels=[{"carrier": "ZTO", "waybill": "ZTO0099887766"}])
    factories.run(events.run, cancelling.run)

    errand = WaybillErrand.objects.get(kind="cancel")
    assert (errand.waybill, errand.outcome) == (ours, "done")
    assert set(Shipment.objects.values_list("state", "waybill_number")) == {
        ("cancelled", ours),
        ("waybill_issued", "ZTO0099887766"),
    }


def test_a_parcel_that_leaves_all_the_same_keeps_its_waybill_if_nobody_asked_yet(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = accepted(shop)
    factories.run(dispatching.run)
    work = steps.work_of(part)
    stop(part)
    steps.tell(work, "shipped", minutes=30)
    factories.run(events.run)

    assert steps.once(cancelling.run) == 0
    assert not WaybillErrand.objects.exists()
    assert Shipment.objects.get().left_at is not None
    assert not Polling.objects.get().is_over


def test_a_waybill_without_its_carrier_is_recognised_and_then_followed(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = packed(shop)
    platform.peer.book.enter("theirs", "ZTO", "ZTO777000111", {}, platform.peer.now(), is_told=False)
    steps.warehouse_says(part, "shipped", parcels=[{"waybill": "ZTO777000111"}])
    factories.run(events.run)
    shipment = Shipment.objects.get()
    assert (shipment.waybill_number, shipment.carrier.code) == ("ZTO777000111", "YTO")

    Carrier.objects.filter(code="YTO").update(is_active=False)
    Shipment.objects.update(carrier=Carrier.objects.create(code="OTHER", name="OTHER", is_active=False))
    recognising.wonder([shipment.pk])
    platform.peer.mischief.plan(Trick.ERROR_AFTER)
    steps.once(recognising.run)
    steps.once(recognising.run)
    factories.run(subscribing.run)

    assert steps.fresh(shipment).carrier.code == "ZTO"
    assert set(WaybillErrand.objects.values_list("kind", "outcome")) == {("recognise", "done"), ("subscribe", "done")}
    assert Polling.objects.get().connection == link


def test_a_waybill_that_nobody_recognises_is_for_a_person(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    Connection.objects.exclude(pk=link.pk).filter(kind="carrier").delete()
    part = packed(shop)
    steps.warehouse_says(part, "shipped", parcels=[{"waybill": "9900112233"}])
    factories.run(events.run)
    shipment = Shipment.objects.get()
    other = Carrier.objects.get_or_create(code="OTHER", defaults={"name": "OTHER", "is_active": False})[0]
    Shipment.objects.update(carrier=other)
    recognising.wonder([shipment.pk])

    steps.once(recognising.run)

    assert "carrier_unrecognised" in dict(steps.tickets())
    assert steps.fresh(shipment).carrier == other


def test_balances_are_asked_shown_and_told_when_they_are_low(link: Connection, platform: Platform) -> None:
    balances.begin()
    balances.begin()
    AccountSettings.objects.update(least_waybills=100)
    platform.peer.book.set("left:ZTO", "99")

    assert balances.run(10) == 2

    assert dict(WaybillBalance.objects.values_list("carrier__code", "left")) == {"YTO": 100_000, "ZTO": 99}
    assert dict(steps.tickets()).keys() == {"waybills_low"}
    assert balances.run(10) == 0
    platform.peer.book.set("left:ZTO", "100")
    WaybillBalance.objects.update(ask_at="2026-01-01T00:00Z", ready_at="2026-01-01T00:00Z")
    balances.run(10)
    assert steps.tickets() == []
    Carrier.objects.filter(code="ZTO").update(is_active=False)
    balances.begin()
    assert list(WaybillBalance.objects.values_list("carrier__code", flat=True)) == ["YTO"]
