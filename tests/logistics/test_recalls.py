"""Parcels that left are asked back, or are to go elsewhere: what is asked, answered, and what comes of it."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from logistics.carriers.adapters import Answer, Booked, Redirection
from logistics.carriers.recalling import asking, calling, following
from logistics.carriers.recalling.asking import CannotRecall
from logistics.models import Recall, RecallKind, Shipment
from oms.common.errors import OmsError, WrongFields
from oms.common.models import Connection
from orders.changing.readdressing import Recipient
from orders.models import Order, OrderEvent
from orders.telling import timeline
from payments.models import Refund
from payments.owing import balancing
from tests import factories, fakes, steps
from tests.admin.conftest import client_of
from tests.fakes import FakeCarrier

pytestmark = pytest.mark.django_db


@pytest.fixture
def carrier() -> Iterator[FakeCarrier]:
    """Who is asked."""
    with fakes.carrier(FakeCarrier()) as fake:
        yield fake


@pytest.fixture
def shipment(shop: factories.Shop) -> Shipment:
    """A parcel on its way, paid for."""
    order = shop.place_order()
    steps.pay(order)
    shipped = steps.shipped(order)
    steps.scan(shipped, "collected", "in_transit")
    return steps.fresh(shipped)


def back(shipment: Shipment) -> Recall:
    """Somebody of the staff wants it back."""
    return asking.ask_back(shipment.pk, reason="买家不要了", actor=steps.STAFF)


def told(shipment: Shipment) -> list[str]:
    """What the order's timeline tells of it."""
    kinds = OrderEvent.objects.filter(order=shipment.sub_order.order, kind__startswith="recall_").order_by("id")
    return list(kinds.values_list("kind", flat=True))


def test_a_parcel_that_its_carrier_sends_back_is_returned_and_its_money_goes_back(
    shipment: Shipment, carrier: FakeCarrier
) -> None:
    recall = back(shipment)
    assert (recall.state, recall.parcel_was, recall.asked_by) == ("asked", "in_transit", steps.STAFF.name)
    factories.run(calling.run)

    (asked,) = carrier.recalled
    assert asked == Booked(shipment.number, "SF", shipment.waybill_number, "1111")
    recall = steps.fresh(recall)
    assert (recall.state, recall.answer, recall.ended_at) == ("accepted", "taken", None)

    steps.scan(shipment, "intercepting", "returning")
    recall = steps.fresh(recall)
    assert (recall.state, recall.ended_at is not None) == ("succeeded", True)
    assert steps.state_of(shipment.sub_order) == "rejected"
    steps.scan(shipment, "returned")
    factories.run(balancing.run)

    assert steps.state_of(shipment.sub_order) == "returned"
    refund = Refund.objects.get()
    assert (refund.amount, refund.reason) == (Decimal("26.00"), "returned")
    assert told(shipment) == ["recall_asked", "recall_accepted", "recall_succeeded"]
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_where_the_carrier_refuses_the_parcel_goes_on_and_staff_are_told(
    shipment: Shipment, carrier: FakeCarrier
) -> None:
    carrier.recall_answer = lambda _one: Answer(taken=False, reason="8060 快递员 13700003333 已派送")
    recall = back(shipment)
    factories.run(calling.run)

    recall = steps.fresh(recall)
    assert (recall.state, recall.answer) == ("failed", "refused")
    assert "13700003333" not in recall.answer_text
    assert steps.tickets() == [("recall_failed", "refused")]
    steps.scan(shipment, "out_for_delivery", "signed")
    assert steps.state_of(shipment.sub_order) == "delivered"
    assert (steps.fresh(recall).state, told(shipment)) == ("failed", ["recall_asked", "recall_failed"])
    assert steps.broken_invariants() == []


def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_number(
    shipment: Shipment, carrier: FakeCarrier
) -> None:
    carrier.recall_answer = fakes.lose
    recall = back(shipment)
    steps.once(calling.run)
    assert (steps.fresh(recall).state, steps.fresh(recall).attempts) == ("asked", 1)

    carrier.recall_answer = lambda _one: Answer(taken=True)
    steps.once(calling.run)

    assert [one.reference for one in carrier.recalled] == [shipment.number] * 2
    assert (steps.fresh(recall).state, told(shipment)) == ("accepted", ["recall_asked", "recall_accepted"])


