"""Returns by the API: asked for, listed by change, read, decided by who fulfils."""

import pytest
from django.utils import timezone

from orders.models import ReturnRequest
from tests import factories, steps
from tests.returns.world import install, line_of, many

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _defaults(db: None) -> None:
    install()


def body(order, **changes):  # type: ignore[no-untyped-def]
    part = order.sub_orders.get()
    told = {"sub_order": part.number, "kind": "return_and_refund", "reason": "no_reason"}
    return {**told, "lines": [{"position": 1, "quantity": 1}], **changes}


def test_a_merchant_asks_reads_lists_and_decides(shop):
    order = many(shop, 2)
    client = factories.client_of(shop.merchant)
    before = timezone.now()

    made = client.post("/api/v1/returns", body(order), format="json")
    assert made.status_code == 201, made.content
    shown = made.json()
    assert (shown["state"], shown["money_state"], shown["number"]) == ("requested", "not_due", f"{order.number}-T1")
    line = {"position": 1, "sku": shop.sku.code, "announced": 1, "quantity": 1, "found": [], "serials": []}
    assert shown["lines"] == [line]
    assert made["ETag"] == f'"{shown["version"]}"'

    address = f"/api/v1/returns/{shown['number']}"
    assert client.get(address).json() == shown
    listed = client.get("/api/v1/returns", {"updated_since": before.isoformat()}).json()["results"]
    assert [row["number"] for row in listed] == [shown["number"]]
    later = client.get("/api/v1/returns", {"updated_since": timezone.now().isoformat()}).json()["results"]
    assert later == []

    assert client.post(f"{address}/decision", {"decision": "approve"}, format="json").status_code == 428
    old = client.post(f"{address}/decision", {"decision": "approve"}, format="json", headers={"if-match": '"99"'})
    assert old.status_code == 409
    version = {"if-match": made["ETag"]}
    done = client.post(f"{address}/decision", {"decision": "approve"}, format="json", headers=version)
    assert (done.status_code, done.json()["state"]) == (200, "awaiting_goods")
    again = client.post(
        f"{address}/decision", {"decision": "decline", "reason": "x"}, format="json", headers={"if-match": done["ETag"]}
    )
    assert again.status_code == 409
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("changes", "attr"),
    [
        ({"lines": [{"position": 1, "quantity": 3}]}, "lines"),
        ({"lines": [{"position": 9, "quantity": 1}]}, "lines.0.position"),
        ({"lines": [{"position": 1, "quantity": 1}] * 2}, "lines"),
        ({"kind": "refused_at_door"}, "kind"),
        ({"reason": "whim"}, "reason"),
        ({"agreed_amount": "1.00"}, "agreed_amount"),
    ],
)
def test_what_cannot_come_back_is_refused_by_its_field(shop, changes, attr):
    order = many(shop, 2)
    answer = factories.client_of(shop.merchant).post("/api/v1/returns", body(order, **changes), format="json")
    assert answer.status_code in (400, 409), answer.content
    assert answer.json()["errors"][0]["attr"] == attr
    assert not ReturnRequest.objects.exists()
    assert line_of(order).returning_quantity == 0


def test_a_sub_order_that_the_merchant_does_not_see_is_not_found(shop):
    order = many(shop, 1)
    stranger = factories.client_of(factories.MerchantFactory())
    assert stranger.post("/api/v1/returns", body(order), format="json").status_code == 404
    assert not ReturnRequest.objects.exists()


def test_who_fulfils_decides_and_nobody_else(shop):
    """The merchant whose channel sold it sees the return of what another one sent."""
    other = factories.MerchantFactory()
    sku = factories.SkuFactory(merchant=other)
    factories.StockFactory(sku=sku)
    order = shop.place_order((sku, 1, "10.00"))
    steps.pay(order)
    steps.scan(steps.shipped(order), "signed")
    row = ReturnRequest.objects.get(
        number=factories.client_of(shop.merchant).post("/api/v1/returns", body(order), format="json").json()["number"]
    )
    address, version = f"/api/v1/returns/{row.number}/decision", {"if-match": f'"{row.version}"'}
    asked = {"decision": "decline", "reason": "worn"}
    seller = factories.client_of(shop.merchant).post(address, asked, format="json", headers=version)
    assert (seller.status_code, seller.json()["errors"][0]["code"]) == (403, "not_yours")
    stranger = factories.client_of(factories.MerchantFactory()).post(address, asked, format="json", headers=version)
    assert stranger.status_code == 404
    fulfiller = factories.client_of(other).post(address, asked, format="json", headers=version)
    assert (fulfiller.status_code, fulfiller.json()["end_reason"]) == (200, "worn")
    assert steps.broken_invariants() == []
