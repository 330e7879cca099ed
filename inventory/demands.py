"""What movements and reservations are for, as staff see it: the text and the page of the row that a demand names.

The rows belong to several apps; each says how its own are shown, and they are read by one statement a kind.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from django.urls import reverse

from inventory.models import DemandKind, StockHoldLine, TransferLine
from oms.common.tickets import Shown

Read = Callable[[Collection[int]], Mapping[int, Shown]]
_READS: dict[str, Read] = {}


def register(kind: DemandKind, read: Read) -> None:
    """Let `read` say how demands of the kind are shown, by their ids."""
    _READS[kind] = read


def shown(demands: Iterable[tuple[str, int | None]]) -> dict[tuple[str, int | None], Shown]:
    """How each demand (its kind and id) is shown. One statement a kind; what is gone is left out."""
    ids: defaultdict[str, set[int]] = defaultdict(set)
    for kind, demand_id in demands:
        if demand_id is not None and kind in _READS:
            ids[kind].add(demand_id)
    return {(kind, key): one for kind, of_kind in ids.items() for key, one in _READS[kind](of_kind).items()}


def _transfers(line_ids: Collection[int]) -> dict[int, Shown]:
    rows = TransferLine.objects.filter(pk__in=line_ids).values_list("pk", "transfer_id", "transfer__reference")
    return {key: Shown(text, reverse("admin:inventory_transfer_change", args=[row])) for key, row, text in rows}


def _holds(line_ids: Collection[int]) -> dict[int, Shown]:
    lines = StockHoldLine.objects.filter(pk__in=line_ids).select_related("hold")
    page = "admin:inventory_stockhold_change"
    return {one.pk: Shown(one.hold.number, reverse(page, args=[one.hold_id])) for one in lines}


register(DemandKind.TRANSFER, _transfers)
register(DemandKind.HOLD, _holds)
