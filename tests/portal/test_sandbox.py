"""A merchant's sandbox: an order goes all its way there, reaches nobody, and neither side sees the other's."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.utils import timezone

from inventory.models import Stock, Warehouse
from logistics.by_merchant.sandboxes import open_sandbox
from logistics.models import LogisticsAlert, Polling, Shipment
from logistics.warehouses import releasing, sending
from logistics.watching.shipping import UNSPLIT
from oms import dashboard, figures
from oms.boards import profit, work_tiles
from oms.boards.registry import TILES
from oms.checking.sandbox_invariants import INVARIANTS
from oms.common import tickets
from oms.common.models import BuyerMessage, Ticket
from oms.management.commands.check_invariants import ALL
from oms.merchants import sandboxes
from oms.merchants.joining import standing
from oms.merchants.models import ApiCredential, Merchant
from orders.changing import cancelling, telling
from orders.fulfilling import allocating, splitting
from orders.models import ChangeSet, Hold, Order, SubOrder
from orders.reviewing import deciding
from payments.granting import limits
from payments.models import LedgerEntry, Payment, Refund, SettlementRow
from payments.taking import differences, recording
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.invariants import check
from tests.logistics.test_watching import hours_pass, watch
from tests.payments import grants
from tests.portal import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself, with a real order."""
    return world.make_seller()


@pytest.fixture
def twin(seller: world.Seller, monkeypatch: Any) -> Merchant:
    """Its sandbox; the parcels of pretended carriers arrive."""
    monkeypatch.setattr("logistics.carriers.adapters.sandbox.crc32", lambda _reference: 100)
    return open_sandbox(seller.merchant)


def drain() -> None:
    """All stages until nothing is ready."""
    call_command("drain", "--json", stdout=StringIO())


def send(client: Any, body: dict[str, Any]) -> Any:
    """The order by the API."""
    return client.post("/api/v1/orders", body, format="json", HTTP_IDEMPOTENCY_KEY=str(uuid4()))


def whole(merchant: Merchant) -> dict[str, Any]:
    """What a merchant has that orders could change: its stock, and its orders."""
    return {
        "stock": list(
            Stock.objects.filter(sku__merchant=merchant).order_by("pk").values_list("pk", "on_hand", "reserved")
        ),
        "orders": list(Order.objects.visible_to(merchant).order_by("pk").values_list("number", "state")),
    }


def test_the_balance_of_a_change_in_the_sandbox_is_asked_of_nobody_real(seller, twin):
    sku = twin.skus.get(code=seller.sku.code)
    send(factories.client_of(twin), factories.order_body((sku, 2, "10.00")))
    order = Order.objects.get(channel__merchant=twin)
    row = ChangeSet.objects.create(order=order, number=f"{order.number}-C1", reason="x", actor="li")
    row.wait_for_balance()
    row.balance_amount, row.pay_by = Decimal("5.00"), timezone.now() + timedelta(hours=1)
    row.save(update_fields=["state", "balance_amount", "pay_by"])
    assert differences.request(10) == 1
    assert Payment.objects.get(change_set=row).connection.code == sandboxes.PAYMENTS


def test_a_paid_order_of_the_sandbox_goes_all_its_way_and_leaves_nothing_behind(seller, twin):
    before = whole(seller.merchant)
    client = factories.client_of(twin)
    me = client.get("/api/v1/me").json()
    sku = twin.skus.get(code=seller.sku.code)

    answer = send(client, factories.order_body((sku, 2, "10.00")))
    assert answer.status_code == 201, answer.content
    drain()

    order = Order.objects.get(number=answer.json()["number"])
    part = SubOrder.objects.get(order=order)
    parcel = Shipment.objects.get(sub_order=part)
    assert (me["merchant"], me["kind"], me["is_test"]) == (f"{seller.merchant.code}-TEST", "sandbox", True)
    assert (order.state, part.state, parcel.state, parcel.carrier.code) == ("completed", "completed", "signed", "TEST")
    assert Payment.objects.get(order=order).connection.code == sandboxes.PAYMENTS
    assert not LedgerEntry.objects.filter(order=order).exists()
    assert not SettlementRow.objects.exists()
    assert not Polling.objects.exists()
    assert whole(seller.merchant) == before
    assert Stock.objects.get(sku=sku).on_hand == 998
    assert check(ALL) == []


