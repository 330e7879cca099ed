"""News is written with the change, for those whom it concerns, and for nobody else."""

import json

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from logistics.carriers.defaults import install_default_carriers
from oms.embedded import CHECKOUT
from oms.merchants.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from oms.merchants.webhooks import endpoints, telling
from orders import kinds
from orders.kinds import EventKind
from orders.models import Order, OrderEvent, SubOrder
from tests import factories, steps
from tests.webhooks.conftest import subscribe

pytestmark = pytest.mark.django_db


def _is_of_parts(kind: EventKind) -> bool:
    """Whether what merchants are told by it is about sub-orders."""
    return any(news.startswith(("sub_order.", "shipment.", "settlement.")) for news in kind.news)


def types_of(endpoint: WebhookEndpoint) -> list[str]:
    """The types of what the endpoint is told, in order."""
    found = WebhookDelivery.objects.filter(endpoint=endpoint).order_by("id")
    return list(found.values_list("event__type", flat=True))


def test_an_order_is_told_from_its_receipt_to_its_split(shop):
    endpoint = subscribe(shop.merchant)

    order = factories.split_order((shop.sku, 2, "10.00"), merchant=shop.merchant, source=shop.channel.code)

    assert types_of(endpoint) == [
        "order.created",
        "order.approved",
        "order.apportioned",
        "order.split",
        "sub_order.created",
    ]
    created = WebhookEvent.objects.get(type="order.created")
    assert created.data == {
        "order": order.number,
        "external_number": order.external_number,
        "state": "in_review",
        "payment_state": "on_delivery",
        "fulfilment_state": "unfulfilled",
        "version": 1,
    }
    assert WebhookEvent.objects.get(type="order.split").data["version"] == order.version
    assert WebhookEvent.objects.get(type="sub_order.created").data == {
        "sub_order": f"{order.number}-1",
        "state": "awaiting_allocation",
        "version": 1,
    }


def test_a_parcel_is_told_scan_by_scan(shop):
    endpoint = subscribe(shop.merchant, "http://127.0.0.1:40009/hook", "shipment.*", "sub_order.delivered")
    order = factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant, payment_method="cod")
    shipment = steps.dispatched(order)

    steps.scan(shipment, "collected", "signed")

    assert types_of(endpoint) == [
        "shipment.waybill_issued",
        "shipment.collected",
        "shipment.signed",
        "sub_order.delivered",
    ]
    signed = WebhookEvent.objects.get(type="shipment.signed")
    assert signed.data["state"] == "signed"
    assert signed.data["waybill"] == shipment.waybill_number


def test_who_fulfils_is_told_of_its_sub_orders_only(shop):
    theirs = factories.SkuFactory()
    factories.StockFactory(sku=theirs)
    stranger = subscribe(factories.MerchantFactory())
    seller, fulfiller = subscribe(shop.merchant), subscribe(theirs.merchant)

    order = factories.allocated_order((shop.sku, 1, "10.00"), (theirs, 1, "3.00"), merchant=shop.merchant)

    part = SubOrder.objects.get(order=order, merchant=theirs.merchant)
    assert types_of(stranger) == []
    assert types_of(fulfiller) == ["sub_order.created", "sub_order.allocated"]
    told = WebhookEvent.objects.filter(merchant=theirs.merchant)
    assert {event.data["sub_order"] for event in told} == {part.number}
    assert all(set(event.data) == {"sub_order", "state", "version"} for event in told)
    assert types_of(seller).count("sub_order.allocated") == 2
    assert steps.broken_invariants() == []


