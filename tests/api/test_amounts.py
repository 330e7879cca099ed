"""The amounts service: what each order's money is made of, and the list of what changed, from which nothing is lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from oms.common.secrecy import seal
from oms.merchants.calls import credentials
from oms.merchants.models import ApiCredential, WebhookEndpoint, WebhookEvent
from orders.models import Order, OrderEvent
from orders.telling import timeline
from payments.granting import limits
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.api.calls import errors_of
from tests.pipeline.test_races import in_thread

PLATFORM = ("payments.read", "platform.read")
FEED = "/api/v1/amounts"


@pytest.fixture
def program(shop: factories.Shop, settings: Any) -> factories.MerchantClient:
    """A program of the platform's own."""
    settings.AMOUNTS_LAG_SECONDS = 0
    return factories.client_of(shop.merchant, scopes=PLATFORM)


def sums(rows: list[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


def since(client: Any, moment: Any = None, **more: Any) -> dict[str, Any]:
    moment = moment or timezone.now() - timedelta(hours=1)
    answer = client.get(FEED, {"updated_since": moment.isoformat(), **more})
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.mark.django_db
def test_every_yuan_says_where_it_comes_from_and_who_bears_it(shop, api, settings):
    settings.APPORTIONMENT_POLICY = "fen"
    other = factories.StockFactory(sku__merchant=factories.MerchantFactory()).sku
    order = shop.place_order(
        (shop.sku, 3, "33.33"),
        (other, 1, "50.01"),
        promotions=[{"id": "P1", "amount": "15.00", "platform_amount": "5.00"}],
        coupon_amount="10.00",
        gift_card_amount="20.00",
        points={"used": 100, "amount": "1.00"},
        adjustment_amount="-1.00",
        adjustment_reason="抹零",
        adjustment_bearer="merchant",
        freight_amount="6.00",
    )
    steps.pay(order)
    steps.approve_and_split()
    told = api.get(f"/api/v1/orders/{order.number}/amounts").json()

    components = {(row["component"], row["source"], row["bearer"]): row["amount"] for row in told["components"]}
    assert components == {
        ("goods", "", ""): "150.00",
        ("freight", "", ""): "6.00",
        ("promotion", "P1", "platform"): "-5.00",
        ("promotion", "P1", "merchant"): "-10.00",
        ("coupon", "", "platform"): "-10.00",
        ("adjustment", "抹零", "merchant"): "-1.00",
        ("points", "", ""): "-1.00",
        ("gift_card", "", ""): "-20.00",
    }
    assert sums(told["components"], "amount") == Decimal(told["payable_amount"]) == Decimal("109.00")
    for line in told["lines"]:
        assert sums(line["components"], "amount") == Decimal(line["payable_amount"])
        (part,) = line["parts"]
        assert sum(unit["units"] for unit in part["units"]) == line["quantity"]
        units = sum((unit["units"] * Decimal(unit["payable_amount"]) for unit in part["units"]), Decimal(0))
        assert units == Decimal(line["payable_amount"])
    assert sums(told["sub_orders"], "payable_amount") == Decimal("109.00")
    assert [part["merchant"] for part in told["sub_orders"]] == [shop.merchant.code, other.merchant.code]
    assert (told["number"], len(told["lines"]), told["lines"][1]["merchant"]) == (order.number, 2, other.merchant.code)


@pytest.mark.django_db
@pytest.mark.parametrize(("terms", "bearer"), [(None, "channel"), (True, "platform")])
def test_the_coupon_of_a_marketplace_channel_is_its_platforms_unless_its_terms_say_ours(shop, terms, bearer):
    seller = factories.MerchantFactory()
    own = factories.ChannelFactory(merchant=seller, platform_may_bear=terms)
    sku = factories.StockFactory(sku__merchant=seller).sku
    body = factories.order_body((sku, 1, "100.00"), source=own.code, freight_amount="0.00", coupon_amount="10.00")
    order = factories.place(body, seller)
    told = factories.client_of(seller).get(f"/api/v1/orders/{order.number}/amounts").json()

    (line,) = told["lines"]
    for rows in (told["components"], line["components"]):
        assert [(row["bearer"], row["amount"]) for row in rows if row["component"] == "coupon"] == [(bearer, "-10.00")]


@pytest.mark.django_db
def test_the_finished_apportionment_is_told_with_the_shares_of_every_line(shop):
    WebhookEndpoint.objects.create(
        merchant=shop.merchant, url="https://1.1.1.1/", event_types=["order.apportioned"], secret=seal("whsec_c2VjcmV0")
    )
    order = shop.place_order((shop.sku, 3, "33.33"), freight_amount="0.00", coupon_amount="10.00")
    steps.pay(order)
    steps.approve_and_split()

    event = WebhookEvent.objects.get()
    (line,) = event.data["lines"]
    assert (event.type, event.data["order"]) == ("order.apportioned", order.number)
    assert {name: line[name] for name in ("position", "sub_order", "quantity", "coupon_share", "payable_amount")} == {
        "position": 1,
        "sub_order": f"{order.number}-1",
        "quantity": 3,
        "coupon_share": "10.00",
        "payable_amount": "89.99",
    }


@pytest.mark.django_db
def test_a_program_of_the_platform_reads_everybodys_amounts_and_a_merchant_its_own(shop, program):
    there = factories.make_shop()
    theirs = there.place_order()
    assert program.get(f"/api/v1/orders/{theirs.number}/amounts").json()["number"] == theirs.number
    assert program.get(f"/api/v1/orders/{theirs.number}").status_code == 403
    steps.pay(theirs)
    steps.approve_and_split()
    limits.install_defaults()
    wanted = {"order": theirs.number, "reason": "no_reason", "lines": [{"position": 1, "quantity": 1}]}
    preview = "/api/v1/refunds/preview"
    assert program.post(preview, wanted, format="json").json()["amount"] == "10.00"
    merchant = factories.client_of(shop.merchant)
    assert merchant.get(f"/api/v1/orders/{theirs.number}/amounts").status_code == 404
    assert merchant.post(preview, wanted, format="json").status_code == 404
    assert errors_of(merchant.get(FEED, {"updated_since": "2026-01-01T00:00:00Z"})) == {(None, "scope_missing")}


@pytest.mark.django_db
def test_only_the_self_operated_merchant_gets_the_scope_and_only_from_staff(shop):
    seller = factories.MerchantFactory()
    with pytest.raises(ValidationError):
        credentials.issue(seller, "x", scopes=PLATFORM)
    assert "platform.read" not in credentials.issue(shop.merchant, "x").credential.scopes
    boss = client_of(is_superuser=True)
    form = {"merchant": seller.pk, "name": "erp", "scopes": list(PLATFORM), "allowed_networks": ""}
    page = boss.post("/admin/merchants/apicredential/add/", form)
    assert "scopes" in page.context["adminform"].form.errors
    assert not seller.credentials.exists()


@pytest.mark.django_db
def test_pages_go_on_where_they_ended_and_a_changed_order_comes_again(shop, program):
    orders = [shop.place_order() for _ in range(5)]
    first = since(program, limit=2)
    assert [row["number"] for row in first["results"]] == [order.number for order in orders[:2]]
    timeline.add_note(orders[0].pk, text="changed", actor=steps.STAFF)

    found, page = [], first
    while page["next"]:
        page = program.get(page["next"]).json()
        found += [row["number"] for row in page["results"]]
    assert found == [order.number for order in (*orders[2:], orders[0])]
    # Later: from the last cursor on.
    assert program.get(FEED, {"cursor": page["cursor"]}).json()["results"] == []
    timeline.add_note(orders[3].pk, text="changed", actor=steps.STAFF)
    later = program.get(FEED, {"cursor": page["cursor"]}).json()
    assert [row["number"] for row in later["results"]] == [orders[3].number]


@pytest.mark.django_db
def test_what_happened_long_ago_is_found_over_gaps(shop, program):
    order, recent = shop.place_order(), shop.place_order()
    OrderEvent.objects.filter(order=order).update(created_at=timezone.now() - timedelta(days=400))
    told = since(program, timezone.now() - timedelta(days=500))
    assert [row["number"] for row in told["results"]] == [order.number, recent.number]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ({}, "updated_since"),
        ({"updated_since": "yesterday"}, "updated_since"),
        ({"updated_since": "0001-01-01T00:00:00Z"}, "updated_since"),
        ({"cursor": "x"}, "cursor"),
        ({"updated_since": "2026-01-01T00:00:00Z", "limit": "0"}, "limit"),
        ({"updated_since": "2026-01-01T00:00:00Z", "limit": "201"}, "limit"),
    ],
)
def test_a_wrong_parameter_is_refused(program, query, attr):
    answer = program.get(FEED, query)
    assert answer.status_code == 400
    assert {where for where, _code in errors_of(answer)} == {attr}


