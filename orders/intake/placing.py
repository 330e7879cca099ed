"""The service behind every door that orders come in by."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from re import compile as pattern

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.copying import Rows
from oms.common.errors import FieldError
from oms.common.work import clock, nudging
from oms.merchants.models import Channel, Merchant
from oms.merchants.webhooks import telling
from orders.actors import Actor
from orders.intake import held_goods, history, tenders
from orders.intake.bodies import OrderBody
from orders.intake.checking import CheckedOrder, check
from orders.intake.goods import NOTHING_SAID, UnknownGoods
from orders.intake.locating import Atlas, Located, locate
from orders.intake.reference import KnownChannel, Reference, read
from orders.intake.sharing import SharedOrder, share_out
from orders.intake.storing import StoredOrder, lay_out, store
from orders.matching import waiting
from orders.matching.parting import part_lines
from orders.models.order import OrderState

logger = logging.getLogger(__name__)

_CHANNEL_CODE = pattern(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,39}")


@dataclass(frozen=True, slots=True)
class Placed:
    """The order was stored."""

    id: int
    number: str
    order: StoredOrder


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The channel sent this external number before; `number` is the order that it made then."""

    number: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was stored, for these reasons."""

    errors: Sequence[FieldError]


_NEXT_STAGE = {OrderState.AWAITING_PAYMENT: "request_payment", OrderState.IN_REVIEW: "review"}
Outcome = Placed | Duplicate | Refused


def place_orders(
    bodies: Sequence[OrderBody | FieldError],
    merchant: Merchant,
    *,
    actor: Actor,
    is_history: bool = False,
    asks_a_person: bool = False,
    unknown: UnknownGoods = NOTHING_SAID,
) -> list[Outcome]:
    """Check and store a batch of orders of the merchant's channels; one outcome for each, in order.

    A body that did not decode is passed as its FieldError and refused in its place. What is wrong with one order
    does not stop the others. The number of statements does not grow with the batch. Where the channel matches SKUs, an
    order with codes that nobody knows is stored and held until they are matched.

    With `is_history` the bodies are HistoricalBody: they are stored as they ended, and nothing is started. With
    `asks_a_person` phones and address may be empty (see `checking.check`); what is missing, hidden, not certain or not
    served holds the order. `unknown` is what the door says of goods that nobody knows.
    """
    door = _Door(is_history, asks_a_person, unknown)
    if is_history:
        with telling.without_messages():
            return _place_or_isolate(bodies, merchant, actor, door)
    outcomes = _place_or_isolate(bodies, merchant, actor, door)
    nudging.nudge(*_next_stages([outcome.order for outcome in outcomes if isinstance(outcome, Placed)]))
    return outcomes


def _next_stages(orders: Sequence[StoredOrder]) -> list[str]:
    """The stages that work on orders which were only just stored."""
    states = {order.state for order in orders}
    stages = [stage for state, stage in _NEXT_STAGE.items() if state in states]
    return [*stages, "book_collected"] if any(order.checked.pricing.collected for order in orders) else stages


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """An order that may be stored, and the rows which that takes."""

    order: StoredOrder
    tables: list[Rows]

    def announce(self) -> None:
        """Tell the workers, once the rows are written."""
        nudging.nudge(*_next_stages([self.order]))


def plan_order(body: OrderBody, merchant: Merchant, *, actor: Actor) -> PlannedOrder | None:
    """What `place_orders` would write for an order without anything special; nothing is written yet.

    None for any other: one that is refused, that was sent before, that opens a channel, that waits for a match, that
    takes over units which are set aside, or that is paid with balances of ours or in instalments.
    """
    if tenders.has_any(body) or body.reservation:
        return None
    atlas = Atlas()
    located = locate(body, atlas)
    body = located.body
    reference = read([body], merchant, atlas=atlas)
    channel = reference.channels.get(body.source or merchant.code)
    if channel is None or not channel.is_active or (channel.id, body.external_number) in reference.stored:
        return None
    ready = _ready(located, reference, channel.id, _Door())
    if not isinstance(ready, SharedOrder) or ready.checked.missing:
        return None
    now, pay_by = _now_and_pay_by()
    (order,), tables = lay_out(reference.ids, [ready], actor=actor, now=now, pay_by=pay_by)
    return PlannedOrder(order, tables)


def refusals(body: OrderBody, merchant: Merchant) -> Sequence[FieldError]:
    """Why an order would be refused, by what it says; nothing is stored."""
    atlas = Atlas()
    located = locate(body, atlas)
    reference = read([located.body], merchant, atlas=atlas)
    channel = reference.channels.get(located.body.source or merchant.code)
    ready = _ready(located, reference, channel.id if channel else 0, _Door())
    return () if isinstance(ready, SharedOrder) else ready


@dataclass(frozen=True, slots=True)
class _Door:
    is_history: bool = False
    asks_a_person: bool = False
    unknown: UnknownGoods = NOTHING_SAID


def _ready(located: Located, reference: Reference, channel_id: int, door: _Door) -> SharedOrder | Sequence[FieldError]:
    """The order as it may be stored, or what is wrong with it."""
    checked = check(located, reference, channel_id, asks_a_person=door.asks_a_person)
    if not isinstance(checked, CheckedOrder):
        return checked
    wrong = history.check(checked) if door.is_history else []
    if wrong:
        return wrong
    shared = share_out(checked)
    return part_lines(shared) if isinstance(shared, SharedOrder) else shared


def _place_or_isolate(
    bodies: Sequence[OrderBody | FieldError], merchant: Merchant, actor: Actor, door: _Door
) -> list[Outcome]:
    for _attempt in range(3):
        try:
            with transaction.atomic():
                return _place(bodies, merchant, actor, door)
        except IntegrityError as error:
            # Most likely another transaction stored one of the external numbers: the next look finds it.
            refusal: DatabaseError = error
        except DataError as error:
            refusal = error
            break
    if len(bodies) > 1:
        return [_place_or_isolate([body], merchant, actor, door)[0] for body in bodies]
    logger.error("the database refused an order that had passed every check", exc_info=refusal)
    return [Refused([FieldError("", "refused_by_database", _("This order cannot be stored; please report it."))])]


def _place(bodies: Sequence[OrderBody | FieldError], merchant: Merchant, actor: Actor, door: _Door) -> list[Outcome]:
    atlas = Atlas()
    located = [body if isinstance(body, FieldError) else locate(body, atlas) for body in bodies]
    decoded = [found.body for found in located if isinstance(found, Located)]
    reference = read(decoded, merchant, is_history=door.is_history, atlas=atlas)
    reference.unknown = door.unknown
    channels = _channels({body.source or merchant.code for body in decoded}, reference)

    outcomes: list[Outcome | None] = []
    accepted: dict[tuple[int, str], SharedOrder] = {}
    repeated: list[tuple[int, tuple[int, str]]] = []
    places: list[int] = []
    for found in located:
        outcomes.append(None)
        if isinstance(found, FieldError):
            outcomes[-1] = Refused([found])
            continue
        body = found.body
        channel = channels[body.source or merchant.code]
        if isinstance(channel, FieldError):
            outcomes[-1] = Refused([channel])
            continue
        key = (channel, body.external_number)
        if key in reference.stored:
            outcomes[-1] = Duplicate(reference.stored[key])
        elif key in accepted:
            repeated.append((len(outcomes) - 1, key))
        else:
            ready = _ready(found, reference, channel, door)
            if isinstance(ready, SharedOrder):
                accepted[key] = ready
                places.append(len(outcomes) - 1)
            else:
                outcomes[-1] = Refused(ready)

    checked = [one.checked for one in accepted.values()]
    refused = tenders.refuse(checked, merchant, is_history=door.is_history)
    for place, error in held_goods.refuse(checked, merchant, is_history=door.is_history).items():
        refused.setdefault(place, []).append(error)
    if refused:
        errors = {key: refused[place] for place, key in enumerate(accepted) if place in refused}
        for place, key in [*zip(places, accepted, strict=True), *repeated]:
            if key in errors:
                outcomes[place] = Refused(errors[key])
        places = [place for place, key in zip(places, accepted, strict=True) if key not in errors]
        repeated = [(place, key) for place, key in repeated if key not in errors]
        accepted = {key: one for key, one in accepted.items() if key not in errors}
    if accepted:
        now, pay_by = _now_and_pay_by()
        stored = store(
            reference.ids, list(accepted.values()), actor=actor, now=now, pay_by=pay_by, is_history=door.is_history
        )
        waiting.begin(stored)
        tenders.take(stored, merchant, actor)
        held_goods.take(stored, actor)
        for place, order in zip(places, stored, strict=True):
            outcomes[place] = Placed(order.id, order.number, order)
        numbers = {key: order.number for key, order in zip(accepted, stored, strict=True)}
        for place, key in repeated:
            outcomes[place] = Duplicate(numbers[key])
    return [outcome for outcome in outcomes if outcome is not None]


def _now_and_pay_by() -> tuple[datetime, datetime]:
    now = timezone.now()
    return now, now + payment_time()


def payment_time() -> timedelta:
    """How long buyers may take to pay, from when they know what."""
    return clock.scaled(timedelta(seconds=settings.PAYMENT_DEADLINE_SECONDS))


def _channels(codes: set[str], reference: Reference) -> dict[str, int | FieldError]:
    """The id of each channel, opened now where the merchant may do so, or why there is none."""
    merchant, known = reference.merchant, reference.channels
    missing = [code for code in sorted(codes - known.keys()) if _CHANNEL_CODE.fullmatch(code)]
    if missing and merchant.opens_channels:
        Channel.objects.bulk_create(
            [Channel(merchant=merchant, code=code, name=code) for code in missing], ignore_conflicts=True
        )
        opened = Channel.objects.filter(merchant=merchant, code__in=missing)
        known = known | {channel.code: KnownChannel(channel.pk, channel.is_active) for channel in opened}
    found: dict[str, int | FieldError] = {}
    for code in codes:
        channel = known.get(code)
        if channel is None:
            detail = _("Merchant %(merchant)s has no channel %(code)s.") % {"merchant": merchant.code, "code": code}
            found[code] = FieldError("source", "unknown_channel", detail)
        elif not channel.is_active:
            found[code] = FieldError("source", "inactive_channel", _("This channel is closed."))
        else:
            found[code] = channel.id
    return found