def test_scans_prove_more_than_answers_whichever_comes_first(shipment: Shipment, carrier: FakeCarrier) -> None:
    recall = back(shipment)
    steps.scan(shipment, "signed")  # before the carrier was asked
    assert (steps.fresh(recall).state, steps.tickets()) == ("failed", [("recall_failed", "signed")])
    factories.run(calling.run)
    assert carrier.recalled == []

    following.answered({recall.pk: (True, "")}, by="send_recall")
    assert (steps.fresh(recall).state, steps.fresh(recall).answer) == ("failed", "taken")
    steps.scan(shipment, "returned")
    assert (steps.fresh(recall).state, told(shipment)[-1]) == ("succeeded", "recall_succeeded")
    assert "recall_failed" not in dict(steps.tickets())
    assert steps.broken_invariants() == []


def test_where_no_news_comes_by_the_deadline_a_person_is_called_once(shipment: Shipment, carrier: FakeCarrier) -> None:
    recall = back(shipment)
    factories.run(calling.run)
    assert calling.chase(10) == 0
    Recall.objects.update(due_at=timezone.now() - timedelta(minutes=1))

    assert (calling.chase(10), calling.chase(10)) == (1, 0)
    assert steps.tickets() == [("recall_late", "")]
    steps.scan(shipment, "returning")
    assert (steps.fresh(recall).state, steps.tickets()) == ("succeeded", [])


def test_a_parcel_that_is_brought_elsewhere_is_told_of_its_new_recipient_only(
    shipment: Shipment, carrier: FakeCarrier
) -> None:
    order = shipment.sub_order.order
    new = Recipient(name="李四", phone="13611112222", region_code="440305", address="粤海街道16B")
    factories.RegionFactory(code="440305", province="广东省", city="深圳市", district="南山区")
    recall = asking.ask_elsewhere(shipment.pk, new, reason="搬家", actor=steps.STAFF)
    factories.run(calling.run)

    (asked,) = carrier.recalled
    assert asked == Redirection(
        *(shipment.number, "SF", shipment.waybill_number, "1111", "李四", "13611112222"),
        *("广东省", "深圳市", "南山区", "粤海街道16B"),
    )
    recall = steps.fresh(recall)
    assert (recall.state, "李四".encode() in bytes(recall.recipient)) == ("accepted", False)
    event = OrderEvent.objects.get(order=order, kind="recall_asked")
    assert "李四" not in str(event.data)
    changes = timeline.changes_of(event)
    assert (changes["name"], changes["phone"]) == (("张华", "李四"), ("13800001111", "13611112222"))
    assert changes["region"][1] == "广东省深圳市南山区"
    assert steps.fresh(order).recipient_name == "张华"

    steps.scan(shipment, "signed")
    assert (steps.fresh(recall).state, told(shipment)[-1]) == ("succeeded", "recall_succeeded")
    assert calling.chase(10) == 0


def test_a_parcel_that_comes_back_instead_of_going_elsewhere_failed(shipment: Shipment, carrier: FakeCarrier) -> None:
    recall = asking.ask_elsewhere(shipment.pk, Recipient(address="建国路88号"), reason="x", actor=steps.STAFF)
    factories.run(calling.run)
    steps.scan(shipment, "returning")

    assert (steps.fresh(recall).state, steps.tickets()) == ("failed", [("recall_failed", "came_back")])


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (Recipient(phone="1"), WrongFields),
        (Recipient(region_code="999999"), WrongFields),
        (Recipient(address="中山路***"), WrongFields),
        (Recipient(), OmsError),
    ],
)
def test_a_recipient_that_nobody_can_deliver_to_is_refused(
    shipment: Shipment, new: Recipient, error: type[Exception]
) -> None:
    with pytest.raises(error):
        asking.ask_elsewhere(shipment.pk, new, reason="x", actor=steps.STAFF)
    assert not Recall.objects.exists()


def test_what_cannot_be_asked_for_is_refused_in_words(
    shop: factories.Shop, shipment: Shipment, in_english: None
) -> None:
    waiting = steps.dispatched(shop.place_order(payment_method="cod"))
    with pytest.raises(CannotRecall, match="has not left its warehouse"):
        back(waiting)
    with pytest.raises(OmsError, match="reason"):
        asking.ask_back(shipment.pk, reason=" ", actor=steps.STAFF)
    back(shipment)
    with pytest.raises(CannotRecall, match="asked already"):
        back(shipment)
    Connection.objects.filter(pk=shipment.connection_id).update(protocol="kdniao")
    Recall.objects.all().delete()
    with pytest.raises(CannotRecall, match="cannot be asked for it over this connection; ring its service: –"):
        back(shipment)
    steps.scan(shipment, "signed")
    with pytest.raises(CannotRecall, match="not on its way any more: Signed for"):
        back(shipment)


