"""Merchants ask for refunds by the API, and staff decide on them on the order's page."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from orders.changing import charging
from orders.models import Order
from payments import kinds
from payments.granting import deciding, limits
from payments.models import Refund, RefundGrant
from tests import factories, steps
from tests.payments.grants import actor, delivered, goodwill, member, paid, refunds
from tests.payments.test_promotions_lost import promotion

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _defaults(db: None) -> None:
    limits.install_defaults()


# --- Merchants, by the API


def ask(client: Any, order: Order, **body: Any) -> Any:
    path = f"/api/v1/orders/{order.number}/refund-requests"
    return client.post(path, {"note": "came late", "reason": "late", "kind": "goodwill", **body}, format="json")


def test_a_merchant_asks_for_a_refund_and_is_told_what_becomes_of_it(shop, api):
    lead = member("customer_service_lead")
    order = paid(shop, "300.00")

    answer = ask(api, order, amount="30.00")

    assert answer.status_code == 201, answer.json()
    grant = answer.json()
    assert (grant["state"], grant["amount"], grant["reason"], grant["number"]) == (
        "proposed",
        "30.00",
        "late",
        f"{order.number}-G1",
    )
    assert refunds() == []
    deciding.approve(RefundGrant.objects.get().pk, user=lead, actor=actor(lead))
    assert refunds() == [("30.00", "goodwill", "intended")]
    assert [row["state"] for row in api.get(f"/api/v1/orders/{order.number}/refund-requests").json()] == ["approved"]
    assert "refund.granted" in kinds.GRANTED.news
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("body", "status", "attr", "code"),
    [
        ({}, 400, "amount", "required"),
        ({"kind": "return"}, 400, "lines", "required"),
        ({"amount": "1.00", "lines": [{"position": 1, "quantity": 1}]}, 400, "lines", "contradiction"),
        ({"amount": "300.01"}, 409, "amount", "refused"),
        ({"amount": "1.00", "reason": "no_reason"}, 409, "reason", "refused"),
        ({"amount": "1.00", "kind": "price_protection", "reason": "price_fell"}, 409, "line", "refused"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_its_field(shop, api, body, status, attr, code):
    answer = ask(api, paid(shop, "300.00"), **body)
    assert answer.status_code == status, answer.json()
    assert [(error["attr"], error["code"]) for error in answer.json()["errors"]] == [(attr, code)]
    assert not RefundGrant.objects.exists()


def test_asking_needs_its_right(shop):
    reader = factories.client_of(shop.merchant, scopes=["payments.read", "orders.write"])
    assert ask(reader, paid(shop, "300.00"), amount="1.00").status_code == 403


def test_the_preview_says_line_by_line_what_a_return_would_give(shop, api):
    order = paid(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00", name="满200减30")])
    body = {"order": order.number, "reason": "no_reason", "lines": [{"position": 1, "quantity": 1}]}

    answer = api.post("/api/v1/refunds/preview", body, format="json")

    assert answer.status_code == 200, answer.json()
    told = answer.json()
    assert (told["amount"], told["share_paid"], told["kept_cost"]) == ("70.00", "85.00", "100.00")
    assert told["promotions"] == [{"code": "P1", "name": "满200减30", "share": "15.00", "now": "0.00"}]
    assert charging.owed(order.pk) == 170


# --- Staff, on the order's page


def logged_in(client: Client, user: User) -> Client:
    for codename in ("view_order", "send_refund"):
        user.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(user)
    return client


def test_staff_see_what_it_gives_before_they_confirm_it(shop, client):
    clerk = member("customer_service")
    browser = logged_in(client, clerk)
    order = delivered(
        paid(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00", name="满200减30")])
    )
    page = reverse("admin:payments_grant", args=[order.pk])
    assert browser.get(page).status_code == 200
    form = {"reason": "no_reason", "units_1": "1", "note": "did not fit"}

    shown = browser.post(page, {**form, "preview": "1"}).content.decode()
    assert "70.00" in shown
    assert "满200减30" in shown
    assert 'name="confirm"' in shown
    assert not RefundGrant.objects.exists()

    version = Order.objects.get(pk=order.pk).version
    seen = {"cash": "70.00", "gift_card": "0.00", "points": "0.00", "version": version}
    other = browser.post(page, {**form, **seen, "cash": "85.00", "confirm": "1"})
    assert other.status_code == 200
    assert not RefundGrant.objects.exists()
    answer = browser.post(page, {**form, **seen, "confirm": "1"})
    assert answer.status_code == 302
    assert (RefundGrant.objects.get().state, RefundGrant.objects.get().amount) == ("approved", 70)
    assert refunds() == [("70.00", "returned", "intended")]


def test_staff_decide_on_the_orders_page(shop, client, settings):
    settings.REFUNDS_SENT_BY_RULE_UP_TO = Decimal("1.00")
    order = paid(shop, "300.00")
    first, second = (goodwill(order, amount, factories.UserFactory()) for amount in ("10.00", "20.00"))
    lead = member("customer_service_lead")
    browser = logged_in(client, lead)
    page = browser.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert first.number in page
    assert second.number in page

    browser.post(reverse("admin:payments_grant_approve", args=[order.pk]), {"row": first.pk})
    browser.post(reverse("admin:payments_grant_decline", args=[order.pk]), {"row": second.pk, "reason": "too much"})

    states = RefundGrant.objects.order_by("pk").values_list("state", "decided_by")
    assert list(states) == [("approved", lead.username), ("declined", lead.username)]
    assert refunds() == [("10.00", "goodwill", "granted")]
    browser.post(reverse("admin:payments_send", args=[order.pk]), {"row": Refund.objects.get().pk})
    assert refunds() == [("10.00", "goodwill", "intended")]


def test_without_the_right_nobody_grants(shop, client):
    order = paid(shop, "300.00")
    browser = logged_in(client, factories.UserFactory())
    assert browser.get(reverse("admin:payments_grant", args=[order.pk])).status_code == 403
    assert browser.post(reverse("admin:payments_grant_approve", args=[order.pk]), {"row": 1}).status_code == 403
