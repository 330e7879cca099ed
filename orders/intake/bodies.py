"""What an order looks like on the wire: the same for the API, for files and for other doors.

A field that is not known is refused: a slip in `payment_method` must not make a prepaid order.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec
from django.utils.translation import gettext as _

from oms.common.door.forms import wrong_form, wrong_json
from oms.common.errors import FieldError, unknown_field
from orders.models.amounts import Bearer
from orders.models.order import PaymentMethod, Promise
from orders.models.terms import CarrierClass, DepositTerms, InvoiceKind, TitleType

MAX_LINES = 500
HISTORICAL_STATES = ["completed", "cancelled", "closed"]


class BuyerBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Who buys: the channel's own id of the buyer, a name and a phone."""

    id: str
    name: str
    phone: str


class RecipientBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Where it goes: `region_code` is a county-level GB/T 2260 code; province, city and district, where given, must
    agree. Without a code they say where it is, and without them the address does; where that is not certain, the order
    waits for a person."""

    name: str
    phone: str
    address: str
    region_code: str = ""
    province: str = ""
    city: str = ""
    district: str = ""


class LineBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One SKU; prices in yuan. `merchant` may be left out for the channel's own goods."""

    sku: str
    quantity: int
    unit_price: Decimal
    line_discount: Decimal = Decimal(0)
    merchant: str = ""
    name: str = ""
    id: str = ""  # the caller's own, unique in the order
    is_gift: bool = False
    stated_value: Decimal = Decimal(0)  # of a gift: what it counts for where it is not sent back


class PointsBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Points the buyer used, and what they are worth in yuan. With `member` they are spent of the points that this
    member has here, of which 100 are worth one yuan, and the order earns new ones; without, the channel keeps them."""

    used: int = 0
    amount: Decimal = Decimal(0)
    member: str = ""


class GiftCardBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A gift card issued here: its secret code, and what of the order it pays, in yuan."""

    code: str
    amount: Decimal


class InstalmentBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A part of what is payable, in yuan, such as a deposit: to be paid by `due_at`; the buyer is asked from
    `opens_at` on, at once where there is none. `if_missed` says what becomes of it where a later part is not paid."""

    amount: Decimal
    due_at: Annotated[datetime, msgspec.Meta(extra_json_schema={"format": "date-time"})]
    opens_at: Annotated[datetime | None, msgspec.Meta(extra_json_schema={"format": "date-time"})] = None
    if_missed: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["", *DepositTerms.values]})] = ""


class PromotionBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A promotion that lowered the price, in yuan. `lines` are those that it covers, by position (1 is the first) or by
    the line's `id`; none: all. `rule` is kept as it is. Who bears it: where neither `platform_amount` nor
    `merchant_amount` is given, the channel's owner (the platform in channels of its own, the merchant in a
    marketplace merchant's); where one is given, the rest falls to the other. The merchant is that of the goods."""

    id: str
    amount: Decimal
    name: str = ""
    rule: dict[str, Any] = {}
    lines: list[int | str] = []
    platform_amount: Decimal | None = None
    merchant_amount: Decimal | None = None


class CollectedBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What the channel took from the buyer already, in yuan: all that is payable, or a part of it."""

    paid_at: Annotated[datetime, msgspec.Meta(extra_json_schema={"format": "date-time"})]
    amount: Decimal
    transaction: str = ""
    provider: str = ""


class InvoiceBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The invoice that the buyer asks for. A person's may lack the title; a company's has its tax number."""

    title_type: Annotated[str, msgspec.Meta(extra_json_schema={"enum": TitleType.values})]
    kind: Annotated[str, msgspec.Meta(extra_json_schema={"enum": InvoiceKind.values})] = "ordinary"
    title: str = ""
    tax_number: str = ""
    bank_name: str = ""
    bank_account: str = ""
    address: str = ""
    phone: str = ""
    email: str = ""


