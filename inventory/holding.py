"""Setting units aside for carts and quotes: for a while, or until the order that names them has its warehouses.

Units that are set aside are promised (`reserving`, kind `HOLD`): nobody else gets them. Rows of `StockHold` are locked
before stock; once an order took one over, its units are governed by the locks of the stock alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from inventory import lots, reserving, sharing
from inventory.availability import available_sql
from inventory.models import (
    DemandKind,
    HoldPurpose,
    MovementNote,
    Reservation,
    Stock,
    StockHold,
    StockHoldLine,
    StockHoldState,
)
from inventory.reserving import Demand
from inventory.sourcing import rulebook
from inventory.sourcing.asking import Step
from inventory.sourcing.choosing import choose
from inventory.sourcing.rulebook import Book
from inventory.sourcing.rules import Want
from oms.common.copying import Rows, array, next_ids, write_tables
from oms.common.errors import OmsError
from oms.common.states import listed
from oms.common.work import nudging

FREE_STAGE = "free_holds"
_ACTIVE = Reservation.State.ACTIVE


class HoldIsOver(OmsError):
    """The units are set aside no more: given back, expired, or an order's."""

    code = "reservation_over"


@dataclass(frozen=True, slots=True)
class Item:
    """Units of a SKU that line `position` wants, under the caller's `code`; a bundle's line has several items."""

    position: int
    code: str
    sku_id: int
    merchant_id: int
    storage_class: str
    quantity: int


@dataclass(frozen=True, slots=True)
class NewHold:
    """What a channel wants to set aside for so many seconds. With `is_whole` all lines are granted or none."""

    merchant_id: int
    channel_id: int
    purpose: HoldPurpose
    items: Sequence[Item]
    seconds: int
    is_whole: bool = True
    region_code: str | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """A SKU of which line `position` wants more than it could have."""

    position: int
    sku_id: int
    units: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The id of what was set aside (None: nothing), and what the lines lacked that got nothing."""

    hold_id: int | None
    lacking: Sequence[Lack]


@dataclass(slots=True)
class _Plan:
    """What would be taken from where: stock row and units, by item; and what is lacking."""

    pieces: list[tuple[Item, int, int]] = field(default_factory=list)
    lacking: list[Lack] = field(default_factory=list)


@transaction.atomic
def set_aside(new: NewHold, *, actor: str) -> Outcome:
    """Set units aside, as far as they are there and the channel's share allows; a line gets all its units or none."""
    sku_ids = {item.sku_id for item in new.items}
    shares = sharing.shares(new.channel_id, sku_ids)
    # Where a share counts, what all warehouses have decides: it must not change meanwhile.
    is_locked = bool(shares)
    while True:
        stock = _stock_of(sku_ids, is_locked=is_locked)
        plan = _plan(new, stock, shares)
        if not plan.pieces:
            return Outcome(None, plan.lacking)
        line_ids = next_ids("inventory_stockholdline", len(plan.pieces))
        demands = [
            Demand(0, line_id, stock_id, units)
            for line_id, (_item, stock_id, units) in zip(line_ids, plan.pieces, strict=True)
        ]
        mark = transaction.savepoint()
        if reserving.reserve(demands, kind=DemandKind.HOLD, actor=actor):
            return Outcome(_write(new, plan, line_ids, actor), plan.lacking)
        if is_locked:
            raise RuntimeError("stock that was locked and read had fewer units when it was to be promised")
        # Rows are locked in one order: who holds some of them and asks for all would wait for who does the same.
        transaction.savepoint_rollback(mark)
        is_locked = True


_Stock = Mapping[tuple[int, int], tuple[int, int]]
_Pieces = list[tuple[Item, int, int]]


