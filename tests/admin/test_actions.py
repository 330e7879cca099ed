"""Actions on orders: by POST, with the right, on the version that was looked at."""

import pytest
from django.test import Client
from django.utils import timezone

from oms.doors.loc import creating
from orders.actors import Actor
from orders.models import ActorKind, Hold, Order, OrderEvent, SubOrder
from orders.reviewing import holds
from payments.models import Payment, Refund
from payments.taking import noticing
from tests import factories, steps
from tests.admin.conftest import client_of, stamp_of
from tests.api import samples

STAFF = Actor(ActorKind.STAFF, "wang")


def address(order: Order, action: str) -> str:
    """Where the action is posted to."""
    return f"/admin/orders/order/{order.pk}/{action}/"


def messages_of(client: Client, order: Order) -> list[str]:
    """What the order's page says after an action."""
    response = client.get(f"/admin/orders/order/{order.pk}/change/")
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def order(shop: factories.Shop) -> Order:
    """An order that waits for its payment."""
    return Order.objects.get(pk=shop.place_order().pk)


def test_hold_and_release(boss: Client, order: Order) -> None:
    boss.post(address(order, "hold"), {"reason": "address unclear", "version": order.version})
    assert messages_of(boss, order) == ["The order is held."]
    hold = Hold.objects.get(order=order)
    assert (hold.reason, hold.kind) == ("address unclear", "staff")

    order = Order.objects.get(pk=order.pk)
    assert order.open_holds == 1
    boss.post(address(order, f"holds/{hold.pk}/release"), {"note": "asked", "version": order.version})
    assert messages_of(boss, order) == ["The hold is released."]
    assert Order.objects.get(pk=order.pk).open_holds == 0
    event = OrderEvent.objects.get(order=order, kind="hold_released")
    assert event.actor_kind == "staff"
    assert event.data == {"hold": "staff", "reason": "address unclear", "note": "asked"}


def test_note(boss: Client, order: Order) -> None:
    boss.post(address(order, "note"), {"text": "rang the buyer"})
    assert OrderEvent.objects.get(order=order, kind="note").data == {"text": "rang the buyer"}


def test_retry_of_a_sub_order(boss: Client, shop: factories.Shop) -> None:
    order = factories.allocated_order((shop.sku, 1, "10.00"))
    SubOrder.objects.filter(order=order).update(attempts=6, last_error="503", needs_person_since=timezone.now())
    sub_order = SubOrder.objects.get(order=order)
    (item,) = boss.get(f"/admin/orders/order/{order.pk}/change/").context["open_tickets"]
    assert item["may_retry"]
    page = f"/admin/orders/order/{order.pk}/change/"
    answer = boss.post(f"/admin/common/ticket/{item['words'].row.pk}/retry/", {"version": 1, "next": page})

    assert answer["Location"] == page
    assert messages_of(boss, order) == ["It will be tried again at once."]
    assert SubOrder.objects.get(pk=sub_order.pk).needs_person_since is None
    assert OrderEvent.objects.get(order=order, kind="retried").data["error"] == "503"


def test_money_that_needs_a_person(boss: Client, order: Order, shop: factories.Shop) -> None:
    steps.pay(order)
    payment = Payment.objects.get()
    refund = Refund.objects.create(
        number=f"{order.number}-R1",
        order=order,
        payment=payment,
        connection=payment.connection,
        amount=payment.amount,
        reason="cancelled",
    )
    Refund.objects.update(needs_person_since=timezone.now(), last_error="closed account", attempts=6)
    base = f"/admin/payments/payment/of/{order.pk}"

    page = boss.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert f"{base}/retry/" in page
    assert f"{base}/paid-out/" in page

    boss.post(f"/admin/payments/payment/of/{shop.place_order().pk}/paid-out/", {"row": refund.pk, "note": "T7"})
    assert steps.fresh(refund).needs_person_since
    boss.post(f"{base}/paid-out/", {"row": refund.pk, "note": "T7"})
    assert messages_of(boss, order)[-1] == "The refund is recorded as paid."
    factories.run(noticing.run)
    assert steps.state_of(refund) == "succeeded"

    Payment.objects.update(needs_person_since=timezone.now())
    boss.post(f"{base}/retry/", {"kind": "payment", "row": payment.pk})
    assert steps.fresh(payment).needs_person_since is None


