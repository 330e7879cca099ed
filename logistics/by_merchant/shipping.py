"""Reporting what left a merchant's own warehouse (发货回传): many parcels at once, each order for itself.

The rows of one order go together: where one of them is wrong, none of them counts. What is refused did nothing.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from zlib import crc32

from django.db import connection, transaction
from django.utils.translation import gettext as _

from logistics.by_merchant import kinds, naming, showing, telling, works
from logistics.by_merchant.reported import Leaving, Line, Outcome
from logistics.carriers.adapters import sandbox
from logistics.models import Carrier, Shipment, ShipmentState, WarehouseOrderState
from logistics.models.warehouse_order import NOT_GONE
from logistics.printing import choosing
from logistics.warehouses import works as locking
from logistics.warehouses.notices import Notice
from logistics.warehouses.works import Work
from oms.common.copying import array
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.telling import timeline

MOST_AT_ONCE = 1_000
# Reports of one merchant are taken one after the other, and those of any that name one waybill: they must see each
# other. Waybills share so many locks.
_REPORTING, _LABELLING, _LOCKS = 0x73686970, 0x6C61626C, 64
_KIND_OF_CARRIER = re.compile("(速运|速递|快递|物流|快递包裹)$")
_WAYBILL = re.compile(r"[0-9A-Za-z-]{5,40}")
S = WarehouseOrderState


@transaction.atomic
def ship(
    merchant: Merchant,
    leaving: Sequence[Leaving],
    *,
    actor: Actor,
    all_the_same: bool = False,
    is_rehearsal: bool = False,
) -> list[Outcome]:
    """Report parcels (at most MOST_AT_ONCE) that left the merchant's own warehouses; one outcome for each, in order.

    What speaks against an order (a hold, a cancellation, a refund) refuses its rows, unless they left `all_the_same`:
    then it is kept as what really happened, and a person is told. With `is_rehearsal` nothing is changed.
    """
    outcomes = [Outcome(one) for one in leaving]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_REPORTING, merchant.pk])
        shares = {crc32(one.waybill.encode()) % _LOCKS for one in leaving if one.waybill}
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, label) FROM unnest(%s::int[]) AS l(label)", [_LABELLING, sorted(shares)]
        )
    carriers = _carriers(merchant, outcomes)
    _find(merchant, outcomes)
    found = sorted({one.work_id for one in outcomes if one.work_id is not None})
    works.lock_orders(found)
    held = locking.lock(found)
    _refuse_by_state(outcomes, held, all_the_same)
    labels = _labels(held)
    _refuse_taken_waybills(outcomes, held, carriers, labels)
    lines_here = _lines_here(found)
    _refuse_wrong_units(outcomes, lines_here)
    naming.read(_by_work(outcomes), lines_here, all_the_same=all_the_same)
    _refuse_together(outcomes)
    if not is_rehearsal:
        _report(outcomes, held, carriers, labels, actor)
    return outcomes


def _carriers(merchant: Merchant, outcomes: Sequence[Outcome]) -> Mapping[str, str]:
    """Codes of the carriers that are named, by what names them; who names none, or an unknown one, is refused."""
    known: dict[str, str] = {}
    short: dict[str, set[str]] = defaultdict(set)
    labels: list[str] = []
    for code, name in showing.carriers_of(merchant).order_by("-priority").values_list("code", "name"):
        known |= {name.casefold(): code, code.casefold(): code}
        if _short(name):
            short[_short(name)].add(code)
        labels.insert(0, code if code == name else f"{code} {name}")
    for one in outcomes:
        carrier, waybill = one.leaving.carrier, one.leaving.waybill
        if waybill and not _WAYBILL.fullmatch(waybill):
            one.refuse("waybill", "invalid", _("Give the waybill number: 5 to 40 letters, digits and hyphens."))
        if bool(carrier) != bool(waybill):
            text = _("Give carrier and waybill together.")
            one.refuse("waybill" if carrier else "carrier", "required", text)
        elif carrier and carrier.casefold() not in known:
            meant = short.get(_short(carrier), set())
            if len(meant) == 1:
                known[carrier.casefold()] = next(iter(meant))
                continue
            text = _("There is no carrier %(carrier)s. Give one of these: %(codes)s.")
            one.refuse("carrier", "unknown_carrier", text % {"carrier": carrier[:20], "codes": ", ".join(labels[:20])})
    return known


def _short(name: str) -> str:
    """What people call a carrier: 顺丰 is 顺丰速运 and 顺丰快递, but not 顺丰快运, which carries freight."""
    return _KIND_OF_CARRIER.sub("", name.strip().casefold())


def _find(merchant: Merchant, outcomes: Sequence[Outcome]) -> None:
    ids = works.named(merchant, {one.leaving.number for one in outcomes})
    for one in outcomes:
        one.work_id = ids.get(one.leaving.number)
        if one.work_id is None:
            text = _(
                "None of your warehouses was asked to send %(number)s. Of an order in several parts name each part."
            )
            one.refuse("number", "not_found", text % {"number": one.leaving.number[:40]})


def _refuse_by_state(outcomes: Sequence[Outcome], held: Mapping[int, Work], all_the_same: bool) -> None:
    """Refuse what left already, what is not wanted any more, and what something speaks against."""
    ids = {one.work_id for one in outcomes if one.work_id is not None}
    against = {} if all_the_same else choosing.objections_to_works(ids)
    left = _waybills_that_left(ids)
    for one in outcomes:
        work = held.get(one.work_id or 0)
        if work is None:
            continue
        if work.state == S.SHIPPED or (one.leaving.waybill and one.leaving.waybill in left.get(work.id, ())):
            if one.leaving.waybill and one.leaving.waybill in left.get(work.id, ()):
                one.is_known = True
            else:
                one.refuse("number", "shipped_already", _("%(number)s has left already.") % {"number": work.number})
        elif all_the_same:
            continue
        elif not work.is_current or work.state not in (*NOT_GONE, S.PARTLY_SHIPPED):
            text = _("%(number)s is not wanted any more: do not send it. If it left, say so.")
            one.refuse("number", "not_wanted", text % {"number": work.number})
        elif work.is_asked_to_stop:
            text = _("%(number)s is to be stopped: answer that first. If it left, say so.")
            one.refuse("number", "asked_to_stop", text % {"number": work.number})
        elif work.id in against:
            one.refuse("number", "not_now", " ".join(str(reason) for reason in against[work.id]))


def _waybills_that_left(work_ids: Collection[int]) -> Mapping[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    parcels = Shipment.objects.filter(warehouse_order__in=work_ids, left_at__isnull=False)
    for key, waybill in parcels.values_list("warehouse_order_id", "waybill_number"):
        found[key or 0].add(waybill or "")
    return found


def _labels(held: Collection[int]) -> Mapping[int, list[tuple[str, str]]]:
    """Carrier (code) and waybill of the parcels that are still here, by warehouse order."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    parcels = Shipment.objects.filter(warehouse_order__in=list(held), waybill_number__isnull=False, left_at=None)
    for key, carrier, waybill in (
        parcels.exclude(state=ShipmentState.CANCELLED)
        .order_by("pk")
        .values_list("warehouse_order_id", "carrier__code", "waybill_number")
    ):
        found[key or 0].append((carrier or "", waybill or ""))
    return found


