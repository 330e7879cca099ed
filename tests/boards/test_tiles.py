"""The tiles of the start page: each figure is the list of exactly what it counts, and what SQL says."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.models import Warehouse
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Carrier, LogisticsAlert, Shipment
from oms.boards import boards, registry  # noqa: F401 - the boards of the roles
from oms.boards.registry import BOARDS, TILES, Figure, board_of, figures_of
from oms.common.access import roles
from oms.common.models import Role, Ticket
from oms.shipped_roles import SHIPPED
from orders import tickets
from orders.admin.part_filters import end_of_today
from orders.models import DeliveryPromise, LateRisk, PromiseOutcome, SubOrder
from orders.reviewing import holds
from payments.models import Payment
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.admin.test_pages import world  # noqa: F401 - a row of every kind

pytestmark = pytest.mark.django_db
STAFF = steps.STAFF


def sql(statement: str) -> int:
    """The one number that the statement yields."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


def promised(part: SubOrder, hours: float, **fields: Any) -> DeliveryPromise:
    """A promise of the part that counts on a cut-off in so many hours."""
    now = timezone.now()
    DeliveryPromise.objects.filter(sub_order=part).update(superseded_at=now)
    number = DeliveryPromise.objects.filter(sub_order=part).count() + 1
    row: dict[str, Any] = {
        "order": part.order,
        "sub_order": part,
        "number": number,
        "source": "ours",
        "starts_at": now,
        "region_id": part.order.region_id,
        "warehouse": part.warehouse,
        "expected_warehouse": part.warehouse,
        "cutoff_at": now + timedelta(hours=hours),
        "promised_by": now + timedelta(days=2),
        "tables_version": 1,
    }
    return DeliveryPromise.objects.create(**row | fields)


def part_of(*lines: Any, **changes: Any) -> SubOrder:
    """The sub-order of an order that was allocated."""
    return SubOrder.objects.filter(order=factories.allocated_order(*lines, **changes)).earliest("pk")


def listed(client: Client, figure: Figure) -> int:
    """How many rows the figure's link shows."""
    page = client.get(figure.link)
    assert page.status_code == 200, figure.link
    return len(page.context["cl"].result_list)


