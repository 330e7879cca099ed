"""The service behind every door that orders come in by."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from re import compile as pattern

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import clock, nudging
from oms.common.errors import FieldError
from oms.merchants.models import Channel, Merchant
from orders.actors import Actor
from orders.intake import history
from orders.intake.bodies import OrderBody
from orders.intake.checking import CheckedOrder, Reference, check
from orders.intake.storing import store

logger = logging.getLogger(__name__)

_CHANNEL_CODE = pattern(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,39}")


@dataclass(frozen=True, slots=True)
class Placed:
    """The order was stored."""

    id: int
    number: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The channel sent this external number before; `number` is the order that it made then."""

    number: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was stored, for these reasons."""

    errors: Sequence[FieldError]


Outcome = Placed | Duplicate | Refused


def place_orders(
    bodies: Sequence[OrderBody | FieldError],
    merchant: Merchant,
    *,
    actor: Actor,
    is_history: bool = False,
    asks_a_person: bool = False,
) -> list[Outcome]:
    """Check and store a batch of orders of the merchant's channels; one outcome for each, in order.

    A body that did not decode is passed as its FieldError and refused in its place. What is wrong with one order
    does not stop the others. The number of statements does not grow with the batch.

    With `is_history` the bodies are HistoricalBody: they are stored as they ended, and nothing is started. With
    `asks_a_person` phones, region and address may be empty (see `checking.check`).
    """
    door = _Door(is_history, asks_a_person)
    if is_history:
        # Nothing may be told to merchants of orders of the past: this is where webhooks' `without_messages()` goes.
        return _place_or_isolate(bodies, merchant, actor, door)
    outcomes = _place_or_isolate(bodies, merchant, actor, door)
    if any(isinstance(outcome, Placed) for outcome in outcomes):
        nudging.nudge("request_payment", "review")
    return outcomes


@dataclass(frozen=True, slots=True)
class _Door:
    is_history: bool
    asks_a_person: bool


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
    decoded = [body for body in bodies if isinstance(body, OrderBody)]
    reference = Reference(decoded, merchant)
    channels = _channels({body.source or merchant.code for body in decoded}, merchant)
    existing = _existing(channels, decoded)

    outcomes: list[Outcome | None] = []
    accepted: dict[tuple[int, str], CheckedOrder] = {}
    repeated: list[tuple[int, tuple[int, str]]] = []
    places: list[int] = []
    for body in bodies:
        outcomes.append(None)
        if isinstance(body, FieldError):
            outcomes[-1] = Refused([body])
            continue
        channel = channels[body.source or merchant.code]
        if isinstance(channel, FieldError):
            outcomes[-1] = Refused([channel])
            continue
        key = (channel, body.external_number)
        if key in existing:
            outcomes[-1] = Duplicate(existing[key])
        elif key in accepted:
            repeated.append((len(outcomes) - 1, key))
        else:
            checked = check(body, reference, channel, asks_a_person=door.asks_a_person)
            if door.is_history and isinstance(checked, CheckedOrder):
                checked = history.check(checked) or checked
            if isinstance(checked, CheckedOrder):
                accepted[key] = checked
                places.append(len(outcomes) - 1)
            else:
                outcomes[-1] = Refused(checked)

    if accepted:
        now = timezone.now()
        pay_by = now + clock.scaled(timedelta(seconds=settings.PAYMENT_DEADLINE_SECONDS))
        stored = store(list(accepted.values()), actor=actor, now=now, pay_by=pay_by, is_history=door.is_history)
        for place, (order_id, number) in zip(places, stored, strict=True):
            outcomes[place] = Placed(order_id, number)
        numbers = {key: number for key, (_id, number) in zip(accepted, stored, strict=True)}
        for place, key in repeated:
            outcomes[place] = Duplicate(numbers[key])
    return [outcome for outcome in outcomes if outcome is not None]


def _channels(codes: set[str], merchant: Merchant) -> dict[str, int | FieldError]:
    """The id of each channel, opened now where the merchant may do so, or why there is none."""
    known = {channel.code: channel for channel in Channel.objects.filter(merchant=merchant)}
    missing = [code for code in sorted(codes - known.keys()) if _CHANNEL_CODE.fullmatch(code)]
    if missing and merchant.opens_channels:
        Channel.objects.bulk_create(
            [Channel(merchant=merchant, code=code, name=code) for code in missing], ignore_conflicts=True
        )
        known = {channel.code: channel for channel in Channel.objects.filter(merchant=merchant)}
    found: dict[str, int | FieldError] = {}
    for code in codes:
        channel = known.get(code)
        if channel is None:
            detail = _("Merchant %(merchant)s has no channel %(code)s.") % {"merchant": merchant.code, "code": code}
            found[code] = FieldError("source", "unknown_channel", detail)
        elif not channel.is_active:
            found[code] = FieldError("source", "inactive_channel", _("This channel is closed."))
        else:
            found[code] = channel.pk
    return found


def _existing(channels: dict[str, int | FieldError], bodies: Sequence[OrderBody]) -> dict[tuple[int, str], str]:
    """The order numbers of external numbers that were stored before, by (channel id, external number)."""
    ids = [channel for channel in channels.values() if isinstance(channel, int)]
    externals = [body.external_number for body in bodies if "\0" not in body.external_number]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT channel_id, external_number, number FROM orders_order"
            " WHERE channel_id = ANY(%s) AND external_number = ANY(%s)",
            [ids, externals],
        )
        return {(channel, external): number for channel, external, number in cursor.fetchall()}
