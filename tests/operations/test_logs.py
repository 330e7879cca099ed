"""The log says what happened, and nothing of whom it happened to."""

import io
import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from oms import tasks
from oms.celery import _name_the_task
from oms.common import logs
from oms.common.work import clock, nudging
from orders.models import Order
from orders.reviewing import deciding
from payments.providers.defaults import default_connection
from tests import factories, fakes
from tests.admin.conftest import client_of
from tests.api.calls import ORDERS, send

pytestmark = pytest.mark.django_db

NAME, PHONE, ADDRESS, SECRET = "欧阳震华", "13912345678", "幸福大街250号翠湖花园", "sk_live_abcdef123456"
PERSONAL = (NAME, PHONE, ADDRESS, SECRET)


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What production would log, as read from the stream."""
    stream = io.StringIO()
    configuration = logs.configuration(as_json=True, level="INFO", request_level="INFO")
    for handler in ("console", "requests"):
        configuration["handlers"][handler]["stream"] = stream
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logging.config.dictConfig(configuration)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)


def personal_body(shop: factories.Shop, **changes: Any) -> dict[str, Any]:
    person = {"name": NAME, "phone": PHONE}
    body = shop.body(remark=SECRET, **changes)
    return body | {"buyer": {"id": "B1", **person}, "recipient": body["recipient"] | person | {"address": ADDRESS}}


def assert_nothing_personal(lines: Callable[[], list[dict[str, Any]]]) -> None:
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines())
    assert text
    for secret in PERSONAL:
        assert secret not in text


def test_a_request_leaves_one_line_with_who_what_and_how(api: Any, shop: factories.Shop, lines: Any) -> None:
    send(api, personal_body(shop), HTTP_X_REQUEST_ID="abc-1")

    (line,) = [line for line in lines() if line["logger"] == "oms.requests"]
    assert line["request_id"] == "abc-1"
    assert (line["view"], line["method"], line["status"], line["level"]) == ("api:orders", "POST", 201, "info")
    assert line["merchant"] == shop.merchant.code
    assert line["credential"] == "test"
    assert line["milliseconds"] > 0
    assert_nothing_personal(lines)


def test_a_member_of_staff_is_named_by_id(lines: Any, shop: factories.Shop) -> None:
    client = client_of("view_order")
    client.get(f"/admin/orders/order/?q={PHONE}")

    (line,) = [line for line in lines() if line["logger"] == "oms.requests"]
    assert line["user"]
    assert line["view"] == "admin:orders_order_changelist"
    assert_nothing_personal(lines)


def test_nothing_personal_is_logged_by_refusals(api: Any, shop: factories.Shop, lines: Any) -> None:
    send(api, personal_body(shop, lines=[{"sku": NAME, "quantity": 1, "unit_price": "1"}]))
    send(api, json.dumps(personal_body(shop))[:-5])
    api.get(ORDERS, {"phone": PHONE})
    api.get(f"{ORDERS}/{PHONE}")
    Client(headers={"authorization": f"Bearer {SECRET}"}).get(ORDERS)

    assert len(lines()) >= 5
    assert_nothing_personal(lines)


def test_nothing_personal_is_logged_where_a_view_fails(api: Any, shop: factories.Shop, lines: Any) -> None:
    with mock.patch("orders.api.orders.plan_order", side_effect=ValueError(" ".join(PERSONAL))):
        assert send(api, personal_body(shop)).status_code == 500
    with (
        mock.patch("orders.admin.order.load", side_effect=ValueError(" ".join(PERSONAL))),
        pytest.raises(ValueError, match="sk_live"),
    ):
        client_of("view_order").get("/admin/orders/order/1/change/")

    assert any(line.get("exception") == "ValueError" and line["trace"] for line in lines())
    assert_nothing_personal(lines)


def test_nothing_personal_is_logged_where_a_stage_fails(api: Any, shop: factories.Shop, lines: Any) -> None:
    send(api, personal_body(shop, payment_method="cod"))
    with (
        clock.skipping_waits(),
        mock.patch.object(deciding, "_open_holds", side_effect=ValueError(" ".join(PERSONAL))),
    ):
        tasks.run_stage("review")

    assert any(line.get("exception") == "ValueError" for line in lines())
    assert_nothing_personal(lines)


def test_nothing_personal_is_logged_where_a_sweep_fails(shop: factories.Shop, lines: Any) -> None:
    with mock.patch.object(tasks, "run_until_empty", side_effect=ValueError(" ".join(PERSONAL))):
        tasks.sweep()

    assert sum(line["event"].startswith("stage ") for line in lines()) > 5
    assert_nothing_personal(lines)


def test_nothing_personal_is_logged_where_an_outside_system_is_lost(shop: factories.Shop, lines: Any) -> None:
    order = shop.place_order()
    with clock.skipping_waits(), fakes.provider(fakes.FakeProvider(lambda charge: fakes.lose(PERSONAL))):
        tasks.run_stage("request_payment")
        tasks.run_outside("send_payment", default_connection().pk)
    logging.getLogger("celery.app.trace").error(
        "Task %(name)s raised: %(exc)s\n%(traceback)s", {"name": "x", "exc": NAME, "traceback": ADDRESS}
    )

    assert order.recipient_phone not in json.dumps(lines())
    assert_nothing_personal(lines)


def test_what_the_database_quotes_is_neither_logged_nor_kept_with_its_values(shop: factories.Shop, lines: Any) -> None:
    order = shop.place_order()
    Order.objects.filter(pk=order.pk).update(recipient_phone=PHONE)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE orders_order SET payable_amount = -1, recipient_name = %s", [NAME])
    except IntegrityError as error:
        logging.getLogger("oms").exception("refused: %s", error)

    line = lines()[-1]
    assert line["event"] == "refused: IntegrityError"
    assert (line["exception"], line["table"], line["sqlstate"]) == ("IntegrityError", "orders_order", "23514")
    assert line["constraint"].startswith("order_")
    assert_nothing_personal(lines)


def test_a_nudge_that_is_left_out_names_the_error_by_its_type(lines: Any) -> None:
    nudging._silent_until = 0.0
    with mock.patch.object(nudging, "_producer_app", side_effect=OSError(f"redis://:{SECRET}@host")):
        nudging._send("review")

    assert lines()[-1]["event"] == "nudge of review left out: OSError"
    nudging._silent_until = 0.0


def test_lines_of_a_task_carry_its_id_and_stage(lines: Any) -> None:
    import structlog

    _name_the_task("T-1", tasks.run_stage, args=("review",))
    logging.getLogger("oms").warning("x")
    structlog.contextvars.clear_contextvars()

    assert lines()[-1]["task_id"] == "T-1"
    assert lines()[-1]["stage"] == "review"


@pytest.mark.parametrize(
    ("key", "value"),
    [("recipient_phone", PHONE), ("buyerName", NAME), ("token", SECRET), ("Authorization", "x"), ("body", ADDRESS)],
)
def test_values_under_telling_keys_are_never_written(key: str, value: str, lines: Any) -> None:
    logging.getLogger("oms").warning("x", extra={key: value, "more": {key: value}})

    assert lines()[-1][key] == "…"
    assert_nothing_personal(lines)
