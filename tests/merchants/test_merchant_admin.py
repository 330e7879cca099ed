"""The merchants' own pages: what is theirs and nothing else."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import oms.urls  # noqa: F401 - brings all pages, whichever test runs first
from inventory.models import ReplenishmentPolicy, ReplenishmentSuggestion, Sku, Stock, StockHold, Warehouse
from logistics.by_merchant import opening
from logistics.models import WarehouseOrder
from logistics.warehouses import releasing, sending
from oms import merchant_admin
from oms.common.errors import FieldError
from oms.common.models import Job, OneTimePassword
from oms.common.secrecy import seal
from oms.merchants.calls import credentials
from oms.merchants.joining import people
from oms.merchants.models import (
    ApiCredential,
    Channel,
    MerchantReceiver,
    MerchantUser,
    RefusedCall,
    WebhookDelivery,
    WebhookEndpoint,
)
from oms.merchants.webhooks import endpoints
from oms.telling import receivers
from orders.intake.rejecting import RefusedRow, keep
from orders.models import Order, RejectedOrder, ReturnRequest, SubOrder
from payments.models import Deposit, Invoice, Refund, RefundGrant, RowKind, SettlementRow, Statement
from payments.statements import closing
from tests import factories, standing, steps
from tests.api import samples
from tests.invoicing import world as invoices
from tests.payments import grants
from tests.returns import world as returns

pytestmark = pytest.mark.django_db

READ = (
    *(Order, SubOrder, Stock, StockHold, ReplenishmentSuggestion, SettlementRow, Statement, Deposit),
    *(
        WarehouseOrder,
        Channel,
        WebhookDelivery,
        RefundGrant,
        Refund,
        Invoice,
        ReturnRequest,
        RejectedOrder,
        RefusedCall,
    ),
)
# Of these a person sees those of their own alone: `tests/portal/test_imports.py`.
PERSONAL = (Job,)
MODELS = (*READ, Sku, Warehouse, WebhookEndpoint, MerchantUser, ReplenishmentPolicy, ApiCredential, MerchantReceiver)


def person_of(merchant, name="li"):
    """A client in which somebody of the merchant is logged in, by the login page."""
    password = people.add(merchant, name)
    OneTimePassword.objects.all().delete()
    client = Client(headers={"accept-language": "en"})
    answer = client.post("/merchant/login/", {"username": name, "password": password})
    assert answer["Location"] == "/merchant/", answer.content
    return client


@pytest.fixture(scope="module")
def both(django_db_setup, django_db_blocker):
    """Two merchants with a row of every kind."""
    with standing.rows(django_db_blocker, lambda: (filled("own"), filled("theirs"))) as made:
        yield made


@pytest.fixture
def own(both, db):
    """The one that looks."""
    return both[0]


@pytest.fixture
def other(both, db):
    """The one that nobody else should see."""
    return both[1]


def filled(credential):
    """A shop with a row of every kind, and a credential of that name."""
    shop = factories.make_shop()
    after_sales(shop)
    sent_order(shop)
    people.add(shop.merchant, f"somebody-{credential}")
    refused_call(credentials.issue(shop.merchant, credential).credential)
    settled(shop.merchant)
    samples.cart_of(shop)
    samples.alert_line(shop)
    return shop


def refused_call(credential):
    """A call of the credential that was refused."""
    RefusedCall.objects.create(
        merchant=credential.merchant, credential=credential, method="GET", path="/api/v1/x", status=404
    )


def after_sales(shop):
    """A return, a refund that was granted, an invoice, a refused row, and somebody who is told."""
    returns.install()
    order = returns.many(shop, 2)
    invoices.written(order, shop.merchant)
    returns.ask(order, {1: 1})
    grants.goodwill(order, "1.00", factories.UserFactory(is_superuser=True))
    grants.refunds()
    wrong = FieldError("lines", "required", "Give lines.")
    keep(shop.merchant, RejectedOrder.Door.BULK, [RefusedRow(b"{}", shop.merchant.code, [wrong])])
    receivers.add(shop.merchant, receivers.Wanted("Li", "webhook", ["to_ship"], 1, "en"))


def sent_order(shop):
    """An order in a warehouse that the merchant runs itself, and an endpoint that was told something."""
    Warehouse.objects.filter(pk=shop.warehouse.pk).update(connection=opening.link())
    factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    factories.run(releasing.run, sending.run)
    endpoint = WebhookEndpoint.objects.create(
        merchant=shop.merchant, url="https://1.1.1.1/", event_types=["refund.*"], secret=seal("whsec_c2VjcmV0")
    )
    endpoints.ping(endpoint.pk)


def settled(merchant):
    """Give the merchant a row, a statement and a deposit."""
    day = timezone.localdate() - timedelta(days=2)
    with time_machine.travel(timezone.now() - timedelta(days=2)):
        closing.add_by_hand(merchant.pk, RowKind.FINE, Decimal(-1), reason="x", actor=steps.STAFF, key=merchant.code)
    closing.close(merchant.pk, closing.Span(day, day + timedelta(days=1)), actor=steps.STAFF)
    Deposit.objects.create(merchant=merchant, due_amount=1)


def rows_of(model, merchant):
    """The merchant's rows of a model, found in another way than the pages find them."""
    path = {
        Order: "channel__merchant",
        SubOrder: "merchant",
        Sku: "merchant",
        Stock: "warehouse__merchant",
        StockHold: "channel__merchant",
        ReplenishmentPolicy: "sku__merchant",
        ReplenishmentSuggestion: "policy__sku__merchant",
        SettlementRow: "merchant",
        Statement: "merchant",
        Deposit: "merchant",
        ApiCredential: "merchant",
        WarehouseOrder: "warehouse__merchant",
        Warehouse: "merchant",
        Channel: "merchant",
        WebhookEndpoint: "merchant",
        WebhookDelivery: "endpoint__merchant",
        MerchantUser: "merchant",
        MerchantReceiver: "merchant",
        RejectedOrder: "merchant",
        ReturnRequest: "order__channel__merchant",
        RefundGrant: "order__channel__merchant",
        Refund: "order__channel__merchant",
        Invoice: "order__channel__merchant",
        RefusedCall: "merchant",
    }
    rows = model._default_manager.filter(**{path[model]: merchant})
    return rows.filter(connection__protocol="merchant") if model is WarehouseOrder else rows


