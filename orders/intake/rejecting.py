"""Rows that were refused on their way in: kept for correction, replayed, discarded, and forgotten in time."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import secrecy
from oms.common.copying import text_array
from oms.common.door.api import check_version
from oms.common.errors import FieldError, OmsError
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake.bodies import OrderBody, decode_strictly
from orders.intake.placing import Duplicate, Outcome, Placed, Refused, place_orders
from orders.models import Order, RejectedOrder

# Larger rows are no orders: 500 lines fit into half of it.
LARGEST_BODY = 512 * 1024


class NotOpen(OmsError):
    """The row was replayed or discarded already."""

    code = "not_open"


_DISCARDED = RejectedOrder.State.DISCARDED


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row as it came, the external number where it can be read, and why it was refused."""

    body: bytes
    external_number: str
    errors: Sequence[FieldError]


def keep(merchant: Merchant, door: RejectedOrder.Door, rows: Sequence[RefusedRow]) -> None:
    """Keep the rows for the merchant; the same row again is counted, not kept twice. One statement."""
    by_digest = {hashlib.sha256(row.body).hexdigest(): row for row in rows if len(row.body) <= LARGEST_BODY}
    if not by_digest:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_rejectedorder AS r
                (merchant_id, door, external_number, body, body_digest, errors, keep_until)
            SELECT %(merchant)s, %(door)s, external, convert_to(body, 'UTF8'), decode(digest, 'hex'), errors, %(until)s
            FROM unnest(%(external)s::text[], %(body)s::text[], %(digest)s::text[], %(errors)s::jsonb[])
                AS w(external, body, digest, errors)
            ORDER BY digest
            ON CONFLICT (merchant_id, body_digest) DO UPDATE SET times = r.times + 1, errors = EXCLUDED.errors,
                state = CASE r.state WHEN '{_DISCARDED}' THEN '{RejectedOrder.State.OPEN}' ELSE r.state END,
                body = CASE r.state WHEN '{_DISCARDED}' THEN EXCLUDED.body ELSE r.body END,
                last_at = now(), keep_until = EXCLUDED.keep_until
            """,
            {
                "merchant": merchant.pk,
                "door": door,
                "until": timezone.now() + timedelta(days=settings.REJECTED_ORDERS_KEPT_DAYS),
                "external": text_array(_storable(row.external_number)[:64] for row in by_digest.values()),
                "body": text_array(_sealed(row.body) for row in by_digest.values()),
                "digest": text_array(by_digest),
                "errors": text_array(
                    json.dumps(
                        [
                            {key: _storable(value) if value else None for key, value in error.as_dict().items()}
                            for error in row.errors
                        ]
                    )
                    for row in by_digest.values()
                ),
            },
        )


def _sealed(body: bytes) -> str:
    return secrecy.seal(_storable(body.decode(errors="replace"))).decode()


def _storable(text: str) -> str:
    """Without what PostgreSQL cannot hold: NUL, and halves of characters."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


@transaction.atomic
def replay(row_id: int, body: bytes | None, *, actor: Actor, version: int) -> Outcome:
    """Send the row in again, or `body` in its place. What is stored then, or was before, closes the row.

    Raises NotOpen, ChangedMeanwhile.
    """
    row = _locked(row_id, version)
    decoded = decode_strictly(body if body is not None else row.opened().encode())
    if not isinstance(decoded, OrderBody):
        outcome: Outcome = Refused(decoded)
    else:
        (outcome,) = place_orders([decoded], row.merchant, actor=actor)
    match outcome:
        case Refused(errors):
            row.errors = [{**error.as_dict(), "detail": _storable(error.detail)} for error in errors]
        case Placed() | Duplicate():
            row.order = Order.objects.visible_to(row.merchant).get(number=outcome.number)
            row.state = RejectedOrder.State.REPLAYED
    row.save(update_fields=["order", "state", "errors"])
    return outcome


@transaction.atomic
def discard(row_id: int, *, version: int) -> None:
    """The merchant does not want the row any more; its body is forgotten at once. Raises NotOpen, ChangedMeanwhile."""
    row = _locked(row_id, version)
    row.state, row.body = RejectedOrder.State.DISCARDED, None
    row.save(update_fields=["state", "body"])


def _locked(row_id: int, version: int) -> RejectedOrder:
    row = RejectedOrder.objects.select_for_update(of=("self",)).select_related("merchant").get(pk=row_id)
    check_version(row, version)
    if row.state != RejectedOrder.State.OPEN:
        raise NotOpen(_("This row is closed: %(state)s.") % {"state": row.get_state_display()})
    return row


def forget(limit: int = 10_000) -> int:
    """Delete up to `limit` rows whose time is over; returns how many."""
    old = RejectedOrder.objects.filter(keep_until__lt=timezone.now()).order_by("keep_until")
    return RejectedOrder.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()[0]
