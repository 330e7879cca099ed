"""What came of purchase orders, or without any: booked as it came, once a reference."""

from collections import Counter
from collections.abc import Mapping, Sequence

from django.db import connection, transaction
from django.utils.translation import gettext as _

from inventory import hosting, purchasing, receiving, serials
from inventory.models import PurchaseOrder, PurchaseState, Quality, Receipt, ReceiptLine, Sku, Warehouse
from inventory.purchasing import NotExpected, OtherContents, Unloaded
from inventory.receiving import Arrived
from oms.common.copying import array
from oms.common.errors import FieldError, WrongFields
from oms.merchants.models import Merchant


@transaction.atomic
def receive_goods(
    warehouse: Warehouse,
    unloaded: Sequence[Unloaded],
    *,
    reference: str,
    actor: str,
    merchant: Merchant,
    purchase_order: PurchaseOrder | None = None,
    note: str = "",
    is_fact: bool = False,
) -> Receipt:
    """Book what came, whether it was expected or not; told again by the same reference it is booked no second time.

    A purchase order of which everything came is closed. Of a fact that a system told (`is_fact`), serial numbers that
    cannot be kept were left out already (`serials.keep_what_fits`), and missing ones are not asked for. Raises
    WrongFields for rows that cannot be taken, OtherContents where the reference stands for other goods, and NotExpected
    where the purchase order is none of this warehouse.
    """
    skus = purchasing.by_code_or_barcode(merchant, {one.sku for one in unloaded})
    if wrong := wrong_rows(skus, unloaded, warehouse, wants_numbers=not is_fact):
        raise WrongFields(wrong)
    arrived = [
        Arrived(skus[one.sku].pk, one.units, one.quality, one.lot, one.best_before)
        if skus[one.sku].wants_batches
        else Arrived(skus[one.sku].pk, one.units, one.quality)
        for one in unloaded
    ]
    numbers = [[number.strip() for number in one.serials] for one in unloaded]
    receipt, is_new = Receipt.objects.get_or_create(
        warehouse=warehouse,
        reference=reference,
        defaults={"purchase_order": purchase_order, "note": note, "actor": actor},
    )
    if not is_new:
        _check_same(receipt, purchase_order, arrived, None if is_fact else numbers)
        return receipt
    serials.require_unknown(skus, unloaded)
    lines = _lines_of(purchase_order, warehouse)
    received = ReceiptLine.objects.bulk_create(
        [
            ReceiptLine(
                receipt=receipt,
                purchase_line_id=lines.get(one.sku_id),
                sku_id=one.sku_id,
                quantity=one.units,
                quality=one.quality,
                lot=one.lot,
                best_before=one.best_before,
            )
            for one in arrived
        ]
    )
    serials.keep(received, numbers, by_transfer=False)
    _note_received([(lines[one.sku_id], one.units) for one in arrived if one.sku_id in lines])
    receiving.receive_all(warehouse.pk, arrived, actor=actor, note=reference)
    if purchase_order is not None and not purchasing.open_lines().filter(order=purchase_order).exists():
        found = PurchaseOrder.objects.get(pk=purchase_order.pk)
        if found.state == PurchaseState.OPEN:
            found.close()
            found.save(update_fields=["state"])
    return receipt


def _note_received(units: Sequence[tuple[int, int]]) -> None:
    """Add units to what came of lines (id, units), which may be named several times. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inventory_purchaseorderline l SET received = l.received + came.units FROM (
                SELECT id, sum(units) AS units FROM unnest(%s::bigint[], %s::int[]) AS a(id, units) GROUP BY id
            ) AS came WHERE came.id = l.id
            """,
            [array(key for key, _units in units), array(some for _key, some in units)],
        )


def wrong_goods(merchant: Merchant, unloaded: Sequence[Unloaded], warehouse: Warehouse) -> list[FieldError]:
    """What keeps these goods, which are new, from being booked there, by row."""
    skus = purchasing.by_code_or_barcode(merchant, {one.sku for one in unloaded})
    wrong = wrong_rows(skus, unloaded, warehouse)
    return wrong or serials.known_numbers(skus, unloaded)


def wrong_rows(
    skus: Mapping[str, Sku], unloaded: Sequence[Unloaded], warehouse: Warehouse, *, wants_numbers: bool = True
) -> list[FieldError]:
    """What is wrong with the rows in themselves; `skus` by what the rows call them."""
    wrong = []
    place = hosting.host(warehouse)
    if not unloaded:
        wrong.append(FieldError("lines", "required", _("Give at least one line.")))
    for row, one in enumerate(unloaded):
        sku = skus.get(one.sku)
        if sku is None:
            wrong.append(purchasing.unknown_sku(row, one.sku))
        else:
            wrong += purchasing.wrong_place(row, sku, place)
        wrong += purchasing.wrong_units(row, one.units, "quantity")
        if one.quality not in Quality.values:
            wrong.append(FieldError(f"lines.{row}.quality", "invalid", _("There is no such quality.")))
    return [*wrong, *(serials.wrong_numbers(skus, unloaded) if wants_numbers else ())]


def _check_same(
    receipt: Receipt,
    purchase_order: PurchaseOrder | None,
    arrived: Sequence[Arrived],
    numbers: Sequence[Sequence[str]] | None,
) -> None:
    def key(one: tuple[object, ...]) -> str:
        return repr(one)

    had = receipt.lines.values_list("sku_id", "quantity", "quality", "lot", "best_before")
    told = [(one.sku_id, one.units, str(one.quality), one.lot, one.best_before) for one in arrived]
    is_same_order = (receipt.purchase_order_id, receipt.transfer_id) == (
        purchase_order.pk if purchase_order else None,
        None,
    )
    named = Counter((one.sku_id, number) for one, mine in zip(arrived, numbers or (), strict=False) for number in mine)
    are_same_units = numbers is None or named == serials.of_receipt(receipt)
    if not is_same_order or not are_same_units or sorted(had, key=key) != sorted(told, key=key):
        text = _("The reference %(reference)s was used for other goods.") % {"reference": receipt.reference}
        raise OtherContents(text, attr="reference")


def _lines_of(purchase_order: PurchaseOrder | None, warehouse: Warehouse) -> dict[int, int]:
    """The lines (id, by SKU id) of the purchase order, which is locked."""
    if purchase_order is None:
        return {}
    locked = PurchaseOrder.objects.select_for_update().get(pk=purchase_order.pk)
    if locked.warehouse_id != warehouse.pk or locked.state in (PurchaseState.DRAFT, PurchaseState.CANCELLED):
        raise NotExpected(_("The purchase order is not expected at this warehouse."), attr="purchase_order")
    return dict(locked.lines.values_list("sku_id", "pk"))
