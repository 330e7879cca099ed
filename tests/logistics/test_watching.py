"""Alerts on what is late: opened once for what is waited for, raised while there is no news, closed by news."""

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from logistics.carriers import tracking
from logistics.carriers.tracking import state_of
from logistics.models import (
    AlertGroup,
    AlertKind,
    Carrier,
    CarrierDecision,
    DeadlineRule,
    LogisticsAlert,
    Shipment,
    ShipmentState,
    WarehouseOrder,
)
from logistics.watching import alerts as alerting
from logistics.watching import defaults, grouping, limits
from logistics.watching.limits import Lane
from logistics.watching.planning import Watched
from logistics.watching.standing import Seen, standing
from logistics.watching.steps import ParcelAt, of_parcel
from oms.common import ticketing
from oms.common.models import Ticket, TicketState
from oms.common.work import facts
from orders.models import OrderEvent
from tests import factories, steps

pytestmark = pytest.mark.django_db


def hours_pass(row: WarehouseOrder | Shipment, hours: float) -> None:
    """Everything known of the row happened so many hours earlier; what was to be looked at by now is due."""
    ago = timedelta(hours=hours)
    with connection.cursor() as cursor:
        columns = ["created_at"]
        columns += ["state_since", "packed_at"] if isinstance(row, WarehouseOrder) else ["waybill_issued_at", "left_at"]
        columns += ["next_event_due"] + (["last_scan_at", "collected_at"] if isinstance(row, Shipment) else [])
        sets = ", ".join(f"{name} = {name} - %(ago)s" for name in columns)
        cursor.execute(f"UPDATE {row._meta.db_table} SET {sets} WHERE id = %(id)s", {"ago": ago, "id": row.pk})
        if isinstance(row, Shipment):
            cursor.execute(
                "UPDATE logistics_trackingevent SET occurred_at = occurred_at - %s WHERE shipment_id = %s",
                [ago, row.pk],
            )
            cursor.execute(
                "UPDATE logistics_logisticsalert SET since = since - %s WHERE shipment_id = %s", [ago, row.pk]
            )


def watch() -> list[tuple[str, int]]:
    """Run the stage, thrice: the kinds and levels of the alerts that are open then."""
    for _ in range(3):
        factories.run(alerting.run)
    return open_alerts()


def open_alerts() -> list[tuple[str, int]]:
    return list(LogisticsAlert.objects.filter(closed_at=None).values_list("kind", "level").order_by("kind"))


def scanned(shipment: Shipment, *states: str, hours_ago: float = 0.0, place: str = "北京", stop: str = "") -> None:
    """The carrier reports these states, the last one so many hours ago and at this stop, those before a minute earlier
    each."""
    last = timezone.now() - timedelta(hours=hours_ago)
    news = []
    for number, state in enumerate(reversed(states)):
        scan = steps.scan_of(shipment, state)
        at = last - timedelta(minutes=number)
        body = {**scan.body, "location": place} | ({"stop": stop} if stop and not number else {})
        news.append(facts.News(scan.key, state, scan.subject, at, body))
    steps.carrier_says(shipment, news)
    factories.run(tracking.run)


def by(code: str, shipment: Shipment) -> Shipment:
    """The parcel, carried by another carrier over the same connection."""
    carrier = Carrier.objects.get(code=code)
    Shipment.objects.filter(pk=shipment.pk).update(carrier=carrier, connection=carrier.connection)
    CarrierDecision.objects.filter(shipment=shipment.pk).update(carrier=carrier, connection=carrier.connection)
    return steps.fresh(shipment)


@pytest.fixture
def shipment(shop):
    """A parcel of ZTO that was shipped and waits for its carrier."""
    return by("ZTO", steps.shipped(shop.place_order(payment_method="cod")))


