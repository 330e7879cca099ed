"""Printing: what was looked at is drawn, and logged in the same transaction."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from logistics.models import Paper, Printout, Shipment, WarehouseOrder
from logistics.printing import choosing, contents, drawing
from logistics.printing.contents import Arrangement
from oms.common.errors import ChangedMeanwhile, OmsError


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants printed: `ids` are what they were shown for the numbers; `size` is that of labels."""

    paper: Paper
    numbers: Sequence[str]
    ids: Sequence[int]
    size: str = "76x130"
    arrangement: Arrangement = Arrangement.EACH
    reason: str = ""


class NothingToPrint(OmsError):
    """All of it is left out."""

    code = "nothing_to_print"


class ReasonNeeded(OmsError):
    """Something was printed before, and nobody says why again."""

    code = "reason_needed"


class MayNotPrintAgain(OmsError):
    """Something was printed before, and the person may not print it again."""

    code = "may_not_print_again"
    status_code = 403


@transaction.atomic
def print_out(wanted: Wanted, *, by: str, may_print_again: bool) -> bytes:
    """The PDF of what is wanted; each row of it is logged with its number of prints, `by` whom and why.

    Raises ChangedMeanwhile where something else than the `ids` would be printed now, NothingToPrint, ReasonNeeded,
    and MayNotPrintAgain.
    """
    model: type[Shipment] | type[WarehouseOrder] = Shipment if wanted.paper == Paper.LABEL else WarehouseOrder
    # Who prints the same waits, and counts on.
    locked = model._default_manager.filter(pk__in=wanted.ids).order_by("pk").select_for_update(no_key=True)
    list(locked.values_list("pk", flat=True))
    choice = choosing.choose(wanted.paper, wanted.numbers)
    if not choice.ids:
        raise NothingToPrint(_("Nothing is left to print."))
    if list(choice.ids) != list(wanted.ids):
        raise ChangedMeanwhile(_("What can be printed has changed meanwhile. Look at the list again."))
    if choice.copies and not may_print_again:
        raise MayNotPrintAgain(_("You may not print again what was printed before."))
    if choice.copies and not wanted.reason:
        raise ReasonNeeded(_("Say why it is printed again."), attr="reason")
    copies = {row_id: choice.printed_before.get(row_id, 0) + 1 for row_id in choice.ids}
    _log(wanted, copies, by)
    return _draw(wanted, copies)


def _log(wanted: Wanted, copies: Mapping[int, int], by: str) -> None:
    run, subject = uuid.uuid4(), "shipment_id" if wanted.paper == Paper.LABEL else "warehouse_order_id"
    Printout.objects.bulk_create(
        Printout(
            paper=wanted.paper,
            copy=copy,
            reason=wanted.reason if copy > 1 else "",
            run=run,
            printed_by=by,
            **{subject: row_id},
        )
        for row_id, copy in copies.items()
    )


def _draw(wanted: Wanted, copies: Mapping[int, int]) -> bytes:
    if wanted.paper == Paper.LABEL:
        return drawing.draw_labels(contents.labels(wanted.ids, copies, wanted.arrangement), wanted.size)
    if wanted.paper == Paper.PACKING_SLIP:
        return drawing.draw_slips(contents.slips(wanted.ids, copies, wanted.arrangement))
    return drawing.draw_pick_lists(contents.pick_lists(wanted.ids, copies))
