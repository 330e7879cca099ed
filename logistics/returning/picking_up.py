"""Pick-ups at the buyer's door: booked and called off with carriers that can, watched until a courier has the goods.

Who was not met in the window is asked for again in the next one, once; then the buyer sends the goods by another way.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import cast

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.carriers import adapters, following
from logistics.carriers.adapters import Answer, Booked, DoorOrder, Parcel, PickUp
from logistics.carriers.contents import Article, Contents, Sender
from logistics.models import Carrier, Direction, DoorPickUp, PickUpState, ReturnParcel, Shipment, ShipmentState
from logistics.models.door_pick_up import OPEN_PICK_UPS
from logistics.returning import kinds
from oms.common import tickets
from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.masking import mask_text
from oms.common.models import Connection, Team
from oms.common.work import clock, nudging
from oms.common.work.calling import Call, Outcomes, Unclear, outside_stage
from oms.common.work.claiming import Queue, Stage
from oms.common.zones import CHINA
from orders import actors, isolating
from orders.actors import Actor
from orders.kinds import EventKind
from orders.models import ReturnLine, ReturnRequest, ReturnState
from orders.returning.locking import NotNow, lock_return, require
from orders.telling import timeline

S = PickUpState
QUEUE = Queue(DoorPickUp, f"q.state IN ('{S.INTENDED}', '{S.CALLING_OFF}')")
SENDS, WATCHES = "send_pick_ups", "watch_pick_ups"
# Windows of a day in China's hours, and for how many days they can be booked.
_HOURS, DAYS = ((9, 14), (14, 19)), 3
# So long after its window a pick-up without a scan was missed; so many are booked by themselves.
_GRACE, MOST_TRIES = timedelta(hours=3), 2

PICK_UP_FAILED = tickets.register_kind(
    tickets.TicketKind(
        "pick_up_failed",
        gettext_lazy("No courier fetched the goods of a return"),
        "return",
        team=Team.SERVICE,
        due_within=timedelta(hours=24),
        reasons={
            "missed": gettext_lazy("No courier met the buyer of return %(number)s, for the second time."),
            "refused": gettext_lazy("%(carrier)s sends no courier for return %(number)s: %(text)s"),
            "not_called_off": gettext_lazy("%(carrier)s does not call off its courier for return %(number)s: %(text)s"),
        },
        remedies=gettext_lazy("Talk to the buyer: book another pick-up, or let the buyer send the goods."),
        can_retry=False,
    )
)


def windows(now: datetime) -> list[PickUp]:
    """In which windows a courier can be booked to come."""
    today = now.astimezone(CHINA).date()
    found = [
        PickUp(
            datetime.combine(today + timedelta(days=day), time(opens), CHINA),
            datetime.combine(today + timedelta(days=day), time(closes), CHINA),
        )
        for day in range(DAYS)
        for opens, closes in _HOURS
    ]
    return [one for one in found if one.since > now + timedelta(minutes=30)]


def carrier() -> Carrier | None:
    """Who is asked for couriers: the first carrier whose connection books them; None where none does."""
    able = Carrier.objects.filter(
        is_active=True, connection__is_active=True, connection__protocol__in=adapters.protocols_of(adapters.PicksUp)
    )
    return able.select_related("connection").order_by("priority", "pk").first()


@transaction.atomic
def book(return_id: int, *, since: datetime, until: datetime, actor: Actor, version: int | None = None) -> DoorPickUp:
    """Book a courier for a return that waits for its goods. Raises OmsError for a window that cannot be booked or where
    nobody sends couriers, NotNow, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    require(row, ReturnState.AWAITING_GOODS)
    if PickUp(since, until) not in windows(timezone.now()):
        raise OmsError(_("A courier cannot be booked for then. Choose one of the windows."), attr="since")
    if DoorPickUp.objects.filter(return_request=row, state__in=[*OPEN_PICK_UPS]).exists():
        raise NotNow(_("A courier is booked already. Call it off first."))
    who = None if row.sub_order.merchant.is_sandbox else carrier()
    if who is None:
        raise OmsError(_("No carrier is set up that sends couriers. Let the buyer send the goods."), attr="since")
    return _intend(row, who, PickUp(since, until), actor)