_TICKETS = (
    "SELECT count(*) FROM common_ticket WHERE state = 'open' AND (snoozed_until IS NULL OR snoozed_until <= now())"
)
_PARTS = "SELECT count(*) FROM orders_suborder s WHERE "
_NOT_GONE = (
    "s.state IN ('awaiting_allocation', 'backordered', 'allocated', 'released', 'accepted', 'picking', 'packed')"
    " AND EXISTS (SELECT FROM orders_deliverypromise p WHERE p.sub_order_id = s.id AND p.superseded_at IS NULL AND "
)
_TODAY = "(date_trunc('day', now() AT TIME ZONE 'Asia/Shanghai') AT TIME ZONE 'Asia/Shanghai')"
_OPEN_ALERTS = "SELECT count(*) FROM logistics_logisticsalert WHERE closed_at IS NULL AND "
# What each figure counts, by the address of its list.
SQL = {
    "common/ticket/?owner=nobody": f"{_TICKETS} AND owner_id IS NULL",
    "common/ticket/?owner=nobody&which=overdue": f"{_TICKETS} AND owner_id IS NULL AND due_at < now()",
    "common/ticket/?team=service": f"{_TICKETS} AND team = 'service'",
    "common/ticket/?team=logistics": f"{_TICKETS} AND team = 'logistics'",
    "common/ticket/?team=finance": f"{_TICKETS} AND team = 'finance'",
    "common/ticket/?team=technical": f"{_TICKETS} AND team = 'technical'",
    "common/ticket/?team=technical&which=overdue": f"{_TICKETS} AND team = 'technical' AND due_at < now()",
    "orders/order/?held=1": "SELECT count(DISTINCT order_id) FROM orders_hold WHERE released_at IS NULL",
    "orders/suborder/?state__exact=backordered": _PARTS + "s.state = 'backordered'",
    "orders/unmatchedcode/": "SELECT count(DISTINCT match_id) FROM orders_matchwait",
    "orders/rejectedorder/?state__exact=open": "SELECT count(*) FROM orders_rejectedorder WHERE state = 'open'",
    "orders/hold/?kind__exact=staff": "SELECT count(*) FROM orders_hold WHERE released_at IS NULL AND kind = 'staff'",
    "orders/hold/?kind__exact=unmatched": (
        "SELECT count(*) FROM orders_hold WHERE released_at IS NULL AND kind = 'unmatched'"
    ),
    "orders/suborder/?doing=today": (
        f"{_PARTS}{_NOT_GONE} p.cutoff_at >= now() AND p.cutoff_at < {_TODAY} + interval '1 day')"
    ),
    "orders/suborder/?doing=late": f"{_PARTS}{_NOT_GONE} p.cutoff_at < now())",
    "logistics/logisticsalert/?kind__exact=ship_soon": f"{_OPEN_ALERTS} kind = 'ship_soon'",
    "logistics/logisticsalert/?kind__exact=ship_late": f"{_OPEN_ALERTS} kind = 'ship_late'",
    "logistics/logisticsalert/?level__exact=1": f"{_OPEN_ALERTS} level = 1",
    "logistics/logisticsalert/?level__exact=2": f"{_OPEN_ALERTS} level = 2",
    "logistics/logisticsalert/?level__exact=3": f"{_OPEN_ALERTS} level = 3",
    "logistics/alertgroup/": "SELECT count(*) FROM logistics_alertgroup WHERE closed_at IS NULL",
    "logistics/parcelclaim/?state__exact=open": "SELECT count(*) FROM logistics_parcelclaim WHERE state = 'open'",
    "orders/returnrequest/?state__exact=requested": (
        "SELECT count(*) FROM orders_returnrequest WHERE state = 'requested'"
    ),
    "orders/returnrequest/?state__exact=received": "SELECT count(*) FROM orders_returnrequest WHERE state = 'received'",
    "orders/returnrequest/?money_state__exact=to_grant": (
        "SELECT count(*) FROM orders_returnrequest WHERE money_state = 'to_grant'"
    ),
    "logistics/picktask/?where=waiting": (
        "SELECT count(*) FROM logistics_picktask WHERE wave_id IS NULL AND checked_at IS NULL AND dropped_at IS NULL"
    ),
    "logistics/picktask/?where=picking": (
        "SELECT count(*) FROM logistics_picktask"
        " WHERE wave_id IS NOT NULL AND checked_at IS NULL AND dropped_at IS NULL"
    ),
    "logistics/picktask/?where=checked": (
        "SELECT count(*) FROM logistics_picktask"
        " WHERE checked_at IS NOT NULL AND handed_over_at IS NULL AND dropped_at IS NULL"
    ),
    "inventory/replenishmentsuggestion/?state__exact=open": (
        "SELECT count(*) FROM inventory_replenishmentsuggestion WHERE state = 'open'"
    ),
    "inventory/purchaseorder/?state__exact=draft": "SELECT count(*) FROM inventory_purchaseorder WHERE state = 'draft'",
    "inventory/purchaseorder/?state__exact=open": "SELECT count(*) FROM inventory_purchaseorder WHERE state = 'open'",
    "payments/refundgrant/?state__exact=proposed": "SELECT count(*) FROM payments_refundgrant WHERE state = 'proposed'",
    "payments/refund/?queue=to_send": "SELECT count(*) FROM payments_refund WHERE state = 'granted'",
    "payments/refund/?queue=failed": "SELECT count(*) FROM payments_refund WHERE state = 'failed'",
    "payments/refund/?queue=by_hand": (
        "SELECT count(*) FROM payments_refund WHERE state = 'intended' AND connection_id IS NULL"
    ),
    "payments/refund/?queue=overdue": (
        "SELECT count(*) FROM payments_refund WHERE state <> 'succeeded' AND due_at < now()"
    ),
    "payments/payment/?state__exact=captured": (
        f"SELECT count(*) FROM payments_payment WHERE state = 'captured' AND captured_at >= {_TODAY}"
        f" AND captured_at < {_TODAY} + interval '1 day'"
    ),
    "payments/refund/?state__exact=succeeded": (
        f"SELECT count(*) FROM payments_refund WHERE state = 'succeeded' AND succeeded_at >= {_TODAY}"
        f" AND succeeded_at < {_TODAY} + interval '1 day'"
    ),
    "payments/billmatch/?open=1": (
        "SELECT count(*) FROM payments_billmatch WHERE resolution = '' AND outcome NOT IN"
        " ('matched', 'not_yet_due', 'carrier_payment', 'bank_charge', 'credit')"
    ),
    "payments/banktransfer/?state__exact=entered": "SELECT count(*) FROM payments_banktransfer WHERE state = 'entered'",
    "payments/invoice/?state__exact=failed": "SELECT count(*) FROM payments_invoice WHERE state = 'failed'",
    "payments/dispute/?state__exact=open": "SELECT count(*) FROM payments_dispute WHERE state = 'open'",
    "payments/statement/?state__exact=closed": "SELECT count(*) FROM payments_statement WHERE state = 'closed'",
    "payments/statement/?state__exact=approved": "SELECT count(*) FROM payments_statement WHERE state = 'approved'",
    "merchants/merchantapplication/?state__exact=submitted": (
        "SELECT count(*) FROM merchants_merchantapplication WHERE state = 'submitted'"
    ),
    "merchants/merchantapplication/?state__exact=under_review": (
        "SELECT count(*) FROM merchants_merchantapplication WHERE state = 'under_review'"
    ),
    "merchants/merchant/?status__exact=suspended": (
        "SELECT count(*) FROM merchants_merchant WHERE status = 'suspended' AND kind <> 'sandbox'"
    ),
    "merchants/webhookendpoint/?state__exact=disabled": (
        "SELECT count(*) FROM merchants_webhookendpoint WHERE state = 'disabled'"
    ),
}
# Figures with rows of their own in the address: each has a test below.
WITH_ROWS = {"promise_risk", "shortages", "warehouse_load", "stalls"}


