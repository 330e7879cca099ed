"""Which sub-orders of several orders may go in one parcel (合单), and why others may not.

The key is that of trade: the same shops of a merchant, buyer, recipient and way of paying, storage classes that may
travel together, and the same wishes. Where only the phone and the region of the recipient are the same, two are
suspected of belonging together: people see it, nothing merges them by itself.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from unicodedata import normalize

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import StorageClass
from oms.common.copying import array
from oms.common.masking import is_masked
from oms.common.states import listed
from orders.models import FulfilmentState, OrderState, SubOrderState
from orders.models.sub_order import BEFORE_RELEASE

# Of one recipient no more orders are looked at than these, the newest ones.
MOST_SIBLINGS = 20
_NOISE = re.compile(r"[\W_]+")
# Every other class travels by itself.
_TRAVEL_TOGETHER = {StorageClass.AMBIENT: "dry", StorageClass.GENERAL: "dry"}
_OPEN = (OrderState.IN_REVIEW, OrderState.READY_TO_SPLIT, OrderState.SPLIT)
_NOT_SHIPPED = (FulfilmentState.UNFULFILLED, FulfilmentState.PARTLY_SHIPPED)


class Fit(Enum):
    """Whether two sub-orders belong in one parcel."""

    CERTAIN = "certain"
    SUSPECTED = "suspected"
    NONE = "none"


OBSTACLES = {
    "not_split": gettext_lazy("it is not split yet"),
    "no_warehouse": gettext_lazy("no warehouse is chosen yet"),
    "released": gettext_lazy("its warehouse has it already"),
    "held": gettext_lazy("its order is held"),
    "leaving": gettext_lazy("it is being cancelled or moved"),
    "person": gettext_lazy("it waits for a person"),
    "presale": gettext_lazy("it is presale and waits for its date"),
    "forbidden": gettext_lazy("its channel forbids it"),
    "hidden": gettext_lazy("the platform hides its recipient"),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sub-order with what decides whether it may be merged; `sub_order_id` is None for an order that is not split.

    `who` is the recipient and the shops, None where nobody can know who receives it; `how` the way in which it must
    travel; `goods` who fulfils it and how it is kept, None while it is not split; `near` what makes two at least
    suspected. `by_itself`: its channel wants it merged without a person, and no person parted it.
    """

    order_id: int
    order_number: str
    sub_order_id: int | None
    number: str
    state: str
    warehouse_id: int | None
    group_id: int | None
    version: int
    who: tuple[object, ...] | None
    how: tuple[object, ...]
    goods: tuple[object, ...] | None
    near: tuple[object, ...]
    by_itself: bool
    obstacle: str | None

    @property
    def obstacle_text(self) -> str:
        """Why it cannot be merged now, in words; empty where it can."""
        return str(OBSTACLES[self.obstacle]) if self.obstacle else ""


def fit(one: Candidate, other: Candidate) -> Fit:
    """Whether two belong together, whatever is against merging them just now."""
    if one.order_id == other.order_id or one.how != other.how:
        return Fit.NONE
    if one.goods is not None and other.goods is not None and one.goods != other.goods:
        return Fit.NONE
    if one.who is not None and one.who == other.who:
        return Fit.CERTAIN
    return Fit.SUSPECTED if one.near == other.near else Fit.NONE


def recipient_key(
    name: str, phone: str, region: str | None, address: str, address_key: int
) -> tuple[object, ...] | None:
    """Who receives it and where, as it is compared; None where a platform hides any of it."""
    if any(map(is_masked, (name, phone, address))):
        return None
    return (_NOISE.sub("", normalize("NFKC", name)).lower(), phone, region, address_key)


def read(order_ids: Collection[int]) -> list[Candidate]:
    """The sub-orders of goods that these orders have, and the orders that are not split yet. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT o.id, o.number, o.version, s.id, coalesce(s.number, ''), coalesce(s.state, ''), s.warehouse_id,
                s.merge_group_id, s.merchant_id, s.storage_class,
                o.open_holds > 0, o.cancel_requested_at IS NOT NULL OR s.cancel_requested_at IS NOT NULL
                    OR s.moving_since IS NOT NULL, s.needs_person_since IS NOT NULL, s.ship_not_before,
                c.merchant_id, CASE WHEN c.merges_with = '' THEN c.id::text ELSE '=' || c.merges_with END, c.may_merge,
                c.merges_automatically AND NOT coalesce(s.goes_alone, false),
                o.buyer_reference, o.recipient_name, o.recipient_phone, o.region_id, o.recipient_address,
                o.address_key, o.payment_method, coalesce(t.merge_key, ''),
                ARRAY[coalesce(t.carrier, ''), coalesce(t.carrier_class, ''), coalesce(t.delivery_from::text, ''),
                    coalesce(t.delivery_until::text, '')]
            FROM orders_order o JOIN merchants_channel c ON c.id = o.channel_id
            LEFT JOIN orders_orderterms t ON t.order_id = o.id
            LEFT JOIN orders_suborder s ON s.order_id = o.id AND s.storage_class <> '{StorageClass.VIRTUAL}'
            WHERE o.id = ANY(%s::bigint[]) AND (s.id IS NOT NULL OR o.split_at IS NULL) ORDER BY o.id, s.id
            """,
            [array(order_ids)],
        )
        return [_candidate(*row) for row in cursor.fetchall()]


