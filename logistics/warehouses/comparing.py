"""What warehouses say lies there, compared with the books: differences are told to people, never booked by themselves.

A report is a fact with the topic `stock` and the kind `stock_report`; its subject is the warehouse's code. A SKU may
stand in several rows (one a batch): they are added up. Where a report is `complete`, what it does not name is not
there.

    {"complete": true, "items": [{"sku": "P1", "quality": "good", "quantity": 7, "locked": 2, "merchant": "M1"}]}

`merchant` says whose SKU it is, by the merchant's code, where the warehouse keeps several merchants apart. `quantity`
are usable units and `locked` those that are frozen: together what is on hand.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from django.db.models import Case, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inventory.lots import today
from inventory.models import (
    LotMovement,
    Quality,
    Sku,
    Stock,
    StockComparison,
    StockDifference,
    StockLot,
    StockMovement,
    Warehouse,
)
from logistics.warehouses import adapters
from oms.common import outbound, tickets
from oms.common.masking import describe
from oms.common.models import Connection, InboundFact, Team, Topic
from oms.common.work import facts
from oms.common.work.callbacks import STOCK_REPORT
from oms.common.work.facts import News

logger = logging.getLogger(__name__)
# So many codes are named in a ticket; all stand on the comparison's page.
NAMED = 8

STOCK_DIFFERS = tickets.register_kind(
    tickets.TicketKind(
        "stock_differs",
        _("A warehouse has other stock than the books"),
        "warehouse",
        team=Team.LOGISTICS,
        due_within=timedelta(days=1),
        reasons={"": _("%(warehouse)s: %(differing)s of %(compared)s figures differ, such as %(examples)s.")},
        remedies=_("Look at the comparison; count what differs there, or ask the warehouse. Nothing was changed."),
        can_retry=False,
    )
)


_Units = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class Item(msgspec.Struct, frozen=True):
    """Units of a SKU of one quality."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    quantity: _Units
    locked: _Units = 0
    quality: Quality = Quality.GOOD
    merchant: str = ""


class StockReport(msgspec.Struct, frozen=True):
    """The body of a report."""

    items: Sequence[Item]
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """What both sides say of a SKU and quality."""

    sku_id: int | None
    code: str
    quality: str
    ours: int
    theirs: int


def ask(now: datetime | None = None) -> int:
    """Ask every connected warehouse that did not report today what lies there; returns how many answered.

    One that fails is asked again the next time, and holds up no other. Nobody is asked while what goes out is stopped.
    """
    if outbound.is_stopped():
        return 0
    now = now or timezone.now()
    answered = 0
    connected = Warehouse.objects.filter(is_active=True, connection__is_active=True).select_related("connection")
    for warehouse in connected.exclude(kind=Warehouse.Kind.VIRTUAL):
        link = warehouse.connection
        key = f"stock:{warehouse.code}:{today().isoformat()}"
        if link is None or InboundFact.objects.filter(connection=link, fact_key=key).exists():
            continue
        try:
            report = adapters.of(link).stock(link, warehouse.code)
        except Exception as error:
            logger.warning("%s did not say what lies in %s: %s", link.code, warehouse.code, describe(error))
            continue
        if report is not None:
            facts.receive(link.pk, Topic.STOCK, [News(key, STOCK_REPORT, warehouse.code, now, report)])
            answered += 1
    return answered


def compare(warehouse: Warehouse, report: StockReport, at: datetime) -> int:
    """Keep what differs between a report and what the books said at its moment, and tell people; returns how many
    figures differ."""
    figures = _figures(warehouse, report, at)
    differing = [one for one in figures if one.ours != one.theirs]
    comparison = StockComparison.objects.create(
        warehouse=warehouse, reported_at=at, compared=len(figures), differing=len(differing)
    )
    StockDifference.objects.bulk_create(
        [
            StockDifference(
                comparison=comparison,
                sku_id=one.sku_id,
                code=one.code,
                quality=one.quality,
                ours=one.ours,
                theirs=one.theirs,
            )
            for one in differing
        ]
    )
    if StockComparison.objects.filter(warehouse=warehouse, reported_at__gt=at).exists():
        return len(differing)  # A later report has been told of already.
    if differing:
        values = {
            "warehouse": warehouse.code,
            "differing": len(differing),
            "compared": len(figures),
            "examples": ", ".join(f"{one.code} {one.ours}/{one.theirs}" for one in differing[:NAMED]),
        }
        tickets.open_tickets(STOCK_DIFFERS, [tickets.Trouble(warehouse.pk, "", values)], opened_by="stock_facts")
    else:
        tickets.close_tickets([STOCK_DIFFERS], [warehouse.pk], closed_by="stock_facts")
    return len(differing)