def address(figure: Figure) -> str:
    """The figure's list without the site's prefix and the days of today."""
    return figure.link.removeprefix("/admin/").split("&captured_at")[0].split("&succeeded_at")[0]


def test_a_figure_is_its_list_and_what_sql_says(world: None, boss: Client) -> None:  # noqa: F811
    counted = 0
    for code in TILES.keys() - WITH_ROWS - {"my_work"}:
        figures = TILES[code].read(0)
        assert figures or TILES[code].empty, code
        for figure in figures:
            assert figure.count == sql(SQL[address(figure)]), figure.link
            assert figure.count == listed(boss, figure), figure.link
            counted += figure.count > 0
    # Most of them have something to count there.
    assert counted >= 20


def test_my_work_is_mine(shop: factories.Shop) -> None:
    me = factories.UserFactory(is_superuser=True)
    client = Client(headers={"accept-language": "en"})
    client.force_login(me)
    for number in range(5):
        tickets.open_by_hand(shop.place_order().pk, "call_back", text="x", user=me)
        if number < 3:
            Ticket.objects.filter(pk=Ticket.objects.latest("pk").pk).update(owner=me)
    past = timezone.now() - timedelta(hours=1)
    mine = Ticket.objects.filter(owner=me)
    mine.filter(pk=mine.earliest("pk").pk).update(due_at=past)
    mine.filter(pk=mine.latest("pk").pk).update(snoozed_until=timezone.now() + timedelta(hours=1))
    Ticket.objects.filter(pk=Ticket.objects.filter(owner=None).earliest("pk").pk).update(due_at=past)
    other = factories.UserFactory()

    figures = TILES["my_work"].read(me.pk)
    assert [figure.count for figure in figures] == [2, 1, 2, 1]
    assert [listed(client, figure) for figure in figures] == [2, 1, 2, 1]
    assert [figure.count for figure in TILES["my_work"].read(other.pk)] == [0, 0, 2, 1]
    assert TILES["my_work"].key(me.pk) != TILES["my_work"].key(other.pk)


def test_to_ship_counts_by_the_promise_that_is_in_force(shop: factories.Shop, boss: Client) -> None:
    parts = [part_of((shop.sku, 1, "10.00")) for _ in range(5)]
    now = timezone.now()
    left_today = (end_of_today() - now).total_seconds() / 3600
    promised(parts[0], left_today / 2)
    promised(parts[1], left_today + 1)  # tomorrow
    promised(parts[2], -1, outcome=PromiseOutcome.BROKEN, decided_at=now, risk="left_late", risk_since=now)
    promised(parts[3], -1)
    promised(parts[3], left_today + 2)  # was made anew: only the last one counts
    promised(parts[4], -1)
    SubOrder.objects.filter(pk=parts[4].pk).update(state="cancelled", cancelled_at=now)

    today, late, *_alerts = TILES["to_ship"].read(0)
    assert (today.count, late.count) == (1, 1)
    assert (listed(boss, today), listed(boss, late)) == (1, 1)