def _stock_of(sku_ids: Iterable[int], *, is_locked: bool) -> _Stock:
    """(stock id, units that can be promised) by (warehouse id, SKU id), at warehouses in use; locked on request."""
    if is_locked:
        reserving.lock_stock(Stock.objects.filter(sku__in=list(sku_ids)).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.warehouse_id, s.sku_id, s.id, {available_sql("s")}, s.keeps_lots
            FROM inventory_stock s JOIN inventory_warehouse h ON h.id = s.warehouse_id AND h.is_active
            WHERE s.sku_id = ANY(%s::bigint[])
            """,
            [array(sku_ids)],
        )
        rows = cursor.fetchall()
    with_lots = [stock for _warehouse, _sku, stock, _units, keeps_lots in rows if keeps_lots]
    # Of what is in batches only those count that may still be sold.
    least = lots.sellable(with_lots) if with_lots else {}
    return {(place, sku): (stock, min(units, least.get(stock, units))) for place, sku, stock, units, _keeps in rows}


_Find = Callable[[int, str], Sequence[Step]]


def _steps(book: Book, new: NewHold, merchant_id: int, storage_class: str) -> Sequence[Step]:
    """Whom the rules ask; where nobody knows yet where the goods go, those that serve the whole country come first."""
    rules = book.rules_for(merchant_id, new.channel_id, storage_class)
    return book.asked(rules, merchant_id, storage_class, new.region_code).steps


def _plan(new: NewHold, stock: _Stock, shares: Mapping[int, sharing.Share]) -> _Plan:
    book = rulebook.current()
    book.routes.prepare({new.region_code})
    find: _Find = partial(_steps, book, new)
    in_all: dict[int, int] = defaultdict(int)
    for (_warehouse, sku_id), (_stock, units) in stock.items():
        in_all[sku_id] += units
    most = {sku_id: sharing.sellable(in_all[sku_id], share) for sku_id, share in shares.items()}
    available = {key: units for key, (_stock_id, units) in stock.items()}
    plan = _Plan()
    lines: dict[int, list[Item]] = defaultdict(list)
    for item in new.items:
        lines[0 if new.is_whole else item.position].append(item)
    for items in lines.values():
        pieces, lacking = _plan_together(items, find, available, most)
        plan.lacking += lacking
        if not lacking:
            plan.pieces += [(item, stock[warehouse, item.sku_id][0], units) for item, warehouse, units in pieces]
    return plan


def _plan_together(
    items: Sequence[Item], find: _Find, available: dict[tuple[int, int], int], most: dict[int, int]
) -> tuple[_Pieces, list[Lack]]:
    """Where all these items would come from (item, warehouse, units), taken off `available` and `most`; nothing is
    taken where something is lacking."""
    before, before_most = dict(available), dict(most)
    kinds: dict[tuple[int, str], list[int]] = defaultdict(list)
    lacking: list[Lack] = []
    for index, item in enumerate(items):
        kinds[item.merchant_id, item.storage_class].append(index)
        if item.sku_id in most:
            if item.quantity > most[item.sku_id]:
                lacking.append(Lack(item.position, item.sku_id, most[item.sku_id]))
            most[item.sku_id] -= min(item.quantity, most[item.sku_id])
    pieces: _Pieces = []
    for (merchant_id, storage_class), indexes in kinds.items():
        wants = [Want(index, items[index].sku_id, items[index].quantity) for index in indexes]
        choice = choose(wants, find(merchant_id, storage_class), available)
        took: dict[int, int] = defaultdict(int)
        for candidate, takes in choice.parts:
            pieces += [(items[take.line_id], candidate.warehouse_id, take.quantity) for take in takes]
            for take in takes:
                took[take.line_id] += take.quantity
        lacking += [
            Lack(items[index].position, items[index].sku_id, took[index])
            for index in indexes
            if took[index] < items[index].quantity
        ]
    if lacking:
        available.update(before)
        most.update(before_most)
    return pieces, lacking


def _write(new: NewHold, plan: _Plan, line_ids: Sequence[int], actor: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO inventory_stockhold
                (merchant_id, channel_id, purpose, reference, region_id, created_by, created_at, expires_at)
            VALUES (%s, %s, %s, %s, %s, %s, now(), now() + make_interval(secs => %s)) RETURNING id
            """,
            [new.merchant_id, new.channel_id, new.purpose, new.reference, new.region_code or None, actor, new.seconds],
        )
        (hold_id,) = cursor.fetchone()
    rows = [
        {
            "id": line_id,
            "hold_id": hold_id,
            "position": item.position,
            "code": item.code,
            "sku_id": item.sku_id,
            "stock_id": stock_id,
            "quantity": units,
        }
        for line_id, (item, stock_id, units) in zip(line_ids, plan.pieces, strict=True)
    ]
    write_tables(Rows("inventory_stockholdline", rows))
    return hold_id


