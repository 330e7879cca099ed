"""Parcels on their way back: typed, followed, scanned; what their carrier says makes of returns; what it cost."""

import threading
from decimal import Decimal

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from logistics.carriers import recognising, subscribing, tracking
from logistics.models import Carrier, Polling, ReturnParcel, Shipment, WaybillErrand
from logistics.returning import following
from oms.common.errors import OmsError
from orders.actors import Actor
from orders.models import ActorKind, OrderEvent, ReturnRequest, SubOrder
from orders.returning import deadlines, deciding, locking, travelling, way_back
from payments.ledger.chart import Code
from payments.models import LedgerLine, SettlementRow
from payments.owing import balancing
from tests import factories, steps
from tests.kdniao import world as kdniao
from tests.returns.world import BUYER, arrived, ask, came, found, install, many

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _defaults(db: None, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    install()


def approved(order, units=1, **more):  # type: ignore[no-untyped-def]
    """A return of the order's first line that waits for goods."""
    return deciding.approve(ask(order, {1: units}, **more).pk, actor=steps.STAFF)


def sent(row, waybill="SF7001", carrier="顺丰"):  # type: ignore[no-untyped-def]
    """The buyer sent it, and its parcel is followed."""
    travelling.hand_over(row.pk, carrier=carrier, waybill=waybill, actor=BUYER)
    factories.run(following.run)
    return ReturnParcel.objects.select_related("shipment").get(return_request=row, is_current=True)


def fresh(row: ReturnRequest) -> ReturnRequest:
    return ReturnRequest.objects.get(pk=row.pk)


def of_the_carrier(shop, order) -> Carrier:  # type: ignore[no-untyped-def]
    """The carrier of the order's parcel, so that its account tells of the way back, too."""
    carrier = Shipment.objects.get(sub_order__order=order, direction="out").carrier
    assert carrier
    return carrier


def test_a_typed_waybill_becomes_a_parcel_that_is_followed_to_the_warehouse(shop):
    order = arrived(shop, "50.00")
    row = approved(order)
    carrier = of_the_carrier(shop, order)

    parcel = sent(row, carrier=carrier.name)

    shipment = parcel.shipment
    assert (shipment.direction, shipment.number, shipment.waybill_number) == ("return", f"{row.number}-S1", "SF7001")
    assert (shipment.state, shipment.carrier, fresh(row).waybill_told_at) == ("waybill_issued", carrier, None)
    assert (shipment.expected_event, shipment.next_event_due) == ("", None)
    assert steps.broken_invariants() == []

    steps.scan(shipment, "collected", "in_transit")
    assert (fresh(row).state, fresh(row).arrived_at) == ("in_transit", None)
    steps.scan(shipment, "signed")
    row = fresh(row)
    assert (row.state, row.received_at) == ("in_transit", None), "a carrier's word receives nothing"
    assert row.arrived_at is not None
    assert ("return_arrived", "") in steps.tickets()
    # The order's own part is where it was, and nothing is told of a parcel to the buyer.
    assert order.sub_orders.get().state == "delivered"
    kinds = list(OrderEvent.objects.filter(order=order, kind__startswith="return_").values_list("kind", flat=True))
    assert (kinds.count("return_parcel_scanned"), kinds.count("return_arrived")) == (3, 1)
    assert OrderEvent.objects.filter(order=order, kind="signed").count() == 1
    assert steps.broken_invariants() == []

    travelling.receive(row.pk, actor=steps.STAFF)
    assert ("return_arrived", "") not in steps.tickets()
    found(fresh(row), good=1)
    assert steps.broken_invariants() == []


def test_the_same_scan_twice_and_out_of_order_changes_nothing_more(shop):
    order = arrived(shop, "50.00")
    row = approved(order)
    shipment = sent(row, carrier=of_the_carrier(shop, order).name).shipment
    steps.scan(shipment, "signed")
    at = fresh(row).arrived_at
    late = [steps.scan_of(shipment, "in_transit", minutes=-5, key="late")]
    steps.carrier_says(shipment, late)
    steps.carrier_says(shipment, late)
    factories.run(following.run)
    factories.run(tracking.run)
    assert (fresh(row).arrived_at, fresh(row).state) == (at, "in_transit")
    assert OrderEvent.objects.filter(order=order, kind="return_arrived").count() == 1


def test_a_lost_parcel_and_one_that_went_back_call_a_person(shop):
    order = arrived(shop, "50.00")
    row = approved(order)
    shipment = sent(row, carrier=of_the_carrier(shop, order).name).shipment
    steps.scan(shipment, "lost")
    assert ("return_lost", "lost") in steps.tickets()
    assert ("parcel_lost", "") not in steps.tickets()
    steps.carrier_says(shipment, [steps.scan_of(shipment, "signed", minutes=9)])
    factories.run(tracking.run)
    assert ("return_lost", "lost") not in steps.tickets(), "it was found"
    steps.carrier_says(shipment, [steps.scan_of(shipment, "returned", minutes=20)])
    factories.run(tracking.run)
    assert ("return_lost", "went_back") in steps.tickets()
    assert (fresh(row).arrived_at, SubOrder.objects.get(order=order).state) == (None, "delivered")
    assert steps.broken_invariants() == []


def test_a_waybill_is_of_one_return_and_of_no_parcel_to_a_buyer(shop):
    order, other = arrived(shop, "50.00"), arrived(shop, "60.00")
    first, second = approved(order), approved(other)
    sent(first, "SF7001")
    outgoing = Shipment.objects.get(sub_order__order=other, direction="out").waybill_number
    taken = "waybill_taken"
    for waybill, code in (("sf 7001", taken), (outgoing, taken), ("??", "refused")):
        with pytest.raises(OmsError) as refusal:
            travelling.hand_over(second.pk, carrier="", waybill=waybill, actor=BUYER)
        assert (refusal.value.code, refusal.value.attr) == (code, "waybill")
    assert (fresh(second).state, fresh(second).waybill_number) == ("awaiting_goods", "")
    # Told again, nothing happens.
    events = OrderEvent.objects.filter(order=order).count()
    travelling.hand_over(first.pk, carrier="顺丰", waybill="SF7001", actor=BUYER)
    assert OrderEvent.objects.filter(order=order).count() == events
    # What ended without goods leaves its waybill to others, and gets it back only where nobody has it.
    deciding.cancel(first.pk, reason="keeps it", actor=steps.STAFF)
    travelling.hand_over(second.pk, carrier="顺丰", waybill="SF7001", actor=BUYER)
    travelling.receive(first.pk, actor=steps.STAFF)
    assert (fresh(first).waybill_number, fresh(second).waybill_number) == ("", "SF7001")
    factories.run(following.run)
    assert ("return_lost", "waybill_taken") in steps.tickets(), "its parcel is still the first one's"
    assert steps.broken_invariants() == []


def test_a_wrong_number_is_put_right_and_is_free_again(shop):
    order, other = arrived(shop, "50.00"), arrived(shop, "60.00")
    row, second = approved(order), approved(other)
    wrong = sent(row, "SF7001")
    right = sent(row, "SF7002")
    wrong.refresh_from_db()
    assert (right.shipment.number, wrong.is_current) == (f"{row.number}-S2", False)
    assert (wrong.shipment.waybill_number, wrong.shipment.state) == (None, "cancelled")
    sent(second, "SF7001")
    # Back to where it was, as its own number is free no more; forward again it takes up its parcel.
    back = sent(row, "SF7002", carrier="SF")
    assert back.pk == right.pk
    assert steps.broken_invariants() == []


def test_a_carrier_that_nobody_knows_is_recognised_by_the_waybill(shop):
    order = arrived(shop, "50.00")
    with kdniao.serving() as platform:
        link = kdniao.connect(platform, "YTO")
        row = approved(order)
        parcel = sent(row, "YTO7001", carrier="随便")
        assert Carrier.objects.get(shipments=parcel.pk).code == "OTHER"
        assert list(WaybillErrand.objects.values_list("kind", "connection")) == [("recognise", link.pk)]
        factories.run(recognising.run)
        assert Shipment.objects.get(pk=parcel.pk).carrier == Carrier.objects.get(code="YTO")
        factories.run(subscribing.run)
        assert Polling.objects.get(shipment=parcel.pk).connection_id == link.pk
    assert steps.broken_invariants() == []


def test_what_the_way_back_costs_is_taken_off_its_merchant_and_put_right(shop):
    order = many(shop, 2)
    part = order.sub_orders.get()
    type(part.merchant).objects.filter(pk=part.merchant_id).update(kind="marketplace")
    row = came(approved(order))
    way_back.bear(row.pk, by="merchant", cost=Decimal("8.50"), actor=steps.STAFF)
    factories.run(balancing.run)
    assert list(SettlementRow.objects.filter(kind="way_back").values_list("net_amount", flat=True)) == [
        Decimal("-8.50")
    ]
    booked = LedgerLine.objects.filter(entry__subject__startswith="way_back:").order_by("pk")
    assert {(line.account_id, line.debit_fen - line.credit_fen) for line in booked} == {
        (Code.CARRIAGE.value, -850),
        (Code.MERCHANTS.value, 850),
    }
    assert steps.broken_invariants() == []
    way_back.bear(row.pk, by="platform", cost=Decimal("8.50"), actor=steps.STAFF)
    factories.run(balancing.run)
    assert sum(SettlementRow.objects.filter(kind="way_back").values_list("net_amount", flat=True)) == 0
    assert steps.broken_invariants() == []
    for by, cost in (("nobody", Decimal(1)), ("buyer", Decimal(-1)), ("buyer", Decimal("0.001"))):
        with pytest.raises(OmsError):
            way_back.bear(row.pk, by=by, cost=cost, actor=steps.STAFF)


def test_the_api_tells_the_waybill_and_lets_the_platform_decide(shop):
    row = approved(arrived(shop, "50.00"))
    client = factories.client_of(shop.merchant)
    address = f"/api/v1/returns/{row.number}"
    version = {"if-match": f'"{fresh(row).version}"'}
    wrong = client.post(f"{address}/waybill", {"waybill": "!"}, format="json", headers=version)
    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (409, "waybill")
    done = client.post(f"{address}/waybill", {"carrier": "SF", "waybill": "SF 1"}, format="json", headers=version)
    assert (done.status_code, done.json()["state"], done.json()["waybill_number"]) == (200, "in_transit", "SF1")
    assert (done.json()["way_back_by"], done.json()["arrived_at"]) == ("buyer", None)
    version = {"if-match": done["ETag"]}
    late = client.post(f"{address}/escalation", {"reason": "why"}, format="json", headers=version)
    assert (late.status_code, late.json()["errors"][0]["code"]) == (409, "not_now")
    second = ask(arrived(shop, "60.00"), {1: 1})
    address, version = f"/api/v1/returns/{second.number}/escalation", {"if-match": f'"{fresh(second).version}"'}
    asked = client.post(address, {"reason": "he is wrong"}, format="json", headers=version)
    assert (asked.status_code, asked.json()["is_escalated"]) == (200, True)
    with pytest.raises(locking.NotNow):
        deciding.decline(second.pk, reason="no", actor=Actor(ActorKind.MERCHANT, "key"))
    assert ("return_to_decide", "escalated") in steps.tickets()


def test_what_was_decided_meanwhile_or_is_escalated_already_is_not_escalated_by_the_api(shop):
    row = ask(arrived(shop, "50.00"), {1: 1})
    client, address = factories.client_of(shop.merchant), f"/api/v1/returns/{row.number}/escalation"
    looked_at = {"if-match": f'"{fresh(row).version}"'}
    told = {"reason": "he is wrong"}
    assert client.post(address, told, format="json").status_code == 428
    deciding.decline(row.pk, reason="worn", actor=steps.STAFF)
    old = client.post(address, told, format="json", headers=looked_at)
    assert (old.status_code, fresh(row).is_escalated) == (409, False)
    done = client.post(address, told, format="json", headers={"if-match": f'"{fresh(row).version}"'})
    assert (done.status_code, fresh(row).is_escalated) == (200, True)
    again = client.post(address, told, format="json", headers={"if-match": done["ETag"]})
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "not_now")
    assert OrderEvent.objects.filter(kind="return_escalated").count() == 1