def test_no_pick_up_is_announced_then_a_warning_after_24_hours_and_an_exception_after_48(shipment):
    hours_pass(shipment, 11.9)
    assert watch() == []
    hours_pass(shipment, 0.2)
    assert watch() == [("pickup_soon", 1)]

    hours_pass(shipment, 11.8)
    assert watch() == [("pickup_soon", 1)]
    hours_pass(shipment, 0.2)
    assert watch() == [("pickup_timeout", 1)]

    hours_pass(shipment, 23.8)
    assert watch() == [("pickup_timeout", 1)]
    hours_pass(shipment, 0.2)
    assert watch() == [("pickup_timeout", 2)]

    hours_pass(shipment, 24.1)
    assert watch() == [("pickup_timeout", 3)]
    assert steps.fresh(shipment).next_event_due is None
    kinds = list(OrderEvent.objects.filter(kind__startswith="alert").values_list("kind", flat=True))
    assert kinds == ["alert_opened", "alert_opened", "alert_escalated", "alert_escalated"]
    assert steps.broken_invariants() == []


def test_each_carrier_has_its_own_hours_and_rows_of_staff_change_them(shipment):
    shipment = by("SF", shipment)
    hours_pass(shipment, 12.1)
    assert watch() == [("pickup_timeout", 1)]

    other = by("ZTO", shipment)
    assert limits.current().of(AlertKind.PICKUP_TIMEOUT, Lane("SF")).warning == 12
    DeadlineRule.objects.create(kind="pickup_timeout", carrier="SF", warning_hours=30, exception_hours=60)
    assert limits.current().of(AlertKind.PICKUP_TIMEOUT, Lane("SF")).warning == 30
    assert limits.current().of(AlertKind.PICKUP_TIMEOUT, Lane(other.carrier.code)).warning == 24


def test_the_defaults_are_installed_once_as_rows():
    defaults.install_default_deadlines()
    defaults.install_default_deadlines()

    assert DeadlineRule.objects.count() == len(defaults.LIMITS)
    of_stalled = DeadlineRule.objects.filter(kind="stalled").values_list("carrier", "warning_hours", "critical_hours")
    assert set(of_stalled) == {("", 24, 48), ("EMS", 36, 72), ("YZPY", 36, 72), ("DBL", 36, 72)}


def test_news_of_the_carrier_closes_the_alert(shipment):
    hours_pass(shipment, 25)
    assert watch() == [("pickup_timeout", 1)]

    scanned(shipment, "collected")

    assert open_alerts() == []
    assert LogisticsAlert.objects.get(kind="pickup_timeout").closed_by == "news"
    assert steps.fresh(shipment).expected_event == "scan"
    hours_pass(shipment, 24.1)
    assert watch() == [("depart_timeout", 1)]
    scanned(shipment, "in_transit")
    assert watch() == []
    hours_pass(shipment, 48.1)
    # Within its province it should have been signed for after 72 hours.
    assert watch() == [("sign_timeout", 2), ("stalled", 3)]


def test_a_late_an_old_or_a_repeated_scan_is_no_news(shipment):
    """What the newest scan says counts: an older one that comes now moves nothing, and one already known neither."""
    scanned(shipment, "collected", "in_transit", hours_ago=30)
    assert watch() == [("stalled", 1)]

    scanned(shipment, "in_transit", hours_ago=35)
    again = steps.scan_of(shipment, "in_transit", key="again")
    for _ in range(2):
        at = timezone.now() - timedelta(hours=33)
        steps.carrier_says(shipment, [facts.News("again", "in_transit", again.subject, at, again.body)])
        factories.run(tracking.run)
    assert watch() == [("stalled", 1)]
    assert LogisticsAlert.objects.filter(kind="stalled").count() == 1

    scanned(shipment, "in_transit")
    assert watch() == []


def test_a_scan_that_comes_late_opens_what_is_late_by_it(shipment):
    scanned(shipment, "collected", hours_ago=30)
    assert watch() == [("depart_timeout", 1)]

    scanned(shipment, "in_transit", hours_ago=2)
    assert watch() == []


def test_contradicting_scans_come_to_what_is_final(shipment):
    scanned(shipment, "collected", "out_for_delivery", hours_ago=30)
    assert watch() == [("delivery_timeout", 1)]

    scanned(shipment, "signed", hours_ago=40)

    assert watch() == []
    assert steps.fresh(shipment).next_event_due is None


@pytest.mark.parametrize(("state", "kind"), [("failed_delivery", "problem"), ("rejected", "rejected")])
def test_trouble_at_the_door_is_told_at_once(shipment, state, kind):
    scanned(shipment, "collected", "out_for_delivery", state, hours_ago=1)

    assert watch() == [(kind, 1)]


