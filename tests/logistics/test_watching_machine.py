"""Parcels with scans of any order, lateness and contradiction, deadlines that staff change, time that passes, and staff
who put off, urge, raise and close: after every step each parcel expects what its scans say, and is looked at in time;
after every look alerts are on just what is late, once each, in groups with a ticket each, and closed by news.

What is expected is worked out here by the tables of the trade alone, not by the code that is tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from inventory.promising import tables
from logistics.carriers import tracking
from logistics.models import AlertGroup, Carrier, DeadlineRule, LogisticsAlert, Shipment, Urging, WaitingPlace
from logistics.models import ShipmentState as S
from logistics.watching import alerts, limits, urging
from oms.common import ticketing
from oms.common.models import Ticket
from oms.common.work import facts
from tests import factories, machines, steps
from tests.logistics.test_watching import by

pytestmark = pytest.mark.django_db
PERSON = 99
# Hours by level, and for ever more a day later; None: of the carrier where another one has none of its own.
HOURS: dict[str, dict[str, tuple[float, ...]]] = {
    "pickup_soon": {"": (12,), "SF": (6,)},
    "pickup_timeout": {"": (24, 48, 72), "SF": (12, 48, 72)},
    "depart_timeout": {"": (24, 48, 72), "SF": (12, 36, 60)},
    "arrived_not_out": {"": (12, 36, 60), "SF": (6, 30, 54), "EMS": (24, 48, 72)},
    "delivery_timeout": {"": (24, 48, 72), "SF": (12, 36, 60)},
    "locker_overdue": {"": (18, 72, 96)},
    "problem": {"": (0, 24, 48)},
    "rejected": {"": (0, 24, 48)},
    "returning": {"": (0, 24, 48)},
    # Within a province.
    "sign_timeout": {"": (72, 96, 120), "SF": (72, 96, 120), "EMS": (168, 192, 216)},
}
# Warning and critical, without an exception between them.
STALLED = {"": (24, 48), "EMS": (36, 72)}
CARRIERS = ("ZTO", "ZTO", "SF", "EMS")
FURTHER = [S.COLLECTED, S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.FAILED_DELIVERY, S.INTERCEPTING, S.REJECTED, S.RETURNING]
ENDS = (S.RETURNED, S.SIGNED, S.LOST)
WORDS = [
    *((one, "") for one in FURTHER),
    *(
        (S.IN_TRANSIT, "branch"),
        (S.IN_TRANSIT, "branch"),
        (S.OUT_FOR_DELIVERY, "locker"),
        (S.OUT_FOR_DELIVERY, "locker"),
    ),
    *((S.IN_TRANSIT, ""), (S.OUT_FOR_DELIVERY, ""), (S.SIGNED, ""), (S.LOST, ""), (S.RETURNED, "")),
]
Scan = tuple[float, str, str]  # hours on the machine's clock, state, stop
Wait = tuple[str, float]  # kind, since


@dataclass
class Model:
    """What is known of a parcel: its scans, and the levels that people were told of by what is waited for (PERSON: a
    person, or what came after it, ended that)."""

    carrier: str
    left: float
    sign_by: float | None = None
    heard: set[Scan] = field(default_factory=set)
    applied: set[Scan] = field(default_factory=set)
    told: dict[Wait, int] = field(default_factory=dict)


class Watching(RuleBasedStateMachine):
    """The clock counts hours; it stands at 0 when the parcels left a quarter of an hour ago."""

    def __init__(self) -> None:
        super().__init__()
        tables._kept, limits._kept = None, None
        with connection.cursor() as cursor:
            cursor.execute("SELECT now()")
            (self.zero,) = cursor.fetchone()
        self.now = 0.0
        self.hours = {kind: dict(of_carriers) for kind, of_carriers in HOURS.items()}
        self.stalled = dict(STALLED)
        self.parcels: dict[int, Model] = {}
        for row in Shipment.objects.select_related("carrier", "sub_order__order").order_by("pk"):
            terms = getattr(row.sub_order.order, "terms", None)
            sign_by = 30.5 if terms is not None else None
            assert row.carrier
            self.parcels[row.pk] = Model(row.carrier.code, -0.25, sign_by)
        self.is_settled = False
        self.person = factories.UserFactory()
        self.keys: dict[tuple[int, Scan], str] = {}

    # --- What happens

    @rule(
        parcel=st.integers(0, len(CARRIERS) - 1),
        ago=st.integers(0, 60),
        word=st.sampled_from(WORDS),
        again=st.booleans(),
        works=st.booleans(),
    )
    def scan(self, parcel: int, ago: int, word: tuple[S, str], again: bool, works: bool) -> None:
        """A carrier tells of something that happened so many and a half hours ago, at most when the parcel left."""
        key = list(self.parcels)[parcel]
        at = max(self.now - ago - 0.5, -0.25 if ago % 2 else -90.5)
        self.tell(key, (at, word[0].value, word[1]), times=1 + again)
        if works:
            self.work()

    @rule(parcel=st.integers(0, len(CARRIERS) - 1), data=st.data())
    def tell_again(self, parcel: int, data: st.DataObject) -> None:
        """What was told long ago is told once more."""
        key = list(self.parcels)[parcel]
        known = sorted(self.parcels[key].heard)
        if known:
            self.tell(key, data.draw(st.sampled_from(known)), times=1)

    def tell(self, key: int, scan: Scan, *, times: int) -> None:
        """The scan comes so many times; it is worked on later."""
        row = steps.fresh(Shipment.objects.get(pk=key))
        at, state, stop = scan
        word = self.keys.setdefault((key, scan), f"S-{key}-{len(self.keys)}")
        body = {"text": state, "location": "杭州"} | ({"stop": stop} if stop else {})
        news = facts.News(word, state, row.waybill_number or "", self.moment(at), body)
        for _time in range(times):
            steps.carrier_says(row, [news])
        self.parcels[key].heard.add(scan)

    @rule()
    def work(self) -> None:
        """What came is worked on: what nobody waits for any more is late no more."""
        factories.run(tracking.run)
        self.is_settled = False
        for model in self.parcels.values():
            model.applied = set(model.heard)
            self.forget(model)

    def forget(self, model: Model) -> None:
        """News: what is not waited for any more was never told of, but for what a person ended."""
        waits = self.waits(model)
        for wait in [one for one, level in model.told.items() if one not in waits and level != PERSON]:
            del model.told[wait]

    @rule(hours=st.sampled_from([1, 5, 11, 20, 30]))
    def pass_time(self, hours: int) -> None:
        """All that is known happened so much earlier."""
        ago = timedelta(hours=hours)
        with connection.cursor() as cursor:
            for table, columns in AGEING.items():
                sets = ", ".join(f"{column} = {column} - %(ago)s" for column in columns)
                cursor.execute(f"UPDATE {table} SET {sets}", {"ago": ago})
        self.zero -= ago
        self.now += hours
        self.is_settled = False

    @rule(
        kind=st.sampled_from([*HOURS, "stalled", "stalled"]),
        carrier=st.sampled_from(["", "ZTO", "SF"]),
        hours=st.integers(1, 90),
    )
    def change_rule(self, kind: str, carrier: str, hours: int) -> None:
        """Staff say after how many hours a step is late."""
        DeadlineRule.objects.update_or_create(
            kind=kind,
            carrier=carrier,
            defaults={"warning_hours": hours, "exception_hours": None, "critical_hours": None},
        )
        if kind == "stalled":
            self.hours["stalled"] = self.hours.get("stalled", {})
            self.hours["stalled"][carrier] = (hours, hours + 24, hours + 48)
        else:
            self.hours[kind][carrier] = (hours,) if kind == "pickup_soon" else (hours, hours + 24, hours + 48)
        self.is_settled = False

    @rule()
    def look(self) -> None:
        """The watch looks until it finds nothing: people are told of all that is late now."""
        self.settle()
        for model in self.parcels.values():
            waits = self.waits(model)
            late = {wait: max(levels) for wait, all_of in waits.items() if (levels := self.reached(all_of))}
            timeouts = {since for kind, since in late if kind == "pickup_timeout"}
            for wait in [one for one in late if one[0] == "pickup_soon" and one[1] in timeouts]:
                del late[wait]
                if wait in model.told:
                    model.told[wait] = PERSON
            for wait, level in late.items():
                model.told[wait] = max(model.told.get(wait, 0), level)
        self.is_settled = True

    def settle(self) -> None:
        """Until nothing is due."""
        for _turn in range(20):
            if not alerts.run(50):
                return
        raise AssertionError("the watch never ends")

    @precondition(lambda self: AlertGroup.objects.filter(closed_at=None).exists())
    @rule(data=st.data(), what=st.sampled_from(["snooze", "urge", "escalate", "close", "close"]))
    def staff(self, data: st.DataObject, what: str) -> None:
        """Somebody works on a group."""
        self.look()
        groups = list(AlertGroup.objects.filter(closed_at=None).order_by("pk"))
        if not groups:
            return
        group = data.draw(st.sampled_from(groups))
        ticket = Ticket.objects.get(kind="late_together", subject_id=group.pk, state="open")
        open_ones = [(a.shipment_id, self.wait_of(a)) for a in group.alerts.filter(closed_at=None)]
        if what == "snooze":
            ticketing.snooze(ticket.pk, until=timezone.now() + timedelta(hours=5), user=self.person)
        elif what == "urge":
            before = Urging.objects.count()
            urging.urge(group.pk, means="phone", text="催", user=self.person)
            assert Urging.objects.count() == before + 1
        elif what == "escalate":
            urging.escalate(group.pk, text="急", user=self.person)
            for key, wait in open_ones:
                self.parcels[key].told[wait] = 3
        else:
            ticketing.close(ticket.pk, result="done", user=self.person)
            for key, wait in open_ones:
                self.parcels[key].told[wait] = PERSON
        self.look()

    # --- What must hold

    @invariant()
    def parcels_expect_what_their_scans_say(self) -> None:
        for row in Shipment.objects.all():
            waits = self.waits(self.parcels[row.pk])
            assert (row.expected_event != "") == bool(waits), row.expected_event
            if not waits:
                assert row.next_event_due is None
            if row.next_event_due is not None and self.is_settled:
                assert self.hour(row.next_event_due) > self.now

    @invariant()
    def parcels_are_looked_at_in_time(self) -> None:
        if not self.is_settled:
            return
        for row in Shipment.objects.all():
            model = self.parcels[row.pk]
            coming = [
                at
                for wait, levels in self.waits(model).items()
                for at, level in levels
                if at > self.now and level > model.told.get(wait, 0)
            ]
            if coming:
                assert row.next_event_due is not None
                assert self.hour(row.next_event_due) <= min(coming) + 0.01

    @invariant()
    def alerts_are_on_what_is_late(self) -> None:
        found = [(a.shipment_id, *self.wait_of(a), a.level) for a in LogisticsAlert.objects.filter(closed_at=None)]
        assert len({one[:3] for one in found}) == len(found)
        told = [
            (key, *wait, level)
            for key, model in self.parcels.items()
            for wait, level in model.told.items()
            if level != PERSON
        ]
        if self.is_settled:
            assert sorted(found) == sorted(told)
        else:
            assert set(found) <= set(told)

    @invariant()
    def groups_have_a_ticket_each(self) -> None:
        if not self.is_settled:
            return
        open_groups = {g.pk: g for g in AlertGroup.objects.filter(closed_at=None)}
        for group in open_groups.values():
            of_group = list(group.alerts.filter(closed_at=None).select_related("shipment"))
            assert of_group
            assert group.open_count == len(of_group)
            assert group.level == max(one.level for one in of_group)
            assert {one.kind for one in of_group} == {group.kind}
            assert {one.shipment.carrier_id for one in of_group if one.shipment} == {group.carrier_id}
        tickets = list(Ticket.objects.filter(kind="late_together", state="open").values_list("subject_id", flat=True))
        assert sorted(tickets) == sorted(open_groups)

    def teardown(self) -> None:
        self.work()
        self.look()
        self.parcels_expect_what_their_scans_say()
        self.parcels_are_looked_at_in_time()
        self.alerts_are_on_what_is_late()
        self.groups_have_a_ticket_each()
        assert steps.broken_invariants() == []

    # --- What the tables of the trade say

    def waits(self, model: Model) -> dict[Wait, list[tuple[float, int]]]:
        """What is waited for, since when, and from when on it is late to which level."""
        scans = [scan for scan in model.applied if scan[1]]
        states = {scan[1] for scan in scans}
        if states & set(ENDS):
            return {}
        if not scans:
            return self.levels(model, ("pickup_soon", model.left), ("pickup_timeout", model.left))
        back = [scan for scan in scans if scan[1] in (S.REJECTED, S.RETURNING)]
        way = sorted(back or scans, key=lambda scan: (scan[0], FURTHER.index(S(scan[1])), scan[2]))
        state, stop = way[-1][1:]
        newest = max(scan[0] for scan in scans)
        first, stopped = len(way) - 1, len(way) - 1
        while first and way[first - 1][1] == state:
            first -= 1
        while stopped and way[stopped - 1][1:] == (state, stop):
            stopped -= 1
        since = way[first][0]
        if stop == WaitingPlace.LOCKER:
            return self.levels(model, ("locker_overdue", way[stopped][0]), signs="locker_overdue")
        found: list[Wait] = []
        if state in (S.FAILED_DELIVERY, S.REJECTED, S.RETURNING):
            found.append(({S.FAILED_DELIVERY: "problem"}.get(S(state), str(state)), since))
        if state == S.COLLECTED:
            found.append(("depart_timeout", since))
        if state == S.OUT_FOR_DELIVERY:
            found.append(("delivery_timeout", newest))
        if stop == WaitingPlace.BRANCH:
            found.append(("arrived_not_out", way[stopped][0]))
        elif state in (S.IN_TRANSIT, S.INTERCEPTING, S.RETURNING):
            found.append(("stalled", newest))
        if state in (S.COLLECTED, S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.FAILED_DELIVERY):
            found.append(("sign_timeout", model.left))
        return self.levels(model, *found, signs="sign_timeout")

    def levels(self, model: Model, *waits: Wait, signs: str = "") -> dict[Wait, list[tuple[float, int]]]:
        """When each of them is late to which level; the platform's deadline comes first where it is earlier."""
        found = {}
        for kind, since in waits:
            of_kind = self.hours.get(kind, {})
            if kind == "stalled" and model.carrier not in of_kind and (model.carrier in STALLED or "" not in of_kind):
                warning, critical = STALLED.get(model.carrier, STALLED[""])
                steps_of = [(since + warning, 1), (since + critical, 3)]
            else:
                hours = of_kind.get(model.carrier, of_kind.get(""))
                assert hours is not None
                steps_of = [(since + one, level) for level, one in enumerate(hours, 1)]
            if kind == signs and model.sign_by is not None and model.sign_by < steps_of[0][0]:
                steps_of[0] = (model.sign_by, 1)
            found[kind, since] = steps_of
        return found

    def reached(self, levels: list[tuple[float, int]]) -> list[int]:
        """The levels that are reached now."""
        return [level for at, level in levels if at <= self.now]

    def moment(self, hour: float) -> datetime:
        """An hour of the machine's clock."""
        return self.zero + timedelta(hours=hour)

    def hour(self, moment: datetime) -> float:
        """A moment on the machine's clock."""
        return round((moment - self.zero).total_seconds() / 3600, 3)

    def wait_of(self, alert: LogisticsAlert) -> Wait:
        """What an alert waits for, as the model has it."""
        return alert.kind, self.hour(alert.since)


