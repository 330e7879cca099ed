"""Sheets of orders: a row a line, rows of the same external number are one order.

Orders go in by the same service as the API's, so the checks are the same ones, and an external number that is there
already is skipped: importing a file twice adds nothing. Rows that the channel closed, refunded or sent already are left
out and counted. What the channel was paid is noted with the order, so that nobody asks for it again. Where no column
holds the region, the address is read; one that is not certain holds the order. How lines without a unit price are
priced says `line_prices`: their totals are exact.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.errors import FieldError
from oms.common.files import tables
from oms.common.files.reader import header_key
from oms.common.models import JobResult
from oms.common.money import yuan
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import cells, importing
from orders.intake.bodies import OrderBody, convert
from orders.intake.cells import NoValue, Standing
from orders.intake.columns import BY_NAME, COLUMNS, advice
from orders.intake.dialects import dialect
from orders.intake.faults import other_faults
from orders.intake.import_kinds import HELD, Entry, ImportKind, Texts
from orders.intake.joining import JoinedBy
from orders.intake.leaving_out import leave_out
from orders.intake.line_prices import LinePrice, of_total
from orders.intake.placing import Duplicate, Placed, Refused, place_orders
from orders.intake.pricing import LONGEST_TRANSACTION
from orders.intake.refusals import EARLIEST
from orders.intake.sheet_recipients import recipient_of
from orders.intake.storing import StoredOrder, holds_of
from orders.models import Hold, PaymentMethod
from orders.models.order import Promise
from orders.reviewing import deciding, words
from orders.telling.story import CHANNEL_CHANGED_THE_PRICE

_LOST_DIGITS = re.compile(r"[0-9](?:\.[0-9]+)?[Ee](\+?)[0-9]+")
# Numbers that are no quantities; those that may have an E of their own are only known by the + that Excel writes.
_NUMBERS = ("external_number", "recipient_phone", "billing_phone", "buyer_phone", "buyer_id")
_CODES = ("sku", "transaction")
Value = TypeVar("Value")
# What every column of the field adds to.
_SUMS = ("adjustment", "subsidy", "freight_extra")
# Excel's errors; a `#` before anything else is no part of a number.
_EXCEL_ERROR = re.compile(r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!)", re.IGNORECASE)
_EXCEL_NUMBER = re.compile(rf"^(?!{_EXCEL_ERROR.pattern})#+", re.IGNORECASE)
_CURRENCIES = ("cny", "rmb", "人民币", "元", "人民币元", "¥")


@dataclass(frozen=True, slots=True)
class Read:
    """An order as the sheet tells it: the body for intake, and whether the channel was paid already."""

    body: OrderBody
    is_collected: bool


def read_orders(table: tables.Table, fields: Sequence[str]) -> list[Entry]:
    """The orders of the table, in the order of their first rows."""
    entries: dict[tuple[str, str], Entry] = {}
    entry: Entry | None = None
    for number, values in importing.filled(table, fields, sums=_SUMS):
        if code := values.pop("product_code", ""):
            values.setdefault("sku", code)
        external = _EXCEL_NUMBER.sub("", cells.plain(values.get("external_number", "")))
        if external:
            values["external_number"] = external
        if entry is None or not _goes_on(values):
            # A row without a number is an order by itself, which is refused.
            key = (values.get("source", ""), external or f"\0{number}")
            entry = entries.setdefault(key, Entry(external))
        entry.rows.append(number)
        entry.cells.append(values)
    return list(entries.values())


def _goes_on(values: Mapping[str, str]) -> bool:
    """Whether the row says of a line only, as where the order's own cells are merged with those above."""
    return "sku" in values and all(BY_NAME[name].is_of_line for name in values)


def understand(entries: Sequence[Entry], now: datetime) -> None:
    """Make of each entry's rows what they say; what cannot be read is an error. `now` is the time of orders that name
    none."""
    reader = _Reader(now)
    for entry in entries:
        reader.read(entry)


