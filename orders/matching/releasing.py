"""The match stage: orders whose codes are all matched get their SKUs and go on.

Whom a match may let go on is found by the code's mark (`SkuMatch.wakes_since`), which stays until every order that
waits for the code had a chance with what was said last. What is replaced is what intake would have stored: a line for
each part of what its code stands for, with exactly the line's money, checked as intake checks it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from inventory.cod import CodTerms, lying_with_us, takes_cod
from oms.common.copying import Rows, array, next_ids, records, write_tables
from oms.common.money import fen_text
from oms.common.work.claiming import Stage
from orders import actors, isolating, kinds
from orders.changing import charging
from orders.intake.apportionment import Shares
from orders.intake.checking import CheckedLine, unsold
from orders.intake.sharing import CannotBear, PromotionShare
from orders.matching import known, listing
from orders.matching.known import Known, Parts, Unfit
from orders.matching.parting import part_line
from orders.matching.waits import WaitingLine, WaitingOrder, read_lines, read_waits
from orders.models import Hold, PaymentMethod
from orders.models.hold import MatchProblem
from orders.models.shares import SHARES
from orders.reviewing import words

NAME = "match"
_DUE = """
    FROM orders_skumatch m JOIN orders_matchwait w ON w.match_id = m.id
    WHERE m.wakes_since IS NOT NULL AND w.tried_revision IS DISTINCT FROM m.revision
    ORDER BY m.wakes_since, w.id
"""


def run(limit: int) -> int:
    """Look at up to `limit` waits for codes that were matched; returns how many."""
    with connection.cursor() as cursor:
        # The order is locked before what belongs to it, so this only reads.
        cursor.execute(f"SELECT w.id, w.order_id {_DUE} LIMIT %s", [limit])
        found = cursor.fetchall()
    done = isolating.work_on(NAME, found, _work)
    if len(found) < limit:
        _take_marks_off()
    return done


def backlog() -> str:
    """Waits for codes that were matched."""
    return f"SELECT m.wakes_since AS due, {isolating.needs_person('w.order_id')} AS needs_person {_DUE}"


def _take_marks_off() -> None:
    """From codes for which nobody waits who had no chance yet. Who is only just storing an order with the code holds
    its row, and marks it again where need be (`waiting.begin`)."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT id FROM orders_skumatch WHERE wakes_since IS NOT NULL FOR UPDATE SKIP LOCKED")
        marked = [key for (key,) in cursor.fetchall()]
        if marked:
            cursor.execute(
                """
                UPDATE orders_skumatch m SET wakes_since = NULL WHERE m.id = ANY(%s::bigint[]) AND NOT EXISTS (
                    SELECT FROM orders_matchwait w
                    WHERE w.match_id = m.id AND w.tried_revision IS DISTINCT FROM m.revision)
                """,
                [array(marked)],
            )


@dataclass(slots=True)
class _Rows:
    """What is to be written, row by row."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    new_lines: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    priced: list[dict[str, Any]] = field(default_factory=list)
    promotions: list[dict[str, Any]] = field(default_factory=list)
    replaced_promotions: list[int] = field(default_factory=list)  # by the line's id
    events: list[dict[str, Any]] = field(default_factory=list)
    unfit: list[dict[str, Any]] = field(default_factory=list)


def _work(wait_ids: list[int], order_ids: list[int]) -> int:
    """Let those of the locked orders go on that can; as many statements for many orders as for one."""
    waiting = read_waits(order_ids)
    ready = [order for order in waiting.values() if not order.unmatched]
    if ready:
        read_lines({order.id: order for order in ready})
        goods = known.read((order.channel_id for order in ready), (code for order in ready for code in order.codes))
        _match(ready, goods, _with_us(ready, goods))
    _note_tried([order for order in waiting.values() if order.unmatched])
    return len(wait_ids)


def _with_us(orders: Iterable[WaitingOrder], goods: Known) -> frozenset[int]:
    """SKUs that lie in our warehouses; asked only where it decides whether an order may be paid on delivery."""
    asked = {
        part.sku.id
        for order in orders
        if order.payment_method == PaymentMethod.COD
        for code in order.codes
        for part in goods.get((order.channel_id, code), ())
        if part.sku.cod == CodTerms.IN_OUR_WAREHOUSES
    }
    return lying_with_us(asked) if asked else frozenset()


def _match(orders: Sequence[WaitingOrder], goods: Known, with_us: frozenset[int]) -> None:
    rows = _Rows()
    done, tried = [], []
    for order in orders:
        parts = {code: goods.get((order.channel_id, code), ()) for code in order.codes}
        unfit = [found for code in order.codes if (found := _unfit(order, code, parts[code], with_us))]
        replaced = None
        if all(parts.values()) and not unfit:
            replaced, unfit = _replace(order, parts)
        if replaced is None:
            tried.append(order)
            codes = [code for code in order.codes if not parts[code]]
            details = {"codes": codes, "unfit": [one.as_list() for one in unfit]}
            rows.unfit.append({"order_id": order.id, "details": details})
        else:
            done.append(order)
            _lay_out(order, parts, replaced, rows)
    _write(rows, [order.id for order in done])
    for order in done:
        if order.units_to_cancel:
            charging.take_back_unsent(order.id, actor=actors.job(NAME))
    _note_tried(tried)


def _unfit(order: WaitingOrder, code: str, parts: Parts, with_us: frozenset[int]) -> Unfit | None:
    """Why what the code stands for does not serve the order; as intake checks it."""
    if not_sold := unsold(code, parts):
        return not_sold
    for part in parts:
        if order.is_virtual and not part.sku.is_virtual:
            return Unfit(code, MatchProblem.NOT_VIRTUAL, part.sku.code)
        if code in order.unpriced and not part.list_price:
            return Unfit(code, MatchProblem.NO_PRICE, part.sku.code)
    if order.payment_method == PaymentMethod.COD:
        for part in parts:
            if not takes_cod(part.sku.cod, part.sku.id, with_us.__contains__):
                return Unfit(code, MatchProblem.NOT_FOR_COD, part.sku.code)
    return None


@dataclass(frozen=True, slots=True)
class _Parted:
    """What a line becomes: its new lines with their shares, and the shares of promotions with the promotion's id."""

    old: WaitingLine
    lines: list[CheckedLine]
    shares: list[Shares]
    promotions: list[tuple[int, PromotionShare]]