def test_the_chance_is_told_by_where_the_parcel_is_and_what_came_of_others(
    shop: factories.Shop, shipment: Shipment, carrier: FakeCarrier, in_english: None
) -> None:
    assert asking.chance(shipment) == "Possible: it is caught at the next hub that it reaches."
    back(shipment)
    factories.run(calling.run)
    steps.scan(shipment, "returning")
    other = steps.shipped(shop.place_order(payment_method="cod"))
    steps.scan(other, "in_transit")

    assert asking.chance(steps.fresh(other)).endswith(
        "Of 1 parcels of this carrier that were asked for there, 1 were caught."
    )


# --- Staff's pages


def test_staff_ask_on_the_parcels_page_and_see_on_the_orders_what_became_of_it(
    shipment: Shipment, carrier: FakeCarrier
) -> None:
    staff = client_of("view_order", "view_shipment", "ask_recall")
    page = reverse("admin:logistics_shipment_recall", args=[shipment.pk])
    on_order = reverse("admin:orders_order_change", args=[shipment.sub_order.order_id])
    assert page in staff.get(on_order).content.decode()
    assert "Possible: it is caught at the next hub" in staff.get(page).content.decode()

    answer = staff.post(page, {"kind": "return", "reason": "buyer cancelled", "version": shipment.version})

    assert answer.status_code == 302
    assert Recall.objects.get().kind == RecallKind.RETURN
    factories.run(calling.run)
    shown = staff.get(on_order).content.decode()
    assert "The carrier tries" in shown
    assert "buyer cancelled" in shown
    assert page not in shown
    assert "asked already" in staff.get(page).content.decode()


def test_a_page_that_is_stale_asks_nothing_and_somebody_without_the_right_neither(shipment: Shipment) -> None:
    page = reverse("admin:logistics_shipment_recall", args=[shipment.pk])
    told = {"kind": "return", "reason": "x", "version": shipment.version - 1}
    client_of("view_order", "view_shipment", "ask_recall").post(page, told)
    assert client_of("view_order", "view_shipment").post(page, told).status_code == 403
    assert client_of("view_order", "view_shipment").get(page).status_code == 403
    assert client_of(is_superuser=True).get(reverse("admin:logistics_shipment_recall", args=[0])).status_code == 404
    assert not Recall.objects.exists()


def test_a_carrier_that_cannot_be_asked_is_shown_with_why(shipment: Shipment) -> None:
    Connection.objects.filter(pk=shipment.connection_id).update(protocol="kdniao")
    staff = client_of("view_order", "view_shipment", "ask_recall")

    for page in (
        reverse("admin:orders_order_change", args=[shipment.sub_order.order_id]),
        reverse("admin:logistics_shipment_recall", args=[shipment.pk]),
    ):
        assert "cannot be asked for it over this connection" in staff.get(page).content.decode()


# --- The merchants' API


def test_the_seller_has_a_parcel_sent_back_over_the_api(shipment: Shipment, api, carrier: FakeCarrier) -> None:
    url = f"/api/v1/shipments/{shipment.number}/recalls"
    body = {"kind": "return", "reason": "buyer cancelled"}
    assert api.post(url, body, format="json").status_code == 428
    assert api.post(url, body, format="json", HTTP_IF_MATCH='"1"').status_code == 409

    answer = api.post(url, body, format="json", HTTP_IF_MATCH=f'"{shipment.version}"')

    assert (answer.status_code, answer.json()["state"], answer.json()["answer"]) == (202, "asked", "")
    again = api.post(url, body, format="json", HTTP_IF_MATCH=f'"{shipment.version}"')
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "cannot_recall")
    factories.run(calling.run)
    (row,) = api.get(url).json()
    assert (row["kind"], row["state"], row["answer"], row["reason"]) == (
        *("return", "accepted", "taken"),
        "buyer cancelled",
    )


def test_over_the_api_a_parcel_goes_elsewhere_and_wrong_fields_are_named(shipment: Shipment, api) -> None:
    url = f"/api/v1/shipments/{shipment.number}/recalls"
    match = {"HTTP_IF_MATCH": f'"{shipment.version}"'}
    body = {"kind": "redirect", "reason": "moved", "recipient": {"phone": "1"}}
    wrong = api.post(url, body, format="json", **match)
    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (400, "phone")

    body["recipient"] = {"address": "建国路88号"}
    assert api.post(url, body, format="json", **match).status_code == 202
    assert asking.destination_of(Recall.objects.get()).address == "建国路88号"
    assert Order.objects.get().recipient_address != "建国路88号"
