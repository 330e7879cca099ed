"""Transfers between warehouses: written, approved, shipped, received, closed or cancelled.

Whoever acts on a transfer locks its row before any stock, so that of two who act at once one sees what the other did.
What arrives is booked by `inventory.transfer_arrivals`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Sum, When
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from inventory import coded, hosting, lots, purchasing, reserving
from inventory.models import (
    BEFORE_SHIPPING,
    IN_TRANSIT,
    DemandKind,
    LotPromise,
    MovementNote,
    Reservation,
    Sku,
    Speed,
    Stock,
    Transfer,
    TransferBatch,
    TransferLine,
    TransferState,
    TransferStep,
    Warehouse,
)
from inventory.promising import tables
from inventory.promising.expecting import LONGEST_WAIT
from inventory.reserving import Demand
from oms.common.copying import next_ids
from oms.common.errors import ChangedMeanwhile, FieldError, OmsError, WrongFields
from oms.common.work import nudging
from oms.common.zones import CHINA

KIND = DemandKind.TRANSFER


@dataclass(frozen=True, slots=True)
class Moved:
    """Units of a SKU that are to go from one warehouse to another."""

    sku: Sku
    units: int


class NotPossible(OmsError):
    """The transfer is not in a state for that."""

    code = "not_possible"


class TooFew(OmsError):
    """The source has not so many units that can be promised."""

    code = "not_enough"


def new_reference() -> str:
    """A reference that no transfer has, for one that nobody named."""
    (number,) = next_ids("inventory_transfer", 1)
    return f"T{timezone.localdate(timezone=CHINA):%y%m%d}-{number}"


@transaction.atomic
def draft(
    source: Warehouse,
    target: Warehouse,
    lines: Sequence[Moved],
    *,
    actor: str,
    note: str = "",
    reference: str = "",
    expected_on: date | None = None,
) -> Transfer:
    """Write down that goods of one merchant are to go from the source to the target, where they should arrive on
    `expected_on` (None: see `ship`); nothing is set aside yet.

    The same reference of the merchant with the same contents again changes nothing; without one it gets one. Raises
    WrongFields for what cannot be moved, by row, and OtherContents where the reference stands for something else.
    """
    if wrong := [*problems(source, target, lines), *wrong_day(expected_on)]:
        raise WrongFields(wrong)
    found, is_new = Transfer.objects.get_or_create(
        reference=reference or new_reference(),
        merchant=lines[0].sku.merchant,
        defaults={"source": source, "target": target, "note": note[:200], "expected_on": expected_on},
    )
    contents = sorted((line.sku.pk, line.units) for line in lines)
    if is_new:
        TransferLine.objects.bulk_create(
            [TransferLine(transfer=found, sku_id=sku_id, quantity=units) for sku_id, units in contents]
        )
        record(found, TransferStep.Kind.DRAFTED, actor=actor, units=sum(line.units for line in lines), note=note)
    else:
        check_reference(found.reference, source, target, lines)
    return Transfer.objects.get(pk=found.pk)


def check_reference(reference: str, source: Warehouse, target: Warehouse, lines: Sequence[Moved]) -> None:
    """Raises OtherContents where the merchant has a transfer of that reference, and it is another one."""
    found = Transfer.objects.filter(reference=reference, merchant=lines[0].sku.merchant_id).first()
    if found is None:
        return
    contents = sorted((line.sku.pk, line.units) for line in lines)
    is_same_way = (found.source_id, found.target_id) == (source.pk, target.pk)
    if not is_same_way or contents != sorted(found.lines.values_list("sku_id", "quantity")):
        text = pgettext("transfer", "The reference %(reference)s was used for other goods.") % {"reference": reference}
        raise purchasing.OtherContents(text, attr="reference")


def problems(source: Warehouse, target: Warehouse, lines: Sequence[Moved]) -> list[FieldError]:
    """What keeps these goods from being moved, by row."""
    wrong = []
    if source.pk == target.pk:
        wrong.append(FieldError("target", "same_warehouse", _("Goods go to another warehouse than theirs.")))
    if not target.is_active:
        wrong.append(FieldError("target", "closed", _("Warehouse %(code)s is closed.") % {"code": target.code}))
    if not lines:
        wrong.append(FieldError("lines", "required", _("Give at least one line.")))
    seen: set[int] = set()
    way = hosting.host(source), hosting.host(target)
    for row, line in enumerate(lines):
        if line.sku.pk in seen:
            detail = _("This SKU stands in an earlier line.")
            wrong.append(FieldError(f"lines.{row}.sku", "named_twice", detail))
        seen.add(line.sku.pk)
        if line.sku.merchant_id != lines[0].sku.merchant_id:
            detail = _("A transfer has goods of one merchant.")
            wrong.append(FieldError(f"lines.{row}.sku", "other_merchant", detail))
        wrong += hosting.wrong_keeper(row, line.sku, way[0]) + coded.wrong_line(row, line.sku)
        wrong += purchasing.wrong_place(row, line.sku, way[1])
        wrong += purchasing.wrong_units(row, line.units, "quantity")
    return wrong


@transaction.atomic
def approve(transfer_id: int, *, actor: str, version: int | None = None) -> Transfer:
    """Set all its units aside at the source.

    Raises TooFew that names what lacks, NotPossible where it is no draft, and ChangedMeanwhile where a `version` is
    given and is not the row's any more.
    """
    transfer = _locked(transfer_id, (TransferState.DRAFT,), version)
    lines = list(transfer.lines.select_related("sku"))
    if wrong := problems(transfer.source, transfer.target, [Moved(line.sku, line.quantity) for line in lines]):
        raise WrongFields(wrong)
    rows = _source_rows(transfer, lines)
    demands = [Demand(0, line.pk, rows[line.sku_id], line.quantity) for line in lines if line.sku_id in rows]
    if len(demands) < len(lines) or not reserving.reserve(demands, kind=KIND, actor=actor):
        raise TooFew(_lacking(transfer, lines))
    transfer.approve()
    return _saved(transfer, TransferStep.Kind.APPROVED, actor=actor, units=sum(line.quantity for line in lines))


def _source_rows(transfer: Transfer, lines: Sequence[TransferLine]) -> dict[int, int]:
    """The stock rows (id, by SKU id) of the lines at the source."""
    there = Stock.objects.filter(warehouse_id=transfer.source_id, sku_id__in=[line.sku_id for line in lines])
    return dict(there.values_list("sku_id", "pk"))


def _lacking(transfer: Transfer, lines: Sequence[TransferLine]) -> str:
    there = {
        row.sku_id: row
        for row in Stock.objects.filter(warehouse_id=transfer.source_id, sku_id__in=[line.sku_id for line in lines])
    }
    least = lots.sellable([row.pk for row in there.values() if row.keeps_lots])
    told = []
    for line in lines:
        row = there.get(line.sku_id)
        units = min(row.available, least.get(row.pk, row.available)) if row else 0
        if units < line.quantity:
            values = {"sku": line.sku.code, "units": units, "wanted": line.quantity}
            told.append(_("%(sku)s: %(units)d of %(wanted)d units can be moved.") % values)
    return " ".join(told) or _("The stock was changed meanwhile. Look at it again and repeat what you wanted.")


@transaction.atomic
def ship(
    transfer_id: int, *, actor: str, note: str = "", version: int | None = None, expected_on: date | None = None
) -> Transfer:
    """Take what is set aside for it out of the source's stock; from now on that is in transit to the target, where it
    is expected on `expected_on`: else on the day that was said before, if it is to come, else on that of its lane.

    Raises WrongFields for a day that is over or far away, NotPossible where it is not approved, where a count took all
    its units away, or where a batch that is set aside expired meanwhile; and ChangedMeanwhile as `approve` does.
    """
    if wrong := wrong_day(expected_on):
        raise WrongFields(wrong)
    transfer = _locked(transfer_id, (TransferState.APPROVED,), version)
    lines = list(transfer.lines.select_related("sku"))
    # Read under the locks of the stock: a count can take units away until then.
    reserving.lock_stock(_source_rows(transfer, lines).values())
    promised = dict(
        Reservation.objects.active_for([line.pk for line in lines], KIND).values_list("demand_id", "quantity")
    )
    if not promised:
        raise NotPossible(_("Nothing is set aside for this transfer any more. Cancel it and write another."))
    batches = list(
        LotPromise.objects.filter(demand_kind=KIND, demand_id__in=list(promised)).select_related("lot").order_by("pk")
    )
    for one in batches:
        if one.lot.best_before is not None and one.lot.best_before < lots.today():
            shown = {"lot": one.lot.lot or "–", "day": one.lot.best_before}
            raise NotPossible(_("Batch %(lot)s expired on %(day)s. Cancel the transfer and write another.") % shown)
    reserving.consume(list(promised), kind=KIND, actor=actor)
    for line in lines:
        line.shipped = promised.get(line.pk, 0)
    TransferLine.objects.bulk_update(lines, ["shipped"])
    TransferBatch.objects.bulk_create(
        [
            TransferBatch(
                line_id=one.demand_id, lot=one.lot.lot, best_before=one.lot.best_before, quantity=one.quantity
            )
            for one in batches
        ]
    )
    transfer.ship()
    said = transfer.expected_on if transfer.expected_on and not wrong_day(transfer.expected_on) else None
    transfer.expected_on = expected_on or said or usual_day(transfer.source, transfer.target)
    return _saved(transfer, TransferStep.Kind.SHIPPED, actor=actor, units=sum(promised.values()), note=note)


def usual_day(source: Warehouse, target: Warehouse) -> date | None:
    """The day on which goods that leave today should be there: by it 95 % of the lane's parcels by road are. None where
    no lane is known."""
    way = tables.current().way(source.region_id, target.region_id)
    days = way.days[Speed.ECONOMY.value][1] if way is not None else None
    return None if days is None else timezone.localdate(timezone=CHINA) + timedelta(days=days)


def wrong_day(expected_on: date | None) -> list[FieldError]:
    """What is wrong with a day on which goods should arrive."""
    today = timezone.localdate(timezone=CHINA)
    if expected_on is None or today <= expected_on <= today + LONGEST_WAIT:
        return []
    return [FieldError("expected_on", "invalid", _("Give a day from today on, within a year."))]


@transaction.atomic
def expect(transfer_id: int, expected_on: date | None, *, actor: str, version: int | None = None) -> Transfer:
    """Say when what is on its way should arrive; None: nobody knows any more, so it is promised to nobody.

    Raises WrongFields as `ship` does, NotPossible where it is not on its way, and ChangedMeanwhile as `approve` does.
    """
    if wrong := wrong_day(expected_on):
        raise WrongFields(wrong)
    transfer = _locked(transfer_id, IN_TRANSIT, version)
    transfer.expected_on = expected_on
    return _saved(transfer, TransferStep.Kind.EXPECTED, actor=actor, note=str(expected_on or "–"))


@transaction.atomic
def cancel(transfer_id: int, *, actor: str, reason: str = "", version: int | None = None) -> Transfer:
    """Call it off before anything left; what is set aside for it goes back.

    Raises NotPossible where it left or is over, and ChangedMeanwhile as `approve` does.
    """
    transfer = _locked(transfer_id, BEFORE_SHIPPING, version)
    lines = list(transfer.lines.values_list("pk", flat=True))
    units = reserving.release(lines, kind=KIND, actor=actor, note=MovementNote.CANCELLED)
    transfer.cancel()
    nudging.nudge("wake")
    return _saved(transfer, TransferStep.Kind.CANCELLED, actor=actor, units=units, note=reason)


@transaction.atomic
def close(transfer_id: int, *, reason: str, actor: str, version: int | None = None) -> Transfer:
    """Expect nothing more of it, although what arrived differs from what was sent: what lacks is lost.

    Raises OmsError without a reason, NotPossible where it is not on its way, and ChangedMeanwhile as `approve` does.
    """
    if not reason.strip():
        raise OmsError(_("Say why the figures differ."), attr="reason")
    transfer = _locked(transfer_id, IN_TRANSIT, version)
    differs = sum(line.difference for line in transfer.lines.all())
    transfer.close()
    return _saved(transfer, TransferStep.Kind.CLOSED, actor=actor, units=differs, note=reason)


def lock(transfer_id: int) -> Transfer:
    """The transfer with its warehouses, locked until the transaction ends."""
    with_places = Transfer.objects.select_related("source", "target", "merchant")
    # Not for its key: a count that holds the stock adds a step to its story meanwhile (`give_way`).
    return with_places.select_for_update(no_key=True, of=("self",)).get(pk=transfer_id)


def require(transfer: Transfer, states: Collection[TransferState], version: int | None) -> None:
    """Raises ChangedMeanwhile where the version is another, NotPossible where the transfer is in none of the states."""
    if version is not None and version != transfer.version:
        raise ChangedMeanwhile(_("The transfer was changed meanwhile. Look at it again."), attr="version")
    if transfer.state not in states:
        values = {"reference": transfer.reference, "state": transfer.get_state_display()}
        raise NotPossible(_("Transfer %(reference)s is in the state “%(state)s”: that cannot be done now.") % values)


def _locked(transfer_id: int, states: Collection[TransferState], version: int | None) -> Transfer:
    transfer = lock(transfer_id)
    require(transfer, states, version)
    return transfer


def _saved(transfer: Transfer, step: TransferStep.Kind, *, actor: str, units: int = 0, note: str = "") -> Transfer:
    transfer.save(update_fields=["state", "expected_on"])
    record(transfer, step, actor=actor, units=units, note=note)
    return Transfer.objects.get(pk=transfer.pk)


def record(transfer: Transfer, step: TransferStep.Kind, *, actor: str, units: int = 0, note: str = "") -> None:
    """Add a step to the transfer's story."""
    TransferStep.objects.create(
        transfer_id=transfer.pk, kind=step, units=units, note=note.strip()[:200], actor=actor[:80]
    )


