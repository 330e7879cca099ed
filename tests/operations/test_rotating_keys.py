"""The key that seals is changed while the site runs, and no sealed column can be forgotten."""

import ast
import re
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models
from django.test import Client

from inventory.models import Sku
from logistics.carriers import labels
from logistics.carriers.adapters import Answer, Label
from logistics.models import CodeImport, Shipment, VirtualDelivery
from logistics.virtual import delivering, stocking
from logistics.virtual.messages import GOODS_READY
from logistics.virtual.stocking import NewCode
from oms.common import resealing, secrecy
from oms.common.access import second_factor
from oms.common.messages import writing
from oms.common.models import Connection, SystemKind, Topic
from oms.common.work import facts
from oms.embedded import CHECKOUT
from oms.merchants.calls import credentials
from oms.merchants.models import CredentialSecret, IdempotencyRecord, WebhookEndpoint
from oms.merchants.webhooks import endpoints
from orders.changing import readdressing
from orders.changing.sets import drafting
from orders.models import InvoiceRequest, OrderEvent, OrderTerms, RejectedOrder, SubOrder
from orders.models.notification import BuyerNotification, NotificationContent
from orders.telling.timeline import changes_of
from payments.invoicing import documents
from payments.models import BillSource, Dispute, Payment, Refund
from payments.owing import paying_out
from payments.providers.defaults import default_connection
from payments.reconciling import importing
from payments.taking import transfers
from tests import factories, steps
from tests.api import samples
from tests.invoicing import world as invoices
from tests.virtual import world as virtual_goods

pytestmark = pytest.mark.django_db

# Who seals, and in which column it is stored. Whoever calls `seal` somewhere else stores what it returns in a
# SealedField or a SealedTextField, adds a value of it to `something_of_everything`, and the place here.
SEALERS = {
    "logistics/carriers/labels.py": ["logistics_shipmentlabel.template"],
    "logistics/virtual/delivering.py": ["logistics_virtualdelivery.content"],
    "logistics/virtual/fingerprints.py": ["logistics_fingerprintkey.key"],
    "logistics/virtual/stocking.py": ["logistics_virtualcode.content"],
    "oms/common/access/second_factor.py": ["common_authenticator.secret"],
    "oms/common/messages/writing.py": ["common_buyermessage.address", "common_buyermessage.content"],
    "oms/common/models/connection.py": ["common_connection.credentials"],
    "oms/common/work/keeping.py": ["common_inboundfact.raw"],
    "oms/common/work/refusals.py": ["common_refusedmessage.message"],
    "oms/merchants/calls/credentials.py": ["merchants_credentialsecret.encrypted"],
    "oms/merchants/calls/idempotency.py": ["merchants_idempotencyrecord.body"],
    "oms/merchants/webhooks/endpoints.py": ["merchants_webhookendpoint.secret", "merchants_webhookendpoint.old_secret"],
    "payments/invoicing/documents.py": ["payments_invoicedocument.content"],
    "payments/disputing/asking.py": ["payments_dispute.content"],
    "payments/owing/paying_out.py": ["payments_payout.scan"],
    "logistics/carriers/recalling/asking.py": ["logistics_recall.recipient"],
    "payments/taking/transfers.py": ["payments_banktransfer.scan"],
    "orders/intake/invoices.py": ["orders_invoicerequest.sealed", "payments_invoice.sealed"],
    "orders/intake/rejecting.py": ["orders_rejectedorder.body"],
    "orders/intake/terms.py": ["orders_orderterms.receiver_token"],
    "orders/models/change_set.py": ["orders_changeset.sealed"],
    "orders/models/notification.py": ["orders_buyernotification.content"],
    "orders/telling/timeline.py": ["orders_orderevent.sealed"],
    "payments/reconciling/importing.py": ["payments_bill.content"],
}
COLUMNS = sorted(column for columns in SEALERS.values() for column in columns)


