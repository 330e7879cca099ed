"""What an order looks like on the wire: the same for the API, for files and for other doors."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from oms.common.errors import FieldError

MAX_LINES = 500


class BuyerBody(msgspec.Struct, frozen=True, gc=False):
    """Who buys: the channel's own id of the buyer, a name and a phone."""

    id: str
    name: str
    phone: str


class RecipientBody(msgspec.Struct, frozen=True, gc=False):
    """Where it goes: `region_code` is a county-level GB/T 2260 code; province and city, where given, must agree."""

    name: str
    phone: str
    region_code: str
    address: str
    province: str = ""
    city: str = ""
    district: str = ""


class LineBody(msgspec.Struct, frozen=True, gc=False):
    """One SKU; prices in yuan. `merchant` may be left out for the channel's own goods."""

    sku: str
    quantity: int
    unit_price: Decimal
    line_discount: Decimal = Decimal(0)
    merchant: str = ""
    name: str = ""


class PointsBody(msgspec.Struct, frozen=True, gc=False):
    """Points the buyer used, and what they are worth in yuan."""

    used: int = 0
    amount: Decimal = Decimal(0)


class OrderBody(msgspec.Struct, frozen=True, gc=False):
    """An order as a channel sends it; amounts in yuan, as decimal text."""

    external_number: str
    ordered_at: datetime
    buyer: BuyerBody
    recipient: RecipientBody
    lines: list[LineBody]
    payable_amount: Decimal
    payment_method: str = "prepaid"
    source: str = ""
    coupon_amount: Decimal = Decimal(0)
    freight_amount: Decimal = Decimal(0)
    points: PointsBody = PointsBody()
    gift_card_amount: Decimal = Decimal(0)
    promise: str = "standard"
    remark: str = ""


_from_json = msgspec.json.Decoder(OrderBody)
_PATH = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(\w+)`")


def decode(raw: bytes | str) -> OrderBody | FieldError:
    """An order from JSON text, or what is wrong with its form."""
    try:
        return _from_json.decode(raw)
    except msgspec.ValidationError as error:
        return field_error(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return FieldError("", "parse_error", _("This is not valid JSON: %(reason)s") % {"reason": error})


def convert(value: Any) -> OrderBody | FieldError:
    """An order from a decoded JSON value, or what is wrong with its form."""
    try:
        return msgspec.convert(value, OrderBody)
    except msgspec.ValidationError as error:
        return field_error(error)


def field_error(error: msgspec.ValidationError) -> FieldError:
    """msgspec's message in our form: `lines.0.quantity` instead of `$.lines[0].quantity`."""
    match = _PATH.match(str(error))
    assert match is not None  # the pattern matches any text
    reason = match["reason"]
    path = (match["path"] or "").replace("[", ".").replace("]", "").strip(".")
    missing = _MISSING.search(reason)
    if missing:
        attr = f"{path}.{missing[1]}".strip(".")
        return FieldError(attr, "required", _("This field is required."))
    return FieldError(path, "invalid", _("Wrong form: %(reason)s.") % {"reason": reason})
