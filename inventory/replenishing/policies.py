"""Saying how places are replenished: one policy, or thousands with a result each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import hosting
from inventory.models import LineBasis, LineMethod, ReplenishmentPolicy, RunsBy, Sku, Warehouse
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE
from inventory.models.replenishing import LEAST_SERVICE, LONGEST_SNOOZE, MOST_DAYS, MOST_PACK, MOST_SERVICE
from inventory.replenishing import levels
from inventory.replenishing.forecasting import LEAST
from oms.common.errors import ChangedMeanwhile, FieldError
from oms.merchants.models import Merchant

MOST_ROWS = 5_000
# What a new policy begins with.
SERVICE_PERCENT, LEAD_DAYS, LEAD_DEVIATION_DAYS, COVER_DAYS = Decimal(95), Decimal(7), Decimal(1), 7


@dataclass(frozen=True, slots=True)
class NewPolicy:
    """How a SKU is replenished at a warehouse (both by code). Units are units of the SKU; a computed line ignores
    `reorder_point` and `order_up_to`. With a `version` it is refused unless the policy is of that one still."""

    warehouse: str
    sku: str
    method: str = LineMethod.FIXED
    reorder_point: int | None = None
    order_up_to: int | None = None
    service_percent: Decimal = SERVICE_PERCENT
    lead_days: Decimal = LEAD_DAYS
    lead_deviation_days: Decimal = LEAD_DEVIATION_DAYS
    cover_days: int = COVER_DAYS
    pack_size: int = 1
    minimum_quantity: int = 0
    runs_by: str = RunsBy.APPROVAL
    snoozed_until: datetime | None = None
    is_active: bool = True
    version: int | None = None


_COLUMNS = (
    *("method", "reorder_point", "order_up_to", "service_percent", "lead_days", "lead_deviation_days", "cover_days"),
    *("pack_size", "minimum_quantity", "runs_by", "snoozed_until", "is_active", "basis", "computed_on", "changed_by"),
    "changed_at",
)
Outcome = ReplenishmentPolicy | list[FieldError]


@transaction.atomic
def set_policies(merchant: Merchant, rows: Sequence[NewPolicy], *, actor: str) -> list[Outcome]:
    """Say how the merchant's SKUs are replenished, each row for itself: what it leaves out is as in a new policy.

    Returns the policy, or what is wrong with the row, in order. Warehouses are the merchant's own, and those where it
    is a guest; elsewhere a policy can only be switched off. A place that is named twice is refused the second time. A
    handful of statements.
    """
    skus = {one.code: one for one in Sku.objects.visible_to(merchant).filter(code__in={row.sku for row in rows})}
    known = hosting.hosts(merchant).filter(code__in={row.warehouse for row in rows})
    warehouses = {one.code: one for one in known}
    left = _left(merchant, {row.warehouse for row in rows if not row.is_active} - warehouses.keys())
    outcomes: dict[int, list[FieldError]] = {}
    wanted: dict[tuple[int, int], int] = {}
    for index, row in enumerate(rows):
        sku, warehouse = skus.get(row.sku), warehouses.get(row.warehouse)
        if warehouse is None and not row.is_active and sku:
            warehouse = left.get((row.warehouse, sku.pk))
        wrong = problems(row, sku, warehouse)
        if not wrong and sku and warehouse:
            place = (warehouse.pk, sku.pk)
            if wanted.setdefault(place, index) != index:
                wrong = [FieldError("sku", "named_twice", _("This SKU and warehouse stand in an earlier row."))]
        if wrong:
            outcomes[index] = wrong
    for place, version in _versions(wanted).items():
        index = wanted[place]
        if rows[index].version not in (None, version):
            outcomes[index] = [changed_meanwhile()]
            del wanted[place]
    written = _write(wanted, rows, actor)
    return [outcomes[index] if index in outcomes else written[index] for index in range(len(rows))]


def changed_meanwhile() -> FieldError:
    """That the policy is of another version than somebody looked at."""
    detail = _("Somebody else changed this meanwhile. Read it again and repeat if need be.")
    return FieldError("version", ChangedMeanwhile.code, detail)


def _left(merchant: Merchant, codes: Collection[str]) -> dict[tuple[str, int], Warehouse]:
    """Warehouses that keep the merchant's goods no longer but have policies of it, by code and SKU (id)."""
    if not codes:
        return {}
    had = ReplenishmentPolicy.objects.visible_to(merchant).filter(warehouse__code__in=codes)
    return {(one.warehouse.code, one.sku_id): one.warehouse for one in had.select_related("warehouse")}


def _versions(wanted: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int | None]:
    """The versions of the places' policies, which are locked in the order of who watches and decides; None where there
    is none yet."""
    found: dict[tuple[int, int], int | None] = dict.fromkeys(wanted)
    had = _had(wanted).order_by("pk").select_for_update(no_key=True)
    for warehouse, sku, version in had.values_list("warehouse_id", "sku_id", "version"):
        if (warehouse, sku) in found:
            found[warehouse, sku] = version
    return found


