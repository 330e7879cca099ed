"""Lists by `updated_since`: whoever goes on with the cursor misses nothing, however transactions overtake others."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from rest_framework.test import APIClient

from inventory.models import Sku, Stock
from logistics.models import Shipment
from oms.merchants.models import Merchant
from orders import kinds
from orders.actors import Actor
from orders.models import ActorKind, ReturnRequest
from orders.returning import deciding
from orders.telling import timeline
from payments.models import Invoice, Payment, Refund, SettlementRow, Statement
from payments.statements import disputing
from tests import factories
from tests.api.calls import errors_of
from tests.api.samples import Things, populate

SHE = Actor(ActorKind.MERCHANT, "she")
LONG_AGO = "2020-01-01T00:00:00Z"
# The lists by change, with the table whose rows they show.
LISTS = {
    "inventory": Stock,
    "skus": Sku,
    "shipments": Shipment,
    "payments": Payment,
    "refunds": Refund,
    "invoices": Invoice,
    "returns": ReturnRequest,
    "settlements": SettlementRow,
    "statements": Statement,
}
# What changes there is what timelines tell.
TOLD = ("orders", "sub-orders")


def pages(client: APIClient, name: str, **wish: Any) -> Iterator[dict[str, Any]]:
    """All pages from there on."""
    answer = client.get(f"/api/v1/{name}", wish)
    while True:
        assert answer.status_code == 200, answer.content
        page = answer.json()
        yield page
        if page["next"] is None:
            return
        answer = client.get(page["next"])


def rows(client: APIClient, name: str, **wish: Any) -> list[dict[str, Any]]:
    """All rows from there on."""
    return [row for page in pages(client, name, **wish) for row in page["results"]]


@pytest.fixture
def things(db: None, settings: Any) -> Things:
    """One of everything of a merchant."""
    settings.AMOUNTS_LAG_SECONDS = 0
    return populate(factories.make_shop())


@pytest.mark.django_db
@pytest.mark.parametrize("name", [*LISTS, *TOLD])
def test_a_list_by_change_has_every_row_once_and_goes_on_with_its_cursor(name: str, things: Things) -> None:
    client = factories.client_of(things.shop.merchant)
    newest_first = rows(client, name)
    by_change = list(pages(client, name, updated_since=LONG_AGO, limit=1))
    found = [row for page in by_change for row in page["results"]]

    def key(row: dict[str, Any]) -> str:
        return str({part: row.get(part) for part in ("number", "code", "sku", "warehouse")})

    # Also an order whose timeline goes on after that of others, and its sub-orders.
    assert sorted(map(key, found)) == sorted(map(key, newest_first)) != []
    cursor = by_change[-1]["cursor"]
    assert rows(client, name, cursor=cursor) == []
    assert rows(client, name, updated_since=(timezone.now() + timedelta(hours=1)).isoformat()) == []
    assert "cursor" not in client.get(f"/api/v1/{name}").json()
    # As many statements for a page of many as of one.
    with CaptureQueriesContext(connection) as many:
        client.get(f"/api/v1/{name}", {"updated_since": LONG_AGO})
    with CaptureQueriesContext(connection) as one:
        client.get(f"/api/v1/{name}", {"updated_since": LONG_AGO, "limit": 1})
    assert abs(len(many) - len(one)) <= 1


@pytest.mark.django_db
def test_whatever_changes_comes_again(things: Things) -> None:
    client, shop = factories.client_of(things.shop.merchant), things.shop
    ends = {name: list(pages(client, name, updated_since=LONG_AGO))[-1]["cursor"] for name in [*LISTS, *TOLD]}
    sku = client.get(f"/api/v1/skus/{shop.sku.code}").json()
    change = {"barcodes": ["6900000000017"]}
    answer = client.patch(sku["url"], change, format="json", HTTP_IF_MATCH=f'"{sku["version"]}"')
    assert answer.status_code == 200, answer.content
    Stock.objects.filter(sku=shop.other_sku).update(safety_stock=1)
    Shipment.objects.filter(pk=things.shipment.pk).update(weight_g=5)
    Refund.objects.filter(pk=things.refund.pk).update(amount="0.50")
    timeline.add_note(things.order.pk, text="x", actor=SHE)

    (changed,) = rows(client, "skus", cursor=ends["skus"])
    assert (changed["code"], changed["version"]) == (shop.sku.code, sku["version"] + 1)
    # Who read it before the barcodes does not change it unseen.
    assert client.patch(sku["url"], change, format="json", HTTP_IF_MATCH=f'"{sku["version"]}"').status_code == 409
    assert shop.other_sku.code in [row["sku"] for row in rows(client, "inventory", cursor=ends["inventory"])]
    assert [row["number"] for row in rows(client, "shipments", cursor=ends["shipments"])] == [things.shipment.number]
    assert [row["amount"] for row in rows(client, "refunds", cursor=ends["refunds"])] == ["0.50"]
    assert [row["number"] for row in rows(client, "orders", cursor=ends["orders"])] == [things.order.number]
    assert rows(client, "payments", cursor=ends["payments"]) == []
    assert [row["number"] for row in rows(client, "sub-orders", cursor=ends["sub-orders"])] == sorted(
        things.order.sub_orders.values_list("number", flat=True)
    )
    for name in ("returns", "settlements", "statements"):
        assert rows(client, name, cursor=ends[name]) == []

    row = things.returned
    deciding.approve(row.pk, actor=SHE, warehouse_id=None, version=row.version)
    before = client.get(f"/api/v1/statements/{things.statement.number}").json()["version"]
    disputing.dispute(things.statement.pk, "wrong", actor=SHE)
    open_row = SettlementRow.objects.create(
        key="fee:x",
        merchant=things.shop.merchant,
        kind="fee",
        other_amount=-1,
        net_amount=-1,
        due_on="2026-01-02",
        reason="x",
    )
    ends["settlements"] = list(pages(client, "settlements", cursor=ends["settlements"]))[-1]["cursor"]
    SettlementRow.objects.filter(pk=open_row.pk).update(statement=things.statement)

    assert [one["number"] for one in rows(client, "returns", cursor=ends["returns"])] == [row.number]
    (told,) = rows(client, "statements", cursor=ends["statements"])
    assert (told["number"], told["version"]) == (things.statement.number, before + 1)
    (got,) = rows(client, "settlements", cursor=ends["settlements"])
    assert (got["net_amount"], got["statement"]) == ("-1.00", things.statement.number)


@pytest.mark.django_db
def test_what_happens_to_one_sub_order_brings_that_one_alone(things: Things) -> None:
    client = factories.client_of(things.shop.merchant)
    end = list(pages(client, "sub-orders", updated_since=LONG_AGO))[-1]["cursor"]
    part = things.order.sub_orders.order_by("pk").last()
    assert part is not None
    timeline.record(things.order.pk, kinds.HOLD_RELEASED, SHE, sub_order_id=part.pk)

    assert [row["number"] for row in rows(client, "sub-orders", cursor=end)] == [part.number]
    assert rows(client, "sub-orders", cursor=end, state="awaiting_allocation") == []


@pytest.mark.django_db
def test_filters_stay_on_every_page_and_nonsense_is_named(things: Things) -> None:
    client = factories.client_of(things.shop.merchant)
    wish = {"updated_since": LONG_AGO, "limit": 1, "state": "split", "fields": "number,state"}
    found = list(pages(client, "orders", **wish))
    assert {row["state"] for page in found for row in page["results"]} == {"split"}
    assert all(set(row) == {"number", "state"} for page in found for row in page["results"])
    for name in [*LISTS, *TOLD]:
        for wrong in ({"updated_since": "yesterday"}, {"updated_since": "0001-01-01T00:00:00Z"}):
            assert errors_of(client.get(f"/api/v1/{name}", wrong)) == {("updated_since", "invalid")}
        assert errors_of(client.get(f"/api/v1/{name}", {"cursor": "1", "updated_since": LONG_AGO})) == {
            ("cursor", "invalid")
        }


@pytest.mark.django_db
def test_events_are_narrowed_by_type_and_keep_their_ids(things: Things) -> None:
    client = factories.client_of(things.shop.merchant)
    since = (timezone.now() - timedelta(days=1)).isoformat()
    everything = rows(client, "events", updated_since=since)
    some = rows(client, "events", updated_since=since, types="order.*,refund.created", limit=2)
    assert some == [one for one in everything if one["type"].startswith("order.") or one["type"] == "refund.created"]
    assert {one["type"] for one in some} < {one["type"] for one in everything}
    wrong = client.get("/api/v1/events", {"updated_since": since, "types": "order.nonsense"})
    assert errors_of(wrong) == {("types", "unknown_event_type")}


class Following(RuleBasedStateMachine):
    """Two programs change a merchant's SKUs in transactions that stay open as long as they like; a reader follows."""

    @initialize()
    def begin(self) -> None:
        """A merchant with three SKUs."""
        self.merchant: Merchant = factories.MerchantFactory()
        self.ids = [factories.SkuFactory(merchant=self.merchant).pk for _ in range(3)]
        self.writers: list[BaseDatabaseWrapper] = [connection.copy() for _ in range(2)]
        for writer in self.writers:
            writer.set_autocommit(False)
        self.held: list[set[int]] = [set(), set()]
        self.client = factories.client_of(self.merchant)
        self.wish: dict[str, Any] = {"updated_since": LONG_AGO}
        self.seen: dict[str, int] = {}

    def teardown(self) -> None:
        """In the end the reader knows the newest version of every row."""
        if not hasattr(self, "writers"):
            return
        try:
            for writer in range(2):
                self.end(writer, commits=True)
            self._follow(limit=50)
            kept = dict(Sku.objects.filter(merchant=self.merchant).values_list("code", "version"))
            assert self.seen == kept
        finally:
            for writer in self.writers:
                writer.close()

    @rule(writer=st.integers(0, 1), which=st.integers(0, 9))
    def change(self, writer: int, which: int) -> None:
        """A row is changed; its transaction goes on."""
        free = [key for key in self.ids if key not in self.held[1 - writer]]
        if not free:
            return
        key = free[which % len(free)]
        self.held[writer].add(key)
        with self.writers[writer].cursor() as cursor:
            cursor.execute("UPDATE inventory_sku SET weight_g = weight_g + 1 WHERE id = %s", [key])

    @rule(writer=st.integers(0, 1))
    def look(self, writer: int) -> None:
        """The transaction begins, and has written nothing yet."""
        with self.writers[writer].cursor() as cursor:
            cursor.execute("SELECT now()")

    @rule(writer=st.integers(0, 1), commits=st.booleans())
    def end(self, writer: int, commits: bool) -> None:
        """The transaction ends."""
        self.writers[writer].commit() if commits else self.writers[writer].rollback()
        self.held[writer].clear()

    @rule(limit=st.integers(1, 3))
    def read(self, limit: int) -> None:
        """The reader goes on with one page."""
        self._page(limit)

    def _follow(self, limit: int) -> None:
        while self._page(limit):
            pass

    def _page(self, limit: int) -> bool:
        page = self.client.get("/api/v1/skus", {**self.wish, "limit": limit}).json()
        self.wish = {"cursor": page["cursor"]}
        for row in page["results"]:
            # Twice only what changed meanwhile.
            assert row["version"] > self.seen.get(row["code"], 0)
            self.seen[row["code"]] = row["version"]
        return page["next"] is not None