def _refuse_taken_waybills(
    outcomes: Sequence[Outcome],
    held: Mapping[int, Work],
    carriers: Mapping[str, str],
    labels: Mapping[int, Sequence[tuple[str, str]]],
) -> None:
    """A waybill is one parcel's: not another's here, nor of any order before. Without one, the parcels have theirs."""
    named = [one for one in outcomes if one.leaving.waybill]
    times = Counter((carriers.get(one.leaving.carrier.casefold()), one.leaving.waybill) for one in named)
    others = Shipment.objects.filter(waybill_number__in={one.leaving.waybill for one in named}).exclude(
        state=ShipmentState.CANCELLED
    )
    owners = {
        (code, waybill): key
        for code, waybill, key in others.values_list("carrier__code", "waybill_number", "warehouse_order_id")
    }
    for one in outcomes:
        label = (carriers.get(one.leaving.carrier.casefold()), one.leaving.waybill)
        if not one.leaving.waybill:
            if one.work_id in held and not one.leaving.carrier and one.work_id not in labels:
                one.refuse("waybill", "required", _("Give carrier and waybill: the parcel has none yet."))
            elif one.leaving.serials and len(labels.get(one.work_id or 0, ())) > 1:
                text = _("Give carrier and waybill: say in which parcel each unit with a serial number is.")
                one.refuse("waybill", "required", text)
        elif times[label] > 1:
            one.refuse("waybill", "waybill_twice", _("The waybill stands in the list twice."))
        elif label in owners and owners[label] != one.work_id:
            one.refuse("waybill", "waybill_taken", _("The waybill is that of another parcel."))


