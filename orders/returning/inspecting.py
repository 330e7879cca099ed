"""Inspecting returned goods, unit by unit; what is there goes into stock by its condition."""

from collections.abc import Mapping, Sequence

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inventory import receiving
from inventory.models import DemandKind, StockMovement
from inventory.receiving import Arrived
from oms.common import tickets
from oms.common.errors import FieldError, OmsError, WrongFields
from orders.actors import Actor
from orders.models import (
    Found,
    MoneyState,
    ReturnFinding,
    ReturnKind,
    ReturnLine,
    ReturnRequest,
    ReturnState,
    SubOrderLine,
)
from orders.models.return_request import RESTOCKED
from orders.returning import counting, kinds, locking, paying, photos, serials, tracks
from orders.returning.locking import lines_of, lock_return, require
from orders.returning.trouble import REPAIR_TO_SEND, RETURN_DIFFERS, RETURN_TO_INSPECT

# Units by what they were found to be, by sub-order line (id).
Findings = Mapping[int, Mapping[str, int]]


@transaction.atomic
def inspect(
    return_id: int,
    findings: Findings,
    *,
    note: str = "",
    actor: Actor,
    files: Sequence[UploadedFile] = (),
    version: int | None = None,
    is_final: bool = True,
    named: serials.Serials | None = None,
    wants_all_serials: bool = True,
) -> ReturnRequest:
    """Say of units what they were found to be, beside what was said before. What is there goes into the warehouse's
    stock by its quality (but for repairs, which are the buyer's); what is missing, or other goods, stays with the
    buyer. Unless it `is_final`, more is to be said. `named` has the serial numbers of units that are there, which
    `serials.note` then wants of SKUs that have them, all unless told otherwise; None: who says it does not know them.

    More units than announced, and units of other lines of the sub-order, are taken in as well. Raises WrongFields for
    units that nothing is said of in the end and unknown findings, NotSoMany for more than can come back, NotNow,
    ChangedMeanwhile.
    """
    row = lock_return(return_id, version=version)
    require(row, ReturnState.RECEIVED)
    lines = _lines(row, findings, is_final=is_final)
    if named is not None:
        serials.note(row, lines, findings, named, wants_all=wants_all_serials)
    _write(lines, findings, note)
    restock(row, lines, findings, actor)
    gone = {
        key: units
        for key, found in findings.items()
        if (units := sum(found.get(code, 0) for code in (Found.MISSING, Found.WRONG)))
    }
    _tell_what_differs(row, findings, actor)
    counting.let_go(row.pk, gone)
    photos.add(row, files, actor=actor)
    counts = {code: sum(found.get(code, 0) for found in findings.values()) for code in Found.values}
    told = {code: count for code, count in counts.items() if count}
    if not is_final:
        locking.save(row, kinds.PARTLY_INSPECTED, actor, found=told)
        return row
    row.inspect()
    row.inspected_at, row.ready_at = timezone.now(), None
    is_there = ReturnFinding.objects.filter(line__return_request=row, found__in=[*RESTOCKED]).exists()
    if row.money_state == MoneyState.NOT_DUE:
        row.money_state = MoneyState.TO_GRANT if is_there else MoneyState.NOTHING
    elif row.money_state == MoneyState.TO_GRANT and not is_there:
        row.money_state = MoneyState.NOTHING
    tickets.close_tickets([RETURN_TO_INSPECT], [row.pk])
    if row.kind == ReturnKind.REFUSED_AT_DOOR and is_there:
        tracks.came_back(row.pk)
    if row.kind == ReturnKind.REPAIR and is_there:
        trouble = tickets.Trouble(row.pk, "", {"number": row.number}, about_id=row.order_id)
        tickets.open_tickets(REPAIR_TO_SEND, [trouble], opened_by=actor.name[:80])
    locking.save(row, kinds.INSPECTED, actor, found=told)
    if paying.close_if_done(row):
        locking.save(row, kinds.CLOSED, actor)
    return row


def said_of(return_id: int) -> dict[int, int]:
    """Units of the return of which inspection said something, by sub-order line."""
    rows = ReturnFinding.objects.filter(line__return_request=return_id).order_by().values_list("line__sub_order_line")
    return dict(rows.annotate(units=Sum("quantity")))