def test_no_message_holds_personal_data(shop):
    subscribe(shop.merchant)

    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)

    said = json.dumps(list(WebhookEvent.objects.values_list("data", flat=True)), ensure_ascii=False)
    assert order.number in said
    for private in (order.buyer_name, order.buyer_phone, order.recipient_address, order.buyer_reference):
        assert private
        assert private not in said


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["order.*"], {"order.created", "order.approved", "order.split", "order.apportioned"}),
        (["order.split"], {"order.split"}),
        (["sub_order.*", "order.created"], {"sub_order.created", "order.created"}),
        (["shipment.*", "refund.*"], set()),
    ],
)
def test_an_endpoint_gets_the_types_that_it_chose(shop, patterns, wanted):
    endpoint = subscribe(shop.merchant, "http://127.0.0.1:40009/hook", *patterns)

    factories.split_order((shop.sku, 1, "10.00"), merchant=shop.merchant)

    assert set(types_of(endpoint)) == wanted
    assert set(WebhookEvent.objects.values_list("type", flat=True)) == wanted


def test_two_endpoints_of_a_merchant_share_the_event_and_its_id(shop):
    first, second = subscribe(shop.merchant), subscribe(shop.merchant)

    factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)

    ids = WebhookDelivery.objects.values_list("event__message_id", "endpoint")
    assert sorted(endpoint for _message, endpoint in ids) == [first.pk, second.pk]
    assert len({message for message, _endpoint in ids}) == 1


def test_a_change_that_is_rolled_back_is_not_told(shop):
    subscribe(shop.merchant)

    class Undo(Exception):
        pass

    def place_and_undo() -> None:
        with transaction.atomic():
            factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
            assert WebhookEvent.objects.count() == 1
            raise Undo

    with pytest.raises(Undo):
        place_and_undo()

    assert not Order.objects.exists()
    assert not WebhookEvent.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_within_without_messages_nothing_is_told_and_afterwards_it_is(shop):
    subscribe(shop.merchant)

    with telling.without_messages():
        factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
        with telling.without_messages():
            pass
        factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    assert not WebhookEvent.objects.exists()

    with pytest.raises(ZeroDivisionError), telling.without_messages():
        1 / 0  # noqa: B018
    factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    assert WebhookEvent.objects.count() == 1


def test_a_disabled_endpoint_is_told_nothing(shop):
    endpoint = subscribe(shop.merchant)
    endpoints.disable(endpoint.pk, because="merchant")

    factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)

    assert not WebhookEvent.objects.exists()


def test_telling_is_no_statement_of_its_own_whoever_listens(shop):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
        return len(captured)

    statements()
    alone = statements()
    subscribe(shop.merchant)

    assert statements() == alone


def test_every_type_comes_from_a_kind_that_the_timeline_knows(shop):
    """A renamed kind of event must not silence its type: each is written here once and must be told."""
    subscribe(shop.merchant)
    order = factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)
    WebhookDelivery.objects.all().delete()
    WebhookEvent.objects.all().delete()
    OrderEvent.objects.bulk_create(
        OrderEvent(
            order=order,
            sub_order=part if kind.moves == "sub_order" or (not kind.moves and _is_of_parts(kind)) else None,
            kind=kind.code,
            actor_kind="job",
            actor="test",
            to_state="x" if kind.moves else "",
            data={"number": "N", "waybill": "W", "parts": [part.number]},
        )
        for kind in kinds.known().values()
        if kind.news
    )

    types = {news for kind in kinds.known().values() for news in kind.news}
    assert set(WebhookEvent.objects.values_list("type", flat=True)) == types
    assert not WebhookEvent.objects.filter(data__version=None).exists()


def test_refunds_are_told_to_the_seller(shop):
    install_default_carriers()
    endpoint = subscribe(shop.merchant, "http://127.0.0.1:40009/hook", "payment.*", "order.in_review")
    order = factories.place_order((shop.sku, 1, "10.00"), merchant=shop.merchant)

    steps.pay(order)

    assert types_of(endpoint) == ["payment.requested", "payment.succeeded", "order.in_review"]
    assert WebhookEvent.objects.get(type="payment.succeeded").data == {
        "payment": f"{order.number}-P1",
        "order": order.number,
        "state": "succeeded",
        "version": WebhookEvent.objects.get(type="payment.succeeded").data["version"],
    }


def test_the_documentation_names_every_type():
    text = (CHECKOUT / "docs" / "webhooks.md").read_text()
    for known in endpoints.known_types():
        assert f"| `{known}` |" in text
