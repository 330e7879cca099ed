"""Every page of the admin opens, in both languages, and what services write cannot be edited."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib import admin
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inventory import adjusting as stock_adjusting
from inventory import costing, hold_plans, holding, hosting, purchase_arrivals, purchasing, transferring
from inventory.adjusting import Action, Adjustment
from inventory.models import (
    AdjustmentReason,
    ChannelShare,
    HoldPurpose,
    Region,
    Stock,
    StockComparison,
    StockCount,
    Warehouse,
)
from logistics.carriers.defaults import install_default_carriers
from logistics.models import (
    LogisticsAlert,
    ShipRule,
    StockOrder,
    VirtualDelivery,
    WarehouseItem,
)
from oms.checking import running as checking
from oms.checking.known import BY_NAME
from oms.common import outbound
from oms.common.desk.lists import KeysetAdmin, page_of
from oms.common.errors import FieldError
from oms.common.files import exporting
from oms.common.models import Connection, SavedView, TicketTarget
from oms.common.secrecy import seal
from oms.common.work import clock, jobs, schedule
from oms.management.commands.drain import drain
from oms.merchants.calls import credentials
from oms.merchants.joining import people
from oms.merchants.models import Channel, MerchantApplication, WebhookEndpoint
from oms.merchants.webhooks import endpoints
from oms.telling import receivers
from orders import tickets
from orders.actors import Actor
from orders.changing import cancelling, gifts, merging, reasons, reissuing
from orders.fulfilling import allocating
from orders.intake import rejecting
from orders.matching import matches
from orders.matching.matches import NewComponent, NewMatch
from orders.models import (
    ActorKind,
    BuyerNotification,
    GiftRule,
    Order,
    RejectedOrder,
    ReturnRule,
    ReviewDecision,
    ReviewRuleSet,
    SubOrder,
)
from orders.models.notification import NotificationContent
from orders.models.sub_order import LEFT_WAREHOUSE
from orders.returning import strays
from orders.returning.strays import Unit
from orders.reviewing import holds
from payments.balances import adjusting
from payments.granting import deciding, limits
from payments.granting.previewing import Wanted
from payments.models import (
    BillForm,
    BillSource,
    CommissionTerm,
    Deposit,
    DepositKind,
    Dispute,
    GrantKind,
    Payment,
    Refund,
    RowKind,
    ServiceTerm,
)
from payments.statements import closing, deposits
from payments.taking import transfers
from tests import factories, standing, steps
from tests.admin import rows_of_logistics
from tests.admin.conftest import client_of
from tests.api.samples import alert_line
from tests.balances import wallets
from tests.invoicing import world as invoices
from tests.promising.world import populate
from tests.reconciling import world as bills
from tests.returns import rows as return_rows
from tests.virtual import world as virtual_goods

STAFF = Actor(ActorKind.STAFF, "wang")
READ_ONLY = (
    "orders.order",
    "orders.suborder",
    "orders.hold",
    "orders.deliverypromise",
    "orders.rejectedorder",
    "orders.buyernotification",
    "payments.payment",
    "payments.refund",
    "payments.invoice",
    "payments.statement",
    "payments.giftcard",
    "payments.pointsaccount",
    "payments.balanceadjustment",
    "payments.ledgerentry",
    "logistics.shipment",
    "logistics.trackingevent",
    "logistics.warehouseorder",
    "logistics.logisticsalert",
    "logistics.printout",
    "logistics.wave",
    "logistics.picktask",
    "inventory.stockmovement",
    "inventory.replenishmentsuggestion",
    "common.job",
    "common.outboundstop",
    "common.ticket",
    "common.scheduledtask",
    "common.invariantcheck",
)


def models() -> list[type[Model]]:
    """Every model that has admin pages."""
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


def fill(shop: factories.Shop) -> None:
    """Make a row of every kind, most of them by the pipeline itself."""
    install_default_carriers()
    populate(shop.warehouse)
    other = factories.StockFactory(sku=factories.SkuFactory())
    shop.place_order((shop.sku, 2, "10.00"))
    order = factories.place_order(
        (shop.sku, 1, "10.00"), (other.sku, 1, "9.00"), merchant=shop.merchant, source=shop.channel.code
    )
    with clock.skipping_waits():
        drain(100)
    holds.hold_order(shop.place_order().pk, reason="x", actor=STAFF)
    sub_order = SubOrder.objects.filter(order=order).first()
    assert sub_order
    now = timezone.now()
    rows_of_logistics.fill(sub_order, now)
    virtual_goods.populate(shop, sub_order)
    steps.recalled(rows_of_logistics.Shipment.objects.earliest("pk"))
    asked = return_rows.asked(sub_order)
    return_rows.pick_up(asked, Connection.objects.filter(protocol="sandbox").earliest("pk"))
    strays.note(shop.warehouse.pk, [Unit(shop.sku.code, "good", 1)], waybill="", actor=STAFF)
    payment = Payment.objects.filter(order=order).first()
    assert payment
    Refund.objects.create(number="F1", order=order, payment=payment, amount=1, reason="overpaid")
    limits.install_defaults()
    reasons.install_defaults()
    ReturnRule.objects.create()
    ShipRule.objects.create(hours=48)
    deciding.propose(order.pk, Wanted(GrantKind.GOODWILL, Decimal("0.01")), reason="late", note="x", actor=STAFF)
    invoices.written(order, shop.merchant)
    factories.review_rule("cheats", "on_list", values={"list": "deny"})
    factories.listed(kind="phone", phone="13800009999")
    ReviewDecision.objects.create(order=order, outcome="hold", hits=[])
    credentials.issue(shop.merchant, "test")
    endpoint = WebhookEndpoint.objects.create(
        merchant=shop.merchant, url="https://shop.example/", event_types=["*"], secret=seal("whsec_x")
    )
    endpoints.ping(endpoint.pk)
    receivers.test(
        receivers.add(shop.merchant, receivers.Wanted("Li", "mail", ["to_ship"], 1, "en", "li@example.com")).pk
    )
    refused = rejecting.RefusedRow(b"{}", "X-1", [FieldError("lines", "empty", "An order needs a line.")])
    rejecting.keep(shop.merchant, RejectedOrder.Door.BULK, [refused])
    said = NotificationContent("Your order is sent")
    BuyerNotification.sealed(said, merchant=shop.merchant, buyer_reference=order.buyer_reference, kind="x").save()
    tickets.open_by_hand(order.pk, "call_back", text="x", user=factories.UserFactory())
    TicketTarget.objects.create(kind="call_back", minutes=60)
    people.add(shop.merchant, "merchants-li")
    Client().post("/admin/login/", {"username": "merchants-li", "password": "wrong"})
    MerchantApplication.objects.create(company="x", credit_code="91110000600037341L", wanted_code="X")
    jobs.create(exporting.KIND, factories.UserFactory(), params={"export": "orders.order"})
    transfer = {"amount": 1, "serial": "B1", "paid_on": now.date(), "actor": STAFF}
    transfers.enter(shop.place_order().pk, **transfer)
    link = Connection.objects.filter(protocol="sandbox").first()
    assert link
    Client().post(f"/callbacks/{link.code}/", "{}", content_type="application/json")
    Channel.objects.filter(pk=shop.channel.pk).update(matches_skus=True)
    matches.put(shop.merchant, NewMatch(shop.channel.code, "ITS", (NewComponent(shop.sku.code),)), actor=STAFF)
    unknown = shop.body()
    factories.place({**unknown, "lines": [{**unknown["lines"][0], "sku": "HERS"}]}, shop.merchant)
    alipay = Connection.objects.create(code="alipay", kind="payment", protocol="alipay")
    Dispute.objects.create(number="D1", connection=alipay, kind="complaint", state="open", order=order, ready_at=None)
    form = {"form": BillForm.ALIPAY_TRADE, "account": "20880000000000010156"}
    bills.read(BillSource.objects.create(connection=alipay, **form), "alipay-trade-20261123.csv")
    CommissionTerm.objects.create(merchant=shop.merchant, rate=Decimal("0.05"))
    card, member = wallets.card(shop.merchant), wallets.member(shop.merchant, 100)
    shop.place_order(**wallets.by_card(card, "5.00"), **wallets.by_points(10))
    adjusting.propose(member.pk, 1, reason="x", user=factories.UserFactory(), actor=STAFF)
    closing.add_by_hand(shop.merchant.pk, RowKind.FINE, Decimal(-1), reason="x", actor=STAFF, key="1")
    today = timezone.localdate()
    with time_machine.travel(now + timedelta(days=1)):
        closing.close(shop.merchant.pk, closing.Span(today, today + timedelta(days=1)), actor=STAFF)
    ServiceTerm.objects.create(merchant=shop.merchant, unit_fee=1)
    Deposit.objects.create(merchant=shop.merchant, due_amount=1)
    paid_in = {"reason": "x", "actor": STAFF, "key": "1", "document": "B1"}
    deposits.move(shop.merchant.pk, DepositKind.PAID_IN, Decimal(1), **paid_in)
    _fill_inventory(shop, now)
    _fill_changes(shop, order)
    outbound.stop(by="li", note="x")
    outbound.resume(by="li")
    schedule.read_changes()
    checking.check(BY_NAME["open_holds_are_counted"])


@pytest.fixture
def world(shop: factories.Shop) -> None:
    """A row of every kind."""
    with transaction.atomic():
        fill(shop)


@pytest.fixture(scope="module")
def standing_world(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The same, for all tests of this file."""
    with standing.rows(django_db_blocker, lambda: fill(factories.make_shop())):
        yield