@pytest.fixture
def something_of_everything(shop: factories.Shop, settings: Any) -> None:
    """A value in every sealed column, sealed with the key `old`, which is the second one now."""
    settings.CREDENTIAL_KEYS = ["old"]
    api = factories.client_of(shop.merchant)
    second_factor.begin(factories.UserFactory())
    sku: Sku = samples.virtual_sku(shop)
    order = samples.creating.create(shop.merchant, samples.virtual(sku), actor=steps.STAFF)
    new = readdressing.Recipient(name="李四")
    readdressing.change_recipient(shop.place_order().pk, new, actor=steps.STAFF)
    drafting.save(shop.place_order().pk, [{"do": "recipient", "name": "李四"}], reason="x", actor=steps.STAFF)
    shop.place_order(receiver_token="oaid-1", invoice={"title_type": "personal"})
    kind = VirtualDelivery.Kind.ACTIVATION_CODE
    steps.approve_and_split()
    factories.run(samples.allocating.run)
    delivering.deliver(order.pk, kind, "code 1", actor=steps.STAFF)
    writing.install_defaults()
    writing.write(GOODS_READY, [writing.News("1", {"goods": "x"}, mail="a@example.com")])
    codes = virtual_goods.code_sku(shop)
    stocking.import_codes(
        codes, stocking.warehouse_for(codes), [NewCode("code 2")], door=CodeImport.Door.PAGE, actor=steps.STAFF
    )
    shipment = Shipment.objects.create(number="S", sub_order=SubOrder.objects.all()[0])
    steps.recalled(shipment)
    labels.keep({shipment.pk: Answer(taken=True, label=Label(template="<p>张华</p>"))})
    content = NotificationContent(message="hello")
    BuyerNotification.sealed(content, merchant=shop.merchant, buyer_reference="B", kind="x").save()
    credentials.issue(shop.merchant, "signs")
    body = {"url": "https://1.1.1.1/", "event_types": ["*"]}
    answer = api.post("/api/v1/webhook-endpoints", body, format="json", HTTP_IDEMPOTENCY_KEY="sealed")
    assert answer.status_code == 201, answer.content
    endpoints.rotate_secret(WebhookEndpoint.objects.get().pk)
    api.post("/api/v1/orders", shop.body(), format="json", HTTP_IDEMPOTENCY_KEY="plain")
    link = Connection(code="wms-1", name="WMS", kind=SystemKind.WAREHOUSE, protocol="json")
    link.set_secrets({"signing_secret": "whsec_c2VjcmV0"}).save()
    facts.receive(link.pk, Topic.WAREHOUSE, [facts.News("k", "packed", "1-W1", steps.NOON, raw="{}")])
    source = BillSource.objects.create(connection=link, form="cod")
    bill = "返款日期,运单号,代收金额,手续费\n2026-11-23,W1,1.00,0.10\n合计,,1.00,0.10\n".encode()
    importing.import_bill(source.pk, bill, file_name="cod.csv", by="li")
    scan = transfers.Scan(b"%PDF-1", "application/pdf")
    money = {"amount": Decimal("1.00"), "serial": "B1", "paid_on": steps.NOON.date()}
    transfers.enter(shop.place_order().pk, scan=scan, actor=steps.STAFF, **money)
    documents.keep(invoices.written(shop.place_order(), shop.merchant), b"%PDF-1")
    paid: dict[str, Any] = {"order": shop.place_order(), "amount": Decimal(1)}
    payment = Payment.objects.create(
        number="P", means="external", state="captured", captured_amount=1, captured_at=steps.NOON, **paid
    )
    refund = Refund.objects.create(
        number="R", payment=payment, reason="overpaid", needs_person_since=steps.NOON, **paid
    )
    paying_out.confirm_paid_out(refund.pk, note="x", scan=scan, actor=steps.STAFF)
    Dispute.objects.create(
        number="D1", connection=default_connection(), kind="complaint", content=secrecy.seal("too late"), ready_at=None
    )
    Client().post("/callbacks/wms-1/", "{}", content_type="application/json")
    api.post("/api/v1/orders", {"external_number": "X-1"}, format="json")
    settings.CREDENTIAL_KEYS = ["new", "old"]


def rotate(*arguments: str) -> tuple[int, str]:
    """The command's exit code and output."""
    output = StringIO()
    try:
        call_command("rotate_sealing_keys", *arguments, stdout=output)
    except SystemExit as end:
        return int(end.code or 0), output.getvalue()
    return 0, output.getvalue()


def needed_keys() -> set[int | None]:
    return {place for field in secrecy.fields() for place in resealing.look(field).by_key}


@pytest.mark.usefixtures("something_of_everything")
def test_everything_is_sealed_anew_and_the_old_key_is_then_useless(settings: Any) -> None:
    assert needed_keys() == {1}
    assert rotate("--check")[0] == 1

    status, output = rotate()

    assert status == 0
    for column in COLUMNS:
        assert re.search(rf"^{column}: ([1-9]\d*) of \1 sealed anew$", output, re.MULTILINE), output
    assert f"key 2 ({secrecy.fingerprint('old')}): opens 0, no longer used, may be removed" in output
    settings.CREDENTIAL_KEYS = ["new"]
    assert needed_keys() == {0}
    assert VirtualDelivery.objects.get().opened() == "code 1"
    # A code is known again, whatever sealed the key of its fingerprint.
    again = stocking.import_codes(
        Sku.objects.get(sells_codes=True),
        stocking.warehouse_for(Sku.objects.get(sells_codes=True)),
        [NewCode("code 2")],
        door=CodeImport.Door.PAGE,
        actor=steps.STAFF,
    )
    assert (again.added, again.refused[0].code) == (0, "known")
    assert BuyerNotification.objects.get().opened().message == "hello"
    assert changes_of(OrderEvent.objects.get(kind="recipient_changed")) == {"name": ("张华", "李四")}
    assert secrecy.unseal(CredentialSecret.objects.get(credential__name="signs").encrypted).startswith("sk_")
    assert secrecy.unseal(OrderTerms.objects.get().receiver_token) == "oaid-1"
    assert {asked.details["title"] for asked in InvoiceRequest.objects.all()} == {"个人"}
    assert RejectedOrder.objects.get().opened() == '{"external_number":"X-1"}'
    plain = IdempotencyRecord.objects.get(key="plain")
    assert bytes(plain.body).startswith(b"{")