def _lines(row: ReturnRequest, findings: Findings, *, is_final: bool) -> dict[int, ReturnLine]:
    """The return's lines by sub-order line, with what came beyond what was announced."""
    said = said_of(row.pk)
    lines = {line.sub_order_line_id: line for line in lines_of(row)}
    wrong: list[FieldError] = []
    for key, found in findings.items():
        if found.keys() - set(Found.values) or any(count < 0 for count in found.values()):
            wrong.append(FieldError(f"lines.{key}", "invalid", _("Give numbers of units from 0 on.")))
    for key, line in lines.items():
        units = said.get(key, 0) + _units(findings, key)
        if is_final and units < line.quantity:
            left = line.quantity - units
            text = ngettext(
                "Line %(position)d: nothing is said of %(left)d unit. If it did not come, it is missing.",
                "Line %(position)d: nothing is said of %(left)d units. If they did not come, they are missing.",
                left,
            )
            position = line.sub_order_line.order_line.position
            wrong.append(FieldError(f"lines.{key}", "incomplete", text % {"position": position, "left": left}))
    if wrong:
        raise WrongFields(wrong)
    more = {key for key in findings if key not in lines and _units(findings, key) > 0}
    others = SubOrderLine.objects.filter(pk__in=more, sub_order=row.sub_order_id).select_related("order_line__sku")
    found_lines = {line.pk: line for line in others}
    if more - found_lines.keys():
        raise OmsError(_("A line is not of this sub-order."), attr="lines")
    for key, part in found_lines.items():
        units = sum(findings[key].values())
        lines[key] = ReturnLine(return_request=row, sub_order_line=part, announced_quantity=0, quantity=units)
    for key, line in lines.items():
        _take_more(row, line, said.get(key, 0) + _units(findings, key))
    return lines


def _units(findings: Findings, key: int) -> int:
    """Units of a sub-order line of which something is said."""
    return sum(findings[key].values()) if key in findings else 0


def _take_more(row: ReturnRequest, line: ReturnLine, units: int) -> None:
    """What came beyond what the line was for holds its place, too."""
    more = units if line.pk is None else units - line.quantity
    if more <= 0:
        return
    if row.kind == ReturnKind.REFUSED_AT_DOOR:
        part = line.sub_order_line
        if units > part.quantity - part.returned_quantity:
            raise counting.NotSoMany(_("The parcel did not have so many units."), attr="lines")
        line.quantity = units
        line.save()
        return
    line.quantity = units
    try:
        counting.take_more(line, more)
    except counting.NotSoMany as refusal:
        most = units - more + max(counting.left_of(line.sub_order_line), 0)
        text = _("%(refusal)s Say of at most %(most)d units what they are, with those that were announced.")
        raise counting.NotSoMany(text % {"refusal": refusal, "most": most}, attr="lines") from refusal


def _write(lines: Mapping[int, ReturnLine], findings: Findings, note: str) -> None:
    """Keep the findings; what was found of a line in that condition before is added to."""
    said = " ".join(note.split())[:200]
    new = {(lines[key].pk, code): count for key, found in findings.items() for code, count in found.items() if count}
    known = {
        (row.line_id, row.found): row for row in ReturnFinding.objects.filter(line__in={line for line, _code in new})
    }
    for pair, row in known.items():
        row.quantity += new.pop(pair, 0)
        row.note = row.note or said
    ReturnFinding.objects.bulk_update(known.values(), ["quantity", "note"])
    ReturnFinding.objects.bulk_create(
        [ReturnFinding(line_id=line, found=code, quantity=count, note=said) for (line, code), count in new.items()]
    )


def restock(row: ReturnRequest, lines: Mapping[int, ReturnLine], findings: Findings, actor: Actor) -> None:
    """Book what was found of the locked return's `lines` (by sub-order line) into its warehouse's stock, by quality;
    nothing of a repair."""
    if row.kind == ReturnKind.REPAIR:
        return
    arrived = [
        Arrived(lines[key].sub_order_line.order_line.sku_id, count, RESTOCKED[Found(code)], demand_id=lines[key].pk)
        for key, found in findings.items()
        for code, count in found.items()
        if count and code in RESTOCKED
    ]
    if arrived and row.warehouse_id is not None:
        receiving.receive_all(
            row.warehouse_id,
            arrived,
            actor=actor.name,
            note=row.number,
            kind=StockMovement.Kind.RETURN,
            demand_kind=DemandKind.RETURN_LINE,
        )


def _tell_what_differs(row: ReturnRequest, findings: Findings, actor: Actor) -> None:
    missing, wrong = (sum(found.get(code, 0) for found in findings.values()) for code in (Found.MISSING, Found.WRONG))
    if not missing and not wrong:
        return
    is_paid = row.money_state in (MoneyState.PROPOSED, MoneyState.GRANTED)
    values = {"number": row.number, "missing": str(missing), "wrong": str(wrong)}
    trouble = tickets.Trouble(row.pk, "paid" if is_paid else "", values, about_id=row.order_id)
    tickets.open_tickets(RETURN_DIFFERS, [trouble], opened_by=actor.name[:80])
