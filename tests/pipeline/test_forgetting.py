"""People of orders that were over long ago are forgotten, everywhere; what was bought and paid stays."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from logistics.buyer import checking
from logistics.carriers.recalling import asking
from logistics.models import ShipmentLabel
from oms.common import secrecy
from oms.common.messages import writing
from oms.common.models import BuyerMessage, InboundFact, Ticket
from orders.admin import searching
from orders.asked import forgetting
from orders.changing.readdressing import Recipient, change_recipient
from orders.fulfilling import completing
from orders.models import Order, OrderCharge, OrderEvent, OrderTerms
from payments.owing import balancing
from tests import factories, steps
from tests.returns import world as returned

pytestmark = pytest.mark.django_db

OLD_NAME, OLD_PHONE, OLD_STREET = "司徒静好", "13577712345", "梧桐路77弄3号"
NAME, PHONE, STREET = "欧阳雪晴", "13912349876", "银杏街15号602室"
SECRETS = (OLD_NAME, OLD_PHONE, OLD_STREET, NAME, PHONE, STREET)
RECIPIENT = {"name": OLD_NAME, "phone": OLD_PHONE, "region_code": "110101", "address": OLD_STREET}


@pytest.fixture
def finished(shop: factories.Shop) -> Order:
    """An order of a person with a change of address, a parcel that was sent elsewhere, messages and a label; over."""
    order = shop.place_order(
        payment_method="cod",
        recipient=RECIPIENT,
        buyer={"id": "B-77", "name": OLD_NAME, "phone": OLD_PHONE},
        remark=f"先打电话 {OLD_PHONE}",
        seller_memo=f"{OLD_NAME} 是老客户",
    )
    change_recipient(order.pk, Recipient(name=NAME, phone=PHONE, address=STREET), actor=steps.STAFF)
    shipment = steps.shipped(order)
    said = f'{{"name": "{NAME}", "phone": "{PHONE}", "region_code": "110101", "address": "{STREET}"}}'
    steps.recalled(shipment, recipient=secrecy.seal(said))
    ShipmentLabel.objects.update_or_create(shipment=shipment, defaults={"template": secrecy.seal(f"<p>{NAME}</p>")})
    BuyerMessage.objects.create(
        kind="shipped",
        key="1",
        way="sms",
        state="sent",
        about_id=order.pk,
        address=secrecy.seal(PHONE),
        content=secrecy.seal(f'{{"subject": "", "text": "{NAME}", "values": {{}}}}'),
    )
    steps.scan(shipment, "collected", "signed")
    InboundFact.objects.update(raw=secrecy.seal(f"<receiver>{NAME} {PHONE}</receiver>"))
    completing.confirm_receipt(shipment.sub_order_id, actor=steps.STAFF)
    factories.run(balancing.run)
    assert steps.state_of(order) == "completed"
    return steps.fresh(order)


def grow_old(order: Order, days: int = 3 * 366 + 2) -> None:
    """It was all that long ago."""
    by = timedelta(days=days)
    with steps.without_guards():
        Order.objects.filter(pk=order.pk).update(created_at=order.created_at - by, completed_at=order.completed_at - by)
        for event in OrderEvent.objects.filter(order=order):
            OrderEvent.objects.filter(pk=event.pk).update(created_at=event.created_at - by)
        for fact in InboundFact.objects.all():
            at = fact.settled_at and fact.settled_at - by
            InboundFact.objects.filter(pk=fact.pk).update(received_at=fact.received_at - by, settled_at=at)
    Ticket.objects.all().delete()


def told() -> list[str]:
    """Where in the whole database one of the people is named, sealed or not: table, column and what."""
    found = []
    for model in apps.get_models():
        for row in model._base_manager.values():
            for column, value in row.items():
                text = _opened(value)
                found += [f"{model._meta.label}.{column}: {secret}" for secret in SECRETS if secret in text]
    return found


def _opened(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        value = bytes(value).decode(errors="replace")
    text = str(value)
    if text.startswith("gAAAAA"):
        with suppress(InvalidToken):
            return secrecy.unseal(text)
    return text


def test_nobody_is_named_any_more_and_all_else_stays(finished: Order) -> None:
    grow_old(finished)
    assert {place.partition(":")[0] for place in told()} >= {
        *("orders.Order.recipient_name", "orders.Order.remark", "orders.OrderTerms.seller_memo"),
        *("orders.OrderEvent.sealed", "logistics.Recall.recipient", "logistics.ShipmentLabel.template"),
        *("common.InboundFact.raw", "common.BuyerMessage.address", "common.BuyerMessage.content"),
    }
    charges = list(OrderCharge.objects.filter(order=finished).order_by("pk").values())
    events = list(OrderEvent.objects.filter(order=finished).order_by("pk").values("kind", "data", "to_state"))

    assert forgetting.forget() == 1

    assert told() == []
    assert writing.opened(BuyerMessage.objects.get()).text == ""
    kept = steps.fresh(finished)
    assert (kept.state, kept.payable_amount, kept.region_id) == ("completed", finished.payable_amount, "110101")
    assert (kept.buyer_reference, kept.anonymised_at is not None) == ("B-77", True)
    assert list(OrderCharge.objects.filter(order=finished).order_by("pk").values()) == charges
    assert list(OrderEvent.objects.filter(order=finished).order_by("pk").values("kind", "data", "to_state")) == events
    assert steps.broken_invariants() == []
    assert forgetting.forget() == 0


def test_pages_say_so_and_go_on(finished: Order, boss: Client) -> None:
    grow_old(finished)
    forgetting.forget()
    page = boss.get(reverse("admin:orders_order_change", args=[finished.pk]), headers={"accept-language": "en"})
    shown = page.content.decode()
    assert (page.status_code, "were removed on" in shown, 'id="reveal"' in shown) == (200, True, False)
    assert boss.get(reverse("admin:orders_order_changelist")).status_code == 200
    assert not searching.find(PHONE).order_ids
    assert checking.ends_of(steps.fresh(finished)) == set()
    recall = finished.sub_orders.get().shipments.get().recalls.get()
    assert asking.destination_of(recall) is None


@pytest.fixture
def boss() -> Client:
    """A superuser's browser."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    return client