@pytest.mark.usefixtures("something_of_everything")
def test_an_answer_that_was_sealed_is_given_again_after_the_rotation(shop: factories.Shop, settings: Any) -> None:
    rotate()
    settings.CREDENTIAL_KEYS = ["new"]
    body = {"url": "https://1.1.1.1/", "event_types": ["*"]}
    api = factories.client_of(shop.merchant)

    again = api.post("/api/v1/webhook-endpoints", body, format="json", HTTP_IDEMPOTENCY_KEY="sealed")

    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["secret"].startswith("whsec_")


@pytest.mark.usefixtures("something_of_everything")
def test_a_rotation_that_was_killed_goes_on_and_does_nothing_twice(shop: factories.Shop) -> None:
    for number in range(5):
        credentials.issue(shop.merchant, f"more {number}")
    sealed = dict(CredentialSecret.objects.values_list("pk", "encrypted"))
    CredentialSecret.objects.exclude(credential__name="signs").update(
        encrypted=CredentialSecret.objects.filter(credential__name="signs").values("encrypted")[:1]
    )
    batches = []
    replace = resealing._replace

    def killed_in_the_second(*args: Any) -> None:
        batches.append(args)
        if len(batches) == 2:
            raise KeyboardInterrupt
        replace(*args)

    field = CredentialSecret._meta.get_field("encrypted")
    with (
        mock.patch.object(resealing, "BATCH", 2),
        mock.patch.object(resealing, "_replace", killed_in_the_second),
        pytest.raises(KeyboardInterrupt),
    ):
        resealing.seal_anew(field)  # type: ignore[arg-type]
    done = [
        value for value in CredentialSecret.objects.values_list("encrypted", flat=True) if secrecy.key_of(value) == 0
    ]
    assert len(done) == 2

    with mock.patch.object(resealing, "BATCH", 2):
        status, output = rotate()

    assert status == 0
    assert f"merchants_credentialsecret.encrypted: {len(sealed) - 2} of {len(sealed)} sealed anew" in output
    assert set(done) <= set(CredentialSecret.objects.values_list("encrypted", flat=True))


@pytest.mark.usefixtures("something_of_everything")
def test_what_a_process_with_the_old_key_seals_meanwhile_is_told(settings: Any, shop: factories.Shop) -> None:
    settings.CREDENTIALS_PER_MERCHANT = 100  # one for each sealed column
    look = resealing.look

    def another_process_writes(field: Any) -> resealing.Found:
        settings.CREDENTIAL_KEYS = ["old"]
        credentials.issue(shop.merchant, field.column)
        settings.CREDENTIAL_KEYS = ["new", "old"]
        return look(field)

    with mock.patch.object(resealing, "look", another_process_writes):
        status, output = rotate()

    assert status == 1
    assert "still needed" in output
    assert "Restart every process" in output
    assert rotate()[0] == 0


@pytest.mark.usefixtures("something_of_everything")
def test_what_no_key_opens_is_named_and_left_alone(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = ["new"]
    before = bytes(VirtualDelivery.objects.get().content)

    status, output = rotate()

    assert status == 1
    assert "logistics_virtualdelivery.content: 1 that NO key opens" in output
    assert bytes(VirtualDelivery.objects.get().content) == before
    with pytest.raises(InvalidToken):
        VirtualDelivery.objects.get().opened()


# --- No sealed column can be forgotten


def test_every_column_of_bytes_is_sealed_or_a_digest() -> None:
    """Bytes that are neither would be a secret that the change of keys does not find."""
    unknown = [
        str(field)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.BinaryField)
        and not isinstance(field, secrecy.SealedField)
        and field.max_length != 32
    ]
    assert unknown == []


def test_every_place_that_seals_is_known_with_its_column() -> None:
    callers = set()
    for folder in ("oms", "inventory", "orders", "payments", "logistics"):
        for path in Path(CHECKOUT / folder).rglob("*.py"):
            names = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            called = {getattr(name, "attr", None) or getattr(name, "id", None) for name in names}
            if "seal" in called:
                callers.add(str(path.relative_to(CHECKOUT)))
    assert callers == set(SEALERS)
    assert sorted(f"{field.model._meta.db_table}.{field.column}" for field in secrecy.fields()) == COLUMNS


@pytest.mark.usefixtures("something_of_everything")
def test_whatever_the_database_holds_sealed_lies_in_a_column_that_says_so() -> None:
    """Looks at every value of every column for what `seal` returns."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        )
        for table, column, kind in cursor.fetchall():
            text = f"encode({column}, 'escape')" if kind == "bytea" else f'"{column}"::text'
            cursor.execute(f"SELECT count(*) FROM {table} WHERE {text} LIKE %s", ["%gAAAAA%"])
            if cursor.fetchone()[0]:
                found.append(f"{table}.{column}")
    assert sorted(found) == COLUMNS
