"""The start page's figures."""

from collections.abc import Callable

from django.db import connection
from django.test import Client
from django.utils import timezone

from logistics.models import LogisticsAlert
from oms import dashboard
from orders.actors import Actor
from orders.models import ActorKind, SubOrder
from orders.reviewing import holds
from tests import factories
from tests.admin.conftest import client_of


def test_it_shows_what_is_where_and_what_is_wrong(shop: factories.Shop, boss: Client) -> None:
    held = shop.place_order()
    holds.hold_order(held.pk, reason="x", actor=Actor(ActorKind.STAFF, "wang"))
    factories.allocated_order((shop.sku, 999, "1.00"))
    SubOrder.objects.filter(state="backordered").update(needs_person_since=timezone.now())
    LogisticsAlert.objects.create(kind="stalled", level=2, sub_order=SubOrder.objects.all()[0], due_at=timezone.now())

    context = boss.get("/admin/").context
    assert {item["state"]: item["count"] for item in context["states"] if item["count"]} == {
        "awaiting_payment": 1,
        "split": 1,
    }
    assert context["received"] == {"day": 2, "before": 0}
    assert [row["count"] for row in context["holds"]] == [1]
    (row,) = context["tickets"]
    assert (str(row["label"]), row["team"], row["waiting"], row["overdue"]) == (
        "Stuck: sub-order",
        "Technical operations",
        1,
        0,
    )
    assert row["link"] == "/admin/common/ticket/?kind=stuck_sub_order&team=technical"
    assert {"request_payment", "send_webhooks"} < {stage["name"] for stage in context["stages"]}
    assert all(stage["title"] != stage["name"] for stage in context["stages"])


def test_figures_are_read_once_in_a_while(
    shop: factories.Shop, boss: Client, statements: Callable[[Client, str], int]
) -> None:
    shop.place_order()
    assert statements(boss, "/admin/") <= 3
    shop.place_order()
    assert boss.get("/admin/").context["received"]["day"] == 1


def test_their_number_of_statements_is_fixed(shop: factories.Shop, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        dashboard.take_snapshot()
    for _ in range(3):
        factories.allocated_order((shop.sku, 1, "1.00"))
    with django_assert_num_queries(len(captured)):
        dashboard.take_snapshot()


def test_states_beyond_the_cap_are_estimated(shop: factories.Shop, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    for _ in range(5):
        shop.place_order()
    monkeypatch.setattr(dashboard, "CAP", 3)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orders_order")
    count, is_estimate = dashboard.take_snapshot().states["awaiting_payment"]
    assert is_estimate
    assert count >= 3


def test_who_has_no_rights_is_welcomed(shop: factories.Shop) -> None:
    response = client_of().get("/admin/")
    assert response.status_code == 200
    assert "figures" not in response.context
    assert response.context["tiles"] == []
    assert "Welcome" in response.content.decode()