def _lines_here(work_ids: Collection[int]) -> Mapping[int, Sequence[Line]]:
    """The lines of warehouse orders (by id) with the units that are still here."""
    found: dict[int, list[Line]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wl.warehouse_order_id, l.id, k.code, wl.quantity - wl.left_quantity, k.id, k.wants_serials
            FROM logistics_warehouseorderline wl JOIN orders_suborderline l ON l.id = wl.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
            WHERE wl.warehouse_order_id = ANY(%s::bigint[]) ORDER BY wl.warehouse_order_id, l.id
            """,
            [array(work_ids)],
        )
        for key, *line in cursor.fetchall():
            found[key].append(Line(*line))
    return found


def _by_work(outcomes: Sequence[Outcome]) -> Mapping[int, list[Outcome]]:
    found: dict[int, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        if one.work_id is not None and not one.is_known:
            found[one.work_id].append(one)
    return found


def _refuse_wrong_units(outcomes: Sequence[Outcome], lines: Mapping[int, Sequence[Line]]) -> None:
    """Refuse SKUs that are not in the order, more units than are here, and several parcels that do not say what they
    hold."""
    for work_id, rows in _by_work(outcomes).items():
        here: Counter[str] = Counter()
        for line in lines.get(work_id, ()):
            here[line.sku] += line.here
        wanted: Counter[str] = Counter()
        for one in rows:
            wanted.update(one.leaving.units)
            for sku, units in one.leaving.units.items():
                if sku not in here:
                    text = _("%(sku)s is not in this order.") % {"sku": sku[:64]}
                    one.refuse("units", "unknown_sku", text)
                elif units < 1 or wanted[sku] > here[sku]:
                    text = _("Of %(sku)s %(units)s units are here: give a number from 1 to that.")
                    one.refuse("units", "too_many", text % {"sku": sku, "units": here[sku]})
            if len(rows) > 1 and not one.leaving.units:
                text = _("It goes in several parcels: say for each which units of which SKU are in it.")
                one.refuse("units", "required", text)


def _refuse_together(outcomes: Sequence[Outcome]) -> None:
    """Where one row of an order is wrong, the others of it wait for it."""
    for rows in _by_work(outcomes).values():
        if any(one.errors for one in rows):
            for one in rows:
                if not one.errors:
                    one.refuse("number", "another_is_wrong", _("Another parcel of this order is wrong: none is taken."))


def _report(
    outcomes: Sequence[Outcome],
    held: Mapping[int, Work],
    carriers: Mapping[str, str],
    labels: Mapping[int, Sequence[tuple[str, str]]],
    actor: Actor,
) -> None:
    """Store what left as facts of the warehouses, and note on the timelines who said so."""
    done = {key: rows for key, rows in _by_work(outcomes).items() if not any(one.errors for one in rows)}
    lines = _lines_here(done)
    told = []
    for key, rows in done.items():
        parcels = [
            _parcel(one, lines[key], (carriers[one.leaving.carrier.casefold()], one.leaving.waybill))
            for one in rows
            if one.leaving.waybill
        ]
        parcels += [_parcel(one, lines[key], labels[key][0]) for one in rows if one.serials and not one.leaving.waybill]
        everything = all(not one.leaving.units for one in rows) or _takes_all(rows, lines[key])
        is_final = everything or any(one.leaving.is_last for one in rows)
        names = ",".join(sorted(one.leaving.waybill for one in rows)) or "as labelled"
        kind = Notice.SHIPPED if is_final else Notice.PARTLY_SHIPPED
        told.append(telling.news(names, kind, held[key].number, {"parcels": parcels} if parcels else {}))
    by_link: dict[int, list[int]] = defaultdict(list)
    for key in done:
        by_link[held[key].connection_id].append(key)
    for connection_id, keys in sorted(by_link.items()):
        numbers = {held[key].number for key in keys}
        telling.tell(connection_id, [news for news in told if news.subject in numbers], keys)
    timeline.record_all(
        timeline.Entry(
            held[key].order_id or 0,
            kinds.SHIPPING_REPORTED,
            actor,
            {"number": held[key].number, "waybills": ", ".join(one.leaving.waybill or "–" for one in rows)},
        )
        for key, rows in done.items()
    )
    sandbox.handed_over(done)
    _let_carry([one.leaving for rows in done.values() for one in rows if one.leaving.waybill], carriers)


def _let_carry(leaving: Sequence[Leaving], carriers: Mapping[str, str]) -> None:
    """Have pretended carriers tell of the parcels: real ones push or are asked."""
    waybills: dict[str, list[str]] = defaultdict(list)
    for one in leaving:
        waybills[carriers[one.carrier.casefold()]].append(one.waybill)
    if waybills:
        pretended = Carrier.objects.filter(code__in=waybills, connection__protocol=sandbox.PROTOCOL)
        sandbox.carry(pretended, waybills)


def _takes_all(rows: Sequence[Outcome], lines: Sequence[Line]) -> bool:
    wanted: Counter[str] = Counter()
    for one in rows:
        wanted.update(one.leaving.units)
    here: Counter[str] = Counter()
    for line in lines:
        here[line.sku] += line.here
    return all(wanted[sku] >= units for sku, units in here.items())


def _parcel(one: Outcome, lines: Sequence[Line], label: tuple[str, str]) -> dict[str, object]:
    """The parcel as a warehouse's notice says it: units by SKU are those of its lines, in their order."""
    told: list[dict[str, object]] = [
        {"line": "", "sku": sku, "quantity": units, "serials": one.serials.get(sku, [])}
        for sku, units in one.leaving.units.items()
        if units
    ]
    named = {sku: iter(serials) for sku, serials in one.serials.items()}
    return {
        "carrier": label[0],
        "waybill": label[1],
        "weight_g": one.leaving.weight_g,
        "lines": told
        or [
            {
                "line": str(line.line),
                "quantity": line.here,
                "serials": [*islice(named.get(line.sku, iter(())), line.here)],
            }
            for line in lines
            if line.here
        ],
    }