def test_promises_at_risk_are_told_apart_by_reason(shop: factories.Shop, boss: Client) -> None:
    now = timezone.now()
    for risk in (LateRisk.LEFT_LATE, LateRisk.LEFT_LATE, LateRisk.NOT_OUT):
        promised(part_of((shop.sku, 1, "10.00")), 5, risk=risk, risk_since=now)
    promised(
        part_of((shop.sku, 1, "10.00")), 5, risk="not_out", risk_since=now, outcome="broken", decided_at=now
    )  # is no risk any more
    figures = TILES["promise_risk"].read(0)
    assert [(figure.query["risk__exact"], figure.count) for figure in figures] == [("left_late", 2), ("not_out", 1)]
    assert [listed(boss, figure) for figure in figures] == [2, 1]
    assert sum(figure.count for figure in figures) == sql(
        "SELECT count(*) FROM orders_deliverypromise WHERE outcome = 'open' AND risk <> ''"
    )


def test_shortages_are_counted_by_sku_and_valued(shop: factories.Shop, boss: Client) -> None:
    type(shop.sku).objects.filter(pk=shop.sku.pk).update(list_price=Decimal("2.50"))
    type(shop.sku).objects.filter(pk=shop.other_sku.pk).update(list_price=0)
    factories.allocated_order((shop.sku, 999, "1.00"), merchant=shop.merchant)
    factories.allocated_order((shop.sku, 500, "1.00"), (shop.other_sku, 700, "1.00"), merchant=shop.merchant)
    lacking = (
        "SELECT e.key, sum(e.value::int) FROM orders_suborder s, jsonb_each_text(s.shortage) e"
        " WHERE s.state = 'backordered' GROUP BY e.key"
    )
    units: dict[str, int] = dict(_rows(lacking))
    figures = {str(figure.label): figure for figure in TILES["shortages"].read(0)}
    assert set(figures) == {shop.sku.code, shop.other_sku.code}
    known, unknown = figures[shop.sku.code], figures[shop.other_sku.code]
    assert known.note is not None
    assert known.note[1] == {
        "units": units[shop.sku.code],
        "yuan": f"{units[shop.sku.code] * Decimal('2.50'):.2f}",
    }
    # Nobody knows its price: that is said, and is not 0.
    assert unknown.note is not None
    assert unknown.note[1] == {"units": units[shop.other_sku.code]}
    assert [listed(boss, one) for one in (known, unknown)] == [known.count, unknown.count] == [2, 1]


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_the_load_of_a_warehouse_is_what_it_has_to_send(shop: factories.Shop, boss: Client) -> None:
    Warehouse.objects.filter(pk=shop.warehouse.pk).update(daily_capacity=2)
    parts = [part_of((shop.sku, 1, "10.00")) for _ in range(4)]
    SubOrder.objects.filter(pk=parts[0].pk).update(state="cancelled", cancelled_at=timezone.now())
    (figure,) = TILES["warehouse_load"].read(0)
    assert (str(figure.label), figure.count, figure.limit, figure.percent, figure.tone) == (
        shop.warehouse.name,
        3,
        2,
        150,
        "danger",
    )
    assert listed(boss, figure) == 3


def test_stalls_are_counted_by_carrier_and_lane(shop: factories.Shop, boss: Client) -> None:
    install_default_carriers()
    one, other = Carrier.objects.order_by("pk")[:2]
    now = timezone.now()
    wanted = [(one, "stalled", None), (one, "no_trace", None), (one, "stalled", now), (other, "stalled", None)]
    for carrier, _kind, _closed in wanted:
        order = shop.place_order()
        steps.pay(order)
        parcel = steps.shipped(order)
        Shipment.objects.filter(pk=parcel.pk).update(carrier=carrier)
        LogisticsAlert.objects.all().delete()
    parcels = Shipment.objects.order_by("pk")
    for parcel, (_carrier, kind, closed) in zip(parcels, wanted, strict=True):
        LogisticsAlert.objects.create(
            kind=kind, level=1, sub_order=parcel.sub_order, shipment=parcel, due_at=now, closed_at=closed
        )
    # At the warehouse, so in nobody's hands.
    LogisticsAlert.objects.create(kind="not_packed", sub_order=parcels[0].sub_order, due_at=now)
    figures = TILES["stalls"].read(0)
    assert [(str(figure.label), figure.count) for figure in figures] == [(one.name, 2), (other.name, 1)]
    assert [listed(boss, figure) for figure in figures] == [2, 1]
    assert figures[0].query["lane"] == "11-11"