def _figures(warehouse: Warehouse, report: StockReport, at: datetime) -> list[Figure]:
    ours = _ours(warehouse, at)
    codes, ids = {item.sku for item in report.items}, {sku for sku, _code, _quality, _units in ours}
    skus = list(Sku.objects.filter(Q(code__in=codes) | Q(pk__in=ids)).values_list("pk", "code", "merchant__code"))
    # Where the report names no merchants, of several SKUs of one code the one that lies there is meant.
    names_owners = any(item.merchant for item in report.items)
    owner = {pk: merchant if names_owners else "" for pk, _code, merchant in skus}
    known = {(owner[pk], code): pk for pk, code, _merchant in skus}
    known |= {(owner[sku], code): sku for sku, code, _quality, _units in ours}
    theirs: dict[tuple[str, str, str], int] = {}
    for item in report.items:
        whose = (item.merchant or warehouse.merchant.code) if names_owners else ""
        key = (whose, item.sku, item.quality.value)
        theirs[key] = theirs.get(key, 0) + item.quantity + item.locked
    units: dict[tuple[str, str, str], int] = {}
    for sku, code, quality, number in ours:
        key = (owner[sku], code, quality)
        units[key] = units.get(key, 0) + number
    wanted = set(theirs) | (set(units) if report.complete else set())
    return [
        Figure(known.get(key[:2]), key[1], key[2], units.get(key, 0), theirs.get(key, 0))
        for key in sorted(wanted, key=lambda key: (key[1], key[2], key[0]))
    ]


def _ours(warehouse: Warehouse, at: datetime) -> list[tuple[int, str, str, int]]:
    """(SKU id, code, quality, units) of all that lay there at the moment, from what lies there now and what came
    since. One statement: between two, units could change their quality."""
    # The ledger keeps `changed_at`: the movements of a row that did not change since are not read.
    later = Case(When(changed_at__gt=at, then=_came(StockMovement, "stock", at)), default=0)
    good = Stock.objects.filter(warehouse=warehouse).order_by()
    others = StockLot.objects.filter(stock__warehouse=warehouse).exclude(quality=Quality.GOOD).order_by()
    rows = good.values_list("sku_id", "sku__code", Value(Quality.GOOD.value), F("on_hand") - later).union(
        others.values_list(
            "stock__sku_id", "stock__sku__code", "quality", F("on_hand") - _came(LotMovement, "lot", at)
        ),
        all=True,
    )
    found: dict[tuple[int, str, str], int] = {}
    for sku, code, quality, units in rows:
        found[sku, code, quality] = found.get((sku, code, quality), 0) + units
    return [(*key, units) for key, units in found.items() if units]


def _came(ledger: type[StockMovement | LotMovement], row: str, at: datetime) -> Coalesce:
    """Units that a ledger says came since to the outer statement's row, which its column `row` names."""
    since = ledger._default_manager.filter(created_at__gt=at, **{row: OuterRef("pk")}).order_by()
    return Coalesce(Subquery(since.values(row).annotate(units=Sum("on_hand_change")).values("units")), 0)


def pretended(link: Connection, warehouse: str) -> dict[str, object]:
    """The report of a pretended warehouse: what the books say, since it keeps none of its own."""
    place = Warehouse.objects.get(code=warehouse, connection=link)
    items = [
        {"sku": code, "quality": quality, "quantity": units}
        for _sku, code, quality, units in _ours(place, timezone.now())
    ]
    return {"complete": True, "items": items}