def _fill_changes(shop: factories.Shop, order: Order) -> None:
    """A gift by a rule, goods that were sent again, and two orders in one parcel."""
    gift = GiftRule.objects.create(name="新年", gift=shop.other_sku, is_active=True)
    left = SubOrder.objects.filter(order=order, state__in=LEFT_WAREHOUSE).first()
    assert left
    position = left.lines.values_list("order_line__position", flat=True)[0]
    again = reissuing.reissue(order.pk, {position: 1}, "missing", "warehouse", actor=STAFF)
    cancelling.cancel_order(again.pk, reason="x", actor=STAFF)
    together = [shop.place_order((shop.other_sku, 1, "25.50")) for _ in range(2)]
    for one in together:
        steps.pay(one)
    steps.approve_and_split()
    factories.run(allocating.run)
    gifts.switch(gift.pk, on=False)
    merging.merge(SubOrder.objects.filter(order__in=together).values_list("pk", flat=True), actor=STAFF)


def _fill_inventory(shop: factories.Shop, now: datetime) -> None:
    batches = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    costing.set_cost(batches.pk, Decimal("1.20"), actor="li")
    bought = [purchasing.Bought(batches.code, 5)]
    order = purchasing.order(shop.merchant, "PO1", shop.warehouse, bought, actor="li")
    came = [purchasing.Unloaded(batches.code, 3, lot="L1")]
    who = {"actor": "li", "merchant": shop.merchant, "purchase_order": order}
    purchase_arrivals.receive_goods(shop.warehouse, came, reference="IN1", **who)
    target = factories.WarehouseFactory(merchant=shop.merchant)
    hosting.begin(target, factories.MerchantFactory(), actor="li")
    moved = transferring.draft(shop.warehouse, target, [transferring.Moved(batches, 2)], actor="li")
    transferring.approve(moved.pk, actor="li")
    transferring.ship(moved.pk, actor="li")
    stock = Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse)
    lost = Adjustment(1, AdjustmentReason.LOST)
    stock_adjusting.adjust(stock.pk, Action.REMOVE, lost, actor="li", version=stock.version)
    alert_line(shop)
    StockCount.objects.create(warehouse=shop.warehouse)
    system = Connection.objects.get(warehouses=target)
    WarehouseItem.objects.create(connection=system, sku=batches, refusal="I02")
    StockOrder.objects.create(number="T1-IN", kind="in", warehouse=target, connection=system, transfer=moved)
    StockComparison.objects.create(warehouse=shop.warehouse, reported_at=now, compared=1, differing=0)
    ChannelShare.objects.create(channel=shop.channel, percent=50, changed_at=now, changed_by="li")
    goods = hold_plans.Item(1, shop.sku.code, shop.sku.pk, shop.merchant.pk, shop.sku.storage_class, 1)
    new = hold_plans.NewHold(shop.merchant.pk, shop.channel.pk, HoldPurpose.CART, [goods], seconds=60)
    holding.set_aside(new, actor="li")
    factories.activate_rules({"on_partial": "allocate", "on_none": "backorder"})