def test_nobody_of_finance_is_waited_for_to_send_its_money_back(seller, twin, settings):
    settings.REFUNDS_SENT_BY_RULE_UP_TO = Decimal(0)
    limits.install_defaults()
    order = factories.place(factories.order_body((twin.skus.first(), 2, "10.00")), twin)
    drain()
    grants.goodwill(order, "5.00", factories.UserFactory(is_superuser=True))
    drain()
    assert [refund.state for refund in Refund.objects.filter(order=order)] == ["succeeded"]
    assert check(ALL) == []


def test_neither_sees_the_others(seller, twin):
    real = seller.orders()[0].sub_order.order
    tested = factories.place(factories.order_body(twin.skus.first()), twin)
    of_seller, of_twin = factories.client_of(seller.merchant), factories.client_of(twin)

    for client, own, foreign in ((of_seller, real, tested), (of_twin, tested, real)):
        assert client.get(f"/api/v1/orders/{own.number}").status_code == 200
        assert client.get(f"/api/v1/orders/{foreign.number}").status_code == 404
        assert [row["number"] for row in client.get("/api/v1/orders").json()["results"]] == [own.number]
    mine, theirs = (
        {row["code"] for row in one.get("/api/v1/warehouses").json()["results"]} for one in (of_seller, of_twin)
    )
    assert mine
    assert theirs
    assert not mine & theirs


def test_the_goods_of_a_sandbox_are_nobody_elses(seller, twin):
    ours = factories.MerchantFactory(self_operated=True)
    channel = factories.ChannelFactory(merchant=ours)
    line = {"sku": twin.skus.first().code, "merchant": twin.code, "quantity": 1, "unit_price": "10.00"}

    foreign = send(factories.client_of(ours), factories.order_body(seller.sku, source=channel.code) | {"lines": [line]})
    body = factories.order_body((seller.other_sku, 1, "10.00"))
    named = send(factories.client_of(twin), body)
    del body["lines"][0]["merchant"]
    unnamed = send(factories.client_of(twin), body)

    assert (foreign.status_code, named.status_code) == (400, 400)
    # The code alone names the sandbox's own goods.
    assert unnamed.status_code == 201
    assert Order.objects.get(number=unnamed.json()["number"]).lines.get().sku.merchant == twin