class _Reader:
    """Reads entries."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def read(self, entry: Entry) -> None:
        """Set the entry's body, or its errors; rows that the channel is done with are dropped."""
        states = leave_out(entry)
        if entry.is_left_out:
            return
        head = _head(entry)
        _check_digits(entry)
        _check_formulas(entry)
        _check_filled(entry, head)
        of = _Values(entry, head)
        is_collected, paid_at = self._collected(of, states)
        ordered_at = of.read("ordered_at", cells.moment, _time_detail) or paid_at or self._now
        _check_currency(of)
        body = _body(of, ordered_at, paid_at=(paid_at or ordered_at) if is_collected else None)
        if isinstance(body, FieldError):
            if not entry.errors:
                entry.errors.append(body)
        elif not entry.errors:
            entry.body = Read(body, is_collected)
        else:
            entry.draft = body

    def _collected(self, of: "_Values", states: set[Standing]) -> tuple[bool, datetime | None]:
        """Whether the channel has the money, and since when."""
        paid_at = of.read("paid_at", cells.moment, _time_detail)
        is_cod = cells.payment_method(of.head.get("payment_method", "")) == PaymentMethod.COD
        if paid_at is not None and not EARLIEST <= paid_at <= self._now + timedelta(days=1):
            of.wrong("paid_at", "out_of_range", _("The time lies in the future or before the year 2000."))
        if len(of.head.get("transaction", "")) > LONGEST_TRANSACTION:
            detail = _("At most %(longest)d characters.") % {"longest": LONGEST_TRANSACTION}
            of.wrong("transaction", "too_long", detail)
        if paid_at is not None and (is_cod or Standing.UNPAID in states):
            detail = _("The row names a time of payment, and says that it is not paid yet. Leave one of them out.")
            of.wrong("paid_at", "contradiction", detail)
        return not is_cod and (paid_at is not None or Standing.PAID in states), paid_at


class _Values:
    """What an entry's fields say, with an error at the row and column of each that says nothing."""

    def __init__(self, entry: Entry, head: Mapping[str, str]) -> None:
        self.entry, self.head = entry, head

    def wrong(self, name: str, code: str, detail: str, row: int | None = None) -> None:
        """Note what is wrong with a field of the order, or of its row of that index."""
        attr = BY_NAME[name].attr
        if row is not None:
            attr = attr.replace("lines.", f"lines.{row}.")
        self.entry.errors.append(FieldError(attr, code, detail))

    def read(
        self, name: str, read: Callable[[str], Value], detail: Callable[[], str], row: int | None = None
    ) -> Value | None:
        """What the field says; None where it is empty, or says nothing, which is an error."""
        text = (self.head if row is None else self.entry.cells[row]).get(name, "")
        if not text or _EXCEL_ERROR.fullmatch(text):
            return None
        try:
            return read(text)
        except NoValue:
            self.wrong(name, "invalid", detail(), row)
            return None

    def amount(self, name: str, row: int | None = None) -> Decimal:
        """The amount in yuan, 0 where there is none."""
        return self.read(name, cells.amount, _amount_detail, row) or Decimal(0)

    def total(self, name: str) -> Decimal:
        """What the columns of the field add up to, in yuan."""
        return self.read(name, _sum, _amount_detail) or Decimal(0)


def _amount_detail() -> str:
    return _("Give a number such as 12.34. A comma may only group thousands, as in 1,234.50.")


def _units_detail() -> str:
    return _("Give a whole number.")


def _time_detail() -> str:
    return _("Give a time such as 2026-01-02 09:00:00.")


def _head(entry: Entry) -> dict[str, str]:
    """What the order's rows say of the order; where they disagree, an error."""
    head: dict[str, str] = {}
    for index, values in enumerate(entry.cells):
        for name, value in values.items():
            column = BY_NAME[name]
            if column.is_of_line or column.is_of_row:
                continue
            if head.setdefault(name, value) != value:
                detail = _("The rows of this order have different values here.")
                entry.errors.append(FieldError(f"{column.attr}.{index}", "rows_differ", detail))
    return head


def _check_digits(entry: Entry) -> None:
    """Refuse numbers that Excel shortened."""
    for index, values in enumerate(entry.cells):
        for name in (*_NUMBERS, *_CODES):
            column, lost = BY_NAME[name], _LOST_DIGITS.fullmatch(values.get(name, ""))
            if lost and (name in _NUMBERS or lost[1]) and (column.is_of_line or not index):
                detail = _(
                    "Excel has cut off digits of this number: give the column the format “text” and enter it again."
                )
                attr = column.attr.replace("lines.", f"lines.{index}.")
                entry.errors.append(FieldError(attr, "digits_lost", detail))


def _check_formulas(entry: Entry) -> None:
    """Refuse what is the error of a formula, rather than take it for a name or for nothing."""
    for index, values in enumerate(entry.cells):
        for name, text in values.items():
            column = BY_NAME[name]
            if _EXCEL_ERROR.fullmatch(text) and (column.is_of_line or column.is_of_row or not index):
                attr = column.attr.replace("lines.", f"lines.{index}.")
                detail = _("Excel shows %(error)s here: mend the formula, or enter the value.") % {"error": text}
                entry.errors.append(FieldError(attr, "formula_error", detail))


