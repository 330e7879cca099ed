"""What warehouses tell of their stock, whatever their protocol: facts with the topic `stock`.

| kind | subject | body |
| --- | --- | --- |
| `stock_report` | a warehouse's code | see `logistics.warehouses.comparing` |
| `stock_count` | the count's number | `Count`: differences, page by page |
| `stock_changed` | a warehouse's code | `Change` |
| `goods_received`, `goods_sent` | a stock order's number | `Moved` |
| `goods_returned` | a stock order's number | `Moved`: what came back of a return, and in what quality |
| `document_noted` | a stock order's number | `Noted` |

`merchant` is the code of the merchant whose goods they are; empty: the warehouse's own.
"""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import msgspec

from inventory.models import Quality
from inventory.models.serials import MOST_OF_A_SERIAL
from logistics.warehouses.notices import MOST_SERIALS
from oms.common.work.callbacks import ABOUT_STOCK, STOCK_REPORT

STOCK_COUNT, STOCK_CHANGED = "stock_count", "stock_changed"
GOODS_RECEIVED, GOODS_SENT, GOODS_RETURNED = "goods_received", "goods_sent", "goods_returned"
DOCUMENT_NOTED = "document_noted"

_Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Units = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
_Serial = Annotated[str, msgspec.Meta(max_length=MOST_OF_A_SERIAL)]
_Signed = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]


class Counted(msgspec.Struct, frozen=True):
    """Units of a SKU that are there beyond the warehouse's books, or lack (negative)."""

    sku: _Code
    difference: _Signed
    quality: Quality = Quality.GOOD


class Count(msgspec.Struct, frozen=True):
    """A page of a count; nothing of it counts before all pages are there."""

    warehouse: _Code
    items: Sequence[Counted]
    merchant: str = ""
    page: int = 1
    pages: int = 1


class Change(msgspec.Struct, frozen=True):
    """Units of a SKU that came or went by a document that the warehouse made itself."""

    sku: _Code
    difference: _Signed
    merchant: str = ""
    quality: Quality = Quality.GOOD
    document: str = ""
    moves_stock: bool = False


class MovedLine(msgspec.Struct, frozen=True):
    """Units of a SKU that came in or went out, with the serial numbers that were told of them."""

    sku: _Code
    quantity: _Units
    quality: Quality = Quality.GOOD
    lot: Annotated[str, msgspec.Meta(max_length=40)] = ""
    best_before: date | None = None
    serials: Annotated[Sequence[_Serial], msgspec.Meta(max_length=MOST_SERIALS)] = ()


class Moved(msgspec.Struct, frozen=True):
    """What came or went of a document; more will follow unless it `is_final`."""

    lines: Sequence[MovedLine]
    is_final: bool = True


class Noted(msgspec.Struct, frozen=True):
    """A word on a document, which changes nothing by itself."""

    word: str = ""
    text: str = ""


_BODIES: dict[str, Any] = {
    STOCK_COUNT: Count,
    STOCK_CHANGED: Change,
    GOODS_RECEIVED: Moved,
    GOODS_SENT: Moved,
    GOODS_RETURNED: Moved,
    DOCUMENT_NOTED: Noted,
}
KINDS = (STOCK_REPORT, *_BODIES)
ABOUT_STOCK.update(KINDS)


def read(kind: str, body: Any) -> Any:
    """The body of a notice. Raises ValueError for another kind, msgspec.ValidationError for a wrong body."""
    if kind not in _BODIES:
        raise ValueError(f"{kind} is no news of stock")
    return msgspec.convert(body, _BODIES[kind])