# What gets older when time passes.
AGEING = {
    "logistics_shipment": (
        *("created_at", "waybill_issued_at", "left_at", "collected_at", "last_scan_at", "signed_at", "next_event_due"),
    ),
    "logistics_trackingevent": ("occurred_at", "received_at"),
    "logistics_logisticsalert": ("since", "due_at", "opened_at", "escalated_at", "closed_at"),
    "logistics_alertgroup": ("since", "opened_at", "closed_at"),
    "logistics_deadlinesweep": ("due",),
    "orders_orderterms": ("sign_by",),
    "common_inboundfact": ("occurred_at", "received_at"),
}


@pytest.fixture
def four_parcels(shop: factories.Shop) -> Iterator[None]:
    """Parcels of three carriers that left a quarter of an hour ago, the last one with a platform that wants it signed
    for in 30.5 hours."""
    for place, code in enumerate(CARRIERS):
        is_last = place == len(CARRIERS) - 1
        terms = {"sign_by": timezone.now().isoformat()} if is_last else {}
        shipped = steps.shipped(shop.place_order(payment_method="cod", **terms))
        Carrier.objects.get_or_create(code=code, defaults={"name": code, "connection": shipped.connection})
        parcel = by(code, shipped)
        assert parcel.state == S.WAYBILL_ISSUED
    with connection.cursor() as cursor:
        cursor.execute("UPDATE logistics_shipment SET left_at = now() - interval '15 minutes'")
        cursor.execute("UPDATE orders_orderterms SET sign_by = now() + interval '30.5 hours'")
        cursor.execute("UPDATE logistics_shipment SET next_event_due = now()")
    yield
    tables._kept, limits._kept = None, None


def test_alerts_are_on_just_what_is_late_whatever_happens_in_whatever_order(four_parcels: None) -> None:
    machines.run_apart(Watching, examples=12, steps=20)


@pytest.mark.soak
def test_alerts_are_on_just_what_is_late_in_many_runs(four_parcels: None) -> None:
    machines.run_apart(Watching, examples=400, steps=40)