def test_money_of_the_day_is_summed(shop: factories.Shop, boss: Client) -> None:
    for _ in range(4):
        steps.pay(shop.place_order())
    captured = list(Payment.objects.filter(state="captured").order_by("pk"))
    # A provider's clock may be ahead of ours.
    for payment, days in zip(captured, (-1, 0, 0, 1), strict=True):
        Payment.objects.filter(pk=payment.pk).update(captured_at=timezone.now() + timedelta(days=days))
    came_in, _went_back = TILES["money_today"].read(0)
    assert came_in.count == 2 == listed(boss, came_in)
    total = _rows(
        f"SELECT sum(captured_amount) FROM payments_payment WHERE state = 'captured' AND captured_at >= {_TODAY}"
        f" AND captured_at < {_TODAY} + interval '1 day'"
    )[0][0]
    assert came_in.note is not None
    assert came_in.note[1] == {"yuan": f"{total:,.2f}"}


def test_every_role_has_a_board_of_tiles_that_it_may_see(world: None) -> None:  # noqa: F811
    roles.install(SHIPPED)
    Role.objects.update(needs_second_factor=False)
    assert set(BOARDS) == {role.code for role in SHIPPED}
    for role in SHIPPED:
        person = factories.UserFactory()
        person.groups.add(Group.objects.get(name=role.code))
        board = board_of(person)
        assert [tile.code for tile in board] == list(BOARDS[role.code])[: registry.MOST_TILES], role.code
        assert 3 <= len(board) <= registry.MOST_TILES
        client = Client(headers={"accept-language": "en"})
        client.force_login(person)
        for tile, figures in figures_of(person, board):
            for figure in figures:
                assert client.get(figure.link).status_code == 200, (role.code, tile.code, figure.link)


def test_a_tile_needs_its_right_and_a_figure_that_of_its_list(shop: factories.Shop) -> None:
    codes = lambda client: [tile.code for tile, _figures in client.get("/admin/").context["tiles"]]  # noqa: E731
    assert codes(client_of()) == []
    assert codes(client_of("view_order")) == ["stopped"]
    shown = client_of("view_payment", "view_refund").get("/admin/").context["tiles"]
    assert {tile.code for tile, _figures in shown} == {"refunds", "money_today"}
    assert {figure.model for _tile, figures in shown for figure in figures} == {"payments.payment", "payments.refund"}


def test_only_operators_see_the_stages(shop: factories.Shop) -> None:
    assert "stages" not in client_of("view_order", "view_ticket").get("/admin/").context
    operator = client_of("see_pipeline").get("/admin/")
    assert {"review", "split"} < {stage["name"] for stage in operator.context["stages"]}


def test_the_number_of_statements_is_fixed(shop: factories.Shop) -> None:
    def taken() -> dict[str, int]:
        counts = {}
        for code, tile in TILES.items():
            with CaptureQueriesContext(connection) as captured:
                tile.read(1)
            counts[code] = len(captured)
        return counts

    before = taken()
    for number in range(3):
        holds.hold_order(shop.place_order().pk, reason=str(number), actor=STAFF)
        promised(part_of((shop.sku, 1, "10.00")), 1, risk="not_out", risk_since=timezone.now())
    for _ in range(2):
        factories.allocated_order((shop.sku, 999, "1.00"), merchant=shop.merchant)
    assert taken() == before
    assert max(before.values()) <= 5


def test_figures_are_kept_for_some_seconds(shop: factories.Shop, boss: Client) -> None:
    boss.get("/admin/")
    with CaptureQueriesContext(connection) as captured:
        boss.get("/admin/")
    assert len(captured) <= 3
