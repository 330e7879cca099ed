"""Bundles (组合装) of which a part was cancelled and the others were not: what lacks never comes, so a person is told.

Parts of a bundle are allocated each for itself; what lacks follows later. Only a cancellation makes it final.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.models import Ticket, TicketState
from orders import kinds
from orders.models import SubOrderState

NAME = "tell_half_bundles"
# So far back cancellations are looked at, should the task not have run for a while.
LOOK_BACK = timedelta(days=1)

HALF_BUNDLE = tickets.register_kind(
    tickets.TicketKind(
        "half_bundle",
        _("Half a bundle"),
        "order",
        team="service",
        due_within=timedelta(hours=8),
        reasons={"": _("Of the bundle %(bundle)s the buyer gets %(goods)s only: the rest was cancelled.")},
        remedies=_(
            "Talk to the buyer: cancel or take back the units that lack their counterpart, or send what lacks by a"
            " re-issue. It closes by itself once what is left makes whole bundles."
        ),
        can_retry=False,
    )
)


@dataclass(frozen=True, slots=True)
class _Half:
    order_id: int
    bundle: str
    goods: str


@transaction.atomic
def run() -> int:
    """Open a ticket on each order that keeps half bundles since a cancellation, once for each, and close those of
    orders that do not any more; returns how many were opened."""
    told = set(
        Ticket.objects.filter(kind=HALF_BUNDLE.code, state=TicketState.OPEN).values_list("subject_id", flat=True)
    )
    new = _cancelled_lately() - told
    halves = {one.order_id: one for one in _halves(told | new)}
    tickets.close_tickets([HALF_BUNDLE], told - halves.keys(), closed_by=NAME)
    troubles = [
        tickets.Trouble(key, "", {"bundle": halves[key].bundle, "goods": halves[key].goods}, about_id=key)
        for key in sorted(new & halves.keys())
    ]
    tickets.open_tickets(HALF_BUNDLE, troubles, opened_by=NAME)
    return len(troubles)


def _cancelled_lately() -> set[int]:
    """Orders (ids) with bundles of which something was cancelled since their last ticket."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH cancelled AS (
                SELECT e.order_id, max(e.created_at) AS at FROM orders_orderevent e
                WHERE e.created_at > now() - make_interval(secs => %s) AND e.kind = ANY(%s::text[]) GROUP BY e.order_id
            )
            SELECT c.order_id FROM cancelled c
            WHERE EXISTS (SELECT FROM orders_orderline l WHERE l.order_id = c.order_id AND l.part_of IS NOT NULL)
              AND NOT EXISTS (SELECT FROM common_ticket t WHERE t.kind = %s AND t.subject_id = c.order_id
                              AND t.opened_at >= c.at)
            """,
            # Units that were cancelled by themselves are parted off first.
            [LOOK_BACK.total_seconds(), [kinds.SUB_ORDER_CANCELLED.code, kinds.PARTED.code], HALF_BUNDLE.code],
        )
        return {key for (key,) in cursor.fetchall()}


def _halves(order_ids: set[int]) -> list[_Half]:
    """The orders of which what is left of a bundle's parts makes no whole pieces; one bundle of each."""
    if not order_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH part AS (
                SELECT l.order_id, coalesce(l.part_of, l.position) AS head, l.position, l.caller_code, l.units_a_piece,
                    k.code, coalesce(sum(p.quantity) FILTER (WHERE s.state <> '{SubOrderState.CANCELLED}'), 0) AS units
                FROM orders_orderline l
                JOIN inventory_sku k ON k.id = l.sku_id
                JOIN orders_suborderline p ON p.order_line_id = l.id
                JOIN orders_suborder s ON s.id = p.sub_order_id
                WHERE l.order_id = ANY(%s::bigint[]) GROUP BY l.id, k.code
            )
            SELECT order_id, min(caller_code), string_agg(code || ' × ' || units, ', ' ORDER BY position) FROM part
            GROUP BY order_id, head
            HAVING count(*) > 1 AND min(units::numeric / units_a_piece) <> max(units::numeric / units_a_piece)
            ORDER BY order_id, head DESC
            """,
            [sorted(order_ids)],
        )
        return [_Half(*row) for row in cursor.fetchall()]
