"""Setting units aside for carts and quotes: for a while, or until the order that names them has its warehouses.

Units that are set aside are promised (`reserving`, kind `HOLD`): nobody else gets them. Rows of `StockHold` are locked
before stock; once an order took one over, its units are governed by the locks of the stock alone. Where the channel
sells ahead, a line for which there is too little may have units on order instead (`preselling`): the order that names
it waits for them like any other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from inventory import lots, preselling, reserving, sharing
from inventory.availability import available_sql
from inventory.hold_plans import Lack, NewHold, Plan, StockThere, plan_of
from inventory.models import (
    DemandKind,
    MovementNote,
    Reservation,
    Stock,
    StockHold,
    StockHoldLine,
    StockHoldState,
)
from inventory.reserving import Demand
from oms.common.copying import Rows, array, next_ids, write_tables
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.states import listed
from oms.common.work import nudging

FREE_STAGE = "free_holds"
_ACTIVE = Reservation.State.ACTIVE


class HoldIsOver(OmsError):
    """The units are set aside no more: given back, expired, or an order's."""

    code = "reservation_over"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The id of what was set aside (None: nothing), and what the lines lacked that got nothing."""

    hold_id: int | None
    lacking: Sequence[Lack]


@transaction.atomic
def set_aside(new: NewHold, *, actor: str) -> Outcome:
    """Set units aside, as far as they are there and the channel's share allows; a line gets all its units or none."""
    sku_ids = {item.sku_id for item in new.items}
    shares = sharing.shares(new.channel_id, sku_ids)
    # Where a share counts, what all warehouses have decides: it must not change meanwhile.
    is_locked = bool(shares)
    presold = {sku_id for sku_id, share in shares.items() if share.presale_percent}
    ahead = preselling.lock(presold) if presold else {}
    while True:
        stock = _stock_of(sku_ids, is_locked=is_locked)
        plan = plan_of(new, stock, shares, ahead)
        if not plan.pieces:
            return Outcome(None, plan.lacking)
        line_ids = next_ids("inventory_stockholdline", len(plan.pieces))
        demands = [
            Demand(0, line_id, stock_id, units)
            for line_id, (_item, stock_id, units) in zip(line_ids, plan.pieces, strict=True)
            if stock_id is not None
        ]
        mark = transaction.savepoint()
        if not demands or reserving.reserve(demands, kind=DemandKind.HOLD, actor=actor):
            return Outcome(_write(new, plan, line_ids, actor), plan.lacking)
        if is_locked:
            raise RuntimeError("stock that was locked and read had fewer units when it was to be promised")
        # Rows are locked in one order: who holds some of them and asks for all would wait for who does the same.
        transaction.savepoint_rollback(mark)
        is_locked = True


def _stock_of(sku_ids: Iterable[int], *, is_locked: bool) -> StockThere:
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


def _write(new: NewHold, plan: Plan, line_ids: Sequence[int], actor: str) -> int:
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
            "ahead": units if stock_id is None else None,
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


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Units of line `position` that go back; `sku` (a code) says of which of its goods, where it has several."""

    position: int
    units: int
    sku: str = ""


@transaction.atomic
def release_some(hold_id: int, wanted: Sequence[GivenBack], *, actor: str) -> StockHold:
    """Give some of the units back before their time, those on order first; once none is left it is over.

    Raises HoldIsOver, and WrongFields for lines that it does not have and for more units than are set aside.
    """
    hold = StockHold.objects.select_for_update(no_key=True, of=("self",)).get(pk=hold_id)
    if hold.state_now != StockHoldState.HELD:
        raise HoldIsOver(_("These units are set aside no more. Set them aside anew."))
    lines = list(StockHoldLine.objects.filter(hold=hold).select_related("sku").order_by("-pk"))
    reserving.lock_stock(line.stock_id for line in lines if line.stock_id is not None)
    active = Reservation.objects.active_for([line.pk for line in lines], DemandKind.HOLD)
    left = {line.pk: line.ahead or 0 for line in lines} | dict(active.values_list("demand_id", "quantity"))
    had = dict(left)
    wrong = [error for row, one in enumerate(wanted) for error in _take_back(row, one, lines, left)]
    if wrong:
        raise WrongFields(wrong)
    preselling.keep({line.pk: left[line.pk] for line in lines if line.stock_id is None})
    back: dict[int, int | None] = {
        line.pk: had[line.pk] - left[line.pk] for line in lines if line.stock_id and had[line.pk] > left[line.pk]
    }
    if reserving.release_units(back, kind=DemandKind.HOLD, actor=actor, note=MovementNote.GIVEN_BACK):
        nudging.nudge("wake")
    if any(left.values()):
        _note_change([hold_id])
    else:
        _close({hold_id: StockHoldState.RELEASED}, actor=actor, note=MovementNote.GIVEN_BACK)
    return StockHold.objects.get(pk=hold_id)


def _take_back(row: int, one: GivenBack, lines: Sequence[StockHoldLine], left: dict[int, int]) -> list[FieldError]:
    """Take the units off what the lines have `left`; what is wrong with the row, if anything."""
    fitting = [line for line in lines if line.position == one.position and one.sku in ("", line.sku.code)]
    if not fitting:
        return [FieldError(f"lines.{row}.line", "not_found", _("The reservation has no such line."))]
    if len({line.sku_id for line in fitting}) > 1:
        return [FieldError(f"lines.{row}.sku", "required", _("The line has several goods: say of which."))]
    if one.units > sum(left[line.pk] for line in fitting):
        return [FieldError(f"lines.{row}.quantity", "not_enough", _("So many units are not set aside any more."))]
    units = one.units
    for line in sorted(fitting, key=lambda line: line.stock_id is not None):
        taken = min(units, left[line.pk])
        left[line.pk] -= taken
        units -= taken
    return []


def _note_change(hold_ids: Iterable[int]) -> None:
    """Their units changed, though no column of theirs did: who asks what changed is to hear of it."""
    StockHold.objects.filter(pk__in=list(hold_ids)).update(expires_at=F("expires_at"))


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
    preselling.give_up(ends)
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
    _keep_ahead(wanted, have)
    surplus = _surplus(wanted, have)
    if surplus:
        # Until their stock is locked a count could take some of them away; more there will not be.
        reserving.lock_stock(piece.stock_id for each in have.values() for piece in each if piece.demand_id in surplus)
        surplus = _surplus(wanted, pieces(wanted))
    if reserving.release_units(surplus, kind=DemandKind.HOLD, actor=actor, note=MovementNote.GIVEN_BACK):
        nudging.nudge("wake")


def _keep_ahead(wanted: Mapping[int, Mapping[int, int] | None], have: Mapping[int, Sequence[Piece]]) -> None:
    """Of units on order orders keep what they want beyond what they have there. One statement, two where there are
    such units."""
    lines = StockHoldLine.objects.filter(hold__in=list(wanted), ahead__gt=0).order_by("pk")
    left = {
        hold_id: Counter(asked) - Counter[int](_by_sku(have.get(hold_id, ())))
        for hold_id, asked in wanted.items()
        if asked is not None
    }
    kept: dict[int, int] = {}
    for line_id, hold_id, sku_id, units in lines.values_list("pk", "hold_id", "sku_id", "ahead"):
        if hold_id in left:
            kept[line_id] = min(units or 0, left[hold_id][sku_id])
            left[hold_id][sku_id] -= kept[line_id]
    if kept:
        preselling.keep(kept)


def _by_sku(have: Iterable[Piece]) -> dict[int, int]:
    found: dict[int, int] = defaultdict(int)
    for piece in have:
        found[piece.sku_id] += piece.quantity
    return found


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
