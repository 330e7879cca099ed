"""Repairs of broken invariants that are safe: figures counted anew, work given back to its stage, guards put back.

Each takes the numbers of the rows that break it, in the running transaction, and returns how many rows it changed. What
it does is worked out from what must hold, never typed in by anybody; doing it twice does no more than doing it once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.checking import known, running
from oms.common import states, stuck, tickets
from oms.common.errors import OmsError
from oms.common.models import InvariantCheck, InvariantRepair, Ticket
from oms.common.work import nudging
from payments.owing import derived

# So many rows are mended at once; the next press of the button takes the next ones.
MOST_ROWS = 500


class NothingToMend(OmsError):
    """It holds, or there is no safe repair."""

    code = "nothing_to_mend"


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair does, in words, and how: from the first two columns of the rows that break it."""

    words: Any
    run: Callable[[Sequence[tuple[str, str]]], int]


def _locked_orders(rows: Sequence[tuple[str, str]]) -> list[int]:
    """The orders of the rows, whose numbers are an order's or one derived from it, locked in their order."""
    numbers = sorted({number.split("-")[0] for number, _second in rows})
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM orders_order WHERE number = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [numbers])
        return [key for (key,) in cursor.fetchall()]


def _changed(statement: str, ids: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(ids)])
        return cursor.rowcount


def _count_holds(rows: Sequence[tuple[str, str]]) -> int:
    return _changed(
        """
        UPDATE orders_order o SET open_holds = h.count
        FROM (SELECT q.id, count(h.id) AS count FROM orders_order q
              LEFT JOIN orders_hold h ON h.order_id = q.id AND h.released_at IS NULL
              WHERE q.id = ANY(%s) GROUP BY q.id) AS h
        WHERE h.id = o.id AND o.open_holds <> h.count
        """,
        _locked_orders(rows),
    )


def _mark_held(rows: Sequence[tuple[str, str]]) -> int:
    return _changed(
        """
        UPDATE orders_suborder s SET is_held = o.open_holds > 0 FROM orders_order o
        WHERE o.id = ANY(%s) AND s.order_id = o.id AND s.is_held <> (o.open_holds > 0)
        """,
        _locked_orders(rows),
    )


def _count_returning(rows: Sequence[tuple[str, str]]) -> int:
    return _changed(
        """
        UPDATE orders_suborderline l SET returning_quantity = x.units
        FROM (SELECT p.id, coalesce(sum(r.open_quantity), 0) AS units FROM orders_suborderline p
              JOIN orders_suborder s ON s.id = p.sub_order_id
              LEFT JOIN orders_returnline r ON r.sub_order_line_id = p.id
              WHERE s.order_id = ANY(%s) GROUP BY p.id) AS x
        WHERE x.id = l.id AND l.returning_quantity <> x.units
        """,
        _locked_orders(rows),
    )


def _derive_payments(rows: Sequence[tuple[str, str]]) -> int:
    ids = _locked_orders(rows)
    derived.refresh(ids)
    return len(ids)


def _open_books(rows: Sequence[tuple[str, str]]) -> int:
    changed = _changed(
        "UPDATE orders_order SET owed_changed_since = now() WHERE id = ANY(%s) AND owed_changed_since IS NULL",
        _locked_orders(rows),
    )
    nudging.nudge("owing")
    return changed


def _open_tickets(rows: Sequence[tuple[str, str]]) -> int:
    by_kind: dict[str, list[int]] = {}
    for kind, key in rows:
        by_kind.setdefault(kind, []).append(int(key))
    for kind, keys in by_kind.items():
        code = tickets.kinds()[tickets.stuck_code(kind)]
        tickets.open_tickets(code, [tickets.Trouble(key) for key in sorted(keys)], opened_by=running.BY)
    return len(rows)


def _close_tickets(rows: Sequence[tuple[str, str]]) -> int:
    found = Ticket.objects.filter(pk__in=[int(key) for key, _kind in rows]).values_list("kind", "subject_id")
    by_kind: dict[str, list[int]] = {}
    for kind, subject in found:
        by_kind.setdefault(kind, []).append(subject)
    return sum(
        tickets.close_tickets([tickets.kinds()[kind]], sorted(subjects), closed_by=running.BY)
        for kind, subjects in by_kind.items()
    )


def _install_guards(rows: Sequence[tuple[str, str]]) -> int:
    tables = connection.introspection.table_names()
    states.install_triggers(connection, tables)
    stuck.install_triggers(connection, tables)
    return len(rows)


_BOOKS = Repair(gettext_lazy("Lets the books of these orders be worked out anew by their stage."), _open_books)
REPAIRS = {
    "open_holds_are_counted": Repair(gettext_lazy("Counts the open holds of these orders anew."), _count_holds),
    "sub_orders_know_whether_they_are_held": Repair(
        gettext_lazy("Marks the parts of these orders as held or not, by their holds."), _mark_held
    ),
    "units_in_returns_are_counted": Repair(
        gettext_lazy("Counts the units in open returns of these orders anew."), _count_returning
    ),
    "paid_is_the_sum_of_payments": Repair(
        gettext_lazy("Adds up payments and refunds of these orders anew."), _derive_payments
    ),
    "too_much_money_goes_back": _BOOKS,
    "cash_is_collected_at_the_door": _BOOKS,
    "completed_marketplace_sub_orders_are_settled": _BOOKS,
    "rows_that_need_a_person_have_a_ticket": Repair(gettext_lazy("Opens the tickets that lack."), _open_tickets),
    "tickets_of_stuck_rows_end_with_their_trouble": Repair(
        gettext_lazy("Closes the tickets whose trouble is over."), _close_tickets
    ),
    known.GUARDS.name: Repair(gettext_lazy("Puts the triggers back."), _install_guards),
}


@transaction.atomic
def mend(check_id: int, *, by: str, reason: str) -> InvariantRepair:
    """Mend what breaks the invariant now, MOST_ROWS rows at most, look at it again, and keep who did it and why.

    Raises NothingToMend, and OmsError where it breaks more rows than before: then nothing is changed.
    """
    row = InvariantCheck.objects.select_for_update().get(pk=check_id)
    repair, invariant = REPAIRS.get(row.name), known.BY_NAME.get(row.name)
    if repair is None or invariant is None:
        raise NothingToMend(_("There is no safe repair for this."))
    before = running.find(invariant)
    if before is None:
        running.check(invariant)
        raise NothingToMend(_("It holds by now: there is nothing to mend."))
    changed = repair.run(_rows(invariant.query, before.examples))
    after = running.check(invariant)
    if after.broken_rows > before.count:
        raise OmsError(_("More rows would break it than before; nothing was changed."))
    return InvariantRepair.objects.create(
        check_of=row,
        at=timezone.now(),
        by=by,
        reason=reason,
        rows_before=before.count,
        rows_changed=changed,
        rows_after=after.broken_rows,
    )


def _rows(query: str, examples: Sequence[str]) -> list[tuple[str, str]]:
    """The first two columns of what breaks it; of what is no query, the names that were found."""
    if not query:
        return [(name, "") for name in examples]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT b.* FROM ({query}) AS b LIMIT %s", [MOST_ROWS])
        return [(str(row[0]), str(row[1]) if len(row) > 1 else "") for row in cursor.fetchall()]
