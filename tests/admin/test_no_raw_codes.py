"""No list and no page of the admin shows a stored code where a word belongs."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from inventory.models import Sku, Stock
from logistics.carriers import tracking
from logistics.models import Shipment, ShipmentState
from logistics.warehouses import events, stopping
from logistics.warehouses.notices import Notice
from logistics.watching import steps as watching_steps
from oms.common import stuck, tickets
from oms.common.models import Connection, Topic
from oms.common.work import facts
from oms.pipeline import PIPELINE_AND_WEBHOOKS
from orders import kinds
from orders.actors import Actor
from orders.changing import cancelling
from orders.fulfilling import allocating, splitting
from orders.matching import matches, releasing
from orders.matching.matches import NewComponent, NewMatch
from orders.models import ActorKind, Order
from orders.reviewing import deciding, holds
from orders.stock.stocktaking import count_stock
from payments.models import NoticeKind
from payments.owing import balancing
from payments.providers.defaults import default_connection
from payments.taking import expiring, noticing, requesting
from tests import factories, fakes, steps
from tests.admin.test_pages import world  # noqa: F401 - a row of every kind

# So many rows of a kind are looked at.
MOST = 30
# A word of its own, also between Chinese ones; not a part of an address, a key or a number.
_WORD = re.compile(r"(?<![\w./:@+-])[a-z][a-z_]{2,}(?![\w./:@+-])", re.ASCII)


# A field's name in a message about it, and the codes by which merchants give a reason.
AS_WRITTEN = {
    # English templates are written in English.
    "/admin/common/messagetemplate": {
        *("goods", "order", "cancelled", "paid", "company", "merchant", "sent", "approved", "address", "words", "pass"),
    },
    # What axes keeps where a program says nothing of itself.
    "/admin/common/failedlogin": {"unknown"},
    "/admin/orders/cancelreason": {"changed_mind", "other", "out_of_stock", "too_late"},
    "/admin/orders/rejectedorder": {"order"},
    "/admin/payments/grantreason": {"late"},
}


def codes() -> set[str]:
    """Every value of every choice, the names of stages, and the kinds of events and tickets."""
    found = {
        value
        for model in apps.get_models()
        for field in model._meta.get_fields()
        for value, _label in getattr(field, "flatchoices", None) or ()
        if isinstance(value, str)
    }
    subclasses = [models.TextChoices]
    while subclasses:
        one = subclasses.pop()
        subclasses += one.__subclasses__()
        found |= set(one.values)
    found |= {stage.name for stage in PIPELINE_AND_WEBHOOKS}
    found |= set(kinds.known()) | set(tickets.kinds()) | set(watching_steps.WORDS)
    found |= {reason for kind in tickets.kinds().values() for reason in kind.reasons}
    return {code for code in found if re.fullmatch(r"[a-z][a-z_]{2,}", code)}


def visible(page: str) -> str:
    """What people read of a page: its text, without scripts, styles, attributes and icons, and without messages that
    are shown as they came or went."""
    page = re.sub(r"<!--.*?-->", " ", page, flags=re.S)
    page = re.sub(r"<(script|style|head|svg|template|pre)\b.*?</\1>", " ", page, flags=re.S)
    page = re.sub(r'<span class="[^"]*material-symbols-outlined[^"]*"[^>]*>.*?</span>', " ", page, flags=re.S)
    return unescape(re.sub(r"<[^>]*>", "\n", page))


def _scan(shipment: Shipment, *states: str) -> None:
    """The carrier reports these states, in words of its own."""
    scans = [steps.scan_of(shipment, state, minutes=i) for i, state in enumerate(states)]
    steps.carrier_says(shipment, [replace(one, body={**one.body, "text": "…"}) for one in scans])
    factories.run(tracking.run)


@pytest.fixture
def all_sorts(world: None, shop: factories.Shop) -> None:  # noqa: F811
    """Rows of every kind in many states: on their way, held, stopped, contradicted, stuck, failed."""
    clerk = Actor(ActorKind.STAFF, "wang")
    factories.review_rule("", "amount_over", values={"amount": "1.00"}, code="amount_over")
    shop.place_order(payment_method="cod")
    factories.run(deciding.run)
    factories.change_review_rules(is_active=False)

    ended = shop.place_order()
    holds.hold_order(ended.pk, reason="?", actor=clerk)
    cancelling.cancel_order(ended.pk, reason="?", actor=clerk)
    Order.objects.filter(pk=shop.place_order().pk).update(pay_by=steps.NOON)
    factories.run(expiring.run)

    paid = shop.place_order()
    steps.pay(paid)
    steps.notify(f"{paid.number}-P1", "12.34")
    other = Connection.objects.create(code="other-pay", name="Other Pay", kind="payment", protocol="sandbox")
    steps.notify(f"{paid.number}-P1", "12.34", link=other)
    factories.run(noticing.run)
    cancelling.cancel_order(paid.pk, reason="?", actor=clerk)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(balancing.run, requesting.refund)
    steps.notify(f"{paid.number}-R1", "1.00", "refunded")
    factories.run(noticing.run)

    def of_goods() -> Order:
        return shop.place_order(payment_method="cod")

    refused = steps.released(of_goods())
    steps.warehouse_says(refused, "refused")
    stopped = steps.released(of_goods())
    cancelling.cancel_order(stopped.order_id, reason="?", actor=clerk)
    work = steps.work_of(stopped)
    factories.run(stopping.pass_on)
    steps.warehouse_says(stopped, "stopped")
    steps.tell(work, "packed")
    factories.run(events.run)
    asked = steps.released(of_goods())
    cancelling.cancel_order(asked.order_id, reason="?", actor=clerk)
    steps.warehouse_says(steps.released(of_goods()), "picking")
    steps.dispatched(of_goods())
    _scan(steps.shipped(of_goods()), "collected", "in_transit")
    back = steps.shipped(of_goods())
    _scan(back, "collected", "rejected", "returning", "returned")
    _scan(steps.shipped(of_goods()), "collected", "signed")
    factories.run(balancing.run)
    shop.place_order((shop.sku, 5000, "1.00"), payment_method="cod")
    factories.run(deciding.run, splitting.run, allocating.run)
    count_stock(Stock.objects.get(sku=shop.sku).pk, 6, actor=clerk, note="")

    # Of those that wait for a match, one cannot go on, and one can.
    unknown = {**shop.body(), "payment_method": "cod"}
    for number, code in enumerate(["HER", "HIS"]):
        line = {**unknown["lines"][0], "sku": code}
        factories.place({**unknown, "external_number": f"U{number}", "lines": [line]}, shop.merchant)
    wanted = NewComponent(factories.SkuFactory(merchant=factories.MerchantFactory(accepts_cod=False)).code)
    strict = Sku.objects.get(code=wanted.sku).merchant.code
    matches.put(shop.merchant, NewMatch(shop.channel.code, "HER", (replace(wanted, merchant=strict),)), actor=clerk)
    matches.put(shop.merchant, NewMatch(shop.channel.code, "HIS", (NewComponent(shop.sku.code),)), actor=clerk)
    factories.run(releasing.run)

    for topic, named in ((Topic.PAYMENT, NoticeKind), (Topic.WAREHOUSE, Notice), (Topic.CARRIER, ShipmentState)):
        news = [facts.News(f"{topic}-{kind}", kind, f"X-{kind.name}", steps.NOON, {}) for kind in named]
        facts.receive(default_connection().pk, topic, news)
    order = Order.objects.latest("pk")
    for kind in tickets.kinds().values():
        for number, reason in enumerate(["", *kind.reasons]):
            trouble = tickets.Trouble(10_000 + number, reason, about_id=order.pk)
            tickets.open_tickets(kind, [trouble], opened_by="payment_facts")
    tickets.close_tickets([tickets.kinds()["refund_failed"]], [10_000], closed_by="payment_facts")
    for model, _subject in stuck.marked_models():
        key = model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
        model._default_manager.filter(pk=key).update(
            needs_person_since=steps.NOON, attempts=3, last_error="TimeoutError"
        )


def pages() -> Iterator[str]:
    """Every list, and a page of every row that there is of a few."""
    yield reverse("admin:index")
    for model in sorted(admin.site._registry, key=lambda model: model._meta.label):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        for key in model._default_manager.order_by("pk").values_list("pk", flat=True)[:MOST]:
            yield reverse(f"{name}_change", args=[key])


def test_no_page_shows_a_code_where_a_word_belongs(all_sorts: None, boss: Client) -> None:
    known = codes()
    assert {"cancel_at_warehouse", "overpaid", "applied", "stuck_refund", "hold_released"} <= known
    raw = []
    for path in pages():
        answer = boss.get(path, headers={"accept-language": "zh-hans"})
        assert answer.status_code == 200, path
        shown = set(_WORD.findall(visible(answer.content.decode())))
        kept = {code for begin, some in AS_WRITTEN.items() if path.startswith(begin) for code in some}
        raw += [f"{path}: {code}" for code in sorted((shown & known) - kept)]

    assert not raw, "\n".join(raw)