@pytest.mark.parametrize("name", ["retry", "paid-out"])
def test_money_needs_its_own_right(order: Order, name: str) -> None:
    clerk = client_of("view_order", "hold_order")
    assert clerk.post(f"/admin/payments/payment/of/{order.pk}/{name}/", {}).status_code == 403
    assert clerk.get(f"/admin/payments/payment/of/{order.pk}/{name}/").status_code == 405


@pytest.mark.parametrize("action", ["hold"])
def test_a_stale_page_changes_nothing(boss: Client, order: Order, action: str) -> None:
    holds.hold_order(order.pk, reason="meanwhile", actor=STAFF)

    boss.post(address(order, action), {"reason": "late", "version": order.version})

    assert "changed meanwhile" in messages_of(boss, order)[0]
    assert Order.objects.get(pk=order.pk).state == "awaiting_payment"
    assert Hold.objects.get(order=order).reason == "meanwhile"


@pytest.mark.parametrize("action", ["hold"])
def test_a_reason_and_a_version_are_asked_for(boss: Client, order: Order, action: str) -> None:
    boss.post(address(order, action), {"reason": " ", "version": order.version})
    boss.post(address(order, action), {"reason": "x"})
    boss.post(address(order, action), {"reason": "x" * 201, "version": order.version})
    assert len(messages_of(boss, order)) == 3
    assert Order.objects.get(pk=order.pk).version == order.version


RIGHTS = {
    "hold": "hold_order",
    "cancel": "cancel_order",
    "note": "note_order",
    "recipient": "readdress_order",
    "marks": "mark_order",
}
# These show first what they would do (tests/changing).
PAGES = {"cancel", "recipient"}


@pytest.mark.parametrize(("action", "right"), RIGHTS.items())
def test_each_action_needs_its_own_right(order: Order, action: str, right: str) -> None:
    data = {"reason": "x", "text": "x", "version": order.version, "kind": "order", "row": order.pk}
    others = {*RIGHTS.values(), "change_order", "view_order"} - {right}

    assert client_of(*others).post(address(order, action), data).status_code == 403
    assert client_of(right).post(address(order, action), data).status_code == 403
    assert OrderEvent.objects.filter(order=order).count() == 1
    allowed = client_of(right, "view_order").post(address(order, action), data)
    assert allowed.status_code == (200 if action in PAGES else 302)


@pytest.mark.parametrize("action", ["hold", "note"])
def test_actions_answer_to_post_only(boss: Client, order: Order, action: str) -> None:
    assert boss.get(address(order, action)).status_code == 405
    assert OrderEvent.objects.filter(order=order).count() == 1


def test_a_hold_of_another_order_is_not_released(boss: Client, shop: factories.Shop, order: Order) -> None:
    other = shop.place_order()
    hold = holds.hold_order(other.pk, reason="x", actor=STAFF)
    response = boss.post(address(order, f"holds/{hold.pk}/release"), {"note": "", "version": order.version})
    assert response.status_code == 404
    assert Hold.objects.get().released_at is None


def test_posts_need_the_csrf_token(order: Order) -> None:
    client = client_of(is_superuser=True)
    client.handler.enforce_csrf_checks = True
    response = client.post(address(order, "cancel"), {"reason": "x", "version": order.version})
    assert response.status_code == 403


# --- Several at once


def bulk(client: Client, action: str, orders: list[Order], **data: object) -> list[str]:
    """Run a bulk action on the list; returns its messages."""
    ticked = {"action": action, "index": "0", "_selected_action": [order.pk for order in orders], **data}
    response = client.post("/admin/orders/order/", ticked, follow=True)
    assert response.status_code == 200
    return [str(message) for message in response.context["messages"]] if "messages" in response.context else []