def _had(wanted: Collection[tuple[int, int]]) -> QuerySet[ReplenishmentPolicy]:
    return ReplenishmentPolicy.objects.filter(
        warehouse__in={warehouse for warehouse, _sku in wanted}, sku__in={sku for _warehouse, sku in wanted}
    )


def problems(row: NewPolicy, sku: Sku | None, warehouse: Warehouse | None) -> list[FieldError]:
    """Everything that is wrong with a row, whose SKU and warehouse were looked up (None: there are none)."""
    wrong = []
    if sku is None:
        wrong.append(FieldError("sku", "not_found", _("There is no SKU %(sku)s.") % {"sku": row.sku}))
    if warehouse is None:
        detail = _("There is no warehouse %(code)s.") % {"code": row.warehouse}
        wrong.append(FieldError("warehouse", "not_found", detail))
    elif sku is not None and sku.storage_class not in warehouse.storage_classes:
        detail = _("Warehouse %(code)s does not keep goods of this storage class.") % {"code": warehouse.code}
        wrong.append(FieldError("warehouse", "storage_class_not_kept", detail))
    for name, choices in (("method", LineMethod.values), ("runs_by", RunsBy.values)):
        if getattr(row, name) not in choices:
            wrong.append(FieldError(name, "invalid", _("Choose one of %(known)s.") % {"known": ", ".join(choices)}))
    wrong += _wrong_line(row)
    for name, least, most in _RANGES:
        if not least <= getattr(row, name) <= most:
            detail = _("Give a number from %(least)s to %(most)s.") % {"least": least, "most": most}
            wrong.append(FieldError(name, "out_of_range", detail))
    if row.snoozed_until is not None and row.snoozed_until > timezone.now() + LONGEST_SNOOZE:
        detail = _("Choose a moment within the next %(days)s days.") % {"days": LONGEST_SNOOZE.days}
        wrong.append(FieldError("snoozed_until", "out_of_range", detail))
    return wrong


_RANGES: Sequence[tuple[str, Decimal | int, Decimal | int]] = (
    ("service_percent", LEAST_SERVICE, MOST_SERVICE),
    ("lead_days", 0, MOST_DAYS),
    ("lead_deviation_days", 0, MOST_DAYS),
    ("cover_days", 1, MOST_DAYS),
    ("pack_size", 1, MOST_PACK),
    ("minimum_quantity", 0, MOST_UNITS_OF_A_LINE),
)


def _wrong_line(row: NewPolicy) -> list[FieldError]:
    if row.method != LineMethod.FIXED:
        return []
    if row.reorder_point is None or row.order_up_to is None:
        name = "reorder_point" if row.reorder_point is None else "order_up_to"
        return [FieldError(name, "required", _("A fixed line says where it is and up to what is ordered."))]
    if not 0 <= row.reorder_point < row.order_up_to:
        return [FieldError("order_up_to", "invalid", _("Order up to more than the reorder point."))]
    if row.order_up_to > MOST_UNITS_OF_A_LINE:
        detail = _("Give a number from %(least)s to %(most)s.") % {"least": 1, "most": MOST_UNITS_OF_A_LINE}
        return [FieldError("order_up_to", "out_of_range", detail)]
    return []


def _write(wanted: dict[tuple[int, int], int], rows: Sequence[NewPolicy], actor: str) -> dict[int, ReplenishmentPolicy]:
    """The policies by the index of their row; computed lines are worked out."""
    if not wanted:
        return {}
    had = _had(wanted)
    new = [_policy(place, rows[index], actor) for place, index in sorted(wanted.items())]
    ReplenishmentPolicy.objects.bulk_create(
        new, update_conflicts=True, unique_fields=["sku", "warehouse"], update_fields=_COLUMNS
    )
    found = {
        (one.warehouse_id, one.sku_id): one
        for one in had.select_related("warehouse", "sku")
        if (one.warehouse_id, one.sku_id) in wanted
    }
    if computed := {one.pk for one in found.values() if one.method == LineMethod.COMPUTED}:
        levels.work_out(computed)
        fresh = {one.pk: one for one in had.select_related("warehouse", "sku").filter(pk__in=computed)}
        found = {place: fresh.get(one.pk, one) for place, one in found.items()}
    return {index: found[place] for place, index in wanted.items()}


def _policy(place: tuple[int, int], row: NewPolicy, actor: str) -> ReplenishmentPolicy:
    values = asdict(row)
    del values["warehouse"], values["sku"], values["version"]
    if row.method == LineMethod.COMPUTED:
        values |= {"reorder_point": LEAST.reorder_point, "order_up_to": LEAST.order_up_to}
        values["basis"] = LineBasis.FEW_SALES
    return ReplenishmentPolicy(
        warehouse_id=place[0], sku_id=place[1], changed_by=actor[:80], changed_at=Now(), **values
    )
