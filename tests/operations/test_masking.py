"""What fails is told to staff without what its error text says of people: in no table, in no line of the log."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connection

from logistics.models import WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.errors import OmsError
from oms.common.files import exporting
from oms.common.masking import DESCRIBED_AT_MOST, describe
from oms.common.models import InboundFact, Job
from oms.common.work import jobs
from oms.embedded import CHECKOUT
from oms.merchants.models import WebhookDelivery
from oms.merchants.webhooks import messages, serving
from orders.changing import cancelling
from orders.models import Order
from orders.reviewing import deciding
from payments.taking import noticing
from tests import factories, fakes, steps
from tests.admin.conftest import client_of
from tests.operations.test_logs import lines  # noqa: F401 - a fixture
from tests.webhooks.conftest import subscribe
from tests.webhooks.test_sending import tell

pytestmark = pytest.mark.django_db

PERSONAL = (
    "欧阳震华",
    "13912345678",
    "幸福大街250号",
    "翠湖花园",
    "sk_live_abcdef123456",
    "John Smith",
    "Baker Street",
)
TEXT = (
    "cannot store 收货人：欧阳震华，幸福大街250号翠湖花园; recipient_name='John Smith', phone 13912345678, "
    "street: 7 Baker Street, key sk_live_abcdef123456"
)


def leaked() -> list[str]:
    """Tables with a row that says something personal of the error's text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table} t WHERE t::text ~ %s", ["|".join(PERSONAL)])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def fail_in_review(shop: factories.Shop) -> str:
    shop.place_order(payment_method="cod")
    with mock.patch.object(deciding, "_open_holds", side_effect=ValueError(TEXT)):
        steps.once(deciding.run)
    return Order.objects.get().last_error


def fail_in_the_database(shop: factories.Shop) -> str:
    """As a constraint or a trigger would: its message and its details quote the row."""
    shop.place_order(payment_method="cod")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN RAISE EXCEPTION $t${TEXT}$t$ USING ERRCODE = 'check_violation', DETAIL = $t${TEXT}$t$; END $f$;
            CREATE TRIGGER zz_poison BEFORE UPDATE OF state ON orders_order FOR EACH ROW EXECUTE FUNCTION poison();
            """
        )
    steps.once(deciding.run)
    return Order.objects.get().last_error


def fail_with_a_fact(shop: factories.Shop) -> str:
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", "26.00")
    with mock.patch.object(noticing, "_start_review", side_effect=ValueError(TEXT)):
        steps.once(noticing.run)
    return InboundFact.objects.get().last_error


def fail_while_calling(shop: factories.Shop) -> str:
    factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)

    def answer(reference: str) -> Answer:
        raise ValueError(TEXT)

    factories.run(releasing.run)
    with fakes.warehouse(fakes.FakeWarehouse(answer)):
        steps.once(sending.run)
    return WarehouseOrder.objects.get().last_error


def fail_while_finishing(shop: factories.Shop) -> str:
    factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    factories.run(releasing.run)
    with fakes.warehouse(fakes.FakeWarehouse()), mock.patch.object(sending, "array", side_effect=ValueError(TEXT)):
        steps.once(sending.run)
    return WarehouseOrder.objects.get().last_error


def fail_in_a_job(shop: factories.Shop) -> str:
    client = client_of("view_order", "export_orders")
    client.post("/admin/orders/order/export/", {"form": "csv"})
    with mock.patch.object(exporting, "rows_of", side_effect=ValueError(TEXT)):
        steps.once(jobs.run)
    return Job.objects.get().last_error


def fail_to_send(shop: factories.Shop) -> str:
    subscribe(shop.merchant)
    tell(shop.merchant)
    with mock.patch.object(messages.Message, "body", side_effect=ValueError(TEXT)):
        serving.run(10)
    return WebhookDelivery.objects.get().last_error


@pytest.mark.parametrize(
    "fail",
    [
        fail_in_review,
        fail_in_the_database,
        fail_with_a_fact,
        fail_while_calling,
        fail_while_finishing,
        fail_in_a_job,
        fail_to_send,
    ],
)
def test_a_row_that_fails_keeps_nothing_personal_of_the_errors_text(
    fail: Callable[[factories.Shop], str],
    shop: factories.Shop,
    lines: Any,  # noqa: F811
    settings: Any,
    tmp_path: Any,
) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = settings.WEBHOOKS_ALLOW_HTTP = True

    kept = fail(shop)

    assert "Error: cannot store …" in kept
    assert "recipient_name=…" in kept
    assert leaked() == []
    assert not any(part in str(lines()) for part in PERSONAL)


def test_the_reason_of_a_warehouse_that_will_not_stop_is_kept_without_phones(shop: factories.Shop) -> None:
    """It is another system's word, which staff need as it is; only what has a form is taken out."""
    order = shop.place_order(payment_method="cod")
    steps.released(order)
    cancelling.cancel_order(order.pk, reason="x", actor=steps.STAFF)

    no = fakes.FakeWarehouse(cancel_answer=lambda reference: Answer(taken=False, reason="ring 13912345678"))
    with fakes.warehouse(no):
        factories.run(stopping.pass_on, stopping.run, events.run)

    assert order.events.get(kind="cancel_refused").data["text"] == "ring 139****5678"
    assert leaked() == []


@pytest.mark.parametrize(
    ("error", "described"),
    [
        (fakes.Lost("connection reset"), "Lost: connection reset"),
        (ConnectionRefusedError(111, "Connection refused"), "ConnectionRefusedError: [Errno 111] Connection refused"),
        (KeyError("recipient_name"), "KeyError: 'recipient_name'"),
        (
            ValueError("invalid literal for int() with base 10: '张三'"),
            "ValueError: invalid literal for int() with base 10: '…'",
        ),
        (ValueError("it isn't what we'd like"), "ValueError: it isn't what we'd like"),
        (ValueError('{"buyer": "Li", "sku": "x_1"}'), 'ValueError: {"buyer": …, "sku": "x_1"}'),
        (ValueError("mail li@shop.example about 11010519491231002X"), "ValueError: mail … about …"),
        (ValueError("GET https://x.example/a?phone=1 failed"), "ValueError: GET https://x.example/a?… failed"),
        (ValueError("order 1012345678901234 has 2\nlines\0"), "ValueError: order 1012345678901234 has 2 lines"),
        (OmsError("地址超出配送范围，请致电 13912345678"), "OmsError: 地址超出配送范围，请致电 139****5678"),
    ],
)
def test_what_helps_staff_stays(error: Exception, described: str) -> None:
    assert describe(error) == described


def test_a_description_is_short() -> None:
    assert len(describe(ValueError("x" * 10_000))) == DESCRIBED_AT_MOST


def test_no_code_keeps_the_text_of_an_exception_by_itself() -> None:
    """Whoever writes the type and the text of an exception wants `masking.describe`."""
    own = re.compile(r"\{type\((\w+)\)\.__name__\}: ?\{\1\}|repr\((error|exc|failure)\)|traceback\.format")
    folders = ("oms", "inventory", "orders", "payments", "logistics")
    sources = [path for folder in folders for path in Path(CHECKOUT / folder).rglob("*.py")]
    found = [str(path) for path in sources if own.search(path.read_text())]
    assert found == []