def test_staff_are_not_asked_about_orders_of_a_sandbox(seller, twin):
    factories.review_rule("dear", "amount_over", values={"amount": "1.00"})
    held = factories.place(
        factories.order_body(seller.sku, payment_method="cod", source=seller.channel.code), seller.merchant
    )
    tested = factories.place(factories.order_body(twin.skus.first(), payment_method="cod"), twin)
    factories.run(recording.book_collected, deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
    assert [hold.order for hold in Hold.objects.all()] == [held]

    factories.change_review_rules(is_active=False)
    real = seller.orders()[0]
    for work in (steps.work_of(tested.sub_orders.get()), real):
        hours_pass(work, 200)
    watch()
    cancelling.cancel_order(tested.pk, reason="test", actor=steps.STAFF)
    telling.tell_cancelled([tested.pk])

    assert {alert.sub_order for alert in LogisticsAlert.objects.all()} == {real.sub_order}
    assert not BuyerMessage.objects.filter(about_id=tested.pk).exists()


def test_staff_see_it_where_they_ask_for_it_and_in_no_figure(seller, twin):
    real = seller.orders()[0].sub_order.order
    tested = factories.place(factories.order_body(twin.skus.first(), payment_method="cod"), twin)
    staff = client_of(is_superuser=True)
    numbers = {real.number, tested.number}

    def shown(**wish: str) -> set[str]:
        page = staff.get("/admin/orders/order/", wish).content.decode()
        return {number for number in numbers if number in page}

    assert shown() == {real.number}
    assert shown(sandbox="1") == {tested.number}
    assert shown(sandbox="all") == numbers
    assert shown(q=tested.number) <= {tested.number}
    page = staff.get(f"/admin/orders/order/{tested.pk}/change/").content.decode()
    assert "science" in page
    assert "science" not in staff.get(f"/admin/orders/order/{real.pk}/change/").content.decode()
    assert sum(count for _at, count in dashboard.take_snapshot().hours) == 1
    assert sum(count for count, _is_more in dashboard.take_snapshot().states.values()) == 1
    assert profit.orders_of(timezone.localdate(), timezone.localdate()) == [real.pk]


def test_tickets_of_a_sandbox_are_in_no_figure(seller, twin):
    real = seller.orders()[0].sub_order.order
    tested = factories.place(factories.order_body(twin.skus.first(), payment_method="cod"), twin)
    for order in (real, tested):
        tickets.open_tickets(UNSPLIT, [tickets.Trouble(order.pk, about_id=order.pk)], opened_by="watch")

    assert [row.waiting for row in figures.ticket_figures()] == [1]
    assert sum(figure.count for figure in work_tiles._teams(0)) == 1
    assert sandboxes.real(Ticket.objects.all()).get().about_id == real.pk
    page = client_of(is_superuser=True).get("/admin/common/ticket/").context
    assert [row.about_id for row in page["cl"].result_list] == [real.pk]
    assert page["queue_tabs"][0]["count"] == "1"


def test_a_suspended_merchant_counts_once_though_its_sandbox_stands_with_it(seller, twin):
    boss = client_of(is_superuser=True)
    standing.suspend(seller.merchant.pk, reason="x", actor="boss")

    (figure,) = (one for one in TILES["merchants"].read(0) if one.model == "merchants.merchant")
    listed = boss.get("/admin/merchants/merchant/", figure.query).context["cl"].result_list
    assert (figure.count, [row.code for row in listed]) == (1, [seller.merchant.code])
    both = boss.get("/admin/merchants/merchant/", {**figure.query, "sandbox": "all"}).context["cl"].result_list
    assert {row.code for row in both} == {seller.merchant.code, twin.code}


@pytest.mark.parametrize("label", sandboxes.LABELS)
def test_every_list_can_be_told_apart(label, django_assert_num_queries):
    model = apps.get_model(label)
    with django_assert_num_queries(1):
        assert list(sandboxes.real(model._default_manager.all())) == []


def test_programs_of_the_platform_do_not_read_sandboxes(seller, twin):
    ours = factories.MerchantFactory(self_operated=True)
    program = factories.client_of(ours, scopes=["platform.read", "orders.read"])
    real = seller.orders()[0].sub_order.order
    tested = factories.place(factories.order_body(twin.skus.first()), twin)

    assert [row["number"] for row in program.get("/api/v1/orders").json()["results"]] == [real.number]
    named = program.get("/api/v1/orders", {"merchant": twin.code}).json()["results"]
    assert [row["number"] for row in named] == [tested.number]


def test_the_carrier_of_sandboxes_carries_nothing_real(seller, twin):
    (work,) = seller.orders()
    real, tested = factories.client_of(seller.merchant), factories.client_of(twin)

    answer = real.post(
        "/api/v1/shipping-reports",
        {"parcels": [{"number": work.number, "carrier": "TEST", "waybill": "TT000000001"}]},
        format="json",
        HTTP_IDEMPOTENCY_KEY=str(uuid4()),
    )

    assert answer.json()["results"][0]["errors"][0]["code"] == "unknown_carrier"
    named = [{row["code"] for row in one.get("/api/v1/carriers").json()["results"]} for one in (real, tested)]
    assert [sandboxes.CARRIER_CODE in codes for codes in named] == [False, True]
    page = world.person_of(seller.merchant).get(f"/merchant/logistics/warehouseorder/{work.pk}/change/")
    assert sandboxes.CARRIER_CODE not in dict(page.context["carriers"])


def test_a_sandbox_buys_no_waybills(twin):
    body = {"name": "二号仓", "address": "北京市东城区中山路1号", "waybill_when": "at_release"}
    answer = factories.client_of(twin).post(
        "/api/v1/warehouses", body, format="json", HTTP_IDEMPOTENCY_KEY=str(uuid4())
    )

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "no_waybills_here")
    assert Warehouse.objects.filter(merchant=twin).count() == 1


def test_a_sandbox_stands_as_its_merchant_does(seller, twin):
    client = factories.client_of(twin)
    standing.suspend(seller.merchant.pk, reason="x", actor="li")
    assert client.get("/api/v1/me").status_code == 401
    with pytest.raises(standing.NotPossible):
        standing.resume(twin.pk, reason="x", actor="li")
    standing.resume(seller.merchant.pk, reason="x", actor="li")
    assert client.get("/api/v1/me").status_code == 200


def test_there_is_one_sandbox_and_it_has_none(seller, twin):
    assert open_sandbox(seller.merchant) == twin
    assert open_sandbox(twin) == twin
    with pytest.raises(IntegrityError, match="merchant_is_a_sandbox_of_one"):
        Merchant.objects.filter(pk=twin.pk).update(kind="marketplace")