def pages(model: type[Model]) -> Iterator[str]:
    """The addresses of the model's list, of one row, and of the form for a new one."""
    prefix = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    yield reverse(f"{prefix}_changelist")
    row = model._default_manager.first()
    if row is not None:
        yield reverse(f"{prefix}_change", args=[row.pk])
        if issubclass(type(admin.site._registry[model]), KeysetAdmin):
            yield f"{reverse(f'{prefix}_changelist')}?q=x&older={row.pk}"
    if getattr(admin.site._registry[model], "may_add", True):
        yield reverse(f"{prefix}_add")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_opens(standing_world: None, boss: Client, language: str) -> None:
    empty = [model._meta.label for model in models() if not model._default_manager.exists()]
    assert empty in ([], ["auth.Group"])
    for model in models():
        for path in pages(model):
            response = boss.get(path, headers={"accept-language": language})
            # A list whose search finds one order leads there.
            assert response.status_code in (200, 302), path
            assert response.status_code == 200 or "?q=" in path, path
            assert not response.content or "DatabaseDefault" not in response.content.decode(), path


def test_a_list_whose_rows_can_be_ticked_has_its_bar_of_actions(standing_world: None, boss: Client) -> None:
    """A template of ours that is called `actions.html` would take the bar's place."""
    for model in models():
        page = boss.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")).content.decode()
        if 'name="_selected_action"' in page:
            assert 'name="index"' in page, model._meta.label


