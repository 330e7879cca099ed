"""Hours per step: what SQL would say, told apart and day by day."""

import csv
import io
import statistics
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from inventory.lots import today
from oms.boards import hours
from oms.boards.charts import chart
from oms.boards.hours import By, Step, Wanted
from orders.models import Order, SubOrder
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db


def lived(shop: factories.Shop, review: float, pack: float, made: datetime | None = None, **changes: Any) -> SubOrder:
    """A delivered sub-order whose review and packing took so many hours, the rest of the way an hour a step."""
    order = factories.split_order((shop.sku, 1, "10.00"), **changes)
    began = timezone.now() - timedelta(days=3)
    Order.objects.filter(pk=order.pk).update(
        paid_at=began,
        reviewed_at=began + timedelta(hours=review),
        split_at=began + timedelta(hours=review + 1),
    )
    at = began + timedelta(hours=review + 1)
    part = SubOrder.objects.get(order=order)
    released = at + timedelta(hours=2)
    with steps.without_guards():
        SubOrder.objects.filter(pk=part.pk).update(
            state="delivered",
            warehouse=shop.warehouse,
            created_at=made or timezone.now(),
            allocated_at=at + timedelta(hours=1),
            released_at=released,
            packed_at=released + timedelta(hours=pack),
            shipped_at=released + timedelta(hours=pack + 1),
            delivered_at=released + timedelta(hours=pack + 2),
            shipping_proof="warehouse",
        )
    return part


def wanted(**only: int) -> Wanted:
    """Today's, of these alone."""
    return Wanted(today(), today(), {By(name): key for name, key in only.items()})


def test_each_step_has_its_median_and_what_nearly_all_took(shop: factories.Shop) -> None:
    packs = [1.0, 2.0, 3.0, 4.0, 10.0]
    for number, pack in enumerate(packs):
        lived(shop, review=number, pack=pack)
    count, spans = hours.in_all(wanted())
    assert count == 5
    assert spans[Step.PACK].count == 5
    assert spans[Step.PACK].median == pytest.approx(statistics.median(packs))
    # Between the last two values, a fifth of the way before the end.
    assert spans[Step.PACK].most == pytest.approx(4 + 0.8 * 6)
    assert spans[Step.REVIEW].median == pytest.approx(2)
    assert spans[Step.SHIP].median == pytest.approx(1)
    assert spans[Step.ALL].median == pytest.approx(statistics.median(n + p + 5 for n, p in enumerate(packs)))
    # No parcel was picked up: nothing is known, which is not 0.
    assert (spans[Step.COLLECT].count, spans[Step.COLLECT].median) == (0, None)


def test_what_contradicts_itself_is_left_out(shop: factories.Shop) -> None:
    lived(shop, review=1, pack=3)
    lived(shop, review=1, pack=-2)
    _count, spans = hours.in_all(wanted())
    assert (spans[Step.PACK].count, spans[Step.PACK].median) == (1, pytest.approx(3))


def test_it_is_told_apart_and_narrowed(shop: factories.Shop) -> None:
    other = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region)
    lived(shop, review=1, pack=1)
    part = lived(shop, review=1, pack=9)
    with steps.without_guards():
        SubOrder.objects.filter(pk=part.pk).update(warehouse=other)
    found = {key: (count, spans[Step.PACK].median) for key, count, spans in hours.by(By.WAREHOUSE, wanted())}
    assert found == {shop.warehouse.pk: (1, pytest.approx(1)), other.pk: (1, pytest.approx(9))}
    assert hours.in_all(wanted(warehouse=other.pk))[0] == 1
    assert hours.in_all(wanted(merchant=shop.merchant.pk))[0] == 2
    assert hours.in_all(wanted(channel=0))[0] == 0
    for group in By:
        assert sum(count for _key, count, _spans in hours.by(group, wanted())) == 2


def test_a_day_is_chinas(shop: factories.Shop) -> None:
    # 23:30 and 00:30 in China are one day in UTC.
    for hour, minute in ((15, 30), (16, 30)):
        lived(shop, review=1, pack=1, made=datetime(2026, 5, 1, hour, minute, tzinfo=UTC))
    span = Wanted(datetime(2026, 5, 1).date(), datetime(2026, 5, 2).date(), {})  # noqa: DTZ001 - a day
    assert [(f"{day}", one.count) for day, one in hours.by_day(Step.PACK, span)] == [
        ("2026-05-01", 1),
        ("2026-05-02", 1),
    ]


def test_the_page_and_its_file_say_the_same(shop: factories.Shop) -> None:
    lived(shop, review=1, pack=2)
    clerk = client_of("view_suborder")
    page = clerk.get("/admin/hours/", {"by": "channel", "step": "pack"})
    assert page.status_code == 200
    assert [count for _name, count, _spans in page.context["rows"]] == [1, 1]
    # A line takes two days.
    assert "<polyline" not in page.content.decode()
    lived(shop, review=1, pack=2, made=timezone.now() - timedelta(days=1))
    assert "<polyline" in clerk.get("/admin/hours/", {"step": "pack"}).content.decode()
    answer = clerk.get("/admin/hours/", {"by": "warehouse", "step": "pack", "form": "csv"})
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    packed = [row for row in rows if row[:2] == [shop.warehouse.name, "Until packed"]]
    assert packed == [[shop.warehouse.name, "Until packed", "2", "2.0", "2.0"]]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"since": "2026-05-02", "until": "2026-05-01"}, "This is before the first day."),
        ({"since": "2025-01-01", "until": "2026-05-01"}, "At most 92 days at once."),
        ({"since": "x"}, "Enter a valid date."),
        ({"by": "moon"}, "Select a valid choice"),
        ({"only_warehouse": "x"}, "Select a valid choice"),
    ],
)
def test_what_makes_no_sense_is_said(asked: dict[str, str], said: str, shop: factories.Shop) -> None:
    page = client_of("view_suborder").get("/admin/hours/", asked)
    assert page.status_code == 200
    assert said in page.content.decode()


def test_without_the_right_nobody_sees_it(shop: factories.Shop) -> None:
    assert client_of("view_order").get("/admin/hours/").status_code == 403


def test_the_number_of_statements_is_fixed(
    shop: factories.Shop, boss: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(4):
        lived(shop, review=number, pack=1)
    with django_assert_max_num_queries(20):
        boss.get("/admin/hours/")


def test_a_line_goes_up_where_values_do() -> None:
    days = [datetime(2026, 5, day).date() for day in (1, 2, 4)]  # noqa: DTZ001 - days
    drawn = chart(days, [("x", "median", [0.0, 3.0, -1.0])])
    assert drawn is not None
    xs, ys = zip(*[(x, y) for x, y, _day, _value in drawn.lines[0].dots], strict=True)
    assert xs[1] - xs[0] == pytest.approx((xs[2] - xs[1]) / 2, abs=0.2)
    assert ys[1] < ys[0] < ys[2]
    assert [value for _y, value in drawn.rules] == ["-1", "0.25", "1.5", "2.75", "4"]
    loss = chart(days, [("x", "median", [-1500.0, -3.0, -10.0])])
    assert loss is not None
    assert [value for _y, value in loss.rules] == ["-2,000", "-1,500", "-1,000", "-500", "0"]
    assert chart(days, [("x", "median", [0.0, 0.0, 0.0])]) is not None
    assert chart(days[:1], [("x", "median", [1.0])]) is None