def address(model, page, *args):
    """The address of one of the site's pages."""
    return reverse(f"merchant:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_every_model_of_the_site_is_tested():
    assert set(merchant_admin.site._registry) == {*MODELS, *PERSONAL}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("model", MODELS)
def test_lists_and_pages_show_ones_own_rows_only(own, other, model, language):
    client = person_of(own.merchant)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    listed = client.get(address(model, "changelist"))
    assert listed.status_code == 200
    shown = {row.pk for row in listed.context["cl"].result_list}
    assert shown == set(rows_of(model, own.merchant).values_list("pk", flat=True)) != set()
    for row in rows_of(model, own.merchant):
        assert client.get(address(model, "change", row.pk)).status_code == 200
    for row in rows_of(model, other.merchant):
        answer = client.get(address(model, "change", row.pk))
        assert (answer.status_code, answer["Location"]) == (302, "/merchant/")
        for page in ("delete", "history"):
            assert client.get(address(model, page, row.pk)).status_code in (302, 403, 404)


@pytest.mark.parametrize("model", READ)
def test_what_is_read_there_cannot_be_written(own, model):
    client = person_of(own.merchant)
    row = rows_of(model, own.merchant).first()
    assert client.get(address(model, "add")).status_code == 403
    assert client.post(address(model, "change", row.pk), {"state": "x"}).status_code == 403
    assert client.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_a_search_finds_nothing_of_others(own, other):
    client = person_of(own.merchant)
    theirs = Order.objects.filter(channel__merchant=other.merchant).latest("pk")
    mine = Order.objects.filter(channel__merchant=own.merchant).latest("pk")
    for number, found in ((theirs.number, []), (mine.number, [mine])):
        page = client.get(address(Order, "changelist"), {"q": number})
        assert list(page.context["cl"].result_list) == found
    assert client.get("/merchant/search/?s=x").status_code == 404


def test_a_merchant_makes_changes_over_and_revokes_its_own_credentials(own, other):
    client = person_of(own.merchant)
    form = {"name": "erp", "scopes": ["orders.read"], "merchant": other.merchant.pk, "calls_per_minute": "999999"}
    made = client.post(address(ApiCredential, "add"), form)
    credential = ApiCredential.objects.get(name="erp")
    assert (credential.merchant, credential.calls_per_minute) == (own.merchant, None)
    signed = factories.SignedClient(credential.app_key, made.context["secret"])
    assert signed.get("/api/v1/orders").status_code == 200
    second = client.post(address(ApiCredential, "add_secret", credential.pk)).context["secret"]
    client.post(address(ApiCredential, "retire_secret", credential.pk, credential.secrets.get(slot=1).pk))
    assert signed.get("/api/v1/orders").status_code == 401
    assert factories.SignedClient(credential.app_key, second).get("/api/v1/orders").status_code == 200
    client.post(address(ApiCredential, "revoke", credential.pk))
    assert not ApiCredential.objects.get(name="erp").is_active

    theirs = ApiCredential.objects.get(merchant=other.merchant)
    secret = theirs.secrets.get().pk
    for page, args in (("add_secret", ()), ("retire_secret", (secret,)), ("revoke", ())):
        assert client.post(address(ApiCredential, page, theirs.pk, *args)).status_code == 404
    # A secret of another, under a credential of one's own.
    mine = ApiCredential.objects.get(name="own")
    assert client.post(address(ApiCredential, "retire_secret", mine.pk, secret)).status_code == 404
    theirs.refresh_from_db()
    assert theirs.is_active
    assert theirs.secrets.filter(retired_at=None).count() == 1


def test_merchants_and_staff_do_not_get_into_each_others_pages(own):
    client = person_of(own.merchant)
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    user = MerchantUser.objects.get(user__username="li").user
    user.user_permissions.set(Permission.objects.all())
    assert client.get(reverse("admin:orders_order_changelist")).status_code == 302
    refused = Client(headers={"accept-language": "en"})
    user.set_password("password")
    user.save()
    assert refused.post("/admin/login/", {"username": "li", "password": "password"}).status_code == 200
    assert "sessionid" not in refused.cookies

    staff = factories.UserFactory(username="boss", is_superuser=True)
    page = refused.post("/merchant/login/", {"username": "boss", "password": "password"})
    assert page.status_code == 200
    assert "password of a merchant" in page.content.decode()
    refused.force_login(staff)
    assert refused.get("/merchant/")["Location"].startswith("/merchant/login/")
    for model in MODELS:
        assert refused.get(address(model, "changelist")).status_code == 302


def test_who_left_the_merchant_is_locked_out_at_once(own):
    client = person_of(own.merchant)
    MerchantUser.objects.all().delete()
    assert client.get("/merchant/").status_code == 302
    people.add(own.merchant, "wang")
    client = person_of(own.merchant, "zhao")
    get_user_model().objects.filter(username="zhao").update(is_active=False)
    assert client.get("/merchant/").status_code == 302


def test_the_login_page_leads_to_the_merchants_pages():
    page = Client(headers={"accept-language": "en"}).get("/merchant/login/").content.decode()
    assert "Merchant centre" in page


def test_a_password_is_changed_on_the_merchants_own_pages(own):
    client = person_of(own.merchant)
    page = client.get("/merchant/").content.decode()
    assert 'href="/merchant/password_change/"' in page
    assert 'action="/merchant/logout/"' in page
    assert "/admin/" not in page
    user = MerchantUser.objects.get(user__username="li").user
    user.set_password("an-old-password-1")
    user.save()
    client.force_login(user)
    new = "a-new-password-2"
    form = {"old_password": "an-old-password-1", "new_password1": new, "new_password2": new}
    assert client.post("/merchant/password_change/", form)["Location"] == "/merchant/password_change/done/"
    assert Client().post("/merchant/login/", {"username": "li", "password": new})["Location"] == "/merchant/"


def test_the_first_page_has_figures_of_ones_own(own, other):
    client = person_of(own.merchant)
    page = client.get("/merchant/")
    shown = {row["label"]: row["count"] for row in page.context["waits"]}
    assert (shown["Orders to ship"], shown["Refused rows"], shown["Returns to inspect"]) == ("1", "1", "0")
    own.merchant.status = "suspended"
    own.merchant.save()
    assert "calls of the API are refused" in client.get("/merchant/").content.decode()