def test_scans_of_many_returns_cost_as_many_statements_as_of_one(shop):
    counts = []
    for number in (1, 4):
        parcels = []
        for place in range(number):
            order = arrived(shop, "50.00")
            row = approved(order)
            parcels.append(sent(row, f"SF80{number}{place}", carrier=of_the_carrier(shop, order).name).shipment)
        for shipment in parcels:
            steps.carrier_says(shipment, [steps.scan_of(shipment, "signed")])
        with CaptureQueriesContext(connection) as seen:
            factories.run(tracking.run)
        counts.append(len(seen))
    assert counts[1] <= counts[0] + 1, counts


@pytest.mark.django_db(transaction=True)
def test_one_waybill_told_of_two_returns_at_the_same_moment_is_of_one(shop):
    rows = [approved(arrived(shop, price)) for price in ("50.00", "60.00")]
    refused = []
    together = threading.Barrier(2)

    def tell(row: ReturnRequest) -> None:
        try:
            together.wait()
            travelling.hand_over(row.pk, carrier="顺丰", waybill="SF9000", actor=BUYER)
        except OmsError as error:
            refused.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tell, args=[row]) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["waybill_taken"]
    assert sorted(fresh(row).waybill_number for row in rows) == ["", "SF9000"]


def test_what_was_never_handed_over_is_closed_though_a_number_was_never_told(shop):
    row = approved(arrived(shop, "50.00"))
    steps.once(deadlines.run)
    assert fresh(row).state == "expired"
