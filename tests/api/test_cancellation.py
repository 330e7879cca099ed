"""What a cancellation is, as merchants are told: done at once, or asked of warehouses, which grant or refuse it."""

from datetime import datetime, timedelta

import pytest

from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.models import Ticket
from orders.changing import chasing
from orders.fulfilling import allocating
from orders.models import Order, OrderEvent, SubOrder
from orders.telling import events as telling
from tests import factories, fakes, steps
from tests.api.calls import ORDERS, change, errors_of

pytestmark = pytest.mark.django_db


def cancel(api, order, **headers):
    version = Order.objects.get(pk=order.pk).version
    body = {"reason": "no longer wanted"}
    return change(api, "post", f"{ORDERS}/{order.number}/cancel", body, version=version, **headers)


def cancellation(api, order):
    return api.get(f"{ORDERS}/{order.number}").json()["cancellation"]


def warehouses_answer(answer):
    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=answer)):
        factories.run(stopping.pass_on, stopping.run, events.run)


def news_of(order):
    kinds = ["cancel_requested", "cancelled", "cancel_granted", "cancel_not_granted"]
    return list(OrderEvent.objects.filter(order=order, kind__in=kinds).order_by("id").values_list("kind", flat=True))


def webhooks_of(shop, order):
    """The types of news that the seller's endpoint is told of how the cancellation ended."""
    ids = list(OrderEvent.objects.filter(order=order).values_list("pk", flat=True))
    told = {kind for _key, kind, _at, _data in telling.news_of(ids, shop.merchant.pk)}
    return {kind for kind in told if kind.startswith("order.cancel_")}


def test_what_no_warehouse_has_is_cancelled_at_once(api, shop):
    order = shop.place_order()
    assert cancellation(api, order) is None
    done = cancel(api, order)
    assert (done.status_code, done.json()["state"]) == (200, "cancelled")
    told = done.json()["cancellation"]
    assert (told["state"], told["deadline"], told["asked"]) == ("granted", None, [])
    assert told["asked_at"] == told["answered_at"]
    assert cancellation(api, order) == told
    assert news_of(order) == ["cancelled"]


def test_what_a_warehouse_has_is_asked_for_and_granted(api, shop):
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    key = {"HTTP_IDEMPOTENCY_KEY": "cancel-1"}
    version = steps.fresh(order).version
    url, body = f"{ORDERS}/{order.number}/cancel", {"reason": "no longer wanted"}
    asked = change(api, "post", url, body, version=version, **key)

    assert (asked.status_code, asked.json()["state"]) == (202, "split")
    told = asked.json()["cancellation"]
    assert (told["state"], told["answered_at"]) == ("asked", None)
    part = {"sub_order": sub_order.number, "warehouse": shop.warehouse.code, "state": "asked", "answered_at": None}
    assert told["asked"] == [part]
    wait = datetime.fromisoformat(told["deadline"]) - datetime.fromisoformat(told["asked_at"])
    assert wait == timedelta(hours=4)
    assert cancellation(api, order) == told
    assert errors_of(cancel(api, order)) == {(None, "cannot_cancel")}

    warehouses_answer(lambda ref: Answer(taken=True))

    now = cancellation(api, order)
    assert (now["state"], now["asked"][0]["state"]) == ("granted", "granted")
    assert now["answered_at"] is not None
    assert now["asked"][0]["answered_at"] is not None
    assert (now["asked_at"], now["deadline"]) == (told["asked_at"], told["deadline"])
    assert news_of(order) == ["cancel_requested", "cancelled", "cancel_granted"]
    assert "order.cancel_granted" in webhooks_of(shop, order)
    # What was answered then is answered again, whatever became of it.
    again = change(api, "post", url, body, version=version, **key)
    assert (again.status_code, again.json()) == (202, asked.json())
    assert steps.broken_invariants() == []


def test_a_warehouse_that_is_too_late_refuses_and_the_order_can_be_cancelled_no_more(api, shop):
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    cancel(api, order)
    steps.warehouse_says(sub_order, "packed")
    warehouses_answer(lambda ref: Answer(taken=False, reason="packed"))

    now = cancellation(api, order)
    assert (now["state"], now["asked"][0]["state"]) == ("refused", "refused")
    assert now["asked"][0]["answered_at"] is not None
    assert news_of(order) == ["cancel_requested", "cancel_not_granted"]
    assert "order.cancel_refused" in webhooks_of(shop, order)
    assert cancel(api, order).status_code == 409
    assert steps.broken_invariants() == []


def test_of_two_warehouses_each_one_s_answer_is_told(api, shop):
    cold = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    fridge = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region, storage_classes=["frozen"])
    factories.StockFactory(sku=cold, warehouse=fridge)
    order = shop.place_order((shop.sku, 2, "10.00"), (cold, 1, "30.00"), payment_method="cod")
    with fakes.warehouse(fakes.FakeWarehouse()):
        steps.approve_and_split()
        factories.run(allocating.run, releasing.run, sending.run)
    frozen = SubOrder.objects.get(storage_class="frozen")
    assert cancel(api, order).status_code == 202
    warehouses_answer(lambda ref: Answer(taken=ref.startswith(frozen.number), reason="packed"))

    now = cancellation(api, order)
    assert now["state"] == "refused"
    assert {one["warehouse"]: one["state"] for one in now["asked"]} == {
        shop.warehouse.code: "refused",
        fridge.code: "granted",
    }
    goes_on = SubOrder.objects.get(storage_class="ambient").number
    assert OrderEvent.objects.get(kind="cancel_not_granted").data == {"numbers": [goes_on]}
    # A new wish is a new cancellation.
    assert cancel(api, order).status_code == 202
    assert cancellation(api, order)["state"] == "asked"
    assert [one["sub_order"] for one in cancellation(api, order)["asked"]] == [goes_on]


def test_after_the_deadline_a_person_is_called_once_and_the_answer_closes_it(api, shop):
    order = shop.place_order(payment_method="cod")
    steps.released(order)
    cancel(api, order)
    warehouses_answer(lambda ref: Answer(taken=False, is_later=True))
    assert chasing.run(100) == 0
    asked_at = SubOrder.objects.get(cancel_requested_at__isnull=False).cancel_requested_at
    SubOrder.objects.update(cancel_requested_at=asked_at - timedelta(hours=4, seconds=1))

    assert [chasing.run(100), chasing.run(100)] == [1, 0]
    assert steps.tickets() == [("cancellation_unanswered", "")]
    assert Ticket.objects.get().values == {"numbers": SubOrder.objects.get().number}
    steps.warehouse_says(SubOrder.objects.get(), "stopped")
    assert (cancellation(api, order)["state"], steps.tickets()) == ("granted", [])
    assert steps.broken_invariants() == []
