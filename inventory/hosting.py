"""Whose goods a warehouse may keep and send: its owner's, and those of merchants that are its guests; virtual goods of
anybody lie in the virtual warehouses. The one place that says so: `Host.may_keep`, with a twin for SQL (`kept_sql`).

The database takes no units in where they may not lie (`inventory.ledger`); what is here says it in words before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inventory.models import (
    CountState,
    PurchaseOrder,
    PurchaseState,
    Sku,
    Stock,
    StockCountLine,
    StockLot,
    StorageClass,
    Transfer,
    TransferState,
    Warehouse,
    WarehouseGuest,
)
from oms.common.errors import ChangedMeanwhile, FieldError, OmsError, WrongFields
from oms.merchants.models import Merchant


class NotKept(OmsError):
    """The warehouse does not keep goods of that merchant."""

    code = "merchant_not_kept"


class StillThere(OmsError):
    """Goods or open work of the merchant are in the warehouse."""

    code = "still_there"


@dataclass(frozen=True, slots=True)
class Host:
    """A warehouse, with the merchants (ids) besides its own whose goods it keeps now."""

    warehouse: Warehouse
    guest_ids: frozenset[int]

    def may_keep(self, merchant_id: int, storage_class: str) -> bool:
        """Whether goods of the merchant (by id) and class may lie there and be sent from there, as far as their owner
        decides it."""
        is_virtual = storage_class == StorageClass.VIRTUAL and self.warehouse.kind == Warehouse.Kind.VIRTUAL
        return is_virtual or self.takes(merchant_id)

    def takes(self, merchant_id: int) -> bool:
        """Whether it is the merchant's own, or the merchant is a guest."""
        return self.warehouse.merchant_id == merchant_id or merchant_id in self.guest_ids


def read(warehouses: QuerySet[Warehouse]) -> list[Host]:
    """The warehouses with their guests. One statement."""
    stays = ArrayAgg("guests__merchant_id", filter=Q(guests__ended_at__isnull=True), default=Value([]))
    return [Host(one, frozenset(one.guest_ids)) for one in warehouses.annotate(guest_ids=stays)]


def host(warehouse: Warehouse) -> Host:
    """The warehouse with its guests as they are now. One statement."""
    stays = WarehouseGuest.objects.filter(warehouse=warehouse, ended_at__isnull=True)
    return Host(warehouse, frozenset(stays.values_list("merchant_id", flat=True)))


def hosts(merchant: Merchant) -> QuerySet[Warehouse]:
    """The merchant's own warehouses, and those where it is a guest."""
    stays = WarehouseGuest.objects.filter(merchant=merchant, ended_at__isnull=True)
    return Warehouse.objects.filter(Q(merchant=merchant) | Q(pk__in=stays.values("warehouse")))


def kept_sql(warehouse: str, sku: str) -> str:
    """SQL for whether rows of `inventory_sku` and `inventory_warehouse`, by their names in the statement, go together:
    the twin of `Host.may_keep`."""
    return f"""({warehouse}.merchant_id = {sku}.merchant_id
        OR {sku}.storage_class = '{StorageClass.VIRTUAL}' AND {warehouse}.kind = '{Warehouse.Kind.VIRTUAL}'
        OR EXISTS (SELECT FROM inventory_warehouseguest g WHERE g.warehouse_id = {warehouse}.id
                   AND g.merchant_id = {sku}.merchant_id AND g.ended_at IS NULL))"""


def is_kept() -> Q:
    """The condition on rows of `Stock` that their SKUs may lie there: the same for the ORM."""
    stays = WarehouseGuest.objects.filter(
        warehouse=OuterRef("warehouse"), merchant=OuterRef("sku__merchant"), ended_at__isnull=True
    )
    is_virtual = Q(sku__storage_class=StorageClass.VIRTUAL, warehouse__kind=Warehouse.Kind.VIRTUAL)
    return Q(warehouse__merchant=F("sku__merchant")) | is_virtual | Q(Exists(stays))


def wrong_keeper(row: int, sku: Sku, place: Host) -> list[FieldError]:
    """That the SKU of a row may not lie in the warehouse because of its owner, if so."""
    if place.may_keep(sku.merchant_id, sku.storage_class):
        return []
    return [FieldError(f"lines.{row}.sku", NotKept.code, str(not_kept(place.warehouse)))]


def not_kept(warehouse: Warehouse) -> NotKept:
    """The refusal, in words."""
    text = _("Warehouse %(code)s does not keep goods of this merchant.") % {"code": warehouse.code}
    return NotKept(text, attr="warehouse")


