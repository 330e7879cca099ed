"""Warehouses that merchants make for themselves: sent from on the merchants' pages and by the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import TypedDict

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from inventory.models import Region, StorageClass, Warehouse
from logistics.by_merchant.speaker import CONNECTION, PROTOCOL
from oms.common.errors import FieldError, WrongFields
from oms.common.models import Connection, SystemKind
from oms.common.phones import normal_form
from oms.merchants.models import Merchant
from oms.merchants.models.application import validate_merchant_code
from orders.intake.addressing import parse_address

MOST = 50
# Units that a warehouse can send a day.
MOST_A_DAY = 1_000_000
# The two ways of getting waybills that a merchant who packs by itself can choose.
WAYBILLS = (Warehouse.WaybillWhen.OWN, Warehouse.WaybillWhen.AT_RELEASE)


@dataclass(frozen=True, slots=True)
class NewWarehouse:
    """What a merchant says of a warehouse. `address` is the whole address in free text, read as orders' are; `code` is
    made where it is empty. A warehouse of the storage class `virtual` alone needs no address."""

    name: str
    address: str = ""
    storage_classes: Sequence[str] = (StorageClass.AMBIENT, StorageClass.GENERAL)
    contact_name: str = ""
    contact_phone: str = ""
    code: str = ""
    waybill_when: str = Warehouse.WaybillWhen.OWN

    @property
    def is_virtual(self) -> bool:
        """Whether nothing that can be touched lies there."""
        return list(self.storage_classes) == [StorageClass.VIRTUAL]


class WarehouseChange(TypedDict, total=False):
    """What a merchant may change of its warehouse: what it is called, whom to call, how many units a day it can send
    (`daily_capacity`, 0: any number), its cut-offs for delivery on the same and the next day (China's time; None: as
    the service level says), and whether new orders are sent from it."""

    name: str
    contact_name: str
    contact_phone: str
    daily_capacity: int
    cutoff_same_day: time | None
    cutoff_next_day: time | None
    is_active: bool


def link() -> Connection:
    """The connection of all warehouses that merchants run here; it is made with the first of them."""
    found, _is_new = Connection.objects.get_or_create(
        code=CONNECTION, defaults={"kind": SystemKind.WAREHOUSE, "protocol": PROTOCOL}
    )
    return found


@transaction.atomic
def open_warehouse(merchant: Merchant, wanted: NewWarehouse) -> Warehouse:
    """Make the warehouse. Raises WrongFields, which names every field that is wrong."""
    # One at a time: codes are counted.
    Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
    errors, region, rest = _judged(merchant, wanted)
    if merchant.warehouses.count() >= MOST:
        text = _("You have %(most)d warehouses: ask the operator for more.")
        errors.append(FieldError("name", "too_many", text % {"most": MOST}))
    if errors or region is None:
        raise WrongFields(errors)
    kind = Warehouse.Kind.VIRTUAL if wanted.is_virtual else Warehouse.Kind.MERCHANT
    code = wanted.code or _free_code(merchant)
    try:
        with transaction.atomic():
            return Warehouse.objects.create(
                merchant=merchant,
                code=code,
                name=wanted.name,
                kind=kind,
                storage_classes=list(dict.fromkeys(wanted.storage_classes)),
                region=region,
                address=rest,
                contact_name=wanted.contact_name,
                contact_phone=normal_form(wanted.contact_phone) or "",
                longitude=region.longitude,
                latitude=region.latitude,
                connection=None if wanted.is_virtual else link(),
                waybill_when=wanted.waybill_when,
            )
    except IntegrityError as error:
        if "warehouse_code_is_unique" not in str(error):
            raise
        text = _("The code %(code)s is taken.") % {"code": code}
        raise WrongFields([FieldError("code", "duplicate", text)]) from error


@transaction.atomic
def change_warehouse(merchant: Merchant, warehouse_id: int, wanted: WarehouseChange) -> Warehouse:
    """Change what is given; what was promised and sent before stays. Raises WrongFields, and DoesNotExist for none of
    theirs."""
    warehouse = Warehouse.objects.select_for_update(no_key=True).get(pk=warehouse_id, merchant=merchant)
    values = dict(wanted)
    errors = []
    if "name" in wanted:
        values["name"] = wanted["name"].strip()
        if not values["name"]:
            errors.append(FieldError("name", "required", _("Give the warehouse a name.")))
    if "contact_phone" in wanted:
        values["contact_phone"] = normal_form(wanted["contact_phone"]) or ""
        if wanted["contact_phone"] and not values["contact_phone"]:
            errors.append(_wrong_phone())
    if errors:
        raise WrongFields(errors)
    for name, value in values.items():
        setattr(warehouse, name, value)
    if values:
        warehouse.save(update_fields=list(values))
    return warehouse


def _wrong_phone() -> FieldError:
    return FieldError("contact_phone", "invalid", _("Give a Chinese phone number, such as 13800001111."))


def _judged(merchant: Merchant, wanted: NewWarehouse) -> tuple[list[FieldError], Region | None, str]:
    """What is wrong with it, the region that it lies in, and the rest of its address."""
    errors: list[FieldError] = []
    if not wanted.name.strip():
        errors.append(FieldError("name", "required", _("Give the warehouse a name.")))
    if wanted.code and not validate_merchant_code.regex.search(wanted.code):  # type: ignore[union-attr]
        errors.append(FieldError("code", "invalid", str(validate_merchant_code.message)))
    strange = [one for one in wanted.storage_classes if one not in StorageClass.values]
    if strange or not wanted.storage_classes:
        text = _("Give storage classes, of these: %(known)s.") % {"known": ", ".join(StorageClass.values)}
        errors.append(FieldError("storage_classes", "invalid", text))
    elif StorageClass.VIRTUAL in wanted.storage_classes and not wanted.is_virtual:
        text = _("What is virtual lies in a warehouse of its own: make one for it alone.")
        errors.append(FieldError("storage_classes", "virtual_apart", text))
    if wanted.waybill_when not in WAYBILLS:
        errors.append(
            FieldError("waybill_when", "invalid", _("Give one of: %(known)s.") % {"known": ", ".join(WAYBILLS)})
        )
    if merchant.is_sandbox and wanted.waybill_when != Warehouse.WaybillWhen.OWN:
        text = _("A sandbox buys no waybills of carriers: bring your own.")
        errors.append(FieldError("waybill_when", "no_waybills_here", text))
    if wanted.contact_phone and not normal_form(wanted.contact_phone):
        errors.append(_wrong_phone())
    if wanted.is_virtual and not wanted.address.strip():
        return errors, Region.objects.order_by("code").first(), ""
    read = parse_address(wanted.address)
    region = Region.objects.filter(pk=read.region_code).first() if read.region_code else None
    if region is None:
        meant = ", ".join(str(place) for place in read.candidates[:5])
        text = _("Give the whole address, with province, city and district.")
        if meant:
            text = _("Which district is meant? Write one of these in full: %(places)s.") % {"places": meant}
        errors.append(FieldError("address", "region_unclear", text))
    return errors, region, read.rest[:200]


def _free_code(merchant: Merchant) -> str:
    """A code that no warehouse has: the merchant's with a number."""
    taken = set(Warehouse.objects.filter(code__startswith=merchant.code[:24]).values_list("code", flat=True))
    return next(
        code for number in range(1, len(taken) + 2) if (code := f"{merchant.code[:24]}-WH{number}") not in taken
    )
