"""Serial numbers in what merchants report: each unit of a SKU that has such numbers is named, and none leaves twice."""

from collections import Counter
from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from inventory.models.serials import MOST_OF_A_SERIAL
from logistics.by_merchant.reported import Line, Outcome
from logistics.warehouses import serials


def read(outcomes: Mapping[int, Sequence[Outcome]], lines: Mapping[int, Sequence[Line]], *, all_the_same: bool) -> None:
    """Put to the outcomes (by warehouse order) the serial numbers of their units, and refuse those of which units have
    none, or have one of another unit. What left `all_the_same` is believed: a person is told of numbers that left
    before."""
    named: Counter[tuple[int, str]] = Counter()
    for work_id, rows in outcomes.items():
        skus = {line.sku: line for line in lines.get(work_id, ()) if line.wants_serials}
        for one in rows:
            _read_one(one, skus, _units_in(one, lines.get(work_id, ())), all_the_same=all_the_same)
            named.update((skus[sku].sku_id, serial) for sku, told in one.serials.items() for serial in told)
    if all_the_same or not named:
        return
    elsewhere = serials.taken(named, but=list(outcomes))
    for work_id, rows in outcomes.items():
        ids = {line.sku: line.sku_id for line in lines.get(work_id, ())}
        for one in rows:
            for sku, serial in dict.fromkeys((sku, serial) for sku, told in one.serials.items() for serial in told):
                values = {"serial": serial, "number": elsewhere.get((ids[sku], serial), "")}
                if named[ids[sku], serial] > 1:
                    one.refuse("serials", "serial_twice", _("%(serial)s is named twice.") % values)
                elif values["number"]:
                    text = _("%(serial)s is the unit of another parcel, %(number)s.")
                    one.refuse("serials", "serial_taken", text % values)


def _units_in(one: Outcome, lines: Sequence[Line]) -> Mapping[str, int]:
    """The units that the parcel holds, by SKU code: those that are named, or all that is here."""
    if one.leaving.units:
        return one.leaving.units
    here: Counter[str] = Counter()
    for line in lines:
        here[line.sku] += line.here
    return here


def _read_one(one: Outcome, skus: Mapping[str, Line], units: Mapping[str, int], *, all_the_same: bool) -> None:
    for code, texts in one.leaving.serials.items():
        told = [text.strip() for text in texts if text.strip()]
        sku = code or (next(iter(skus)) if len(skus) == 1 else "")
        if not told:
            continue
        if not sku:
            one.refuse("serials", "required", _("Say of which SKU the serial numbers are."))
        elif sku not in skus:
            text = _("%(sku)s has no serial numbers in this order.")
            one.refuse("serials", "unknown_sku", text % {"sku": sku[:64]})
        elif any(len(serial) > MOST_OF_A_SERIAL for serial in told):
            text = _("A serial number has 1 to %(most)d characters.")
            one.refuse("serials", "invalid", text % {"most": MOST_OF_A_SERIAL})
        else:
            one.serials.setdefault(sku, []).extend(told)
    if all_the_same or any(error.attr == "serials" for error in one.errors):
        return
    for sku in skus:
        wanted, count = units.get(sku, 0), len(one.serials.get(sku, ()))
        if wanted != count:
            text = _("Name the serial number of each unit of %(sku)s: %(units)d are in the parcel, %(named)d named.")
            one.refuse("serials", "serials_missing", text % {"sku": sku, "units": wanted, "named": count})
