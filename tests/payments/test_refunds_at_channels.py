"""Refunds of money that a channel took: its system is asked, and confirms or refuses them by the API."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from oms.common.errors import OmsError
from oms.common.models import Ticket
from oms.common.secrecy import seal
from oms.merchants.models import WebhookEndpoint, WebhookEvent
from orders.changing.cancelling import cancel_order
from orders.models import Order
from payments.models import LedgerLine, PayOut, Refund
from payments.owing import balancing, paying_out, retrying
from payments.taking import noticing, recording, requesting
from tests import factories, steps
from tests.api.calls import errors_of, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def caller(shop: factories.Shop) -> factories.MerchantClient:
    """The channel's system: it hears of refunds, and may answer."""
    WebhookEndpoint.objects.create(
        merchant=shop.merchant, url="https://1.1.1.1/", event_types=["refund.*"], secret=seal("whsec_c2VjcmV0")
    )
    return factories.client_of(shop.merchant, scopes=("payments.read", "refunds.confirm"))


def cancelled(shop: factories.Shop, **more: Any) -> Order:
    """An order of 26.00 that its channel was paid, and that is cancelled."""
    order = shop.place_order(
        collected={"amount": "26.00", "paid_at": "2026-01-02T10:00:00+08:00", "transaction": "T1"}, **more
    )
    factories.run(recording.book_collected)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    return order


def answer(caller: factories.MerchantClient, refund: Refund, **body: Any) -> Any:
    return send(caller, body, f"/api/v1/refunds/{refund.number}/answer")


def accounts(order: Order) -> dict[str, int]:
    """What the ledger has of the order, in fen by account, those at 0 left out."""
    found: dict[str, int] = {}
    for line in LedgerLine.objects.filter(entry__order=order):
        found[line.account_id] = found.get(line.account_id, 0) + line.fen
    return {account: fen for account, fen in found.items() if fen}


def test_a_channel_is_asked_for_a_refund_and_confirms_it_once(shop, caller):
    order = cancelled(shop)
    refund = Refund.objects.get()
    assert (refund.state, refund.needs_person_since, steps.tickets()) == ("requested", None, [])
    news = {event.type: event.data for event in WebhookEvent.objects.filter(type__startswith="refund.")}
    assert news["refund.asked_for"]["refund"] == refund.number
    assert caller.get(f"/api/v1/refunds/{refund.number}").json()["amount"] == "26.00"
    assert accounts(order) == {"1005": 2600, "2302": -2600}

    for _time in range(2):
        told = answer(caller, refund, result="refunded", amount="26.00", transaction="CH-77")
        assert (told.status_code, told.json()["state"], told.json()["refunded_amount"]) == (200, "succeeded", "26.00")

    assert (accounts(order), steps.tickets()) == ({}, [])
    assert order.events.filter(kind="refunded").count() == 1
    assert order.events.get(kind="refund_confirmed").data["transaction"] == "CH-77"
    again = answer(caller, refund, result="refunded", amount="20.00")
    assert (again.status_code, errors_of(again)) == (409, {(None, "answered_before")})
    again = answer(caller, refund, result="refused", reason="no")
    assert (again.status_code, errors_of(again)) == (409, {(None, "answered_before")})
    assert steps.broken_invariants() == []


def test_another_amount_is_booked_as_it_was_and_shown_to_a_person(shop, caller):
    order = cancelled(shop)
    told = answer(caller, Refund.objects.get(), result="refunded", amount="20.00").json()

    assert (told["state"], told["amount"], told["refunded_amount"]) == ("succeeded", "26.00", "20.00")
    assert steps.tickets() == [("refund_amount_differs", "too_little")]
    retrying.retry("refund", Refund.objects.get().pk, actor=steps.STAFF)
    factories.run(balancing.run)
    rest = Refund.objects.latest("pk")
    assert (rest.amount, rest.state) == (Decimal("6.00"), "requested")
    assert answer(caller, rest, result="refunded", amount="6.00").status_code == 200
    assert accounts(order) == {}
    assert steps.broken_invariants() == []