def test_a_bulk_action_first_asks_for_the_reason(boss: Client, order: Order) -> None:
    assert bulk(boss, "cancel_selected", [order]) == []
    assert Order.objects.get(pk=order.pk).state == "awaiting_payment"


def test_bulk_actions_tell_of_each_order(boss: Client, shop: factories.Shop, order: Order) -> None:
    other = Order.objects.get(pk=shop.place_order().pk)
    confirmed = {"confirmed": "1", "reason": "all of them"}

    assert sorted(bulk(boss, "hold_selected", [order, other], **confirmed)) == sorted(
        [f"{order.number} is held.", f"{other.number} is held."]
    )
    holds.hold_order(order.pk, reason="twice", actor=STAFF)
    assert sorted(bulk(boss, "release_selected", [order, other], **confirmed)) == sorted(
        [f"{order.number} is released.", f"{other.number} is released."]
    )
    assert bulk(boss, "release_selected", [order], **confirmed) == [
        f"{order.number}: It has no hold that a person may release."
    ]
    assert len(bulk(boss, "cancel_selected", [order, other], **confirmed)) == 2
    assert set(Order.objects.values_list("state", flat=True)) == {"cancelled"}
    assert "The order is over" in bulk(boss, "hold_selected", [order], **confirmed)[0]


def test_a_bulk_action_minds_the_version_that_was_shown(boss: Client, order: Order) -> None:
    version = order.version
    holds.hold_order(order.pk, reason="meanwhile", actor=STAFF)
    told = bulk(boss, "cancel_selected", [order], confirmed="1", reason="x", **{f"version-{order.pk}": version})
    assert "changed meanwhile" in told[0]
    assert Order.objects.get(pk=order.pk).state == "awaiting_payment"


def test_a_bulk_action_touches_only_ticked_rows(boss: Client, shop: factories.Shop, order: Order) -> None:
    shop.place_order()
    bulk(boss, "cancel_selected", [order], confirmed="1", reason="x", select_across="1")
    assert Order.objects.filter(state="cancelled").count() == 1


def test_bulk_actions_need_their_right(order: Order) -> None:
    client = client_of("view_order", "hold_order")
    bulk(client, "cancel_selected", [order], confirmed="1", reason="x")
    assert Order.objects.get(pk=order.pk).state == "awaiting_payment"
    assert b"cancel_selected" not in client.get("/admin/orders/order/").content


def test_staff_say_where_an_order_goes(boss: Client, shop: factories.Shop) -> None:
    factories.RegionFactory(code="110105", district="朝阳区")
    body = samples.goods(shop, delivery_address="建国路88号", receiver_phone="")
    order = creating.create(shop.merchant, body, actor=Actor(ActorKind.MERCHANT, shop.merchant.code))
    order = Order.objects.get(pk=order.pk)
    assert (order.region_id, order.open_holds) == (None, 1)
    page = boss.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "Say which region it is" in page
    assert "Give a phone number" in page
    new = {"name": "张华", "phone": "", "region_code": "110105", "address": "建国路88号", "version": order.version}
    seen = boss.post(address(order, "recipient"), {**new, "preview": "1"}).content.decode()
    boss.post(address(order, "recipient"), {**new, **stamp_of(seen), "confirm": "1"})
    assert messages_of(boss, order) == ["The recipient is changed."]
    order = Order.objects.get(pk=order.pk)
    assert (order.region_id, order.open_holds, order.recipient_name) == ("110105", 1, "张华")
    page = boss.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "Say which region it is" not in page
    assert "Give a phone number" in page

    new["phone"] = "13800001111"
    seen = boss.post(address(order, "recipient"), {**new, "preview": "1"}).content.decode()
    boss.post(address(order, "recipient"), {**new, **stamp_of(seen), "confirm": "1"})
    order = Order.objects.get(pk=order.pk)
    assert (order.recipient_phone, order.open_holds) == ("13800001111", 0)