def test_a_parcel_at_its_branch_is_late_when_no_courier_takes_it_out(shipment):
    scanned(shipment, "collected", "in_transit", hours_ago=13, stop="branch", place="杭州西湖网点")
    assert steps.fresh(shipment).expected_event == "out"
    assert watch() == [("arrived_not_out", 1)]
    # Told of once more at its branch, it waits as long as before.
    scanned(shipment, "in_transit", stop="branch")
    assert watch() == [("arrived_not_out", 1)]

    scanned(shipment, "out_for_delivery")
    assert watch() == []


def test_a_locker_is_overdue_after_18_hours_and_the_buyer_called_after_72(shipment):
    scanned(shipment, "collected", "out_for_delivery", hours_ago=17.9, stop="locker")
    assert steps.fresh(shipment).expected_event == "fetched"
    assert watch() == []
    hours_pass(shipment, 0.2)
    assert watch() == [("locker_overdue", 1)]
    assert "致电买家" in str(LogisticsAlert.objects.get().group and grouping.sentence(AlertGroup.objects.get()))

    hours_pass(shipment, 54)
    # Its carrier did what it can: neither the delivery nor the way is late.
    assert watch() == [("locker_overdue", 2)]
    scanned(shipment, "signed")
    assert watch() == []


def test_a_parcel_that_was_refused_is_told_of_once_however_its_way_back_is_scanned(shipment):
    scanned(shipment, "collected", "out_for_delivery", "rejected", hours_ago=3)
    assert watch() == [("rejected", 1)]
    for hours in (2, 1):
        scanned(shipment, "in_transit", hours_ago=hours)
        assert watch() == [("rejected", 1)]
    assert LogisticsAlert.objects.count() == 1


def test_news_that_turns_out_wrong_opens_its_alert_again(shipment):
    """Out for delivery, then an older scan says that it was still under way by a courier's mistake: in any order."""
    scanned(shipment, "collected", "out_for_delivery", hours_ago=30)
    assert watch() == [("delivery_timeout", 1)]
    scanned(shipment, "intercepting", hours_ago=29)
    assert watch() == [("stalled", 1)]
    scanned(shipment, "out_for_delivery", hours_ago=28.9)
    assert watch() == [("delivery_timeout", 1)]


def test_a_warehouse_is_late_with_accepting_picking_packing_and_shipping(shop):
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    work = steps.work_of(sub_order)
    for hours, kind, word in (
        (2, "not_accepted", "accepted"),
        (12, "not_picked", "picking"),
        (6, "not_packed", "packed"),
    ):
        hours_pass(work, hours - 0.1)
        assert watch() == []
        hours_pass(work, 0.2)
        assert watch() == [(kind, 1)]
        steps.warehouse_says(sub_order, word)
        assert open_alerts() == []


def test_a_refusal_of_the_warehouse_closes_its_alert(shop):
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    hours_pass(steps.work_of(sub_order), 24.1)
    assert watch() == [("not_accepted", 1)]

    steps.warehouse_says(sub_order, "refused")

    assert open_alerts() == []


def test_a_parcel_without_a_waybill_is_late_after_an_hour(shop):
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(sub_order, "packed")
    hours_pass(steps.work_of(sub_order), 1.1)
    hours_pass(Shipment.objects.get(), 1.1)

    assert watch() == [("no_waybill", 1)]


def test_a_signed_parcel_is_expected_to_do_nothing_more(shipment):
    scanned(shipment, "collected", "signed")

    shipment = steps.fresh(shipment)
    assert (shipment.next_event_due, shipment.warehouse_order.next_event_due) == (None, None)


def test_a_drain_does_not_skip_deadlines(shop):
    steps.shipped(shop.place_order(payment_method="cod"))

    call_command("drain", "--json")

    assert not LogisticsAlert.objects.exists()


def test_deadlines_shrink_with_the_speed_of_the_installation(shop, settings):
    settings.TIME_SPEED = 60.0

    sub_order = steps.released(shop.place_order(payment_method="cod"))

    left = steps.work_of(sub_order).next_event_due - timezone.now()
    assert timedelta(seconds=90) < left <= timedelta(seconds=120)