def _intend(row: ReturnRequest, who: Carrier, window: PickUp, actor: Actor) -> DoorPickUp:
    count = DoorPickUp.objects.filter(return_request=row).count()
    pick_up = DoorPickUp.objects.create(
        number=f"{row.number}-U{count + 1}",
        return_request=row,
        carrier=who,
        connection_id=cast(int, who.connection_id),
        since=window.since,
        until=window.until,
        booked_by=actor.name[:80],
    )
    # What is fetched in its window was handed over in time; who is missed has a day left to send it otherwise.
    latest = window.until + _GRACE + timedelta(days=1)
    ReturnRequest.objects.filter(pk=row.pk, ready_at__lt=latest).update(ready_at=latest)
    nudging.nudge(SENDS)
    return pick_up


@transaction.atomic
def call_off(return_id: int, *, actor: Actor, version: int | None = None) -> DoorPickUp:
    """No courier is to come for the return. Raises NotNow where none is booked, one is being booked right now, or has
    the goods; ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    pick_up = (
        DoorPickUp.objects.select_for_update(no_key=True, of=("self",))
        .filter(return_request=row, state__in=[S.INTENDED, S.BOOKED])
        .first()
    )
    if pick_up is None:
        raise NotNow(_("No courier is booked."))
    if pick_up.state == S.INTENDED:
        if pick_up.lease_token:
            raise NotNow(_("The courier is being booked right now. Try again in a minute."))
        pick_up.cancel()
        pick_up.ready_at = None
        _tell(pick_up, kinds.PICK_UP_CALLED_OFF, actor)
    else:
        pick_up.call_off()
        pick_up.ready_at, pick_up.attempts = timezone.now(), 0
        nudging.nudge(SENDS)
    pick_up.save()
    return pick_up


# --- Asking carriers


def _prepare(keys: Sequence[int]) -> Mapping[int, DoorOrder]:
    rows = DoorPickUp.objects.filter(pk__in=keys).select_related(
        *("carrier", "return_request__order__region", "return_request__warehouse__region")
    )
    goods: dict[int, list[Article]] = {}
    lines = ReturnLine.objects.filter(return_request__in=[row.return_request_id for row in rows])
    for line in lines.select_related("sub_order_line__order_line__sku").order_by("pk"):
        sku = line.sub_order_line.order_line.sku
        article = Article(sku.code, sku.name, line.quantity, sku.weight_g, 0)
        goods.setdefault(line.return_request_id, []).append(article)
    return {row.pk: _order(row, goods.get(row.return_request_id, [])) for row in rows if row.return_request.warehouse}


def _order(row: DoorPickUp, articles: list[Article]) -> DoorOrder:
    request = row.return_request
    order, house = request.order, request.warehouse
    assert house is not None  # noqa: S101 - the caller looked
    at, to = order.region, house.region
    sender = Sender(
        order.recipient_name,
        order.recipient_phone,
        *((at.province, at.city, at.district) if at else ("", "", "")),
        order.recipient_address,
    )
    weight = sum(one.weight_g * one.quantity for one in articles)
    parcel = Parcel(
        *(row.number, request.number, "", row.carrier.code, weight),
        *(house.contact_name or house.name, house.contact_phone, to.province, to.city, to.district),
        house.address or house.name,
    )
    booked = Booked(row.number, row.carrier.code, row.waybill_number, order.recipient_phone[-4:])
    return DoorOrder(
        parcel, Contents(sender, articles=articles), PickUp(row.since, row.until), booked, row.state == S.CALLING_OFF
    )


def _ask(link: Connection, wanted: Sequence[DoorOrder]) -> Mapping[str, Answer | Unclear]:
    adapter = adapters.picking_up(link)
    if adapter is None:  # the connection speaks another protocol now
        return {}
    calls_off = [one.booked for one in wanted if one.calls_off]
    books = [one for one in wanted if not one.calls_off]
    return {
        **(adapter.book_pick_ups(link, books) if books else {}),
        **(adapter.cancel_pick_ups(link, calls_off) if calls_off else {}),
    }


def _lock_orders(keys: Collection[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT o.id FROM orders_order o WHERE o.id IN (
                SELECT r.order_id FROM logistics_doorpickup p JOIN orders_returnrequest r ON r.id = p.return_request_id
                WHERE p.id = ANY(%s::bigint[])) ORDER BY o.id FOR NO KEY UPDATE
            """,
            [array(keys)],
        )