_Moment = Annotated[datetime | None, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class OrderBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An order as a channel sends it; amounts in yuan, as decimal text."""

    external_number: str
    ordered_at: Annotated[datetime, msgspec.Meta(extra_json_schema={"format": "date-time"})]
    buyer: BuyerBody
    recipient: RecipientBody
    lines: list[LineBody]
    payable_amount: Decimal
    payment_method: Annotated[str, msgspec.Meta(extra_json_schema={"enum": PaymentMethod.values})] = "prepaid"
    source: str = ""
    coupon_amount: Decimal = Decimal(0)
    freight_amount: Decimal = Decimal(0)
    points: PointsBody = PointsBody()
    gift_card_amount: Decimal = Decimal(0)
    promise: Annotated[str, msgspec.Meta(extra_json_schema={"enum": Promise.values})] = "standard"
    remark: str = ""
    # Money beyond the above. `adjustment_amount` is signed: negative makes the order cheaper.
    promotions: list[PromotionBody] = []
    adjustment_amount: Decimal = Decimal(0)
    adjustment_reason: str = ""
    adjustment_bearer: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["", *Bearer.values]})] = ""
    collected: CollectedBody | None = None
    # How it is paid besides: cards of ours, which make up `gift_card_amount`; parts that make up what is payable.
    gift_cards: list[GiftCardBody] = []
    instalments: list[InstalmentBody] = []
    # The number of the reservation (POST /api/v1/reservations) that has the goods; the order takes it over.
    reservation: str = ""
    # Wishes and terms (`orders.models.terms`).
    ship_not_before: _Moment = None
    carrier: str = ""
    carrier_class: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["", *CarrierClass.values]})] = ""
    delivery_from: _Moment = None
    delivery_until: _Moment = None
    ship_by: _Moment = None
    collect_by: _Moment = None
    sign_by: _Moment = None
    receiver_token: str = ""
    merge_key: str = ""
    seller_memo: str = ""
    flag: int = 0
    metadata: dict[str, str] = {}
    invoice: InvoiceBody | None = None


class HistoricalBody(OrderBody, frozen=True, gc=False, kw_only=True):
    """An order as it ended elsewhere. `paid_amount` is the payable amount unless given (0 for a cancelled order),
    `refunded_amount` nothing for a completed order and all that was paid otherwise; amounts in yuan."""

    state: Annotated[str, msgspec.Meta(extra_json_schema={"enum": HISTORICAL_STATES})]
    finished_at: Annotated[datetime, msgspec.Meta(extra_json_schema={"format": "date-time"})]
    paid_at: Annotated[datetime | None, msgspec.Meta(extra_json_schema={"format": "date-time"})] = None
    paid_amount: Decimal | None = None
    refunded_amount: Decimal | None = None


_decoders = {kind: msgspec.json.Decoder(kind) for kind in (OrderBody, HistoricalBody)}
_PATH = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(\w+)`")
_UNKNOWN = re.compile(r"unknown field `(.*)`", re.DOTALL)


def decode(raw: bytes | str, kind: type[OrderBody] = OrderBody) -> OrderBody | FieldError:
    """An order from JSON text, or what is wrong with its form."""
    try:
        return _decoders[kind].decode(raw)
    except msgspec.ValidationError as error:
        return field_error(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if isinstance(raw, bytes) and raw.startswith(BOM_UTF8):  # some editors put it before a file's first line
            return decode(raw.removeprefix(BOM_UTF8), kind)
        return FieldError("", "parse_error", wrong_json(error))


def decode_strictly(raw: bytes, kind: type[OrderBody] = OrderBody) -> OrderBody | list[FieldError]:
    """Like `decode`, but names every field of wrong form, and refuses an object that repeats a key.

    A repeated key is refused because readers differ in which of the two values they take.
    """
    decoded = decode(raw, kind)
    if isinstance(decoded, OrderBody):
        repeated = _repeated_key(raw)
        return [repeated] if repeated else decoded
    if decoded.code == "parse_error":
        return [decoded]
    try:
        return list(_wrong_forms(msgspec.Raw(raw), kind, "")) or [decoded]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [decoded]


def line_key(line: LineBody) -> tuple[Any, ...]:
    """What tells a line from the others of its order, wherever it stands among them."""
    first = (line.id, line.sku, line.merchant, line.unit_price, line.line_discount, line.quantity)
    return (*first, line.name, line.is_gift, line.stated_value)


def _repeated_key(raw: bytes) -> FieldError | None:
    objects: list[list[tuple[str, Any]]] = []
    try:
        json.loads(raw.decode("utf-8-sig"), object_pairs_hook=objects.append, parse_int=len, parse_float=len)
    except (ValueError, RecursionError) as error:
        # In a part that OrderBody has no field for, so that the decoder stepped over it.
        return FieldError("", "parse_error", wrong_json(error))
    for pairs in objects:
        if len(dict(pairs)) < len(pairs):
            keys = [key for key, _value in pairs]
            key = next(key for key in keys if keys.count(key) > 1)
            return FieldError(key, "repeated_key", _("This object has the key twice."))
    return None


def _wrong_forms(raw: msgspec.Raw, wanted: Any, path: str) -> Iterator[FieldError]:
    """What is wrong with the form of each part of the JSON value."""
    # A part that may be null.
    if get_origin(wanted) is UnionType and bytes(raw).strip() != b"null":
        wanted = next((kind for kind in get_args(wanted) if _is_struct(kind)), wanted)
    try:
        if _is_struct(wanted):
            values = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            fields = msgspec.structs.fields(wanted)
            for name in sorted(values.keys() - {field.name for field in fields}):
                yield unknown_field(f"{path}.{name}".strip("."), [field.name for field in fields])
            for field in fields:
                attr = f"{path}.{field.name}".strip(".")
                if field.name in values:
                    yield from _wrong_forms(values[field.name], field.type, attr)
                elif field.required:
                    yield FieldError(attr, "required", _("This field is required."))
        elif get_origin(wanted) is list:
            for i, item in enumerate(msgspec.json.decode(raw, type=list[msgspec.Raw])[:MAX_LINES]):
                yield from _wrong_forms(item, get_args(wanted)[0], f"{path}.{i}")
        else:
            msgspec.json.decode(raw, type=wanted)
    except msgspec.ValidationError as error:
        wrong = field_error(error, bytes(raw))
        yield FieldError(f"{path}.{wrong.attr or ''}".strip("."), wrong.code, wrong.detail)


def _is_struct(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)


def convert(value: Any) -> OrderBody | FieldError:
    """An order from a decoded JSON value, or what is wrong with its form."""
    try:
        return msgspec.convert(value, OrderBody)
    except msgspec.ValidationError as error:
        return field_error(error)


def field_error(error: msgspec.ValidationError, value: bytes = b"") -> FieldError:
    """msgspec's message in our form: `lines.0.quantity` instead of `$.lines[0].quantity`. `value` is the JSON of the
    value that it is about, where it is known."""
    match = _PATH.match(str(error))
    if match is None:
        return FieldError("", "invalid", wrong_form(str(error), value))
    reason = match["reason"]
    path = (match["path"] or "").replace("[", ".").replace("]", "").strip(".")
    unknown = _UNKNOWN.search(reason)
    if unknown:
        return unknown_field(f"{path}.{unknown[1]}".strip("."))
    missing = _MISSING.search(reason)
    if missing:
        attr = f"{path}.{missing[1]}".strip(".")
        return FieldError(attr, "required", _("This field is required."))
    return FieldError(path, "invalid", wrong_form(reason, value))