def test_what_a_channel_refuses_is_shown_to_a_person_who_may_ask_again(shop, caller):
    order = cancelled(shop)
    refund = Refund.objects.get()
    for _time in range(2):
        assert answer(caller, refund, result="refused", reason="account closed").json()["state"] == "failed"

    assert steps.tickets() == [("refund_failed", "external")]
    assert order.events.filter(kind="refund_refused").count() == 1
    assert "account closed" in str(order.events.get(kind="refund_refused").data)
    retrying.retry("refund", refund.pk, actor=steps.STAFF)
    assert (steps.state_of(refund), steps.tickets()) == ("requested", [])
    assert WebhookEvent.objects.filter(type="refund.asked_for").count() == 2
    # It did send it in the end.
    assert answer(caller, refund, result="refunded", amount="26.00").json()["state"] == "succeeded"
    assert accounts(order) == {}
    assert steps.broken_invariants() == []


def test_a_channel_that_keeps_silent_is_shown_to_a_person_who_may_know_more(shop, caller):
    cancelled(shop)
    Refund.objects.update(requested_at=timezone.now() - requesting.REFUND_SILENCE * 1.1)
    factories.run(requesting.chase)
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.values["provider"]) == ("refund_silent", "external")

    paying_out.confirm_paid_out(Refund.objects.get().pk, note="they said so on the phone", actor=steps.STAFF)
    factories.run(noticing.run)
    refund = Refund.objects.get()
    assert (refund.state, steps.tickets()) == ("succeeded", [])
    # That its system says so as well is no news.
    assert answer(caller, refund, result="refunded", amount="26.00").status_code == 200
    assert steps.tickets() == []


def test_a_refund_at_a_channel_is_recorded_as_paid_once(shop, caller):
    cancelled(shop)
    refund = Refund.objects.get()
    paying_out.confirm_paid_out(refund.pk, note="they said so on the phone", actor=steps.STAFF)
    # A second click, before the first one's fact is applied.
    with pytest.raises(OmsError, match="goes on by itself"):
        paying_out.confirm_paid_out(refund.pk, note="they said so on the phone", actor=steps.STAFF)
    factories.run(noticing.run)

    refund = Refund.objects.get()
    assert (refund.state, refund.refunded_amount) == ("succeeded", Decimal("26.00"))
    assert PayOut.objects.get().amount == Decimal("26.00")
    assert steps.broken_invariants() == []


def test_where_nobody_listens_a_person_sees_to_it_and_foreign_callers_find_nothing(shop):
    cancelled(shop)
    refund = Refund.objects.get()
    assert (refund.state, steps.tickets()) == ("intended", [("refund_by_hand", "external")])
    stranger = factories.client_of(factories.MerchantFactory(), scopes=("refunds.confirm",))
    assert answer(stranger, refund, result="refunded", amount="26.00").status_code == 404
    reader = factories.client_of(shop.merchant, scopes=("payments.read", "refunds.request"))
    assert answer(reader, refund, result="refunded", amount="26.00").status_code == 403
    # Who may answer may also where nobody was asked.
    able = factories.client_of(shop.merchant, scopes=("refunds.confirm",))
    for wrong in ({"result": "refunded"}, {"result": "refused"}, {"result": "refunded", "amount": "0.00"}):
        assert answer(able, refund, **wrong).status_code == 400
    assert answer(able, refund, result="refunded", amount="26.00").json()["state"] == "succeeded"
    assert steps.tickets() == []


def test_money_that_is_with_a_provider_is_no_channels_to_confirm(shop, caller):
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    refused = answer(caller, Refund.objects.get(), result="refunded", amount="26.00")
    assert (refused.status_code, errors_of(refused)) == (409, {(None, "refused")})
    assert Refund.objects.get().state == "intended"