def give_way(stock_id: int, units: int, *, actor: str) -> int:
    """Take up to so many units of a locked stock row away that are set aside for transfers, because they are not there:
    the youngest first. Returns how many; the transfers send that many fewer."""
    promised = Reservation.objects.active().filter(stock_id=stock_id, demand_kind=KIND).order_by("-demand_id")
    taken = lots.spread(units, promised.values_list("demand_id", "quantity"))
    if not taken:
        return 0
    of_lines = dict(TransferLine.objects.filter(pk__in=[key for key, _units in taken]).values_list("pk", "transfer_id"))
    TransferStep.objects.bulk_create(
        [
            TransferStep(transfer_id=of_lines[key], kind=TransferStep.Kind.TAKEN_AWAY, units=less, actor=actor[:80])
            for key, less in taken
        ]
    )
    return reserving.release_units(dict(taken), kind=KIND, actor=actor, note=MovementNote.STOCK_TAKE)


def lines_in_transit() -> QuerySet[TransferLine]:
    """Lines of which something left its source and has not arrived."""
    return TransferLine.objects.filter(transfer__state__in=IN_TRANSIT, received__lt=F("shipped"))


def expected(warehouse_ids: Collection[int], sku_ids: Collection[int]) -> list[purchasing.Expected]:
    """What left its source and is on its way to these warehouses, the earliest first. One statement."""
    rows = (
        lines_in_transit()
        .filter(transfer__target__in=warehouse_ids, sku__in=sku_ids)
        .values_list("transfer__target_id", "sku_id", "transfer__expected_on")
        .annotate(units=Sum(F("shipped") - F("received")))
        .order_by(F("transfer__expected_on").asc(nulls_last=True), "transfer__target_id", "sku_id")
    )
    return [purchasing.Expected(*row) for row in rows]