def _finish(outcomes: Outcomes[Answer]) -> None:
    answers = outcomes.taken | outcomes.refused
    rows = DoorPickUp.objects.filter(pk__in=answers, state__in=[S.INTENDED, S.CALLING_OFF]).select_related(
        "return_request__order", "carrier"
    )
    for row in rows.order_by("pk"):
        answer = answers[row.pk]
        row.ready_at, row.lease_until, row.attempts, row.last_error = None, None, 0, ""
        row.answer = mask_text(answer.reason)[:300]
        if row.state == S.INTENDED:
            _booked(row, answer)
        else:
            _called_off(row, answer)
        row.save()


def _booked(row: DoorPickUp, answer: Answer) -> None:
    request = lock_return(row.return_request_id)
    if not answer.taken:
        row.refuse()
        _tell(row, kinds.PICK_UP_FAILED, actors.job(SENDS))
        _call_a_person(row, "refused")
        return
    row.book()
    row.waybill_number = answer.waybill[:40]
    taken = ReturnRequest.objects.filter(waybill_number=row.waybill_number).exclude(pk=request.pk).exists()
    if request.state != ReturnState.AWAITING_GOODS or taken:
        row.call_off()
        row.ready_at = timezone.now()
        return
    ReturnParcel.objects.filter(return_request=request, is_current=True).update(is_current=False)
    shipment = Shipment.objects.create(
        number=row.number,
        sub_order_id=request.sub_order_id,
        direction=Direction.RETURN,
        carrier=row.carrier,
        connection_id=row.connection_id,
        waybill_number=row.waybill_number,
        state=ShipmentState.WAYBILL_ISSUED,
        waybill_issued_at=timezone.now(),
        pick_up_from=row.since,
        pick_up_until=row.until,
        ready_at=None,
    )
    ReturnParcel.objects.create(shipment=shipment, return_request=request)
    ReturnRequest.objects.filter(pk=request.pk).update(
        carrier_name=row.carrier.name[:40], waybill_number=row.waybill_number, waybill_told_at=None
    )
    following.begin([shipment.pk])
    _tell(row, kinds.PICK_UP_BOOKED, actors.job(SENDS))


def _called_off(row: DoorPickUp, answer: Answer) -> None:
    if not answer.taken:
        row.go_on()
        _call_a_person(row, "not_called_off")
        return
    request = lock_return(row.return_request_id)
    _forget_waybill(request, row)
    if row.missed_at is None:
        row.cancel()
        _tell(row, kinds.PICK_UP_CALLED_OFF, actors.job(SENDS))
        return
    row.miss()
    row.save()
    _tell(row, kinds.PICK_UP_MISSED, actors.job(SENDS))
    tries = DoorPickUp.objects.filter(return_request=request, missed_at__isnull=False).count()
    who = carrier()
    if request.state == ReturnState.AWAITING_GOODS and tries < MOST_TRIES and who is not None:
        _intend(request, who, windows(timezone.now())[0], actors.job(SENDS))
    elif request.state == ReturnState.AWAITING_GOODS:
        _call_a_person(row, "missed")


def _forget_waybill(request: ReturnRequest, row: DoorPickUp) -> None:
    """The waybill of a pick-up that was called off is nobody's."""
    parcels = ReturnParcel.objects.filter(return_request=request, shipment__number=row.number)
    keys = list(parcels.values_list("pk", flat=True))
    parcels.update(is_current=False)
    following.end(keys)
    Shipment.objects.filter(pk__in=keys, state=ShipmentState.WAYBILL_ISSUED).update(
        state=ShipmentState.CANCELLED, waybill_number=None
    )
    ReturnRequest.objects.filter(
        pk=request.pk, state=ReturnState.AWAITING_GOODS, waybill_number=row.waybill_number
    ).update(carrier_name="", waybill_number="")


def _tell(row: DoorPickUp, kind: EventKind, actor: Actor) -> None:
    request = row.return_request
    here = row.since.astimezone(CHINA)
    timeline.record(
        request.order_id,
        kind,
        actor,
        sub_order_id=request.sub_order_id,
        number=request.number,
        carrier=row.carrier.name,
        window=f"{here:%Y-%m-%d %H:%M}–{row.until.astimezone(CHINA):%H:%M}",
        text=row.answer,
    )