def _replace(order: WaitingOrder, parts: dict[str, Parts]) -> tuple[list[_Parted] | None, list[Unfit]]:
    """What each line becomes; None, and why, where the floor prices of the SKUs forbid it."""
    parted, unfit = [], []
    for line in order.lines:
        of_line = parts[line.checked.caller_code]
        promoted = [share for _promotion, share in line.promotions]
        checked, shares = _as_matched(line.checked, of_line), line.shares
        if line.checked.caller_code in order.unpriced:
            checked, shares = listing.priced(checked, shares, of_line)
        try:
            lines, sharing = part_line(checked, shares, promoted, adjustment_bearer=order.adjustment_bearer)
        except CannotBear:
            skus = ", ".join(part.sku.code for part in of_line if part.sku.floor_price)
            unfit.append(Unfit(line.checked.caller_code, MatchProblem.BELOW_FLOOR, skus))
            continue
        promotions = [(line.promotions[share.promotion][0], share) for share in sharing.promotions]
        parted.append(_Parted(line, lines, sharing.lines, promotions))
    return (None, unfit) if unfit else (parted, [])


def _as_matched(line: CheckedLine, parts: Parts) -> CheckedLine:
    """The line with what its code stands for. One that the caller gave no name, and was called by its code, is called
    as its SKU."""
    sku = parts[0].sku
    return CheckedLine(
        *(sku, sku.name if line.name == line.caller_code else line.name, line.quantity),
        *(line.unit_price, line.line_discount, line.goods_amount),
        external_id=line.external_id,
        is_gift=line.is_gift,
        stated_value=line.stated_value,
        caller_code="" if len(parts) == 1 and line.caller_code == sku.code else line.caller_code,
        parts=parts,
    )


def _lay_out(order: WaitingOrder, parts: dict[str, Parts], replaced: Sequence[_Parted], rows: _Rows) -> None:
    """Add the order's rows. Further parts stand after all lines; units that are to be cancelled are cancelled of every
    part."""
    position, added_units = order.line_count, 0
    to_cancel = dict(order.units_to_cancel)
    for parted in replaced:
        pieces = to_cancel.pop(str(parted.old.position), 0)
        added_units -= parted.old.checked.quantity
        for place, (line, shares) in enumerate(zip(parted.lines, parted.shares, strict=True)):
            position += place > 0
            row: dict[str, Any] = {"order_id": order.id, "position": position if place else parted.old.position}
            row |= _columns(line, shares) | {"place": (parted.old.id, place)}
            row["part_of"] = parted.old.position if place else None
            (rows.new_lines if place else rows.lines).append(row)
            added_units += line.quantity
            if pieces:
                to_cancel[str(row["position"])] = pieces * line.quantity // parted.old.checked.quantity
        if parted.promotions:
            rows.replaced_promotions.append(parted.old.id)
            rows.promotions += [
                {
                    "promotion_id": promotion_id,
                    "place": (parted.old.id, share.line),
                    "amount": fen_text(share.amount),
                    "platform_amount": fen_text(share.platform_amount),
                }
                for promotion_id, share in parted.promotions
            ]
    rows.orders.append(
        {
            "id": order.id,
            "line_count": position - order.line_count,
            "total_quantity": added_units,
            "units_to_cancel": to_cancel or None,
        }
    )
    if order.unpriced:
        added = sum(sum(s.goods for s in parted.shares) - parted.old.shares.goods for parted in replaced)
        rows.priced.append(listing.row(order.id, added, paid_at=order.paid_at))
    actor = actors.job(NAME)
    told = [[code, [[part.sku.code, part.units] for part in of_code]] for code, of_code in parts.items()]
    rows.events.append(
        {
            "order_id": order.id,
            "kind": kinds.MATCHED.code,
            "actor_kind": actor.kind.value,
            "actor": actor.name,
            "data": {"matches": told},
        }
    )