def in_transit(places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Units on their way to (warehouse id, SKU id): they count in its position, and nobody can be promised them."""
    return _coming(places, lines_in_transit(), F("shipped") - F("received"))


def moving_in(places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Units that transfers bring to (warehouse id, SKU id): in transit, or still to leave, drafts among them. They
    count in the position that is compared with alert lines. One statement."""
    lines = TransferLine.objects.filter(transfer__state__in=(*BEFORE_SHIPPING, *IN_TRANSIT))
    to_come = Case(
        When(transfer__state__in=BEFORE_SHIPPING, then=F("quantity")),
        default=Greatest(F("shipped") - F("received"), 0),
    )
    return _coming(places, lines, to_come)


def _coming(
    places: Collection[tuple[int, int]], lines: QuerySet[TransferLine], units: object
) -> dict[tuple[int, int], int]:
    found = dict.fromkeys(places, 0)
    rows = (
        lines.filter(
            Q(transfer__target_id__in={place for place, _sku in found}), sku_id__in={sku for _place, sku in found}
        )
        .values_list("transfer__target_id", "sku_id")
        .annotate(coming=Sum(units))  # type: ignore[arg-type]
        .order_by()
    )
    return found | {(place, sku): coming for place, sku, coming in rows if (place, sku) in found}
