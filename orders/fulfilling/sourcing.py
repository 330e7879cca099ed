"""What the rules choose for the plans of a batch: whom they ask, what these have, who sends.

Stock is read twice at most: of the warehouses that the first rule of each plan asks, and where these do not have
everything, of those that the other rules ask. Read without locks; see `allocating`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import connection
from django.utils import timezone

from inventory.availability import available_sql
from inventory.models import OnNone, OnPartial
from inventory.promising import tables
from inventory.promising.freight import Measures
from inventory.promising.offering import Parcel
from inventory.sourcing import asking as rules_asking
from inventory.sourcing import choosing, today
from inventory.sourcing.asking import Step
from inventory.sourcing.choosing import Available
from inventory.sourcing.rulebook import Book
from inventory.sourcing.rules import Candidate, Rule, Standing
from inventory.sourcing.today import Trip
from oms.common.copying import array
from oms.common.money import to_fen
from orders.fulfilling import set_aside
from orders.fulfilling.plans import Plan
from orders.intake.terms import carriers_in_use
from orders.promising.measuring import SIZE

# Stock id and units available, by warehouse and SKU id.
Stock = Mapping[tuple[int, int], tuple[int, int]]
_Pairs = set[tuple[int, int]]


def ask(book: Book, plans: Sequence[Plan]) -> None:
    """Put to each plan whom its rules ask."""
    book.routes.prepare(plan.region_code for plan in plans)
    asking = _Asking(book, plans)
    for plan in plans:
        asking.ask(plan)


def choose(plans: Sequence[Plan], own: set_aside.Own) -> Stock:
    """Put to each plan what its rules choose, the first plan first; returns the stock that was looked at.

    `own` is what is set aside for a plan, by its id: nobody else may use it. A plan that counted on what one before it
    took `is_overtaken`, and without a choice.
    """
    near = set[tuple[int, int]]().union(*(_pairs(plan, first_only=True) for plan in plans))
    stock = dict(read_stock(near))
    unread = _read_farther(plans, near, stock, own)
    available = {key: units for key, (_stock_id, units) in stock.items()}
    values = _read_values(plan for plan in plans if plan.rules.asks_for_values)
    for plan in plans:
        pieces = own.get(plan.id, ())
        set_aside.offer(pieces, available)
        if plan.id in unread:
            plain = choosing.choose_one(plan.wants, plan.steps, available, set_id=plan.rules.set_id)
            plan.is_overtaken = plain is None
            plan.choice = plain or plan.choice
        else:
            plan.choice = choosing.choose(
                plan.wants, plan.steps, available, set_id=plan.rules.set_id, values_fen=values.get(plan.id)
            )
        set_aside.take_back(pieces, plan.choice, available)
    return stock


class _Asking:
    """Whom rules ask for the plans of a batch; how things stand today is read only where a rule wants to know."""

    def __init__(self, book: Book, plans: Sequence[Plan]) -> None:
        for plan in plans:
            plan.rules = book.rules_for(plan.merchant_id, plan.channel_id, plan.storage_class)
        self.book = book
        self.standings: Mapping[str, Mapping[int, Standing]] = {}
        self.trips: Mapping[int, Trip] = {}
        by_day = [plan for plan in plans if plan.rules.asks_about_the_day]
        by_way = [plan for plan in plans if plan.rules.asks_about_the_way]
        if by_day or by_way:
            self.known, self.now = tables.current(book.version), timezone.now()
        if by_day:
            classes = {plan.storage_class for plan in by_day}
            self.standings = today.standings(self.known, book.routes.standings, classes, self.now)
        if by_way:
            self.carriers = carriers_in_use()
            self.trips = read_trips(by_way, self.now)

    def ask(self, plan: Plan) -> None:
        """Put to the plan whom its rules ask."""
        goods = (plan.merchant_id, plan.storage_class, plan.region_code)
        standings, trip = self.standings.get(plan.storage_class), self.trips.get(plan.id)
        refused = plan.refused_by or ()
        moved = plan.avoids or plan.wished_id is not None
        if not refused and not moved and not (plan.rules.asks_about_the_day or trip):
            plan.steps, plan.candidates = self.book.asked(plan.rules, *goods)
            return
        candidates = self.book.routes.candidates(*goods)
        ways = today.ways(self.known, trip, candidates, self.carriers, self.now) if trip else None
        plan.steps, plan.candidates = self.book.ask(plan.rules, *goods, standings=standings, ways=ways, refused=refused)
        plan.refusing = [one for one in candidates if one.warehouse_id in refused]
        if moved:
            avoiding = self.book.ask(
                plan.rules, *goods, standings=standings, ways=ways, refused=refused, avoided=plan.avoids or ()
            )
            plan.steps = [*_wished(plan, candidates), *_whole_only(avoiding.steps), *plan.steps]


def _wished(plan: Plan, candidates: Sequence[Candidate]) -> Iterator[Step]:
    """The warehouse that a person chose comes before all rules, where it has everything."""
    chosen = [one for one in candidates if one.warehouse_id == plan.wished_id]
    if chosen:
        rule = Rule(0, on_partial=OnPartial.NEXT)
        yield rule, rules_asking.ask(rule, chosen, province="", standings={}, refused=plan.refused_by or ())


def _whole_only(steps: Iterable[Step]) -> Iterator[Step]:
    """The same, but only for who has everything."""
    for rule, asked in steps:
        yield replace(rule, max_parcels=1, on_partial=OnPartial.NEXT, on_none=OnNone.NEXT), asked


def read_trips(plans: Sequence[Plan], now: datetime) -> dict[int, Trip]:
    """What is to be brought where for each plan that goes to a region, by its id."""
    by_id = {plan.id: plan for plan in plans if plan.region_code is not None}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.weight_g, size.volume_cm3, size.longest_side_cm, o.promise,
                greatest(coalesce(o.paid_at, o.reviewed_at, o.created_at), s.ship_not_before),
                coalesce(t.sign_by, t.delivery_until)
            FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
            LEFT JOIN orders_orderterms t ON t.order_id = s.order_id
            {SIZE}
            WHERE s.id = ANY(%s::bigint[])
            """,
            [array(by_id)],
        )
        return {
            key: Trip(
                Parcel(0, by_id[key].storage_class, Measures(*measures)),
                by_id[key].region_code or "",
                wish,
                max(starts_at, now),
                promised_by,
            )
            for key, *measures, wish, starts_at, promised_by in cursor.fetchall()
        }


