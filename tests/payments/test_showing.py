"""What staff and merchants see of money."""

import pytest
from django.test import Client
from django.utils import timezone

from oms.common.models import Connection, Ticket
from orders.changing.cancelling import cancel_order
from payments.models import Payment, Refund
from payments.owing import balancing, paying_out
from payments.providers.defaults import default_connection
from payments.taking import noticing, requesting
from tests import factories, fakes, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> Client:
    """Somebody who may do everything."""
    return client_of(is_superuser=True)


def page_of(client: Client, order) -> str:  # type: ignore[no-untyped-def]
    """The order's page."""
    return client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()


def test_the_orders_page_says_what_contradicts_and_shows_what_providers_told(shop, boss):
    order = shop.place_order()
    steps.pay(order)
    other = Connection.objects.create(code="other-pay", name="Other Pay", kind="payment", protocol="sandbox")
    steps.notify(f"{order.number}-P1", "26.00", link=other)
    steps.notify(f"{order.number}-P1", "12.34")
    factories.run(noticing.run)

    page = page_of(boss, order)

    assert f"other-pay says that it has 26.00 yuan of payment {order.number}-P1, which goes over sandbox-pay." in page
    assert "sandbox-pay reported 12.34 yuan as captured once more" in page
    assert "Providers’ messages: 3" in page
    assert "goes over another provider" in page
    assert "captured before" in page
    assert "Other Pay" in page
    assert "I looked at it" in page


def test_the_orders_page_offers_what_can_be_done_about_a_refund(shop, boss):
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(balancing.run, requesting.refund)
    page = page_of(boss, order)
    assert f"Refund {order.number}-R1 of 26.00 yuan is under way (the order was cancelled)." in page
    assert "Paid by hand" not in page

    steps.notify(f"{order.number}-R1", "1.00", "refunded")
    factories.run(noticing.run)

    page = page_of(boss, order)
    assert "only 1.00 of 26.00 yuan went back through sandbox-pay" in page
    assert "went back: 1.00" in page
    assert "Send the rest" in page
    assert "Paid by hand" in page
    retry = f"/admin/payments/payment/of/{order.pk}/retry/"
    boss.post(retry, {"kind": "refund", "row": Refund.objects.get().pk})
    factories.run(balancing.run)
    assert str(Refund.objects.get(number=f"{order.number}-R2").amount) == "25.00"


def test_cash_is_given_back_by_hand_only(shop, boss):
    order = shop.place_order(payment_method="cod")
    shipment = steps.shipped(order)
    steps.scan(shipment, "collected", "signed")
    factories.run(balancing.run)
    steps.scan(shipment, "returned")
    factories.run(balancing.run)

    page = page_of(boss, order)

    assert "the buyer paid in cash, which nobody can send back." in page
    assert "Cash, collected by the carrier" in page
    assert "Paid by hand" in page
    assert "Try again" not in page
    told = boss.post(
        f"/admin/payments/payment/of/{order.pk}/retry/", {"kind": "refund", "row": Refund.objects.get().pk}, follow=True
    )
    assert "Nobody can be asked to send this money back" in told.content.decode()


def test_paying_a_stuck_refund_by_hand_closes_its_ticket_in_the_persons_name(shop):
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    refund = Refund.objects.get()
    Refund.objects.filter(pk=refund.pk).update(needs_person_since=timezone.now(), attempts=5, last_error="no answer")
    assert Ticket.objects.get().kind == "stuck_refund"

    paying_out.confirm_paid_out(refund.pk, note="transfer 7", actor=steps.STAFF)

    ticket = Ticket.objects.get()
    assert (ticket.state, ticket.result, ticket.closed_by) == ("closed", "done", "li")


def test_rows_of_money_on_the_orders_page_name_and_link_their_open_tickets(shop, boss):
    order = shop.place_order()
    factories.run(requesting.intend)
    payment = Payment.objects.get()
    page = page_of(boss, order)
    assert "Stuck" not in page
    Payment.objects.filter(pk=payment.pk).update(needs_person_since=timezone.now(), attempts=5, last_error="no answer")
    ticket = Ticket.objects.get()

    panel = page_of(boss, order).partition("Payments and refunds")[2]

    link = f"/admin/common/ticket/{ticket.pk}/change/"
    assert f'<a href="{link}"><span class="oms-badge oms-danger">' in panel
    assert "Stuck: payment" in panel
    assert "Needs a person" not in panel
    reader = page_of(client_of("view_order"), order).partition("Payments and refunds")[2]
    assert "Stuck: payment" in reader
    assert link not in reader


def test_the_lists_of_money_say_through_whom_it_goes(shop, boss):
    order = shop.place_order()
    steps.pay(order)
    link = default_connection()

    page = boss.get(f"/admin/payments/payment/?connection__id__exact={link.pk}").content.decode()

    assert f"{order.number}-P1" in page
    assert str(link) == "Payment provider"
    assert str(link) in page
    assert f"{order.number}-P1" not in boss.get("/admin/payments/payment/?means__exact=cash").content.decode()


def test_merchants_read_who_took_the_money_and_what_really_went_back(shop, api):
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(balancing.run, requesting.refund)
    steps.notify(f"{order.number}-R1", "1.00", "refunded")
    factories.run(noticing.run)

    money = api.get(f"/api/v1/orders/{order.number}/payments").json()

    (payment,), (refund,) = money["payments"], money["refunds"]
    assert (payment["provider"], payment["captured_amount"]) == ("sandbox-pay", "26.00")
    assert (refund["amount"], refund["refunded_amount"], refund["reason"]) == ("26.00", "1.00", "cancelled")