def test_a_key_is_made_in_the_sandbox_on_the_pages(seller):
    person = world.person_of(seller.merchant)
    asked = person.post("/merchant/sandbox/enter/", {"page": "merchant:merchants_apicredential_add"})
    assert asked["Location"] == "/merchant/merchants/apicredential/add/"
    page = person.post(
        "/merchant/merchants/apicredential/add/",
        {"name": "trial", "scopes": ["orders.read", "orders.write"], "allowed_networks": ""},
    )
    made = ApiCredential.objects.get(name="trial")
    assert (page.status_code, made.merchant.sandbox_of, made.app_key[:8]) == (200, seller.merchant, "ak_test_")
    assert "Leave the sandbox" in page.content.decode()
    order = factories.place(factories.order_body(made.merchant.skus.first()), made.merchant)

    assert order.number in person.get("/merchant/orders/order/").content.decode()
    person.post("/merchant/sandbox/leave/")
    assert order.number not in person.get("/merchant/orders/order/").content.decode()
    assert person.get(f"/merchant/orders/order/{order.pk}/change/").status_code == 302
    assert "trial" not in person.get("/merchant/merchants/apicredential/").content.decode()


@pytest.mark.parametrize("role", ["logistics", "finance", "read_only"])
def test_only_who_makes_keys_opens_a_sandbox_and_all_may_enter_it(seller, role):
    person = world.person_of(seller.merchant, role)
    assert person.post("/merchant/sandbox/enter/").status_code == 403
    assert not Merchant.objects.filter(kind="sandbox").exists()
    open_sandbox(seller.merchant)
    assert person.post("/merchant/sandbox/enter/").status_code == 302
    assert "nothing here is real" in person.get("/merchant/").content.decode()


def test_colleagues_are_the_sellers_in_the_sandbox_too(seller, twin):
    person = world.person_of(seller.merchant)
    person.post("/merchant/sandbox/enter/")
    page = person.post("/merchant/merchants/merchantuser/add/", {"username": "wang", "role": "finance"})
    assert page.status_code == 200
    assert list(twin.users.all()) == []
    assert seller.merchant.users.filter(user__username="wang").exists()


def test_a_command_makes_a_key_of_the_sandbox(seller):
    out = StringIO()
    call_command("create_credential", seller.merchant.code, "--test", stdout=out)
    assert "OMS_APP_KEY=ak_test_" in out.getvalue()
    assert ApiCredential.objects.get().merchant.sandbox_of == seller.merchant


BREAKING = {
    "sandboxes_keep_to_themselves": (
        "UPDATE inventory_stock SET warehouse_id = %(foreign)s WHERE sku_id IN"
        " (SELECT id FROM inventory_sku WHERE merchant_id = %(twin)s AND code = %(code)s)"
    ),
    "sandboxes_reach_nobody": ("UPDATE payments_payment SET connection_id = %(link)s WHERE order_id = %(order)s"),
    "sandboxes_have_no_money": (
        "INSERT INTO payments_ledgerentry (key, kind, order_id, subject) VALUES ('x', 'completed', %(order)s, 'x')"
    ),
    "nobody_is_told_of_sandboxes": (
        "INSERT INTO common_buyermessage (kind, key, way, state, about_id, hint, content, provider_code)"
        " VALUES ('x', 'x', 'site', 'shown', %(order)s, '', '', '')"
    ),
    "tickets_of_sandboxes_are_marked": (
        "INSERT INTO common_ticket (kind, subject_kind, subject_id, about_id) VALUES ('x', 'order', 1, %(order)s);"
        " UPDATE common_ticket SET is_test = false WHERE about_id = %(order)s"
    ),
}


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda one: one.name)
def test_each_invariant_sees_what_breaks_it(seller, twin, invariant):
    order = factories.place(factories.order_body(twin.skus.first()), twin)
    drain()
    foreign = factories.WarehouseFactory()
    link = factories.ConnectionFactory(kind="payment", protocol="alipay")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({invariant.query}) AS broken")
        assert cursor.fetchone() == (0,)
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(
            BREAKING[invariant.name],
            {
                "order": order.pk,
                "twin": twin.pk,
                "code": seller.sku.code,
                "foreign": foreign.pk,
                "link": link.pk,
            },
        )
        cursor.execute(f"SELECT count(*) FROM ({invariant.query}) AS broken")
        assert cursor.fetchone() == (1,)