def _call_a_person(row: DoorPickUp, reason: str) -> None:
    request = row.return_request
    values = {"number": request.number, "carrier": row.carrier.name, "text": row.answer or "–"}
    trouble = tickets.Trouble(request.pk, reason, values, about_id=request.order_id)
    tickets.open_tickets(PICK_UP_FAILED, [trouble], opened_by=SENDS)


SEND_STAGE = outside_stage(SENDS, Call(QUEUE, _prepare, _ask, _finish, lock_above=_lock_orders))


# --- Watching


def collected(shipment_ids: Sequence[int]) -> None:
    """Couriers have these parcels, by their scans; the orders are locked."""
    rows = DoorPickUp.objects.filter(
        number__in=Shipment.objects.filter(pk__in=shipment_ids).values("number"),
        state__in=[S.BOOKED, S.CALLING_OFF, S.CANCELLED, S.MISSED],
    )
    done = list(rows.exclude(waybill_number="").values_list("pk", "return_request"))
    DoorPickUp.objects.filter(pk__in=[key for key, _row in done]).update(state=S.COLLECTED, ready_at=None)
    tickets.close_tickets([PICK_UP_FAILED], [row for _key, row in done])


# Booked ones whose window is over, and those whose return is not waiting for them any more.
def _due() -> str:
    return f"""FROM logistics_doorpickup p JOIN orders_returnrequest r ON r.id = p.return_request_id
        WHERE p.state = '{S.BOOKED}' AND p.answer = '' AND (
            p.until + interval '{_GRACE.seconds} seconds' < {clock.horizon()}
            OR r.state <> '{ReturnState.AWAITING_GOODS}' OR r.waybill_number <> p.waybill_number)"""


def run(limit: int) -> int:
    """Call off up to `limit` pick-ups that were missed, or that nobody waits for; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT p.id, r.order_id {_due()} ORDER BY p.until LIMIT %s", [limit])
        found = cursor.fetchall()
    return isolating.work_on(WATCHES, found, lambda keys, _orders: _call_off_due(keys))


def _call_off_due(keys: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH due AS (
                SELECT p.id, r.state = '{ReturnState.AWAITING_GOODS}' AND r.waybill_number = p.waybill_number AS waits
                {_due()} AND p.id = ANY(%s::bigint[]) ORDER BY p.id FOR NO KEY UPDATE OF p)
            UPDATE logistics_doorpickup p SET state = '{S.CALLING_OFF}', ready_at = now(), attempts = 0,
                missed_at = CASE WHEN d.waits THEN now() END
            FROM due d WHERE p.id = d.id
            """,
            [array(keys)],
        )
        return cursor.rowcount


def backlog() -> str:
    """Pick-ups that are to be called off."""
    due = f"least(p.until + interval '{_GRACE.seconds} seconds', now())"
    return f"SELECT {due} AS due, {isolating.needs_person('r.order_id')} AS needs_person {_due()}"


WATCH_STAGE = Stage(WATCHES, run, wakes=(SENDS,), backlog=backlog)


@dataclass(frozen=True, slots=True)
class Offer:
    """What is known of couriers for a return: the newest pick-up, whether one can be booked, and for when."""

    newest: DoorPickUp | None
    windows: Sequence[PickUp]
    may_call_off: bool


def offers(rows: Sequence[ReturnRequest]) -> dict[int, Offer]:
    """What to show of couriers for returns, by return (id). Two statements."""
    found = DoorPickUp.objects.filter(return_request__in=rows).order_by("return_request_id", "-pk")
    newest = {one.return_request_id: one for one in found.distinct("return_request")}
    waits = any(row.state == ReturnState.AWAITING_GOODS for row in rows)
    bookable = windows(timezone.now()) if waits and carrier() is not None else []
    return {row.pk: _offer(row, newest.get(row.pk), bookable) for row in rows}


def _offer(row: ReturnRequest, newest: DoorPickUp | None, bookable: Sequence[PickUp]) -> Offer:
    is_open = newest is not None and newest.state in OPEN_PICK_UPS
    can_book = row.state == ReturnState.AWAITING_GOODS and not is_open
    may_call_off = newest is not None and newest.state in (S.INTENDED, S.BOOKED)
    return Offer(newest, bookable if can_book else [], may_call_off)
