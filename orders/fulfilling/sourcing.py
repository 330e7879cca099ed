"""What the rules choose for the plans of a batch: whom they ask, what these have, who sends.

Stock is read twice at most: of the warehouses that the first rule of each plan asks, and where these do not have
everything, of those that the other rules ask. Read without locks; see `allocating`.
"""

from collections.abc import Iterable, Mapping, Sequence

from django.db import connection

from inventory.availability import available_sql
from inventory.sourcing import choosing
from inventory.sourcing.choosing import Available
from inventory.sourcing.rulebook import Book
from oms.common.copying import array
from oms.common.money import to_fen
from orders.fulfilling.plans import Plan

# Stock id and units available, by warehouse and SKU id.
Stock = Mapping[tuple[int, int], tuple[int, int]]
_Pairs = set[tuple[int, int]]


def choose(book: Book, plans: Sequence[Plan]) -> Stock:
    """Put to each plan what the rules choose, the first plan first; returns the stock that was looked at.

    A plan that counted on what one before it took `is_overtaken`, and without a choice.
    """
    book.routes.prepare(plan.region_code for plan in plans)
    for plan in plans:
        _ask(book, plan)
    near = set[tuple[int, int]]().union(*(_pairs(plan, first_only=True) for plan in plans))
    stock = dict(read_stock(near))
    unread = _read_farther(plans, near, stock)
    available = {key: units for key, (_stock_id, units) in stock.items()}
    values = _read_values(plan for plan in plans if plan.rules.asks_for_values)
    for plan in plans:
        if plan.id in unread:
            plain = choosing.choose_one(plan.wants, plan.steps, available, set_id=plan.rules.set_id)
            plan.is_overtaken = plain is None
            plan.choice = plain or plan.choice
        else:
            plan.choice = choosing.choose(
                plan.wants, plan.steps, available, set_id=plan.rules.set_id, values_fen=values.get(plan.id)
            )
    return stock


def _ask(book: Book, plan: Plan) -> None:
    goods = (plan.merchant_id, plan.storage_class, plan.region_code)
    plan.rules = book.rules_for(plan.merchant_id, plan.channel_id, plan.storage_class)
    if plan.refused_by:
        plan.steps, plan.candidates = book.ask(plan.rules, *goods, refused=plan.refused_by)
        plan.refusing = [one for one in book.routes.candidates(*goods) if one.warehouse_id in plan.refused_by]
    else:
        plan.steps, plan.candidates = book.asked(plan.rules, *goods)


def _pairs(plan: Plan, *, first_only: bool = False) -> _Pairs:
    steps = plan.steps[:1] if first_only else plan.steps
    return {
        (one.warehouse_id, want.sku_id) for _rule, asked in steps for one in asked.candidates for want in plan.wants
    }


def _read_farther(plans: Sequence[Plan], near: _Pairs, stock: dict[tuple[int, int], tuple[int, int]]) -> set[int]:
    """Read what else may be needed, into `stock`; returns the plans (ids) for which it was not, by what there is."""
    available: Available = {key: units for key, (_stock_id, units) in stock.items()}
    unread: set[int] = set()
    wanted: _Pairs = set()
    for plan in plans:
        if len(plan.steps) < 2:
            continue
        if choosing.choose_one(plan.wants, plan.steps, available) is None:
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
