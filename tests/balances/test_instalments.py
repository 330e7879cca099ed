"""Orders paid in parts: a deposit and a balance, each by its own date."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from oms.common.models import Connection
from orders.changing.units import cancel_units
from orders.models import Order
from payments.models import LedgerLine, Payment, Refund, SettlementRow
from payments.owing import balancing
from payments.taking import expiring, forfeiting, noticing, requesting, switching
from tests import factories, fakes, steps
from tests.admin.conftest import client_of
from tests.balances import wallets
from tests.balances.wallets import by_card, refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


def parts(*amounts: str, days: tuple[int, ...] = (1, 10), opens_in: int | None = None) -> dict[str, Any]:
    now = timezone.now()
    rows = [
        {"amount": amount, "due_at": (now + timedelta(days=day)).isoformat()}
        for amount, day in zip(amounts, days, strict=True)
    ]
    if opens_in is not None:
        rows[-1]["opens_at"] = (now + timedelta(days=opens_in)).isoformat()
    return {"instalments": rows}


def due(order: Order, position: int) -> datetime:
    return order.instalments.get(position=position).due_at


def asked(order: Order) -> list[tuple[str, str, str]]:
    rows = Payment.objects.filter(order=order).order_by("pk").values_list("number", "amount", "state")
    return [(number.partition("-")[2], str(amount), state) for number, amount, state in rows]


def told(number: str, amount: str, kind: str = "captured") -> None:
    steps.notify(number, amount, kind)
    factories.run(noticing.run)


def test_the_balance_is_asked_for_when_the_deposit_is_paid_and_the_order_goes_on_with_both(shop):
    order = shop.place_order(**parts("6.00", "20.00"))
    assert order.pay_by == due(order, 1)
    steps.ask_for_payment()
    assert asked(order) == [("P1", "6.00", "pending")]

    told(f"{order.number}-P1", "6.00")
    order = steps.fresh(order)
    assert (order.state, order.payment_state, order.pay_by) == ("awaiting_payment", "partly_paid", due(order, 2))
    assert asked(order) == [("P1", "6.00", "captured"), ("P2", "20.00", "intended")]
    assert steps.broken_invariants() == []

    factories.run(requesting.intend)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(requesting.request)
    told(f"{order.number}-P2", "20.00")
    assert steps.state_of(order) == "in_review"
    assert steps.broken_invariants() == []


def test_the_buyer_is_not_asked_for_the_balance_before_it_opens(shop):
    order = shop.place_order(**parts("6.00", "20.00", opens_in=5))
    steps.ask_for_payment()
    told(f"{order.number}-P1", "6.00")
    second = Payment.objects.get(number=f"{order.number}-P2")

    assert second.ready_at == order.instalments.get(position=2).opens_at
    with fakes.provider(fakes.FakeProvider()):
        requesting.request(10)
    assert asked(order)[1] == ("P2", "20.00", "intended")


def missed(order: Order, deposit: str = "6.00") -> None:
    """The deposit is paid, and the balance is not."""
    steps.ask_for_payment()
    told(f"{order.number}-P1", deposit)
    Order.objects.filter(pk=order.pk).update(pay_by=timezone.now() - timedelta(minutes=1))
    factories.run(expiring.run)
    factories.run(balancing.run)
    assert steps.state_of(order) == "cancelled"


def accounts(order: Order) -> dict[str, int]:
    """What the ledger has of the order, in fen by account, those at 0 left out."""
    found: dict[str, int] = {}
    for line in LedgerLine.objects.filter(entry__order=order):
        found[line.account_id] = found.get(line.account_id, 0) + line.fen
    return {account: fen for account, fen in found.items() if fen}


def with_terms(terms: str) -> dict[str, Any]:
    found = parts("6.00", "20.00")
    found["instalments"][0]["if_missed"] = terms
    return found


def test_a_deposit_whose_terms_say_so_goes_back_when_the_balance_is_not_paid_in_time(shop):
    issued = wallets.card(shop.merchant)
    terms = parts("6.00", "10.00")
    terms["instalments"][0]["if_missed"] = "return"
    order = shop.place_order(**by_card(issued, "10.00"), **terms)
    missed(order)

    assert wallets.has(issued.card) == (10000, 0)
    refund = Refund.objects.get()
    assert (refund.amount, refund.reason, refund.payment.number) == (6, "cancelled", f"{order.number}-P1")
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_a_deposit_that_is_forfeited_is_booked_and_told(shop):
    order = shop.place_order(**with_terms("forfeit"))
    missed(order)

    assert (Refund.objects.count(), steps.tickets()) == (0, [])
    assert accounts(order) == {"1006": 600, "4004": -600}
    assert [event.kind for event in order.events.filter(kind__startswith="deposit")] == ["deposit_forfeited"]
    page = client_of("view_order").get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "The deposit of 6.00 yuan is forfeited." in page
    assert steps.broken_invariants() == []
    # What the buyer pays too late is no part of it.
    told(f"{order.number}-P2", "20.00")
    factories.run(balancing.run)
    assert [(row.payment.number, row.amount) for row in Refund.objects.all()] == [(f"{order.number}-P2", 20)]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("decision", "said", "refunds", "booked"),
    [
        ("return", "The deposit of 6.00 yuan goes back.", [6], {"1006": 600, "2301": -600}),
        ("forfeit", "The deposit of 6.00 yuan is forfeited.", [], {"1006": 600, "4004": -600}),
    ],
)
def test_where_nothing_was_agreed_a_person_decides_once_what_becomes_of_the_deposit(
    shop, decision, said, refunds, booked
):
    order = shop.place_order(**parts("6.00", "20.00"))
    missed(order)
    assert (Refund.objects.count(), steps.tickets()) == (0, [("deposit_to_decide", "")])
    assert accounts(order) == {"1006": 600, "2001": -600}
    assert steps.broken_invariants() == []
    url = reverse("admin:payments_deposit_decide", args=[order.pk])
    assert client_of("view_order").post(url, {"decision": decision}).status_code == 403

    clerk = client_of("view_order", "decide_deposit")
    page = clerk.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "6.00 yuan of deposit are held until it is decided." in page
    messages = [str(one) for one in clerk.post(url, {"decision": decision}, follow=True).context["messages"]]
    assert messages == [said]
    messages = [str(one) for one in clerk.post(url, {"decision": "forfeit"}, follow=True).context["messages"]]
    assert messages == ["No deposit of this order waits for a decision."]
    factories.run(balancing.run)

    assert [row.amount for row in Refund.objects.all()] == refunds
    assert (accounts(order), steps.tickets()) == (booked, [])
    assert steps.broken_invariants() == []


def test_the_orders_page_shows_which_parts_are_paid_and_that_nothing_is_unexplained(shop):
    order = shop.place_order(**parts("6.00", "20.00"))
    steps.ask_for_payment()
    told(f"{order.number}-P1", "6.00")
    page = client_of("view_order").get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert '<span class="oms-badge oms-success">paid</span>' in page
    assert '<span class="oms-badge oms-muted">not paid</span>' in page
    assert '<span class="oms-badge oms-success">0.00</span>' in page


def test_the_operators_terms_for_a_channel_count_where_the_order_says_nothing(shop, settings):
    settings.DEPOSIT_TERMS = {"": "return", shop.channel.code: "forfeit"}
    order = shop.place_order(**parts("6.00", "20.00"))
    settings.DEPOSIT_TERMS = {}
    told_of = factories.client_of(shop.merchant).get(f"/api/v1/orders/{order.number}/payments").json()
    assert [part["if_missed"] for part in told_of["instalments"]] == ["forfeit", "return"]
    missed(order)
    assert Refund.objects.count() == 0


def test_a_deposit_that_is_not_paid_in_full_goes_back(shop):
    order = shop.place_order(**with_terms("forfeit"))
    missed(order, "4.00")
    assert [row.amount for row in Refund.objects.all()] == [4]
    assert [name for name in steps.broken_invariants() if "ticket" not in name] == []


def test_what_is_forfeited_in_a_marketplace_merchants_own_channel_is_the_merchants(shop):
    seller = factories.MerchantFactory()
    own = factories.ChannelFactory(merchant=seller)
    sku = factories.StockFactory(sku__merchant=seller).sku
    body = factories.order_body((sku, 1, "26.00"), source=own.code, freight_amount="0.00", **with_terms("forfeit"))
    order = factories.place(body, seller)
    missed(order)

    row = SettlementRow.objects.get()
    assert (row.merchant, row.kind, row.net_amount) == (seller, "forfeited", 6)
    assert accounts(order) == {"1006": 600, "2201": -600}
    assert steps.broken_invariants() == []


def test_what_is_forfeited_of_a_deposit_by_a_decision_later_is_the_merchants_too(shop):
    seller = factories.MerchantFactory()
    own = factories.ChannelFactory(merchant=seller)
    sku = factories.StockFactory(sku__merchant=seller).sku
    terms = parts("6.00", "4.00", "16.00", days=(1, 2, 10))
    terms["instalments"][0]["if_missed"], terms["instalments"][1]["if_missed"] = "forfeit", "ask"
    order = factories.place(
        factories.order_body((sku, 1, "26.00"), source=own.code, freight_amount="0.00", **terms), seller
    )
    steps.ask_for_payment()
    told(f"{order.number}-P1", "6.00")
    with fakes.provider(fakes.FakeProvider()):
        factories.run(requesting.request)
    told(f"{order.number}-P2", "4.00")
    Order.objects.filter(pk=order.pk).update(pay_by=timezone.now() - timedelta(minutes=1))
    factories.run(expiring.run, balancing.run)
    assert [row.net_amount for row in SettlementRow.objects.all()] == [6]

    forfeiting.decide(order.pk, is_forfeited=True, actor=steps.STAFF)
    factories.run(balancing.run, balancing.run)

    rows = SettlementRow.objects.order_by("pk").values_list("merchant", "kind", "net_amount")
    assert list(rows) == [(seller.pk, "forfeited", 6), (seller.pk, "forfeited", 4)]
    assert accounts(order) == {"1006": 1000, "2201": -1000}
    assert steps.broken_invariants() == []


def test_a_payment_of_the_balance_that_fails_is_asked_for_anew(shop):
    order = shop.place_order(**parts("6.00", "20.00"))
    steps.ask_for_payment()
    told(f"{order.number}-P1", "6.00")
    with fakes.provider(fakes.FakeProvider()):
        factories.run(requesting.request)
    told(f"{order.number}-P2", "20.00", "failed")

    assert asked(order)[1:] == [("P2", "20.00", "failed"), ("P3", "20.00", "intended")]
    told(f"{order.number}-P3", "20.00")
    assert steps.state_of(order) == "in_review"
    assert steps.broken_invariants() == []


def test_less_than_the_deposit_leaves_the_rest_of_it_to_be_paid_first(shop):
    order = shop.place_order(**parts("6.00", "20.00"))
    steps.ask_for_payment()
    told(f"{order.number}-P1", "5.00")

    assert asked(order)[1] == ("P2", "1.00", "intended")
    assert steps.fresh(order).pay_by == due(order, 1)


def test_whoever_changes_the_way_of_paying_is_asked_for_the_part_that_is_next(shop):
    other = Connection.objects.create(code="alipay", name="Alipay", kind="payment", protocol="alipay")
    order = shop.place_order(**parts("6.00", "20.00"))
    steps.ask_for_payment()
    switching.pay_over(order.pk, other.pk)

    assert str(Payment.objects.latest("pk").amount) == "6.00"


def test_a_refund_takes_the_deposit_first_and_the_balance_for_the_rest(shop):
    order = shop.place_order(**parts("6.00", "20.00"))
    steps.ask_for_payment()
    told(f"{order.number}-P1", "6.00")
    told(f"{order.number}-P2", "20.00")
    steps.approve_and_split()
    cancel_units(order.pk, {1: 1}, reason="x", actor=steps.STAFF)
    factories.run(balancing.run)

    rows = Refund.objects.order_by("pk").values_list("payment__number", "amount")
    found = [(number.partition("-")[2], str(amount)) for number, amount in rows]
    assert found == [("P1", "6.00"), ("P2", "7.00")]
    assert steps.broken_invariants() == []


def test_instalments_that_make_no_sense_are_refused(shop):
    def why(**terms: Any) -> list[tuple[str, str]]:
        return refused(shop.body(**terms), shop.merchant)

    assert why(**parts("26.00", days=(1,))) == [("instalments", "wrong_number")]
    assert why(**parts("6.00", "19.99")) == [("instalments", "does_not_add_up")]
    assert why(**parts("6.00", "20.00", days=(2, 1))) == [("instalments.1.due_at", "out_of_range")]
    assert why(**parts("6.00", "20.00", days=(-1, 1))) == [("instalments.0.due_at", "out_of_range")]
    assert why(**parts("6.00", "20.00", opens_in=11)) == [("instalments.1.opens_at", "out_of_range")]
    assert why(payment_method="cod", **parts("6.00", "20.00")) == [("instalments", "not_prepaid")]
    assert not Order.objects.exists()