def _check_filled(entry: Entry, head: Mapping[str, str]) -> None:
    for column in COLUMNS:
        for index, values in enumerate(entry.cells if column.is_of_line else [head]):
            if column.is_missing_in({**head, **values}):
                attr = column.attr.replace("lines.", f"lines.{index}.")
                entry.errors.append(FieldError(attr, "required", _("This field is required.")))


def _check_currency(of: _Values) -> None:
    currency = of.head.get("currency", "")
    if currency and currency.lower() not in _CURRENCIES:
        detail = _("Amounts are in yuan (CNY); %(currency)s is not taken.")
        of.wrong("currency", "other_currency", detail % {"currency": currency})


def _body(of: _Values, ordered_at: datetime, *, paid_at: datetime | None) -> OrderBody | FieldError:
    """The order as the sheet tells it; `paid_at` where the channel took the money already."""
    head = of.head
    deducted = {name: of.amount(name) for name in ("coupon_amount", "points_amount", "gift_card_amount")}
    freight = of.amount("freight_amount") + of.total("freight_extra")
    # A discount lowers the price whether the channel writes it with a minus or without.
    deducted["coupon_amount"] = abs(deducted["coupon_amount"])
    adjustment = of.total("adjustment") - abs(of.total("subsidy"))
    beside_goods = freight + adjustment - sum(deducted.values())
    lines, goods = _lines(of, beside_goods)
    payable = of.amount("payable_amount") if head.get("payable_amount") else goods + beside_goods
    recipient = recipient_of(head)
    # How it was paid, where it was, needs no name that is known.
    method = "prepaid" if paid_at else cells.payment_method(head.get("payment_method", ""))
    return convert(
        {
            "external_number": of.entry.key,
            "ordered_at": ordered_at,
            "source": head.get("source", ""),
            "buyer": {
                "id": head.get("buyer_id") or head.get("buyer_phone") or recipient.phone,
                "name": head.get("buyer_name") or recipient.name,
                "phone": head.get("buyer_phone") or recipient.phone,
            },
            "recipient": asdict(recipient),
            "lines": lines,
            "payment_method": _choice(method, PaymentMethod.choices) or "prepaid",
            "promise": _choice(head.get("promise", ""), Promise.choices) or "standard",
            "freight_amount": freight,
            "coupon_amount": deducted["coupon_amount"],
            "points": {
                "used": of.read("points_used", cells.units, _units_detail) or 0,
                "amount": deducted["points_amount"],
            },
            "gift_card_amount": deducted["gift_card_amount"],
            "payable_amount": payable,
            "remark": head.get("remark", ""),
            "adjustment_amount": adjustment,
            "adjustment_reason": CHANNEL_CHANGED_THE_PRICE if adjustment else "",
            # Where nothing is due, there was nothing to take.
            "collected": {"paid_at": paid_at, "amount": payable, "transaction": head.get("transaction", "")}
            if paid_at and payable > 0
            else None,
        }
    )


def _lines(of: _Values, beside_goods: Decimal) -> tuple[list[dict[str, Any]], Decimal]:
    """The order's lines and what they cost together; `beside_goods` is what the order costs beyond them."""
    lines, goods = [], Decimal(0)
    for row, values in enumerate(of.entry.cells):
        quantity = of.read("quantity", cells.units, _units_detail, row) or 0
        price = _price(of, row, quantity, beside_goods)
        goods += price.of(quantity)
        lines.append(
            {
                "sku": values.get("sku", ""),
                "quantity": quantity,
                "unit_price": price.unit_price,
                "line_discount": price.discount,
                "merchant": values.get("merchant", ""),
                "name": values.get("name", ""),
            }
        )
    return lines, goods


def _price(of: _Values, row: int, units: int, beside_goods: Decimal) -> LinePrice:
    """What the line costs, by the first of its unit price, its total and what the order costs."""
    values, discount = of.entry.cells[row], of.amount("line_discount", row)
    if values.get("unit_price"):
        return LinePrice(of.amount("unit_price", row), discount)
    if values.get("line_total"):
        return of_total(of.amount("line_total", row), units, discount)
    if not of.head.get("payable_amount"):
        return LinePrice(Decimal(0), discount)
    if len(of.entry.cells) > 1:
        detail = _("The order has several lines, and only a sum for all of them. Give each line's price or total.")
        of.wrong("unit_price", "required", detail, row)
    return of_total(of.amount("payable_amount") - beside_goods + discount, units, discount)


def _sum(text: str) -> Decimal:
    """What the lines of the text add up to. Raises NoValue."""
    return sum((cells.amount(part) for part in text.split("\n")), Decimal(0))


def _choice(text: str, choices: Iterable[tuple[str, Any]]) -> str:
    """The value that the text means, by itself or by its label; the text itself where it means none."""
    key = header_key(text)
    return next((value for value, label in choices if key in (header_key(value), header_key(str(label)))), text)