@pytest.mark.django_db(transaction=True)
def test_a_reader_misses_nothing_of_what_is_written_at_once() -> None:
    factories.RegionFactory()
    run_state_machine_as_test(
        Following,
        settings=settings(
            max_examples=40,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
        ),
    )


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_written_late_is_told_all_the_same(settings: Any) -> None:
    settings.AMOUNTS_LAG_SECONDS = 0
    shop = factories.make_shop()
    client = factories.client_of(shop.merchant)
    slow, quick = (factories.split_order(shop.sku) for _ in range(2))
    cursors = {
        name: list(pages(client, name, updated_since=(timezone.now() - timedelta(days=1)).isoformat()))[-1]["cursor"]
        for name in ("events", "orders", "sub-orders")
    }
    other = connection.copy()
    other.set_autocommit(False)
    told = "INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data) VALUES (%s, %s, 'rule', '', '{}')"
    try:
        with other.cursor() as cursor:
            cursor.execute(told, [slow.pk, kinds.HOLD_RELEASED.code])
        with connection.cursor() as cursor:
            cursor.execute(told, [quick.pk, kinds.HOLD_RELEASED.code])
        for name in cursors:
            page = client.get(f"/api/v1/{name}", {"cursor": cursors[name]}).json()
            assert page["results"] == []
            cursors[name] = page["cursor"]
        other.commit()
    finally:
        other.close()
    assert [row["number"] for row in rows(client, "orders", cursor=cursors["orders"])] == [slow.number, quick.number]
    parts = [row["number"] for row in rows(client, "sub-orders", cursor=cursors["sub-orders"])]
    assert parts == [order.sub_orders.get().number for order in (slow, quick)]
    news = rows(client, "events", cursor=cursors["events"], types="order.hold_released")
    assert [one["data"]["order"] for one in news] == [slow.number, quick.number]