@pytest.mark.parametrize("what", ["younger", "news", "ticket", "return", "kept for ever", "not over"])
def test_what_is_not_done_with_is_left_alone(finished: Order, settings: Any, what: str) -> None:
    if what == "return":
        returned.install()
        returned.ask(finished, {1: 1})
    grow_old(finished, days=1000 if what == "younger" else 3 * 366 + 2)
    if what == "news":
        OrderEvent.objects.create(order=finished, kind="note", actor_kind="staff", actor="li", data={"text": "x"})
    elif what == "ticket":
        Ticket.objects.create(kind="complaint", subject_kind="order", subject_id=finished.pk, about_id=finished.pk)
    elif what == "kept for ever":
        settings.RECIPIENTS_KEPT_MONTHS = 0
    elif what == "not over":
        with steps.without_guards():
            Order.objects.filter(pk=finished.pk).update(state="split", completed_at=None)

    assert forgetting.forget() == 0
    assert steps.fresh(finished).recipient_name == NAME


def test_who_is_forgotten_cannot_be_named_again(finished: Order) -> None:
    grow_old(finished)
    forgetting.forget()
    with pytest.raises(IntegrityError, match="names_nobody"), transaction.atomic():
        Order.objects.filter(pk=finished.pk).update(recipient_name=NAME)


def test_many_take_as_many_statements_as_few(shop: factories.Shop) -> None:
    def statements(orders: int) -> int:
        placed = [shop.place_order() for _ in range(orders)]
        for order in placed:
            with steps.without_guards():
                Order.objects.filter(pk=order.pk).update(
                    state="cancelled",
                    cancelled_at=timezone.now(),
                    created_at=order.created_at - timedelta(days=3000),
                )
                OrderEvent.objects.filter(order=order).update(created_at=order.created_at - timedelta(days=3000))
        with CaptureQueriesContext(
            connection,
        ) as made:
            assert forgetting.forget() == orders
        return len(made)

    assert statements(2) == statements(12)
    assert OrderTerms.objects.exclude(receiver_token="").count() == 0
