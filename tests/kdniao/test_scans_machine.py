"""Scans by push and by poll, late, repeated, in parts, in any order, contradictory and with words that nobody knows:
a parcel is where the set of them says, each is kept once, and a person hears of each unknown word once."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from inventory.models import Warehouse
from logistics.carriers import dispatching, polling, tracking
from logistics.carriers.adapters.kdniao import envelope, wire
from logistics.models import Carrier, Polling, ScanWord, Shipment, ShipmentState, TrackingEvent
from oms.common.models import Connection, InboundFact, Ticket
from oms.common.zones import CHINA
from tests import factories, machines, steps
from tests.kdniao import world

pytestmark = pytest.mark.django_db
S = ShipmentState
BEGAN = datetime(2026, 1, 2, 8, 0, tzinfo=CHINA)
KNOWN = {
    "1": S.COLLECTED,
    "204": S.IN_TRANSIT,
    "202": S.OUT_FOR_DELIVERY,
    "405": S.FAILED_DELIVERY,
    "413": S.INTERCEPTING,
    "404": S.REJECTED,
    "407": S.RETURNING,
    "301": S.SIGNED,
    "406": S.RETURNED,
    "426": S.LOST,
    "299": S.IN_TRANSIT,  # nobody knows it, but its first digit
}
UNKNOWN = ("X1", "X2")
UNKEPT = ("403", "10")
FURTHER = [S.COLLECTED, S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.FAILED_DELIVERY, S.INTERCEPTING, S.REJECTED, S.RETURNING]
ENDED = (S.SIGNED, S.RETURNED, S.LOST)
Trace = tuple[int, str]  # minutes since it began, and the code


def where(scans: set[tuple[int, str]]) -> str:
    """Where scans (minutes, state) say that a parcel is."""
    states = {state for _at, state in scans}
    for final in (S.RETURNED, S.SIGNED, S.LOST):
        if final in states:
            return final
    back = {scan for scan in scans if scan[1] in (S.REJECTED, S.RETURNING)}
    return max(back or scans, key=lambda scan: (scan[0], FURTHER.index(S(scan[1]))))[1] if scans else S.WAYBILL_ISSUED


class Scans(RuleBasedStateMachine):
    """What the platform knows of two parcels, what of it was heard, and what of that was worked on."""

    def __init__(self) -> None:
        super().__init__()
        self.parcels = list(Shipment.objects.order_by("pk"))
        self.happened: dict[int, set[Trace]] = {one.pk: set() for one in self.parcels}
        self.heard: dict[int, set[Trace]] = {one.pk: set() for one in self.parcels}
        self.applied: dict[int, set[Trace]] = {one.pk: set() for one in self.parcels}
        self.means: dict[str, str] = {}

    @rule(
        parcel=st.integers(0, 1),
        minutes=st.integers(0, 40),
        code=st.sampled_from([*KNOWN, *UNKNOWN, *UNKNOWN, *UNKEPT]),
    )
    def happen(self, parcel: int, minutes: int, code: str) -> None:
        self.happened[self.parcels[parcel].pk].add((minutes, code))

    @rule(parcel=st.integers(0, 1), data=st.data(), times=st.integers(1, 2))
    def push(self, parcel: int, data: st.DataObject, times: int) -> None:
        row = self.parcels[parcel]
        known = sorted(self.happened[row.pk])
        if not known:
            return
        some = data.draw(st.lists(st.sampled_from(known), unique=True, min_size=1, max_size=6))
        told = {"ShipperCode": "YTO", "LogisticCode": row.waybill_number, "Traces": [written(one) for one in some]}
        text = json.dumps({"EBusinessID": "1000001", "PushTime": "", "Count": "1", "Data": [told]})
        form = envelope.fields(text, business_id="1000001", request_type="102", app_key=world.KEYS.app_key)
        for _time in range(times):
            answer = Client().post(
                f"/callbacks/{world.CODE}/", urlencode(form), content_type="application/x-www-form-urlencoded"
            )
            assert answer.json()["Success"] is True
        self.heard[row.pk] |= set(some)

    @rule()
    def poll(self) -> None:
        past = timezone.now() - timedelta(hours=1)
        asked = Polling.objects.filter(is_over=False)
        asked.update(ask_at=past, ready_at=past)
        keys = list(asked.values_list("shipment_id", flat=True))
        assert steps.once(polling.run) == len(keys)
        for key in keys:
            self.heard[key] |= self.happened[key]

    @rule()
    def work(self) -> None:
        factories.run(tracking.run)
        self.applied = {key: set(traces) for key, traces in self.heard.items()}

    @rule(code=st.sampled_from(UNKNOWN), state=st.sampled_from([S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.SIGNED]))
    def say_what_it_means(self, code: str, state: str) -> None:
        self.work()
        word = ScanWord.objects.filter(code=code, is_new=True).first()
        if word is None:
            return
        form = {"told": "", "state": state, "shown_zh": "", "shown_en": "", "is_kept": "on", "for_buyer": "on"}
        client = Client()
        client.force_login(factories.UserFactory(is_superuser=True, is_staff=True))
        assert client.post(f"/admin/logistics/scanword/{word.pk}/change/", form).status_code == 302
        self.means[code] = state

    @invariant()
    def parcels_are_where_their_scans_say(self) -> None:
        for row in Shipment.objects.all():
            scans = {(at, self.state_of(code)) for at, code in self.applied[row.pk] if code not in UNKEPT}
            assert row.state == where({scan for scan in scans if scan[1]})
            assert row.polling.is_over == (row.state in ENDED)

    @invariant()
    def each_scan_is_kept_once(self) -> None:
        for row in self.parcels:
            kept = [
                (round((at - BEGAN).total_seconds() / 60), code)
                for at, code in TrackingEvent.objects.filter(shipment=row).values_list("occurred_at", "carrier_code")
            ]
            assert sorted(kept) == sorted(one for one in self.applied[row.pk] if one[1] not in UNKEPT)

    @invariant()
    def a_person_hears_of_each_unknown_word_once(self) -> None:
        codes = {code for of_one in self.applied.values() for _at, code in of_one}
        new = codes & {*UNKNOWN, "299"}
        assert set(ScanWord.objects.values_list("code", flat=True)) == new
        waiting = Ticket.objects.filter(kind="scan_word_unknown", state="open").count()
        assert waiting == len(new - self.means.keys())
        assert Ticket.objects.filter(kind="fact_failed").count() == 0

    def state_of(self, code: str) -> str:
        """What a code says of where a parcel is, as far as somebody said it."""
        return KNOWN.get(code, "") or self.means.get(code, "")

    def teardown(self) -> None:
        self.work()
        assert not InboundFact.objects.filter(topic="carrier", state="pending").exists()
        assert steps.broken_invariants() == []


def written(trace: Trace) -> dict[str, str]:
    """A trace as kdniao writes it."""
    at = BEGAN + timedelta(minutes=trace[0])
    return {"AcceptTime": f"{at:%Y-%m-%d %H:%M:%S}", "AcceptStation": "…", "Location": "", "Action": trace[1]}


@pytest.fixture
def two_parcels(shop: factories.Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two parcels with waybills of a platform that answers what the machine that runs says."""
    link = Connection(code=world.CODE, kind="carrier", protocol="kdniao", base_url="https://kdniao.example/x")
    link.set_secrets({"ebusiness_id": world.KEYS.business_id, "app_key": world.KEYS.app_key}).save()
    Carrier.objects.create(code="YTO", name="YTO", connection=link)
    Warehouse.objects.update(contact_phone="13900002222")  # nobody asks kdniao without one
    running: list[Scans] = []
    began = Scans.__init__

    def begin(machine: Scans) -> None:
        began(machine)
        running[:] = [machine]

    def answer(_link: Connection, _setup: object, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if kind == "1007":
            waybill = body["OrderCode"].replace("-", "")
            return {"Success": True, "Order": {"OrderCode": body["OrderCode"], "LogisticCode": waybill}}
        key = Shipment.objects.get(waybill_number=body["LogisticCode"]).pk
        traces = [written(one) for one in sorted(running[0].happened[key])]
        return {"Success": True, "ShipperCode": "YTO", "LogisticCode": body["LogisticCode"], "Traces": traces}

    monkeypatch.setattr(Scans, "__init__", begin)
    monkeypatch.setattr(wire, "ask", answer)
    world.packed(*[shop.place_order(payment_method="cod") for _parcel in range(2)])
    factories.run(dispatching.run)


def test_whatever_comes_in_whatever_order_a_parcel_is_where_the_set_of_its_scans_says(two_parcels: None) -> None:
    machines.run_apart(Scans, examples=20, steps=25)
