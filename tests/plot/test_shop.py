"""The sample's shop, and orders as if they came just now."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from inventory.models import Stock
from oms.management.recent import moved
from oms.plot.world import GOODS, SCARCE
from orders.models import Order
from tests.steps import broken_invariants

BUYER = {"id": "H1", "name": "张华", "phone": "18490383767"}
RECIPIENT = {"name": "张华", "phone": "18490383767", "region_code": "440106", "address": "天河路385号"}


def basket(sku: str, units: int, **more: object) -> dict:
    return {
        "external_number": "31198570044",
        "source": "journey",
        "ordered_at": "2017-01-01T11:53:26+08:00",
        "buyer": BUYER,
        "recipient": RECIPIENT,
        "payment_method": "prepaid",
        "lines": [{"sku": sku, "quantity": units, "unit_price": "1.00"}],
        "payable_amount": f"{units}.00",
        **more,
    }


@pytest.fixture
def baskets(tmp_path):
    def write(*rows: dict) -> Path:
        file = tmp_path / "orders.jsonl"
        file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
        return file

    return write


def test_the_shop_sells_what_is_there_and_nothing_else(world, baskets, capsys):
    file = baskets(basket(GOODS[0], 2), basket(SCARCE, 500), basket(GOODS[1], 1, gift_card_amount="1.00"))
    call_command("sell_sample", file=file, count=3)
    assert "3 of 3 orders placed" in capsys.readouterr().out
    orders = list(Order.objects.order_by("pk"))
    assert len({order.external_number for order in orders}) == 3
    assert {line.sku.code for order in orders for line in order.lines.all()} == {GOODS[0]}
    assert all(timezone.now() - order.ordered_at < timedelta(minutes=1) for order in orders)
    assert broken_invariants() == []

    Stock.objects.filter(sku__code=GOODS[0]).update(safety_stock=10**6)
    call_command("sell_sample", file=file, count=1)
    assert "0 of 1 orders placed" in capsys.readouterr().out


@pytest.mark.parametrize("rate", [-1, 6001])
def test_a_rate_that_is_none_is_refused(world, baskets, rate):
    with pytest.raises(CommandError, match="from 0"):
        call_command("sell_sample", file=baskets(basket(GOODS[0], 1)), per_minute=rate)


def test_nothing_is_sold_at_the_rate_0(world, baskets):
    call_command("sell_sample", file=baskets(basket(GOODS[0], 1)), per_minute=0)
    assert not Order.objects.exists()


def test_all_dates_of_a_file_are_moved_by_the_same_days_and_nothing_else_is():
    rows = [
        basket("A", 1, collected={"paid_at": "2017-01-01T12:00:00+08:00", "amount": "1.00"}),
        basket("B", 1, ordered_at="2017-02-03T08:00:00+00:00", metadata={"paid_at": "2017-01-01T12:00:00+08:00"}),
        basket("C", 1, ordered_at="yesterday"),
    ]
    lines = [json.dumps(row).encode() for row in rows] + [b"no json", b"[1]"]
    first, last, wrong, *rest = moved(lines)
    newest = datetime.fromisoformat(json.loads(last)["ordered_at"])
    assert timedelta(0) <= timezone.now() - newest < timedelta(days=1)
    by = newest - datetime(2017, 2, 3, 8, tzinfo=UTC)
    assert by == timedelta(days=by.days)
    told = json.loads(first)
    for was, now in (
        (rows[0]["ordered_at"], told["ordered_at"]),
        ("2017-01-01T12:00:00+08:00", told["collected"]["paid_at"]),
    ):
        assert datetime.fromisoformat(now) - datetime.fromisoformat(was) == by
    assert told["lines"] == rows[0]["lines"]
    assert json.loads(last)["metadata"] == rows[1]["metadata"]
    assert json.loads(wrong)["ordered_at"] == "yesterday"
    assert rest == lines[3:]