def place(entries: Sequence[Entry], merchant: Merchant, actor: Actor) -> list[JobResult]:
    """Place the orders that can be read; one result for each entry, in order. Needs an open transaction."""
    readable = [entry for entry in entries if entry.body is not None]
    bodies = [entry.body.body for entry in readable]
    outcomes = place_orders(bodies, merchant, actor=actor, asks_a_person=True) if bodies else []
    placed = {
        outcome.id: entry for entry, outcome in zip(readable, outcomes, strict=True) if isinstance(outcome, Placed)
    }
    _note_holds(placed, [outcome for outcome in outcomes if isinstance(outcome, Placed)])
    drafts = [entry for entry in entries if entry.draft is not None]
    for entry, faults in zip(drafts, other_faults([entry.draft for entry in drafts], merchant), strict=True):
        told_of = {error.attr for error in entry.errors}
        entry.errors += [error for error in faults if error.attr not in told_of]
    found = iter(outcomes)
    results = []
    for entry in entries:
        if entry.is_left_out:
            results.append(KIND.result(entry, JobResult.Outcome.LEFT_OUT))
            continue
        match next(found) if entry.body is not None else Refused(entry.errors):
            case Placed(_id, number, order):
                _count(entry, order)
                result = KIND.result(entry, JobResult.Outcome.DONE, reference=number)
            case Duplicate(number):
                result = KIND.result(entry, JobResult.Outcome.SKIPPED, reference=number)
            case Refused(errors):
                told = [error for error in errors if not _is_repeated(error, entry)]
                result = KIND.result(entry, JobResult.Outcome.REFUSED, errors=told)
        results.append(result)
    return results


def _note_holds(entries: Mapping[int, Entry], placed: Iterable[Placed]) -> None:
    """Note on each entry (by its order's id) what holds its order: what a person must say, and rules."""
    for outcome in placed:
        for hold in holds_of(outcome.order.checked):
            attr = "recipient.address" if hold.kind == Hold.Kind.ADDRESS else "lines.sku"
            _note_hold(entries[outcome.id], attr, words.why(hold))
    for order_id, reason in deciding.rule_hits(list(entries)).items() if entries else ():
        _note_hold(entries[order_id], "", reason)


def _note_hold(entry: Entry, attr: str, reason: str) -> None:
    detail = _("Held: %(reason)s") % {"reason": reason}
    entry.notes.append(FieldError(attr, HELD, detail))


def _count(entry: Entry, order: StoredOrder) -> None:
    """Note what the order added."""
    payable = yuan(order.checked.payable_amount)
    entry.figures = {
        "orders": 1,
        "lines": len(order.checked.lines),
        "units": sum(line.quantity for line in order.checked.lines),
        "money": payable,
        "collected": payable if entry.body.is_collected else Decimal(0),
    }


def _is_repeated(error: FieldError, entry: Entry) -> bool:
    """Whether the error is about a buyer whom the file does not name: the same is said of the recipient."""
    name = KIND.field_of(error.attr)
    return name in ("buyer_name", "buyer_phone") and not any(name in values for values in entry.cells)


KIND = importing.register(
    ImportKind(
        name="import_orders",
        permission="orders.import_orders",
        columns=COLUMNS,
        read=read_orders,
        understand=understand,
        do=place,
        dialect=dialect,
        advice=advice,
        joined_by=JoinedBy(
            gettext_lazy("Second file, where the goods stand in one of their own"), "external_number", "quantity"
        ),
        texts=Texts(
            job=gettext_lazy("Import of orders"),
            title=gettext_lazy("Import orders"),
            hint=gettext_lazy(
                "Excel (xlsx, xls, ods), a web page's table, or CSV in UTF-8 or GB 18030; one row holds the names of"
                " the columns. One row is one line of an order; rows with the same external number become one order."
                " Rows that the channel closed or refunded are left out."
            ),
            whose=gettext_lazy("Whose orders"),
            found=gettext_lazy("%(rows)s rows, %(entries)s orders. Nothing has been imported yet."),
            start=gettext_lazy("Import %(entries)s orders"),
            preview=gettext_lazy("What would come of the orders"),
            preview_note=gettext_lazy("checked like an order of the API, and not stored"),
            check=gettext_lazy("Check of orders to import"),
            key=gettext_lazy("External order number"),
            reference=gettext_lazy("Order"),
            figures={
                "orders": gettext_lazy("orders"),
                "lines": gettext_lazy("lines"),
                "units": gettext_lazy("units"),
                "money": gettext_lazy("yuan payable"),
                "collected": gettext_lazy("yuan taken by the channel already"),
            },
        ),
    )
)