@pytest.mark.django_db
def test_many_orders_take_as_many_statements_as_few(shop, program, django_assert_max_num_queries):
    for _ in range(2):
        shop.place_order()
    with django_assert_max_num_queries(40) as few:
        since(program)
    for _ in range(10):
        shop.place_order()
    with django_assert_max_num_queries(len(few)):
        since(program)


@pytest.mark.django_db(transaction=True)
def test_an_order_whose_change_commits_after_a_later_one_is_not_lost(settings):
    settings.AMOUNTS_LAG_SECONDS = 0
    shop = factories.make_shop()
    program = factories.client_of(shop.merchant, scopes=PLATFORM)
    slow, quick = shop.place_order(), shop.place_order()
    place = since(program)["cursor"]
    written, may_commit = Event(), Event()

    def change_slowly() -> None:
        with transaction.atomic():
            timeline.add_note(slow.pk, text="slow", actor=steps.STAFF)
            written.set()
            may_commit.wait(30)

    with ThreadPoolExecutor(1) as pool:
        running = in_thread(pool, change_slowly)
        assert written.wait(30)
        timeline.add_note(quick.pk, text="quick", actor=steps.STAFF)
        # The quick one is there, but an older one may still come: neither is told yet.
        page = program.get(FEED, {"cursor": place}).json()
        assert page["results"] == []
        may_commit.set()
        running.result(30)

    told = program.get(FEED, {"cursor": page["cursor"]}).json()
    assert [row["number"] for row in told["results"]] == [slow.number, quick.number]
    assert Order.objects.count() == 2
    assert not connection.in_atomic_block


# --- Who gives programs the right to read it


@pytest.mark.django_db
def test_staff_give_the_platforms_scope_by_a_right_of_its_own(shop):
    rights = ("view_apicredential", "add_apicredential", "change_apicredential")
    clerk, chief = client_of(*rights), client_of(*rights, "grant_platform_scopes")
    add = "/admin/merchants/apicredential/add/"
    body = {"merchant": shop.merchant.pk, "name": "billing", "scopes": PLATFORM, "allowed_networks": ""}
    assert "platform.read" not in clerk.get(add).content.decode()
    assert "platform.read" in chief.get(add).content.decode()

    assert "platform.read is not one of the available choices" in clerk.post(add, body).content.decode()
    assert not ApiCredential.objects.exists()
    assert chief.post(add, body).status_code == 200
    credential = ApiCredential.objects.get()
    assert credential.scopes == list(PLATFORM)
    # Nor does anybody else get at one that has it, such as by a second secret.
    secret = f"/admin/merchants/apicredential/{credential.pk}/secrets/add/"
    assert (clerk.post(secret).status_code, credential.secrets.count()) == (403, 1)
    assert (chief.post(secret).status_code, credential.secrets.count()) == (200, 2)