# --- Groups


def test_what_is_late_for_one_cause_is_one_ticket(shop):
    late = [by("ZTO", steps.shipped(shop.place_order(payment_method="cod"))) for _ in range(3)]
    for shipment, place in zip(late, ["武汉", "武汉", "长沙"], strict=True):
        scanned(shipment, "collected", "in_transit", hours_ago=25, place=place)
    assert watch() == [("stalled", 1)] * 3

    groups = AlertGroup.objects.filter(closed_at=None).order_by("-open_count")
    assert [(group.place, group.open_count) for group in groups] == [("武汉", 2), ("长沙", 1)]
    ticket = Ticket.objects.get(kind="late_together", subject_id=groups[0].pk)
    assert (ticket.reason, ticket.values["count"], ticket.values["place"]) == ("stalled", 2, "武汉")

    scanned(late[0], "in_transit")
    watch()
    assert AlertGroup.objects.get(pk=groups[0].pk).open_count == 1
    scanned(late[1], "in_transit")
    watch()
    ticket.refresh_from_db()
    assert (ticket.state, ticket.result, ticket.closed_by) == ("closed", "resolved", "watch")
    assert Ticket.objects.filter(kind="late_together", state=TicketState.OPEN).count() == 1


def test_closing_the_ticket_closes_its_alerts_until_there_is_news(shipment, django_user_model):
    person = django_user_model.objects.create(username="wang")
    scanned(shipment, "collected", "in_transit", hours_ago=25)
    assert watch() == [("stalled", 1)]

    ticketing.close(Ticket.objects.get(kind="late_together").pk, result="done", user=person)
    assert watch() == []
    alert = LogisticsAlert.objects.get()
    assert alert.closed_by == "wang"
    hours_pass(shipment, 30)
    assert watch() == []

    scanned(shipment, "in_transit", hours_ago=24.5)
    assert watch() == [("stalled", 1)]


def test_the_number_of_statements_does_not_grow_with_the_parcels(shop):
    def statements(parcels: int) -> int:
        late = [by("ZTO", steps.shipped(shop.place_order(payment_method="cod"))) for _ in range(parcels)]
        for one in late:
            scanned(one, "collected", "in_transit", hours_ago=25)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert alerting.run(500) == parcels
        return len(queries)

    watch()
    statements(1)
    assert statements(2) == statements(8)


# --- Shipping deadlines of platforms


# --- Whatever comes in whatever order

_SCANS = st.lists(st.tuples(st.integers(0, 200), st.sampled_from(list(tracking.SCANNED))), min_size=1, max_size=8)


@given(scans=_SCANS, now=st.integers(0, 300), data=st.data())
@hypothesis_settings(max_examples=200, deadline=None)
def test_what_is_late_is_a_function_of_the_set_of_scans(scans, now, data):
    shuffled = [*data.draw(st.permutations(scans)), *data.draw(st.lists(st.sampled_from(scans), max_size=3))]

    assert _late(scans, now) == _late(shuffled, now)
    for earlier in range(0, now, 50):
        # Nothing that is late becomes less so without news.
        before, after = dict(_late(scans, earlier)), dict(_late(scans, now))
        assert all(after.get(kind, 0) >= level for kind, level in before.items() if kind != AlertKind.PICKUP_SOON)


_LIMITS = None


def _late(scans: list[tuple[int, ShipmentState]], now: int) -> list[tuple[str, int]]:
    global _LIMITS
    _LIMITS = _LIMITS or limits.current()
    at = [(steps.NOON + timedelta(hours=hour), state) for hour, state in scans]
    state = ShipmentState(state_of(at) or "waybill_issued")
    parcel = ParcelAt(
        state=state,
        lane=Lane("ZTO", "330106", "110101"),
        created_at=steps.NOON,
        is_packed=True,
        left_at=steps.NOON,
        stands=standing(state, [Seen(moment, one) for moment, one in at]),
        last_scan_at=max(moment for moment, _state in at),
    )
    row = Watched(1, 1, of_parcel(parcel, _LIMITS))
    moment: datetime = steps.NOON + timedelta(hours=now)
    return sorted((step.kind.value, int(step.level)) for step in alerting.late(row, moment))
