"""The staff's pages of promises: tables as files, today's cut-offs and room, hit rates, and the order's page."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from inventory.models import (
    CalendarDay,
    CapacityBucket,
    CapacityDemand,
    FreightRate,
    Lane,
    Region,
    ServiceLevel,
    Warehouse,
)
from inventory.promising import calendar_watch, capacity, tables
from inventory.promising.capacity import Place, Room
from logistics.models import Carrier
from oms import shipped_roles
from oms.common.models import Ticket
from orders.models import DeliveryPromise
from orders.promising.rates import Rate, RateBy, rates
from tests import factories
from tests.admin.conftest import boss, client_of  # noqa: F401 - a member of staff
from tests.promising.world import populate

pytestmark = pytest.mark.django_db

FILE = "/admin/inventory/freightrate/file/"


def _csv(*lines: str) -> dict[str, SimpleUploadedFile]:
    return {"file": SimpleUploadedFile("freight.csv", "\n".join(lines).encode())}


@pytest.fixture
def world(shop):
    """A row of everything."""
    populate(shop.warehouse)


def test_a_table_is_imported_with_a_result_for_every_row_and_exported_as_it_is(world, boss):  # noqa: F811
    head = "service,zone,first_kg,first_fee,step_kg,step_fee"
    page = boss.post(FILE, _csv(head, "premium,1,1,13.50,0.5,2", "cold,2,1,20,1,6", "cold,x,1,20,0,6")).content.decode()

    assert "1 added, 1 changed, 1 refused." in page
    assert "“x” cannot be read." in page
    assert FreightRate.objects.get(service="premium").first_fee == Decimal("13.50")
    exported = boss.get(f"{FILE}table.csv").content.decode("utf-8-sig").split()
    assert exported == [
        "service,carrier,zone,first_kg,first_fee,step_kg,step_fee",
        "cold,,2,1.000,20.00,1.000,6.00",
        "premium,,1,1.000,13.50,0.500,2.00",
    ]


def test_a_file_that_is_no_table_is_refused_and_who_may_only_look_imports_nothing(world, boss):  # noqa: F811
    assert "The file has no rows" in boss.post(FILE, {"file": SimpleUploadedFile("x.csv", b"a")}).content.decode()
    reader = client_of("view_freightrate", is_staff=True)
    assert reader.get(f"{FILE}table.csv").status_code == 200
    assert reader.post(FILE, _csv("service,zone", "premium,1")).status_code == 403
    assert client_of("view_sku", is_staff=True).get(f"{FILE}table.csv").status_code == 403


def test_columns_that_nobody_knows_are_named_and_a_file_without_the_key_is_refused_once(world, boss):  # noqa: F811
    head = "service,zone,first_kg,first_fee,step_kg,step_fee,stepfee"
    page = boss.post(FILE, _csv(head, "cold,2,1,20,1,6,7")).content.decode()
    assert "Columns that nobody knows were left out: stepfee." in page
    assert "1 added, 0 changed, 0 refused." in page
    page = boss.post(FILE, _csv("服务,first_kg", "premium,1")).content.decode()
    assert "The file lacks the columns that say what a row is about: service, zone." in page
    assert "refused." not in page


def test_today_shows_cut_offs_that_are_over_and_the_room_that_is_taken(world, boss, shop):  # noqa: F811
    CapacityBucket.objects.create(warehouse=shop.warehouse, day=date(2026, 11, 26), capacity=40, taken=7)
    with time_machine.travel("2026-11-26T22:30:00+08:00", tick=False):
        factories.WarehouseFactory(merchant=shop.merchant, code="CODES", kind="virtual")
        page = boss.get(reverse("admin:inventory_capacity_today")).content.decode()

    assert "CODES" not in page, "it sends no parcels"
    assert "22:00 over" in page
    assert ">7</td>" in page
    assert ">40</td>" in page
    assert "1 / 5" in page, "one of five appointments of the 27th is taken"


def test_a_days_room_is_never_set_below_what_is_taken(world, boss):  # noqa: F811
    bucket = CapacityBucket.objects.get()
    url = reverse("admin:inventory_capacitybucket_change", args=[bucket.pk])

    assert "1 are taken already." in boss.post(url, {"capacity": 0}).content.decode()
    boss.post(url, {"capacity": 1})
    assert CapacityBucket.objects.get().left == 0


def test_staff_say_a_days_room_before_anybody_took_of_it(world, boss, shop):  # noqa: F811
    url, day = reverse("admin:inventory_capacitybucket_add"), timezone.localdate() + timedelta(days=2)
    said = {"warehouse": shop.warehouse.pk, "day": day.isoformat(), "capacity": 3}
    Warehouse.objects.update(daily_capacity=0)
    assert "has no limit a day" in boss.post(url, said).content.decode()
    Warehouse.objects.update(daily_capacity=10)
    past = {**said, "day": (timezone.localdate() - timedelta(days=1)).isoformat()}
    assert "This day is over." in boss.post(url, past).content.decode()
    assert boss.post(url, said).status_code == 302
    assert boss.post(url, said).status_code == 200, "it is said already"

    room = Room(shop.warehouse.pk, day, 10)
    granted = capacity.take([Place(key, room) for key in range(5)], kind=CapacityDemand.SUB_ORDER)
    assert granted == {0, 1, 2}
    bucket = CapacityBucket.objects.get(day=day)
    assert (
        boss.post(reverse("admin:inventory_capacitybucket_change", args=[bucket.pk]), {"capacity": 4}).status_code
        == 302
    )
    assert CapacityBucket.objects.get(day=day).left == 1
    (operations,) = [role for role in shipped_roles.SHIPPED if role.code == "operations"]
    assert "inventory.add_capacitybucket" in operations.rights


def test_a_typed_row_names_a_carrier_and_hours_that_there_can_be(world, boss, shop):  # noqa: F811
    Carrier.objects.create(code="SF", name="顺丰速运", priority=1)
    url = reverse("admin:inventory_suspension_add")
    days = {"starts_on": "2026-11-26", "ends_on": "2026-11-27"}
    assert "There is no “FS”." in boss.post(url, {**days, "carrier": "FS"}).content.decode()
    assert boss.post(url, {**days, "carrier": "SF"}).status_code == 302
    slot = {"city": "*", "name": "x", "starts_at": 600, "ends_at": 700, "capacity": 5, "fee": 0, "is_active": "on"}
    page = boss.post(reverse("admin:inventory_appointmentslot_add"), slot).content.decode()
    assert "These hours overlap 09:00–15:00 of the same city." in page


def test_hit_rates_tell_what_was_kept_of_all_that_was_due_and_why_not(world, boss, shop):  # noqa: F811
    for _number in range(4):
        factories.allocated_order(shop.sku, merchant=shop.merchant)
    now = timezone.now()
    ids = list(DeliveryPromise.objects.order_by("pk").values_list("pk", flat=True))
    due = now - timedelta(days=1)
    for key, outcome, risk in zip(ids, ("kept", "kept", "broken", "open"), ("", "", "carrier_late", ""), strict=True):
        decided = None if outcome == "open" else now
        DeliveryPromise.objects.filter(pk=key).update(
            outcome=outcome,
            risk=risk,
            risk_since=now if risk else None,
            decided_at=decided,
            promised_by=due,
            carried_by="ZTO",
        )
    since = datetime(2020, 1, 1, tzinfo=due.tzinfo)
    level = ServiceLevel.objects.get(code="STANDARD").name
    for by, group, words in (
        (RateBy.LEVEL, "STANDARD", f"<td>{level}</td>"),
        (RateBy.WAREHOUSE, shop.warehouse.code, str(shop.warehouse)),
        (RateBy.CARRIER, "ZTO", "ZTO"),
        (RateBy.LANE, "11 → 11", "北京市 → 北京市"),
    ):
        assert rates(by, since, now) == [Rate(group, 3, 2, {"carrier_late": 1})]
        page = boss.get(f"/admin/orders/deliverypromise/rates/?by={by}").content.decode()
        assert words in page
        assert "66.7" in page
    assert rates(RateBy.LEVEL, now, now + timedelta(days=1)) == []
    assert client_of("view_order", is_staff=True).get("/admin/orders/deliverypromise/rates/").status_code == 403


def test_the_orders_page_tells_the_promise_and_its_risk(world, boss, shop):  # noqa: F811
    order = factories.allocated_order(shop.sku, merchant=shop.merchant)
    url = reverse("admin:orders_order_change", args=[order.pk])
    page = boss.get(url).content.decode()
    assert "Promised delivery" in page
    assert "On this lane half arrive within 2 days, 95 % within 2." in page
    assert "Freight about" in page

    DeliveryPromise.objects.update(risk="missed_wave", risk_since=timezone.now())
    assert "as it is promised: Did not leave the warehouse in time" in boss.get(url).content.decode()


def test_from_november_on_a_missing_next_year_is_a_ticket_until_it_is_entered(world):
    calendar_watch.look(date(2026, 10, 31))
    assert not Ticket.objects.exists()

    calendar_watch.look(date(2026, 11, 1))
    calendar_watch.look(date(2026, 11, 2))
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.subject_id, ticket.values) == ("calendar_missing", 2027, {"year": 2027})
    CalendarDay.objects.create(day=date(2027, 1, 1), kind="holiday", basis="estimate")
    calendar_watch.look(date(2026, 11, 3))
    assert Ticket.objects.get().state == "open"
    CalendarDay.objects.update(basis="notice")
    calendar_watch.look(date(2026, 11, 4))
    ticket = Ticket.objects.get()
    assert (ticket.state, ticket.reason, ticket.values) == ("open", "gaps", {"year": 2027, "months": "4, 5, 10"})
    assert not tables.current().calendar.is_known(date(2027, 1, 2)), "a year with gaps is promised provisionally"
    for month in (4, 5, 10):
        CalendarDay.objects.create(day=date(2027, month, 5), kind="holiday", basis="notice")
    calendar_watch.look(date(2026, 11, 5))
    assert Ticket.objects.get().state == "closed"
    assert tables.current().calendar.is_known(date(2027, 1, 2))


def test_the_coverage_tells_for_each_province_who_sends_there_and_how_soon(world, boss, shop):  # noqa: F811
    factories.WarehouseFactory(
        code="SOUTH", merchant=shop.merchant, serves=["广东省"], longitude=113.0, latitude=23.0, region=shop.region
    )
    Region.objects.create(
        code="440103", province="广东省", city="广州市", district="荔湾区", longitude=113.2, latitude=23.1
    )
    Region.objects.create(
        code="710101",
        province="台湾省",
        city="台北市",
        district="中正区",
        longitude=121.5,
        latitude=25,
        is_served=False,
    )
    Lane.objects.create(
        origin="11",
        destination="44",
        road_km=2200,
        zone=1,
        **{f"{speed}_days_{share}": 4 for speed in ("premium", "economy") for share in ("p50", "p95")},
    )
    url = reverse("admin:inventory_coverage")
    storage_class = shop.warehouse.storage_classes[0]
    with time_machine.travel("2026-11-26T10:00:00+08:00", tick=False):
        found = boss.get(url, {"merchant": shop.merchant.pk, "storage_class": storage_class})
        alone = boss.get(url, {"merchant": shop.merchant.pk, "warehouse": "SOUTH"})
        wrong = boss.get(url, {"merchant": shop.merchant.pk, "warehouse": "NOWHERE"})

    rows = {row.code: row for row in found.context["rows"]}
    told = {code: [(one.code, one.serves, one.days) for one in row.senders] for code, row in rows.items()}
    assert told["11"] == [(shop.warehouse.code, True, 2), ("SOUTH", False, 2)]
    assert told["44"] == [("SOUTH", True, 4), (shop.warehouse.code, True, 4)]
    assert "Nothing is sent there." in found.content.decode()
    assert [one.code for row in alone.context["rows"] for one in row.senders] == ["SOUTH"] * len(rows)
    assert (wrong.status_code, wrong.context["rows"]) == (200, [])
    assert client_of("view_sku", is_staff=True).get(url).status_code == 403
