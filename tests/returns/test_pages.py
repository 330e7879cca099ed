"""The staff's pages of returns, the buyer's page, and the rates."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inventory.lots import today
from inventory.models import WarehouseGuest
from logistics.buyer import links
from oms.common.models import Ticket
from orders.actors import Actor
from orders.models import ActorKind, OrderEvent, ReturnPhoto, ReturnRequest
from orders.returning import deciding
from payments.models import RefundGrant
from payments.returning import rates
from tests import factories, steps
from tests.admin.conftest import boss, client_of  # noqa: F401 - a member of staff
from tests.returns.world import ask, came, install, line_of, many, photo

pytestmark = pytest.mark.django_db
MERCHANT = Actor(ActorKind.MERCHANT, "shop")
ENGLISH = {"accept-language": "en"}


@pytest.fixture(autouse=True)
def _media(db: None, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    install()


def page_of(row: ReturnRequest) -> str:
    return reverse("admin:orders_returnrequest_change", args=[row.pk])


def test_from_the_orders_page_to_the_money(shop, boss):  # noqa: F811
    order = many(shop, 2)
    line = line_of(order)
    address = reverse("admin:orders_order_change", args=[order.pk])
    assert f'name="units_{line.pk}"' in boss.get(address).content.decode()
    asked = boss.post(
        reverse("admin:orders_returnrequest_request", args=[order.pk]),
        {
            "version": steps.fresh(order).version,
            "kind": "return_and_refund",
            "reason": "quality",
            f"units_{line.pk}": "2",
            "photos": [photo()],
        },
    )
    assert asked.status_code == 302
    row = ReturnRequest.objects.get()
    assert (row.state, ReturnPhoto.objects.count()) == ("requested", 1)
    shown = boss.get(reverse("admin:orders_returnrequest_photo", args=[ReturnPhoto.objects.get().pk]))
    assert (shown.status_code, shown["Content-Type"], shown["X-Content-Type-Options"]) == (200, "image/png", "nosniff")

    def act(name: str, **data: object) -> ReturnRequest:
        found = ReturnRequest.objects.get()
        where = reverse(f"admin:orders_returnrequest_{name}", args=[found.pk])
        assert boss.post(where, {"version": found.version, **data}).status_code == 302
        return ReturnRequest.objects.get()

    assert act("approve").state == "awaiting_goods"
    assert act("hand_over", carrier="顺丰", waybill="SF1").state == "in_transit"
    assert act("receive").state == "received"
    assert f'name="found_{line.pk}_damaged"' in boss.get(page_of(row)).content.decode()
    # Nothing is said of one unit.
    assert act("inspect", **{f"found_{line.pk}_good": "1"}).state == "received"
    assert act("inspect", **{f"found_{line.pk}_good": "1", f"found_{line.pk}_damaged": "1"}).state == "inspected"

    one = boss.get(page_of(row), {f"pay_{line.pk}": "1"}).content.decode()
    assert 'name="cash" value="13.00"' in one
    assert f'name="pay_{line.pk}" value="1"' in one
    both = boss.get(page_of(row)).content.decode()
    assert 'name="cash" value="26.00"' in both
    seen = {"gift_card": "0.00", "points": "0.00"}
    assert act("grant", cash="25.00", **seen).money_state == "to_grant"
    assert act("grant", cash="26.00", **seen).state == "closed"
    assert RefundGrant.objects.get().granted_amount == 26
    assert boss.get(page_of(row)).status_code == 200
    assert steps.broken_invariants() == []


def test_of_two_who_inspect_the_second_learns_what_was_found_and_what_he_had_said(shop, boss):  # noqa: F811
    row = ask(many(shop, 2), {1: 2})
    if row.state == "requested":
        deciding.approve(row.pk, actor=steps.STAFF)
    came(row)
    (line,) = row.lines.all()
    where = reverse("admin:orders_returnrequest_inspect", args=[row.pk])
    good, missing = (f"found_{line.sub_order_line_id}_{code}" for code in ("good", "missing"))
    seen = {"version": ReturnRequest.objects.get().version}
    too_many = boss.post(where, {**seen, good: "3"}, follow=True).content.decode()
    assert "Say of at most 2 units what they are" in too_many
    boss.post(where, {**seen, good: "2"})
    page = boss.post(where, {**seen, good: "1", missing: "1"}, follow=True).content.decode()
    assert "were inspected: Good 2" in page
    assert "You had said: 1: Good × 1, 1: Missing × 1." in page
    assert ReturnRequest.objects.get().state == "inspected"


def test_staff_let_the_platform_decide_in_the_merchants_place(shop, boss):  # noqa: F811
    row = ask(many(shop, 1), {1: 1})
    deciding.decline(row.pk, reason="worn", actor=MERCHANT)
    where = reverse("admin:orders_returnrequest_escalate", args=[row.pk])
    assert where in boss.get(page_of(row)).content.decode()
    old = boss.post(where, {"version": row.version, "reason": "the photos show it"}, follow=True)
    assert (steps.fresh(row).is_escalated, "meanwhile" in old.content.decode()) == (False, True)

    said = boss.post(where, {"version": steps.fresh(row).version, "reason": "the photos show it"}, follow=True)
    assert f"Return {row.number}: the platform decides now." in said.content.decode()
    assert (steps.fresh(row).is_escalated, Ticket.objects.get().reason) == (True, "escalated")
    boss.post(reverse("admin:orders_returnrequest_approve", args=[row.pk]), {"version": steps.fresh(row).version})
    assert steps.fresh(row).state == "awaiting_goods"
    assert steps.broken_invariants() == []


def test_each_right_is_needed(shop):
    order = many(shop, 1)
    row = came(deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF))
    viewer = client_of("view_returnrequest", "view_order")
    assert viewer.get(page_of(row)).status_code == 200
    for name, key in (("inspect", row.pk), ("grant", row.pk), ("request", order.pk)):
        address = reverse(f"admin:orders_returnrequest_{name}", args=[key])
        assert viewer.post(address, {"version": row.version}).status_code == 403
        assert viewer.get(address).status_code == 405
    other = client_of("view_order")
    assert other.get(reverse("admin:orders_returnrequest_rates")).status_code == 403
    assert steps.fresh(row).state == "received"


def test_the_tabs_count_and_narrow(shop, boss):  # noqa: F811
    first, second = ask(many(shop, 1), {1: 1}), ask(many(shop, 1), {1: 1})
    deciding.approve(second.pk, actor=steps.STAFF)
    ReturnRequest.objects.filter(pk=first.pk).update(ready_at=timezone.now() - timedelta(minutes=1))
    address = reverse("admin:orders_returnrequest_changelist")
    response = boss.get(address, {"overdue": "1"})
    shown = response.content.decode()
    assert first.number in shown
    assert second.number not in shown
    counts = [tab["count"] for tab in response.context["queue_tabs"]]
    assert counts == ["", "1", "1", "0", "0", "0", "0", "1"]
    assert second.number in boss.get(address, {"q": second.order.number}).content.decode()


def test_the_list_takes_as_many_statements_however_many_rows(shop, boss):  # noqa: F811
    address = reverse("admin:orders_returnrequest_changelist")
    ask(many(shop, 1), {1: 1})
    boss.get(address)
    with CaptureQueriesContext(connection) as one:
        boss.get(address)
    for _more in range(3):
        ask(many(shop, 1), {1: 1})
    with CaptureQueriesContext(connection) as four:
        boss.get(address)
    assert len(four) == len(one)


def buyer(order) -> Client:  # type: ignore[no-untyped-def]
    client = Client(headers=ENGLISH)
    assert client.post(links.path_of(order), {"digits": "1111"}).status_code == 302
    return client


def test_the_buyer_asks_sends_and_sees(shop):
    order = many(shop, 2)
    line, client, path = line_of(order), buyer(order), links.path_of(order)
    shown = client.get(path).content.decode()
    assert f'name="units_{line.pk}"' in shown

    def post(**data: object) -> str:
        response = client.post(path, data)
        return "" if response.status_code == 302 else response.content.decode()

    units = {f"units_{line.pk}": "1"}
    assert "Name at least one unit" in post(action="return", kind="return_and_refund", why="no_reason")
    assert "can still come back" in post(
        action="return", kind="return_and_refund", why="no_reason", **{f"units_{line.pk}": "3"}
    )
    assert "A photo is missing" in post(action="return", kind="return_and_refund", why="quality", **units)
    assert post(action="return", kind="return_and_refund", why="quality", photos=[photo()], **units) == ""
    row = ReturnRequest.objects.get()
    assert (row.requested_by_kind, row.state, row.photos.count()) == ("buyer", "requested", 1)

    deciding.approve(row.pk, actor=steps.STAFF)
    assert "The way back costs you nothing." in client.get(path).content.decode()
    assert post(**{"action": "return_sent", "return": row.pk, "carrier": "圆通", "waybill": "yt 1"}) == ""
    assert (steps.fresh(row).state, steps.fresh(row).waybill_number) == ("in_transit", "YT1")
    assert "cannot be done" in post(**{"action": "return_cancel", "return": row.pk, "reason": "x"})

    assert post(action="return", kind="return_and_refund", why="no_reason", **units) == ""
    second = ReturnRequest.objects.latest("pk")
    deciding.decline(second.pk, reason="worn", actor=steps.STAFF)
    assert "worn" in client.get(path).content.decode()
    escalated = {"action": "return_escalate", "return": second.pk, "reason": "not worn"}
    escalated["version"] = steps.fresh(second).version
    assert f'name="version" value="{escalated["version"]}"' in client.get(path).content.decode()
    assert post(**escalated) == ""
    assert Ticket.objects.get(kind="return_to_decide").reason == "escalated"
    assert post(action="return", kind="return_and_refund", why="no_reason", **units) == ""
    third = ReturnRequest.objects.latest("pk")
    assert post(**{"action": "return_cancel", "return": third.pk, "reason": "keep it"}) == ""
    assert steps.fresh(third).state == "cancelled"
    assert steps.broken_invariants() == []


def test_an_old_page_and_a_second_press_do_not_take_it_to_the_platform(shop):
    order = many(shop, 1)
    row = ask(order, {1: 1})
    deciding.decline(row.pk, reason="worn", actor=steps.STAFF)
    client, path = buyer(order), links.path_of(order)
    told = {"action": "return_escalate", "return": row.pk, "reason": "not worn", "version": steps.fresh(row).version}
    for wrong in ("", "x", "9" * 30, "-1", told["version"] - 1):
        assert client.post(path, {**told, "version": wrong}).status_code == 200
    assert not steps.fresh(row).is_escalated
    # The platform approved it meanwhile, and the buyer kept it after all: the old page says what happened.
    deciding.approve(row.pk, actor=steps.STAFF)
    deciding.cancel(row.pk, reason="keeps it", actor=steps.STAFF)
    said = client.post(path, told).content.decode()
    assert "Somebody else changed this meanwhile" in said
    assert (steps.fresh(row).state, steps.fresh(row).is_escalated) == ("cancelled", False)

    second = ask(order, {1: 1})
    deciding.decline(second.pk, reason="worn", actor=steps.STAFF)
    told |= {"return": second.pk, "version": steps.fresh(second).version}
    assert client.post(path, told).status_code == 302
    assert client.post(path, told).status_code == 200
    assert OrderEvent.objects.filter(kind="return_escalated").count() == 1


def test_a_buyer_reaches_only_returns_and_units_of_the_own_order(shop):
    mine, other = many(shop, 1), many(shop, 1)
    row, foreign = ask(other, {1: 1}), line_of(other)
    client, path = buyer(mine), links.path_of(mine)
    for wrong in (row.pk, "x", "9" * 30, ""):
        answer = client.post(path, {"action": "return_cancel", "return": wrong, "reason": "x"})
        assert "not of this order" in answer.content.decode()
    answer = client.post(
        path, {"action": "return", "kind": "return_and_refund", "why": "no_reason", f"units_{foreign.pk}": "1"}
    )
    assert "no longer there" in answer.content.decode()
    assert ReturnRequest.objects.count() == 1


def test_the_rates_are_what_came_back_of_what_was_delivered(shop, boss):  # noqa: F811
    ask(many(shop, 4), {1: 1})
    ask(many(shop, 2), {1: 2}, reason="missing")
    deciding.cancel(ask(many(shop, 2), {1: 2}).pk, reason="x", actor=steps.STAFF)
    # Never handed over, so never back.
    deciding.expire(deciding.approve(ask(many(shop, 2), {1: 2}).pk, actor=steps.STAFF).pk, actor=steps.STAFF)

    found = rates.rates(today() - timedelta(1), today())

    assert [(rate.sku, rate.delivered, rate.returned, rate.percent) for rate in found] == [
        (shop.sku.code, 10, 2, 20.0),
        (shop.sku.code, 10, 1, 10.0),
    ]
    assert rates.rates(today() - timedelta(9), today() - timedelta(2)) == []
    shown = boss.get(reverse("admin:orders_returnrequest_rates")).content.decode()
    assert "10.0" in shown


def test_the_page_offers_only_warehouses_that_keep_goods_of_the_merchant(shop, boss):  # noqa: F811
    foreign = factories.WarehouseFactory(merchant=factories.MerchantFactory(), code="FOREIGN")
    host = factories.WarehouseFactory(merchant=factories.MerchantFactory(), code="HOST")
    WarehouseGuest.objects.create(warehouse=host, merchant=shop.merchant)
    row = ask(many(shop, 2), {1: 1})

    page = boss.get(page_of(row)).content.decode()
    assert f'<option value="{shop.warehouse.pk}"' in page
    assert f'<option value="{host.pk}"' in page
    assert f'<option value="{foreign.pk}"' not in page


def test_the_same_button_pressed_twice_asks_for_one_return(shop, boss):  # noqa: F811
    order = many(shop, 3)
    address = reverse("admin:orders_returnrequest_request", args=[order.pk])
    version = steps.fresh(order).version
    typed = {"version": version, "kind": "return_and_refund", "reason": "no_reason", f"units_{line_of(order).pk}": "1"}
    for _press in range(2):
        boss.post(address, typed)
    assert ReturnRequest.objects.count() == 1