def _candidate(
    order_id: int,
    order_number: str,
    version: int,
    sub_order_id: int | None,
    number: str,
    state: str,
    warehouse_id: int | None,
    group_id: int | None,
    fulfiller_id: int | None,
    storage_class: str | None,
    is_held: bool,
    is_leaving: bool,
    is_stuck: bool,
    ship_not_before: datetime | None,
    merchant_id: int,
    shops: str,
    may_merge: bool,
    by_itself: bool,
    buyer: str,
    name: str,
    phone: str,
    region: str | None,
    address: str,
    address_key: int,
    payment_method: str,
    merge_key: str,
    wishes: list[str],
) -> Candidate:
    recipient = (merge_key,) if merge_key else recipient_key(name, phone, region, address, address_key)
    of_shops = (merchant_id, shops)
    obstacles = {
        "not_split": sub_order_id is None,
        "no_warehouse": state in BEFORE_RELEASE and state != SubOrderState.ALLOCATED,
        "released": bool(state) and state not in BEFORE_RELEASE,
        "held": is_held,
        "leaving": is_leaving,
        "person": is_stuck,
        "presale": ship_not_before is not None and ship_not_before > timezone.now(),
        "forbidden": not may_merge,
        "hidden": recipient is None,
    }
    kept = _TRAVEL_TOGETHER.get(StorageClass(storage_class), storage_class) if storage_class else None
    return Candidate(
        *(order_id, order_number, sub_order_id, number, state, warehouse_id, group_id, version),
        who=None if recipient is None else (*of_shops, buyer, *recipient),
        how=(payment_method, *wishes),
        goods=None if sub_order_id is None else (kept, fulfiller_id),
        near=(*of_shops, phone, region),
        by_itself=by_itself,
        obstacle=next((code for code, stands in obstacles.items() if stands), None),
    )


def siblings_of(order_ids: Collection[int]) -> Mapping[int, Collection[int]]:
    """Other orders (ids) to the same phone and region, or of the same merge key of the platform, of which something
    is not shipped yet, by order. One statement."""
    if not order_ids:
        return {}
    still_open = f"b.id <> a.id AND b.state IN ({listed(_OPEN)}) AND b.fulfilment_state IN ({listed(_NOT_SHIPPED)})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT a.id, near.id FROM orders_order a CROSS JOIN LATERAL (
                SELECT b.id FROM orders_order b
                WHERE b.recipient_phone = a.recipient_phone AND b.region_id = a.region_id AND {still_open}
                ORDER BY b.id DESC LIMIT {MOST_SIBLINGS}
            ) AS near
            WHERE a.id = ANY(%(ids)s::bigint[]) AND a.recipient_phone <> '' AND a.state IN ({listed(_OPEN)})
            UNION
            SELECT a.id, b.id FROM orders_orderterms ta JOIN orders_order a ON a.id = ta.order_id
            JOIN orders_orderterms tb ON tb.merge_key = ta.merge_key AND tb.merge_key <> ''
            JOIN orders_order b ON b.id = tb.order_id AND {still_open}
            WHERE a.id = ANY(%(ids)s::bigint[]) AND ta.merge_key <> ''
            """,
            {"ids": array(order_ids)},
        )
        found: dict[int, set[int]] = {}
        for order_id, other in cursor.fetchall():
            found.setdefault(order_id, set()).add(other)
    return found


@dataclass(frozen=True, slots=True)
class Match:
    """A sub-order of an order with one of another order that belongs, or may belong, into the same parcel."""

    own: Candidate
    other: Candidate
    fit: Fit

    @property
    def is_certain(self) -> bool:
        """Whether they go to the same recipient in the same way."""
        return self.fit == Fit.CERTAIN

    @property
    def other_state(self) -> str:
        """Where the other one is, in words."""
        return str(SubOrderState(self.other.state).label)

    @property
    def is_possible(self) -> bool:
        """Whether a person may merge them now."""
        return (
            self.fit == Fit.CERTAIN
            and self.own.obstacle is None
            and self.other.obstacle is None
            and self.own.warehouse_id == self.other.warehouse_id
        )

    @property
    def why_not(self) -> str:
        """Why they cannot be merged now, in words; empty where they can."""
        if self.own.obstacle or self.other.obstacle:
            one = self.own if self.own.obstacle else self.other
            return _("%(number)s: %(obstacle)s") % {
                "number": one.number or one.order_number,
                "obstacle": one.obstacle_text,
            }
        if self.fit == Fit.SUSPECTED:
            return _("the addresses, names or buyers differ")
        if self.own.warehouse_id != self.other.warehouse_id:
            return _("they are at different warehouses: move one of them first")
        return ""


def matches_of(order_ids: Collection[int]) -> Mapping[int, list[Match]]:
    """What of other orders belongs, or may belong, into a parcel with something of these orders, by order. Two
    statements, however many orders."""
    siblings = siblings_of(order_ids)
    everybody = {order_id for order_id, others in siblings.items() if others}.union(*siblings.values())
    by_order: dict[int, list[Candidate]] = {}
    for candidate in read(everybody):
        by_order.setdefault(candidate.order_id, []).append(candidate)
    return {order_id: _matches(order_id, others, by_order) for order_id, others in siblings.items()}


def _matches(order_id: int, others: Iterable[int], by_order: Mapping[int, list[Candidate]]) -> list[Match]:
    found = []
    for own in by_order.get(order_id, ()):
        if own.obstacle == "released":
            continue
        for other_id in sorted(others):
            for other in by_order.get(other_id, ()):
                how = fit(own, other)
                if how != Fit.NONE and other.obstacle != "released":
                    found.append(Match(own, other, how))
    return found
