"""What arrived of a transfer: in parts or whole, short or over, damaged or good. Booked as it is, once a reference."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

from django.db import transaction
from django.db.models import F, Sum
from django.utils.translation import gettext as _

from inventory import purchase_arrivals, purchasing, receiving, serials
from inventory.models import (
    IN_TRANSIT,
    DemandKind,
    Receipt,
    ReceiptLine,
    Sku,
    StockMovement,
    Transfer,
    TransferBatch,
    TransferLine,
    TransferState,
    TransferStep,
)
from inventory.purchasing import OtherContents, Unloaded
from inventory.receiving import Arrived
from inventory.transferring import lock, record, require
from oms.common.errors import FieldError, WrongFields

# What tells units of a SKU apart on their way: batch and best-before.
_Batch = tuple[str, date | None]

# What turns up after a transfer was closed is booked, too.
_TAKES_GOODS = (*IN_TRANSIT, TransferState.CLOSED)


@transaction.atomic
def receive(
    transfer_id: int,
    unloaded: Sequence[Unloaded],
    *,
    reference: str,
    actor: str,
    note: str = "",
    version: int | None = None,
    is_fact: bool = False,
) -> Receipt:
    """Book what came of a transfer into its target's stock; told again by the same reference it is booked no second
    time. Where all came that was sent, the transfer is closed.

    Units whose batch is not told are taken to be of those that were sent, what expires first first. `is_fact`: as for
    `purchase_arrivals.receive_goods`. Raises WrongFields
    for rows that cannot be taken, OtherContents where the reference stands for other goods, NotPossible where the
    transfer is not on its way, and ChangedMeanwhile where a `version` is given and is not the row's any more.
    """
    transfer = lock(transfer_id)
    known = purchasing.by_code_or_barcode(transfer.merchant, {one.sku for one in unloaded})
    # Before the version: who repeats himself is told what he did, not that he is late.
    if told := Receipt.objects.filter(warehouse=transfer.target, reference=reference).first():
        _check_same(told, transfer, unloaded, known, with_numbers=not is_fact)
        return told
    require(transfer, _TAKES_GOODS, version)
    lines = {line.sku_id: line for line in transfer.lines.all()}
    if wrong := _problems(transfer, unloaded, known, lines, wants_numbers=not is_fact):
        raise WrongFields(wrong)
    serials.require_unknown(known, unloaded, transfer_id=transfer.pk)
    arrived = _arrived(unloaded, known, lines)
    receipt = Receipt.objects.create(
        warehouse=transfer.target, reference=reference, transfer=transfer, note=note[:200], actor=actor
    )
    received = ReceiptLine.objects.bulk_create(
        [
            ReceiptLine(
                receipt=receipt,
                transfer_line_id=one.demand_id,
                sku_id=one.sku_id,
                quantity=one.units,
                quality=one.quality,
                lot=one.lot,
                best_before=one.best_before,
            )
            for one in arrived
        ]
    )
    serials.keep(received, [one.serials for one in arrived], by_transfer=True)
    for sku_id, units in _units_by_sku(arrived).items():
        TransferLine.objects.filter(pk=lines[sku_id].pk).update(received=F("received") + units)
    receiving.receive_all(
        transfer.target_id,
        arrived,
        actor=actor,
        note=transfer.reference,
        kind=StockMovement.Kind.TRANSFER,
        demand_kind=DemandKind.TRANSFER,
    )
    _follow(transfer, sum(one.units for one in arrived), actor=actor, note=reference)
    return receipt


def _units_by_sku(arrived: Sequence[Arrived]) -> Counter[int]:
    units: Counter[int] = Counter()
    for one in arrived:
        units[one.sku_id] += one.units
    return units


def _problems(
    transfer: Transfer,
    unloaded: Sequence[Unloaded],
    known: Mapping[str, Sku],
    lines: Mapping[int, TransferLine],
    *,
    wants_numbers: bool,
) -> list[FieldError]:
    wrong = purchase_arrivals.wrong_rows(known, unloaded, transfer.target, wants_numbers=wants_numbers)
    for row, one in enumerate(unloaded):
        if one.sku in known and known[one.sku].pk not in lines:
            detail = _("This SKU is not part of the transfer. Book it by a receipt of its own.")
            wrong.append(FieldError(f"lines.{row}.sku", "not_expected", detail))
    return wrong


def _arrived(
    unloaded: Sequence[Unloaded], known: Mapping[str, Sku], lines: Mapping[int, TransferLine]
) -> list[Arrived]:
    """What came, by batch where the SKU wants batches."""
    kept = {sku.pk for sku in known.values() if sku.wants_batches}
    sent = _still_to_come([lines[sku_id] for sku_id in kept])
    arrived = []
    # Those whose batch is told first: the others get what these leave.
    for one in sorted(unloaded, key=lambda one: not one.lot):
        sku = known[one.sku]
        line_id = lines[sku.pk].pk
        if sku.pk not in kept:
            arrived.append(Arrived(sku.pk, one.units, one.quality, demand_id=line_id, serials=one.serials))
            continue
        rows = [
            batch
            for batch in sent.get(line_id, {})
            if not one.lot or (batch[0] == one.lot and one.best_before in (None, batch[1]))
        ]
        left, numbers = one.units, list(one.serials)
        for batch in rows:
            units = min(left, sent[line_id][batch])
            if units:
                sent[line_id][batch] -= units
                left -= units
                mine, numbers = numbers[:units], numbers[units:]
                arrived.append(Arrived(sku.pk, units, one.quality, *batch, demand_id=line_id, serials=mine))
        if left:
            # More than was sent, or of a batch that was not: it may be told with its day, or is of the batch's.
            day = one.best_before or next((day for lot, day in rows if lot == one.lot), None)
            arrived.append(Arrived(sku.pk, left, one.quality, one.lot, day, demand_id=line_id, serials=numbers))
    return arrived


def _still_to_come(lines: Sequence[TransferLine]) -> dict[int, dict[_Batch, int]]:
    """Units by batch that were sent and have not arrived, by line, what expires first first."""
    order = F("best_before").asc(nulls_last=True)
    sent: dict[int, dict[_Batch, int]] = {line.pk: {} for line in lines}
    for batch in TransferBatch.objects.filter(line__in=lines).order_by(order, "pk"):
        sent[batch.line_id][batch.lot, batch.best_before] = batch.quantity
    came = ReceiptLine.objects.filter(transfer_line__in=lines).values_list("transfer_line_id", "lot", "best_before")
    for line_id, lot, day, units in came.annotate(units=Sum("quantity")).order_by():
        if (lot, day) in sent[line_id]:
            sent[line_id][lot, day] = max(sent[line_id][lot, day] - units, 0)
    return sent


def _follow(transfer: Transfer, units: int, *, actor: str, note: str) -> None:
    """Record it, and move the transfer on."""
    record(transfer, TransferStep.Kind.RECEIVED, actor=actor, units=units, note=note)
    is_open = transfer.state != TransferState.CLOSED
    is_whole = not transfer.lines.exclude(received=F("shipped")).exists()
    if is_open and is_whole:
        transfer.close()
    elif transfer.state == TransferState.SHIPPED:
        transfer.receive_part()
    # Saved in any case, which counts its version: who looked at what was to come before looks again.
    transfer.save(update_fields=["state"])
    if is_open and is_whole:
        record(transfer, TransferStep.Kind.CLOSED, actor=actor)


def _check_same(
    receipt: Receipt,
    transfer: Transfer,
    unloaded: Sequence[Unloaded],
    known: Mapping[str, Sku],
    *,
    with_numbers: bool,
) -> None:
    """Raises OtherContents unless the receipt is of the transfer and of as many units by SKU and quality, if asked of
    the same ones by their serial numbers."""
    had: Counter[tuple[int, str]] = Counter()
    for sku_id, quality, units in receipt.lines.values_list("sku_id", "quality", "quantity"):
        had[sku_id, quality] += units
    told: Counter[tuple[int, str]] = Counter()
    for one in unloaded:
        sku = known.get(one.sku)
        told[sku.pk if sku else 0, str(one.quality)] += one.units
    named = Counter(
        (known[one.sku].pk, number.strip()) for one in unloaded if one.sku in known for number in one.serials
    )
    are_same_units = not with_numbers or named == serials.of_receipt(receipt)
    if receipt.transfer_id != transfer.pk or had != told or not are_same_units:
        text = _("The reference %(reference)s was used for other goods.") % {"reference": receipt.reference}
        raise OtherContents(text, attr="reference")