def _pairs(plan: Plan, *, first_only: bool = False) -> _Pairs:
    steps = plan.steps[:1] if first_only else plan.steps
    return {
        (one.warehouse_id, want.sku_id) for _rule, asked in steps for one in asked.candidates for want in plan.wants
    }


def _read_farther(
    plans: Sequence[Plan], near: _Pairs, stock: dict[tuple[int, int], tuple[int, int]], own: set_aside.Own
) -> set[int]:
    """Read what else may be needed, into `stock`; returns the plans (ids) for which it was not, by what there is."""
    available: Available = {key: units for key, (_stock_id, units) in stock.items()}
    unread: set[int] = set()
    wanted: _Pairs = set()
    for plan in plans:
        if len(plan.steps) < 2:
            continue
        pieces = own.get(plan.id, ())
        set_aside.offer(pieces, available)
        plain = choosing.choose_one(plan.wants, plan.steps, available, set_id=plan.rules.set_id)
        set_aside.take_back(pieces, plain or choosing.NOTHING_CHOSEN, available)
        if plain is None:
            wanted |= _pairs(plan)
        else:
            unread.add(plan.id)
    stock.update(read_stock(wanted - near))
    return unread


def read_stock(pairs: _Pairs) -> Stock:
    """What there is of these (warehouse id, SKU id)."""
    if not pairs:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.warehouse_id, s.sku_id, s.id, {available_sql("s")}
            FROM unnest(%s::bigint[], %s::bigint[]) AS wanted(warehouse_id, sku_id)
            -- LATERAL with a LIMIT: look each pair up in the index, however many rows the table has.
            CROSS JOIN LATERAL (
                SELECT * FROM inventory_stock s
                WHERE s.sku_id = wanted.sku_id AND s.warehouse_id = wanted.warehouse_id LIMIT 1
            ) AS s
            """,
            [array([warehouse for warehouse, _sku in pairs]), array([sku for _warehouse, sku in pairs])],
        )
        return {(warehouse, sku): (stock, units) for warehouse, sku, stock, units in cursor.fetchall()}


def _read_values(plans: Iterable[Plan]) -> Mapping[int, dict[int, int]]:
    """What the goods of each line are worth (fen), by plan and line id."""
    ids = [plan.id for plan in plans]
    if not ids:
        return {}
    found: dict[int, dict[int, int]] = {key: {} for key in ids}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sub_order_id, id, goods_amount FROM orders_suborderline WHERE sub_order_id = ANY(%s::bigint[])",
            [array(ids)],
        )
        for key, line_id, amount in cursor.fetchall():
            found[key][line_id] = to_fen(amount)
    return found