def test_no_list_asks_for_more_with_more_rows(
    standing_world: None, boss: Client, statements: Callable[[Client, str], int]
) -> None:
    """With all the columns that may be chosen, each of which is then shown."""
    lists = [reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist") for m in models()]
    request = boss.get("/admin/").wsgi_request
    for model_admin in admin.site._registry.values():
        if isinstance(model_admin, KeysetAdmin):
            names = [column["name"] for column in model_admin.offered_columns(request)]
            SavedView.objects.create(owner_id=request.user.pk, page=page_of(model_admin), columns=names)
    counted = []
    # Twice: the first rows may be the first of their kind.
    for _ in range(2):
        factories.place_order((factories.SkuFactory(), 1, "1.00"))
        with clock.skipping_waits():
            drain(100)
        counted.append({path: statements(boss, path) for path in lists})
    before, after = counted

    assert after == before


@pytest.mark.parametrize("label", READ_ONLY)
def test_what_services_write_is_only_read(standing_world: None, boss: Client, label: str) -> None:
    model = apps.get_model(label)
    row = model._default_manager.first()
    prefix = f"admin:{label.replace('.', '_')}"
    assert row
    assert boss.get(reverse(f"{prefix}_add")).status_code == 403
    assert boss.post(reverse(f"{prefix}_change", args=[row.pk]), {"state": "x"}).status_code in (403, 405)
    assert boss.post(reverse(f"{prefix}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_of_a_region_only_whether_it_is_served_is_changed(standing_world: None, boss: Client) -> None:
    region = Region.objects.get(code="110101")
    assert boss.get("/admin/inventory/region/add/").status_code == 403
    assert boss.post("/admin/inventory/region/110101/delete/", {"post": "yes"}).status_code == 403

    boss.post("/admin/inventory/region/110101/change/", {"province": "x", "city": "x", "district": "x"})

    changed = Region.objects.get(code="110101")
    assert (changed.province, changed.city, changed.district) == (region.province, region.city, region.district)
    assert (region.is_served, changed.is_served) == (True, False)


def test_delivered_codes_are_not_shown_to_staff(standing_world: None, boss: Client) -> None:
    delivery = VirtualDelivery.objects.earliest("pk")
    for path in (
        reverse("admin:logistics_virtualdelivery_change", args=[delivery.pk]),
        reverse("admin:orders_order_change", args=[delivery.sub_order.order_id]),
    ):
        page = boss.get(path).content.decode()
        assert "SECRET-CODE" not in page
        assert "…1234" in page
        assert bytes(delivery.content).decode() not in page


def test_fields_that_offer_rows_find_them_by_their_beginning(standing_world: None, boss: Client) -> None:
    fields = [(model, name) for model in models() for name in admin.site._registry[model].autocomplete_fields]
    assert fields
    for model, name in fields:
        asked = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": name}
        found = boss.get("/admin/autocomplete/", asked).json()["results"]
        assert found, (model, name)
        row = model._meta.get_field(name).remote_field.model._default_manager.get(pk=found[0]["id"])
        some = boss.get("/admin/autocomplete/", {**asked, "term": row.code[:4]}).json()["results"]
        assert str(row.pk) in [choice["id"] for choice in some]
        assert boss.get("/admin/autocomplete/", {**asked, "term": "none such"}).json()["results"] == []


def test_a_warehouse_is_made_where_its_region_lies_and_stores_what_there_is(shop: factories.Shop, boss: Client) -> None:
    form = {"code": "NEW-WH", "name": "新仓", "merchant": shop.merchant.pk, "kind": "merchant", "daily_capacity": "0"}
    form |= {"region": shop.region.pk, "is_active": "on", "waybill_when": "when_packed"}
    path = reverse("admin:inventory_warehouse_add")
    refused = boss.post(path, {**form, "storage_classes": ["ambeint"]})
    assert refused.context["adminform"].form.errors.keys() == {"storage_classes"}
    boss.post(path, {**form, "storage_classes": ["ambient", "virtual"]})
    made = Warehouse.objects.get(code="NEW-WH")
    assert made.storage_classes == ["ambient", "virtual"]
    assert (made.longitude, made.latitude) == (shop.region.longitude, shop.region.latitude)


def test_a_field_offers_more_rows_as_long_as_there_are_more(boss: Client) -> None:
    for number in range(25):
        factories.RegionFactory(code=f"4401{number:02}")
    asked = {"app_label": "inventory", "model_name": "warehouse", "field_name": "region", "term": "4401"}
    first, second = (boss.get("/admin/autocomplete/", {**asked, "page": page}).json() for page in (1, 2))
    assert (len(first["results"]), first["pagination"]["more"]) == (20, True)
    assert (len(second["results"]), second["pagination"]["more"]) == (5, False)


def test_alerts_are_assigned_to_who_takes_them(standing_world: None, boss: Client) -> None:
    alert = LogisticsAlert.objects.get()
    path = reverse("admin:logistics_logisticsalert_changelist")
    boss.post(path, {"action": "assign_to_me", "index": "0", "_selected_action": [alert.pk]})
    assert str(LogisticsAlert.objects.get().assigned_to_id) == boss.session["_auth_user_id"]
    assert b"give_back" not in client_of("view_logisticsalert").get(path).content


def test_an_incomplete_rule_is_refused_with_the_limit_that_it_needs(boss: Client) -> None:
    draft = ReviewRuleSet.objects.create()
    rule = {"name": "big", "priority": 1, "outcome": "hold", "condition": '{"is": "amount_over"}'}
    form = {"rule_set": draft.pk, **rule}
    response = boss.post(reverse("admin:orders_reviewrule_add"), form)
    assert "Condition 1 (Amount over a limit): over (yuan): This field is required." in response.content.decode()
    assert not draft.rules.exists()


def test_the_root_leads_to_the_admin_and_the_login_to_the_dashboard(db: None) -> None:
    client = Client()
    assert client.get("/")["Location"] == "/admin/"
    factories.UserFactory(username="li")
    response = client.post("/admin/login/", {"username": "li", "password": "password"})
    assert response["Location"] == "/admin/"


def test_the_language_switch_is_on_the_login_page_and_works(db: None) -> None:
    client = Client()
    page = client.get("/admin/login/")
    assert 'name="language" value="en"' in page.content.decode()
    assert 'lang="zh-hans"' in page.content.decode()
    client.post("/i18n/setlang/", {"language": "en", "next": "/admin/login/"})
    assert 'lang="en"' in client.get("/admin/login/").content.decode()
    assert "Log in" in client.get("/admin/login/").content.decode()
