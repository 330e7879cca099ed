"""What the channel says became of the rows of an order: those that it closed, refunded or sent already are left out."""

import re
from collections.abc import Mapping

from django.utils.translation import gettext as _

from oms.common.errors import FieldError
from orders.intake.cells import Standing, standing
from orders.intake.columns import BY_NAME
from orders.intake.import_kinds import ROW_LEFT_OUT, Entry

# Columns of states; a row that leaves one of the inherited ones empty has that of the order's first row that fills it.
# A refund is of its row alone.
_INHERITED = ("order_status", "payment_status", "cancelled_at")
_COLUMNS = (*_INHERITED, "refund_status")

# What stands in place of an order number in the row that adds the others up.
_TOTALS = re.compile(r"(?:合计|总计|小计|汇总|共计|total|sum)\s*[:：]?.{0,10}", re.IGNORECASE)


def leave_out(entry: Entry) -> set[Standing]:
    """Drop the rows of the entry that the channel is done with, and rows of totals, with a note each; what the others'
    states say.

    Of an entry of which nothing is left, `is_left_out` is set and every row stays, for the report. A state that a
    person has to look at first is an error.
    """
    if _TOTALS.fullmatch(entry.key) and not any("sku" in values for values in entry.cells):
        entry.is_left_out, entry.dropped_rows = True, len(entry.rows)
        entry.notes.append(FieldError("external_number", ROW_LEFT_OUT, entry.key))
        return set()
    of_order = {name: next((row[name] for row in entry.cells if row.get(name)), "") for name in _INHERITED}
    told = [_states(values, of_order) for values in entry.cells]
    over = [next((name for name, state in states.items() if state is Standing.OVER), "") for states in told]
    entry.dropped_rows = sum(map(bool, over))
    words = [values.get(name) or of_order.get(name, "") for name, values in zip(over, entry.cells, strict=True)]
    if entry.dropped_rows == len(over):
        entry.is_left_out = True
        entry.notes.append(FieldError(BY_NAME[over[0]].attr, ROW_LEFT_OUT, words[0]))
        return set()
    for row, name, word in zip(entry.rows, over, words, strict=True):
        if name:
            detail = _("Row %(row)s was left out: %(state)s.") % {"row": row, "state": word}
            entry.notes.append(FieldError("", ROW_LEFT_OUT, detail))
    kept = [index for index, name in enumerate(over) if not name]
    entry.rows = [entry.rows[index] for index in kept]
    entry.cells = [entry.cells[index] for index in kept]
    for place, index in enumerate(kept):
        for name, state in told[index].items():
            if state is Standing.UNCLEAR:
                detail = _("The channel is not done with this order (%(state)s). Settle it there, then import the row.")
                word = entry.cells[place].get(name) or of_order.get(name, "")
                attr = f"{BY_NAME[name].attr}.{place}"
                entry.errors.append(FieldError(attr, "state_unclear", detail % {"state": word}))
    return {state for index in kept for state in told[index].values()}


def _states(values: Mapping[str, str], of_order: Mapping[str, str]) -> dict[str, Standing]:
    """What each column of states says of the row."""
    states = {}
    for name in _COLUMNS:
        word = values.get(name) or of_order.get(name, "")
        if not word:
            continue
        if name == "cancelled_at":
            states[name] = Standing.OVER
        else:
            states[name] = standing(word, of_payment=name == "payment_status", of_refund=name == "refund_status")
    return states