def require(stock: Stock) -> None:
    """Raises NotKept where no units may come into the stock row."""
    if not host(stock.warehouse).may_keep(stock.sku.merchant_id, stock.sku.storage_class):
        raise not_kept(stock.warehouse)


@transaction.atomic
def begin(warehouse: Warehouse, merchant: Merchant, *, actor: str) -> WarehouseGuest:
    """Keep goods of the merchant in the warehouse from now on; where they are kept already, nothing changes.

    Raises WrongFields as `check_stay` does.
    """
    check_stay(warehouse, merchant)
    stay, _is_new = WarehouseGuest.objects.get_or_create(
        warehouse=warehouse, merchant=merchant, ended_at=None, defaults={"began_by": actor[:80]}
    )
    return stay


def check_stay(warehouse: Warehouse, merchant: Merchant) -> None:
    """Raises WrongFields for the warehouse's own merchant, and for virtual warehouses, which keep what is virtual."""
    if warehouse.merchant_id == merchant.pk:
        detail = _("Warehouse %(code)s is the merchant's own.") % {"code": warehouse.code}
        raise WrongFields([FieldError("merchant", "own_warehouse", detail)])
    if warehouse.kind == Warehouse.Kind.VIRTUAL:
        detail = _("Virtual warehouses keep virtual goods of every merchant.")
        raise WrongFields([FieldError("warehouse", "virtual_warehouse", detail)])


# What apps above know of the merchant's open work in the warehouse, in words; empty: nothing.
open_work: list[Callable[[WarehouseGuest], str]] = []


@transaction.atomic
def end(stay_id: int, *, actor: str, version: int | None = None) -> WarehouseGuest:
    """Keep goods of the merchant there no longer.

    Raises StillThere, with what is there, while units or open work of the merchant are; ChangedMeanwhile where it
    ended already, or a `version` is given and is not the row's any more.
    """
    # Whoever brings units in holds this row meanwhile (`inventory.ledger`): what is looked at then is all there is.
    stay = WarehouseGuest.objects.select_for_update(of=("self",)).get(pk=stay_id)
    if stay.ended_at is not None or (version is not None and version != stay.version):
        raise ChangedMeanwhile(_("This was changed meanwhile. Look at it again."), attr="version")
    found = list(_still_there(stay))
    if found:
        raise StillThere(_("That cannot end yet: %(found)s.") % {"found": _(", ").join(found)})
    WarehouseGuest.objects.filter(pk=stay.pk).update(ended_at=Now(), ended_by=actor[:80])
    return WarehouseGuest.objects.get(pk=stay.pk)


def _still_there(stay: WarehouseGuest) -> Iterator[str]:
    """What of the merchant is in the warehouse or on its way there, in words."""
    theirs = {"sku__merchant": stay.merchant_id, "warehouse": stay.warehouse_id}
    with_units = Stock.objects.filter(**theirs).exclude(on_hand=0, reserved=0, frozen=0)
    in_lots = StockLot.objects.filter(**{f"stock__{name}": value for name, value in theirs.items()}, on_hand__gt=0)
    if skus := len({*with_units.values_list("sku", flat=True), *in_lots.values_list("stock__sku", flat=True)}):
        yield ngettext("units of %(count)d SKU", "units of %(count)d SKUs", skus) % {"count": skus}
    orders = PurchaseOrder.objects.filter(
        merchant=stay.merchant_id, warehouse=stay.warehouse_id, state__in=[PurchaseState.DRAFT, PurchaseState.OPEN]
    ).count()
    if orders:
        yield ngettext("%(count)d purchase order", "%(count)d purchase orders", orders) % {"count": orders}
    moving = Transfer.objects.filter(
        Q(source=stay.warehouse_id) | Q(target=stay.warehouse_id), merchant=stay.merchant_id
    ).exclude(state__in=[TransferState.CLOSED, TransferState.CANCELLED])
    if transfers := moving.count():
        yield ngettext("%(count)d transfer", "%(count)d transfers", transfers) % {"count": transfers}
    counts = StockCountLine.objects.filter(
        count__warehouse=stay.warehouse_id,
        count__state__in=[CountState.COUNTING, CountState.SUBMITTED],
        stock__sku__merchant=stay.merchant_id,
    )
    if lines := counts.count():
        yield ngettext("%(count)d line of open counts", "%(count)d lines of open counts", lines) % {"count": lines}
    yield from filter(None, (ask(stay) for ask in open_work))