def _columns(line: CheckedLine, shares: Shares) -> dict[str, Any]:
    return {
        "sku_id": line.sku.id,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": fen_text(line.unit_price),
        "line_discount": fen_text(line.line_discount),
        "external_id": line.external_id,
        "is_gift": line.is_gift,
        "stated_value": fen_text(line.stated_value),
        "caller_code": line.caller_code,
        "units_a_piece": line.units_a_piece,
        **shares.columns(),
    }


_REPLACED = (
    *("sku_id", "name", "quantity", "unit_price", "line_discount", "stated_value", "caller_code", "units_a_piece"),
    *SHARES,
)


def _write(rows: _Rows, done: Sequence[int]) -> None:
    """Write what was laid out; the orders that are `done` are not held for this any more."""
    ids = {row["place"]: row["place"][0] for row in rows.lines}
    if rows.new_lines:
        for row, key in zip(rows.new_lines, next_ids("orders_orderline", len(rows.new_lines)), strict=True):
            row["id"] = ids[row["place"]] = key
    for row in rows.lines:
        row["id"] = ids[row["place"]]
    for row in rows.promotions:
        row["line_id"] = ids[row.pop("place")]
    for row in (*rows.lines, *rows.new_lines):
        del row["place"]
    with connection.cursor() as cursor:
        if rows.unfit:
            cursor.execute(
                f"""
                UPDATE orders_hold h SET details = p.details
                FROM json_populate_recordset(NULL::orders_hold, %s::json) AS p
                WHERE h.order_id = p.order_id AND h.kind = '{Hold.Kind.UNMATCHED}' AND h.released_at IS NULL
                """,
                [records(rows.unfit)],
            )
        if not done:
            return
        if rows.replaced_promotions:
            cursor.execute(
                "DELETE FROM orders_promotionshare WHERE line_id = ANY(%s::bigint[])",
                [array(rows.replaced_promotions)],
            )
        cursor.execute(
            f"""
            UPDATE orders_orderline l SET {", ".join(f"{column} = p.{column}" for column in _REPLACED)}
            FROM json_populate_recordset(NULL::orders_orderline, %s::json) AS p WHERE l.id = p.id
            """,
            [records(rows.lines)],
        )
        cursor.execute(
            """
            -- What the rules looked at is different now: the review begins anew.
            UPDATE orders_order o SET line_count = o.line_count + p.line_count, open_holds = o.open_holds - 1,
                total_quantity = o.total_quantity + p.total_quantity, units_to_cancel = p.units_to_cancel,
                reviewed_at = NULL
            FROM json_populate_recordset(NULL::orders_order, %s::json) AS p WHERE o.id = p.id
            """,
            [records(rows.orders)],
        )
        cursor.execute(
            f"""
            UPDATE orders_hold SET released_at = now(), released_by = '{NAME}', release_note = '{words.GOODS_MATCHED}'
            WHERE order_id = ANY(%s::bigint[]) AND kind = '{Hold.Kind.UNMATCHED}' AND released_at IS NULL
            """,
            [array(done)],
        )
        cursor.execute("DELETE FROM orders_matchwait WHERE order_id = ANY(%s::bigint[])", [array(done)])
    listing.write(rows.priced)
    write_tables(
        Rows("orders_orderline", rows.new_lines),
        Rows("orders_promotionshare", rows.promotions),
        Rows("orders_orderevent", rows.events),
    )


def _note_tried(orders: Sequence[WaitingOrder]) -> None:
    """These had their chance with what is said now."""
    tried = [{"id": wait, "tried_revision": revision} for order in orders for wait, revision in order.waits.items()]
    if not tried:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_matchwait w SET tried_revision = p.tried_revision
            FROM json_populate_recordset(NULL::orders_matchwait, %s::json) AS p WHERE w.id = p.id
            """,
            [records(tried)],
        )


STAGE = Stage(NAME, run, wakes=("review", "request_payment", "book_collected"), backlog=backlog)