def extend(hold_id: int, seconds: int) -> StockHold:
    """Let it last so long from now, but not longer in all than its purpose allows; never shorter. Raises HoldIsOver."""
    most = " ".join(f"WHEN '{purpose}' THEN {seconds:d}" for purpose, seconds in settings.MOST_HOLD_SECONDS.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE inventory_stockhold SET expires_at = greatest(expires_at, least(
                clock_timestamp() + make_interval(secs => %s),
                created_at + make_interval(secs => CASE purpose {most} END)))
            WHERE id = %s AND state = '{StockHoldState.HELD}' AND expires_at > clock_timestamp()
            """,
            [seconds, hold_id],
        )
        if not cursor.rowcount:
            raise HoldIsOver(_("These units are set aside no more. Set them aside anew."))
    return StockHold.objects.get(pk=hold_id)


@transaction.atomic
def release(hold_id: int, *, actor: str) -> StockHold:
    """Give the units back before their time. What has none any more stays as it is; raises HoldIsOver where an order
    has them: they go back with it."""
    hold = StockHold.objects.select_for_update(no_key=True, of=("self",)).get(pk=hold_id)
    if hold.state in (StockHoldState.ORDERED, StockHoldState.USED):
        raise HoldIsOver(_("An order has these units; they go back when it is cancelled."))
    if hold.state == StockHoldState.HELD:
        _close({hold_id: StockHoldState.RELEASED}, actor=actor, note=MovementNote.GIVEN_BACK)
    return StockHold.objects.get(pk=hold_id)


@transaction.atomic
def expire(limit: int) -> int:
    """Give back up to `limit` of those whose time is over, by the database's clock; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id FROM inventory_stockhold
            WHERE state = '{StockHoldState.HELD}' AND expires_at <= statement_timestamp()
            ORDER BY expires_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
            """,
            [limit],
        )
        due = [key for (key,) in cursor.fetchall()]
    _close(dict.fromkeys(due, StockHoldState.EXPIRED), actor=FREE_STAGE, note=MovementNote.EXPIRED)
    return len(due)


def finish(ends: Mapping[int, StockHoldState]) -> None:
    """End locked ones that orders took over, each as told; what they still have goes back."""
    _close(ends, actor=FREE_STAGE, note=MovementNote.GIVEN_BACK)


def _close(ends: Mapping[int, StockHoldState], *, actor: str, note: MovementNote) -> None:
    """End locked ones that are open, in few statements whatever their number."""
    if not ends:
        return
    for state in sorted(set(ends.values())):
        ids = [hold_id for hold_id, end in ends.items() if end == state]
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE inventory_stockhold SET state = %s, closed_at = now(), closed_by = %s"
                " WHERE id = ANY(%s::bigint[])",
                [state.value, actor, array(ids)],
            )
    lines = StockHoldLine.objects.filter(hold__in=list(ends)).values_list("pk", flat=True)
    if reserving.release(list(lines), kind=DemandKind.HOLD, actor=actor, note=note):
        nudging.nudge("wake")


@dataclass(frozen=True, slots=True)
class Piece:
    """Units of a stock row that are set aside now, by the line (`demand_id`) that has them."""

    demand_id: int
    stock_id: int
    warehouse_id: int
    sku_id: int
    quantity: int


def pieces(hold_ids: Iterable[int]) -> dict[int, list[Piece]]:
    """What each has now that an order can still get, in the order of its lines: nothing of lines of which a batch is
    expired, which the next sweep gives back. One statement, and one more where batches are kept."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT l.hold_id, l.id, r.stock_id, s.warehouse_id, s.sku_id, r.quantity, s.keeps_lots
            FROM inventory_stockholdline l
            JOIN inventory_reservation r ON r.demand_id = l.id AND r.demand_kind = '{DemandKind.HOLD}'
                AND r.state = '{_ACTIVE}'
            JOIN inventory_stock s ON s.id = r.stock_id
            WHERE l.hold_id = ANY(%s::bigint[]) ORDER BY l.id
            """,
            [array(hold_ids)],
        )
        rows = [(hold_id, Piece(*piece), keeps_lots) for hold_id, *piece, keeps_lots in cursor.fetchall()]
    with_lots = [piece.demand_id for _hold_id, piece, keeps_lots in rows if keeps_lots]
    expired = lots.having_expired(with_lots, DemandKind.HOLD) if with_lots else set()
    found: dict[int, list[Piece]] = defaultdict(list)
    for hold_id, piece, _keeps in rows:
        if piece.demand_id not in expired:
            found[hold_id].append(piece)
    return found


def lock_usable(hold_ids: Iterable[int], merchant_id: int) -> set[int]:
    """Lock those of the merchant's that an order may take over now, until the transaction ends; returns them."""
    ids = array(hold_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM inventory_stockhold WHERE id = ANY(%s::bigint[]) AND merchant_id = %s"
            " ORDER BY id FOR NO KEY UPDATE",
            [ids, merchant_id],
        )
        # Once more, by the clock of now: the one above may have waited.
        cursor.execute(
            f"SELECT id FROM inventory_stockhold WHERE id = ANY(%s::bigint[]) AND merchant_id = %s"
            f" AND state = '{StockHoldState.HELD}' AND expires_at > clock_timestamp()",
            [ids, merchant_id],
        )
        return {key for (key,) in cursor.fetchall()}


def hand_over(wanted: Mapping[int, Mapping[int, int] | None], *, actor: str) -> None:
    """Let orders have locked ones: `wanted` says by id how many units of each SKU (id) the order wants (None: it is not
    known yet). What it does not want goes back at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE inventory_stockhold SET state = '{StockHoldState.ORDERED}' WHERE id = ANY(%s::bigint[])",
            [array(wanted)],
        )
    have = pieces(wanted)
    surplus = _surplus(wanted, have)
    if surplus:
        # Until their stock is locked a count could take some of them away; more there will not be.
        reserving.lock_stock(piece.stock_id for each in have.values() for piece in each if piece.demand_id in surplus)
        surplus = _surplus(wanted, pieces(wanted))
    if reserving.release_units(surplus, kind=DemandKind.HOLD, actor=actor, note=MovementNote.GIVEN_BACK):
        nudging.nudge("wake")


def _surplus(
    wanted: Mapping[int, Mapping[int, int] | None], have: Mapping[int, Sequence[Piece]]
) -> dict[int, int | None]:
    """Units by demand that orders do not want of what is set aside for them."""
    surplus: dict[int, int | None] = {}
    for hold_id, each in have.items():
        asked = wanted[hold_id]
        if asked is None:
            continue
        left = dict(asked)
        for piece in each:
            used = min(piece.quantity, left.get(piece.sku_id, 0))
            left[piece.sku_id] = left.get(piece.sku_id, 0) - used
            if used < piece.quantity:
                surplus[piece.demand_id] = piece.quantity - used
    return surplus


def give_way(stock_id: int, units: int, *, actor: str) -> int:
    """Take up to so many set-aside units of a locked stock row away, because they are not there: those of carts and
    quotes first, then those of orders, the youngest first. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT l.id, r.quantity FROM inventory_reservation r
            JOIN inventory_stockholdline l ON l.id = r.demand_id JOIN inventory_stockhold h ON h.id = l.hold_id
            WHERE r.stock_id = %s AND r.demand_kind = '{DemandKind.HOLD}' AND r.state = '{_ACTIVE}'
            ORDER BY h.state IN ({listed([StockHoldState.ORDERED])}), l.id DESC
            """,
            [stock_id],
        )
        rows = cursor.fetchall()
    taken: dict[int, int | None] = {}
    open_units = units
    for line_id, quantity in rows:
        if open_units <= 0:
            break
        taken[line_id] = min(quantity, open_units)
        open_units -= min(quantity, open_units)
    return reserving.release_units(taken, kind=DemandKind.HOLD, actor=actor, note=MovementNote.STOCK_TAKE)
